//! Samples inside plugins: `gateway send` has a webhook for every built-in channel.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use crate::support::{Guest, Setup, TO_STUB, TestGateway, built_in};

/// A built-in channel, and the first of its samples that becomes an event.
struct Shipped {
    name: String,
    /// The kind of that event.
    kind: String,
    /// The settings of the sample.
    config: Option<Value>,
    /// A secret for the verification in its manifest; `None` if the channel is open.
    secret: Option<String>,
    /// The signature of a provider with a private key, which the gateway cannot make, and the signed body.
    provider: Option<(Value, Vec<u8>)>,
}

/// The private key of providers that sign with one.
fn provider_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

impl Shipped {
    /// `None` for an agent. A sample without settings is preferred, because most people have none.
    fn of(plugin: &Guest) -> Option<Self> {
        let mut samples: Vec<_> = fs::read_dir(plugin.samples()).unwrap().map(|entry| entry.unwrap().path()).collect();
        samples.sort();
        let ends = |path: &Path, end: &str| path.file_name().unwrap().to_str().unwrap().ends_with(end);
        if samples.iter().any(|path| ends(path, ".delivery.json")) {
            return None;
        }
        let expected = samples.iter().filter(|path| ends(path, ".expected.json")).map(|path| (path, json_of(path)));
        let events: Vec<_> =
            expected.filter(|(_, sample)| sample["receipt"]["events"][0]["kind"].is_string()).collect();
        let plain = events.iter().find(|(_, sample)| sample.get("config").is_none());
        let (file, found) =
            plain.or(events.first()).unwrap_or_else(|| panic!("{}: no sample of an event", plugin.name()));
        let manifest = json_of(&plugin.samples().with_file_name("manifest.json"));
        let scheme = &manifest["verification"][0];
        let body = || fs::read(file.to_str().unwrap().replace(".expected.json", ".json")).unwrap();
        Some(Self {
            name: plugin.name(),
            kind: format!("{}.{}", plugin.name(), found["receipt"]["events"][0]["kind"].as_str().unwrap()),
            config: found.get("config").cloned(),
            secret: secret_for(scheme),
            provider: (scheme["scheme"] == "ed25519").then(|| (scheme.clone(), body())),
        })
    }

    /// `gateway send` for this channel; with the provider's signature if only the provider can sign.
    fn send(&self) -> Vec<String> {
        let mut arguments = vec!["send".to_owned(), self.name.clone()];
        if let Some((scheme, body)) = &self.provider {
            // The signature is of this body.
            arguments.push("--same-id".to_owned());
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
            let part = |part: &Value| if part == "body" { body.clone() } else { now.clone().into_bytes() };
            let message: Vec<u8> = scheme["signed"].as_array().unwrap().iter().flat_map(part).collect();
            let signature = hex::encode(provider_key().sign(&message).to_bytes());
            for (header, value) in [(&scheme["header"], &signature), (&scheme["timestamp"]["from"]["header"], &now)] {
                arguments.extend(["-H".to_owned(), format!("{}: {value}", header.as_str().unwrap())]);
            }
        }
        arguments
    }

