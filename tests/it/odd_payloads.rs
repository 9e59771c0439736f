//! The samples of the built-in channels, written in odd ways: an ignored sender stays ignored.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;

use serde_json::{Map, Value, json};

use crate::support::{Guest, Setup, built_in};

/// A sample of a channel.
struct Sample {
    name: String,
    extension: String,
    headers: String,
    body: Vec<u8>,
    expected: Value,
}

impl Sample {
    fn all(plugin: &Guest) -> Vec<Self> {
        let files = fs::read_dir(plugin.samples()).unwrap().map(|entry| entry.unwrap().path());
        let bodies = files.filter_map(|path| {
            let (name, extension) = path.file_name()?.to_str()?.rsplit_once('.')?;
            let beside = |ending: &str| fs::read_to_string(plugin.samples().join(format!("{name}.{ending}"))).ok();
            let expected = serde_json::from_str(&beside("expected.json")?).unwrap();
            (extension != "headers").then(|| Self {
                name: name.to_owned(),
                extension: extension.to_owned(),
                headers: beside("headers").unwrap_or_default(),
                body: fs::read(&path).unwrap(),
                expected,
            })
        });
        bodies.collect()
    }

    /// Who sent the event of the sample.
    fn sender(&self) -> Option<String> {
        Some(self.expected.pointer("/receipt/events/0/attributes/sender")?.as_str()?.to_owned())
    }

    /// The payload, unless it is not an object or no plain JSON.
    fn payload(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The same payload in other words, and with members that mean nothing.
    fn rewritten(&self) -> Vec<(String, Vec<u8>)> {
        if self.extension == "form" {
            return vec![("form".to_owned(), [&self.body[..], b"&odd=%ff&odd=%ud83d&odd=caf\xc3"].concat())];
        }
        let Some(payload) = self.payload() else { return Vec::new() };
        let start = self.body.iter().position(|byte| *byte == b'{').unwrap() + 1;
        let earlier: String = payload.keys().map(|name| format!("{}:7,", Value::from(&**name))).collect();
        let deep = ["\"odd\":", &"[".repeat(1000), &"]".repeat(1000), ","].concat();
        let members = [
            ("plain", Vec::new()),
            ("half", br#""odd":"cut off \ud83d","#.to_vec()),
            ("half-name", br#""\udc00":{"\ud83d":1},"#.to_vec()),
            ("cut", b"\"odd\":\"caf\xc3\",".to_vec()),
            ("overflow", b"\"odd\":1e999,".to_vec()),
            ("deep", deep.into_bytes()),
            ("twice", earlier.into_bytes()),
        ];
        let rewritten = members
            .map(|(name, member)| (name.to_owned(), [&b"\xef\xbb\xbf {"[..], &member, &self.body[start..]].concat()));
        rewritten.into()
    }

    /// Payloads in which everything but what names the sender has another type, or is missing.
    fn of_sender_alone(&self, sender: &str) -> Vec<(String, Vec<u8>)> {
        let Some(payload) = self.payload() else { return Vec::new() };
        let payload = Value::Object(payload);
        let others = [json!(7), json!("x"), json!([]), json!({}), json!(null), json!([{ "id": {} }])].map(Some);
        let odd = others.into_iter().chain([None]).enumerate();
        let body = |other: Option<&Value>| replaced(&payload, sender, other).unwrap().to_string().into_bytes();
        odd.map(|(number, other)| (format!("other-{number}"), body(other.as_ref()))).collect()
    }

    /// Adds the sample with these bodies and another expectation.
    fn write(&self, setup: Setup, bodies: Vec<(String, Vec<u8>)>, expected: &Value) -> Setup {
        bodies.into_iter().fold(setup, |setup, (oddity, body)| {
            let file = |ending: &str| format!("samples/{}.{oddity}.{ending}", self.name);
            setup
                .file(&file(&self.extension), body)
                .file(&file("headers"), &self.headers)
                .file(&file("expected.json"), expected.to_string())
        })
    }
}

/// The value with another one in place of everything that does not name the sender; `None` removes it.
fn replaced(value: &Value, sender: &str, other: Option<&Value>) -> Option<Value> {
    match value {
        _ if !names(value, sender) => other.cloned(),
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, value)| Some((name.clone(), replaced(value, sender, other)?)));
            Some(Value::Object(kept.collect::<Map<_, _>>()))
        }
        Value::Array(items) => Some(items.iter().filter_map(|item| replaced(item, sender, other)).collect()),
        value => Some(value.clone()),
    }
}

fn names(value: &Value, sender: &str) -> bool {
    match value {
        Value::Object(members) => members.values().any(|value| names(value, sender)),
        Value::Array(items) => items.iter().any(|item| names(item, sender)),
        Value::String(text) => text == sender,
        Value::Number(number) => number.to_string() == sender,
        Value::Null | Value::Bool(_) => false,
    }
}

/// Runs all samples that were written.
fn pass(setup: &Setup, plugin: &Guest) {
    let file = format!("plugins/{}.wasm", plugin.name());
    let output = setup.command(&["plugin", "test", &file, "--samples", "samples"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let failed: Vec<_> = told.lines().filter(|line| !line.starts_with("  ok ")).collect();
    assert!(output.status.success(), "{failed:#?}{}", String::from_utf8_lossy(&output.stderr));
}

/// What an agent does itself must not start it again.
#[test]
fn an_ignored_sender_stays_ignored_whatever_else_in_the_payload_is_odd() {
    let mut channels = Vec::new();
    for plugin in built_in::all() {
        let mut setup = Setup::new().plugin(plugin);
        let mut names_sender = false;
        for sample in Sample::all(&plugin) {
            let Some(sender) = sample.sender() else { continue };
            let mut expected = sample.expected.clone();
            expected["config"]["ignore_senders"] = json!([sender]);
            expected["receipt"] = json!({ "events": [] });
            setup = sample.write(setup, sample.rewritten(), &expected);
            setup = sample.write(setup, sample.of_sender_alone(&sender), &expected);
            names_sender = true;
        }
        if names_sender {
            pass(&setup, &plugin);
            channels.push(plugin.name());
        }
    }
    let expected =
        ["discord", "generic", "github", "gitlab", "jira", "linear", "pagerduty", "sentry", "slack", "telegram"];
    assert_eq!(channels, expected, "each channel whose provider says who did it");
}