    /// Its tables in `gateway.toml`, and the variable of its secret.
    fn configured(&self, setup: Setup) -> Setup {
        let Self { name, config, secret, .. } = self;
        let mut setup = setup.config(&format!("\n[channels.{name}]\n"));
        if let Some(secret) = secret {
            let variable = format!("{}_SECRET", name.to_uppercase().replace('-', "_"));
            setup = setup.config(&format!("secret = {{ env = \"{variable}\" }}\n")).env(&variable, secret);
        }
        match config {
            Some(config) => setup.config(&format!("config = {}\n", inline(config))),
            None => setup,
        }
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// JSON as a value of TOML on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("{} = {}", json!(key), inline(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn secret_for(scheme: &Value) -> Option<String> {
    let is_key = scheme["secret_encoding"] == "whsec" || scheme["scheme"] == "standard-webhooks";
    Some(match scheme["scheme"].as_str()? {
        "ed25519" => hex::encode(provider_key().verifying_key().as_bytes()),
        _ if is_key => "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned(),
        _ if scheme["in"] == "basic" => "user:password".to_owned(),
        _ => "a-secret-of-some-length-0123456789".to_owned(),
    })
}

/// A gateway with every channel, packed as `cargo xtask build` does.
async fn every_channel() -> (TestGateway, Vec<Shipped>) {
    let mut setup = Setup::new().plugin(built_in::STUB).config(TO_STUB);
    let mut channels = Vec::new();
    for plugin in built_in::all() {
        if let Some(shipped) = Shipped::of(&plugin) {
            setup = shipped.configured(setup.packed_plugin(plugin));
            channels.push(shipped);
        }
    }
    (setup.start().await, channels)
}

#[tokio::test]
async fn every_channel_accepts_its_own_sample_as_the_live_check_predicts() {
    let (gateway, channels) = every_channel().await;
    assert!(channels.len() >= 3, "found only {}", channels.len());

    let (code, report, error) = gateway.cli(&["check", "--live", "--format", "json"]);
    assert_eq!((code, &*error), (0, ""), "{report}");
    let report: Value = serde_json::from_str(&report).unwrap();

    for shipped in &channels {
        let Shipped { name, kind, .. } = shipped;
        let finding = report["channels"].as_array().unwrap().iter().find(|finding| finding["channel"] == name.as_str());
        let known = if shipped.provider.is_some() { Value::Null } else { json!(kind) };
        assert_eq!(finding.unwrap()["events"][0], known, "{report}");

        let arguments = shipped.send();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let (code, answer, error) = gateway.cli(&arguments);

        assert_eq!(code, 0, "{name}: {answer}{error}");
        let events = gateway.list(&format!("events?channel={name}")).await;
        let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
        assert!(kinds.contains(&kind.as_str()), "{name}: {kinds:?}");
    }
}

/// A sample is listed and sent by name; arguments replace its parts.
#[tokio::test]
async fn a_sample_is_chosen_by_name() {
    let gateway = Setup::new().github().packed_plugin(built_in::GITHUB).start().await;

    let (code, table, _) = gateway.cli(&["send", "github", "--list-samples"]);
    assert_eq!(code, 0);
    assert!(table.lines().any(|line| line.split_whitespace().eq(["push", "github.push"])), "{table}");
    assert!(table.lines().any(|line| line.split_whitespace().eq(["malformed", "-"])), "{table}");

    let (code, answer, error) = gateway.cli(&["send", "github", "--sample", "push", "-H", "X-GitHub-Delivery: 99"]);
    assert_eq!(code, 0, "{error}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["events"][0]["kind"], "github.push");

    let (code, _, error) = gateway.cli(&["send", "github", "--sample", "pull"]);
    assert_eq!(code, 1);
    assert!(error.starts_with("error: channel `github` has no sample `pull`, expected `"), "{error}");

    let (_, told, _) = gateway.cli(&["plugin", "inspect", "plugins/github.wasm", "--format", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["samples"].as_array().unwrap().contains(&json!("push")), "{told}");
}

/// Piped input is the body, as it was before plugins had samples.
#[tokio::test]
async fn piped_input_takes_precedence_over_the_sample() {
    let gateway = Setup::new().packed_plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).start().await;
    let send = |arguments: &[&str], body: &str| {
        let file = gateway.path().join("piped");
        fs::write(&file, body).unwrap();
        let mut command = gateway.cli_command(&[&["send", "dummy"], arguments].concat());
        let output = command.stdin(Stdio::from(fs::File::open(file).unwrap())).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["events"][0]["id"].as_str().unwrap().to_owned()
    };
    let data = async |id: String| gateway.json(&format!("/admin/events/{id}")).await["data"].clone();

    assert_eq!(data(send(&[], "piped")).await, "piped");
    let sample = data(send(&["--sample", "anything"], "ignored")).await;
    assert_eq!(data(send(&[], "")).await, sample);
    assert_ne!(data(send(&["-"], "")).await, sample);
}

#[tokio::test]
async fn a_plugin_without_samples_asks_for_a_body() {
    let gateway = Setup::new().plugin(built_in::DUMMY).start().await;
    let (code, _, error) = gateway.cli(&["send", "dummy"]);
    let expected = "error: the plugin of channel `dummy` has no sample that becomes an event\n\
                    hint: name a file with the body, or `-` for stdin\n";
    assert_eq!((code, &*error), (1, expected));
}
