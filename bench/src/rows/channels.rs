//! Row p: every channel plugin with its own sample, beside `dummy`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ed25519_dalek::Signer;
use gateway::event::Timestamp;
use gateway::verify::{Draft, Recipe, Scheme, Secret, standard_webhooks};
use http::Method;
use serde_json::Value;

use crate::load::Load;
use crate::measure::{CONNECTIONS, WARM_UP};
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::{median, thousands};
use crate::secrets::{CHANNEL, CHANNEL_VARIABLE, PUBLIC_KEY_VARIABLE, provider_key};
use crate::subject::{self, Place, Subject};
use crate::webhook::Requests;

pub(crate) static CHANNELS: Row = Row {
    name: "channels",
    letter: "p",
    about: "every channel plugin with its own sample, beside `dummy`",
    goals: &[Goal { figure: "slowest/dummy", wanted: Wanted::AtLeast(0.6), unit: "", found: slowest }],
    run: Run::EachRound(|place, effort| {
        let found = run(place, effort.time)?;
        let lines: Vec<_> =
            found.iter().map(|channel| format!("{} {:.0} requests/s", channel.name, channel.rate)).collect();
        Ok(Found::new(lines.join("\n"), found))
    }),
    print,
};

/// What the others are compared with.
const BASE: &str = "dummy";

/// One channel in one round.
#[derive(Clone, Debug)]
struct Channel {
    name: String,
    /// Bytes of its sample.
    body: usize,
    /// Good answers in a second.
    rate: f64,
    /// In milliseconds.
    p99: f64,
    /// Its rate as a part of that of `dummy`, in the same round.
    ratio: f64,
}

/// A request that becomes an event.
struct Sample {
    request: Vec<u8>,
    body: usize,
}

/// Measures `dummy` and then every other channel for `time`, each in a gateway of its own that remembers no identities: the
/// same request is another event each time. Nothing is routed.
fn run(place: &mut Place, time: Duration) -> Result<Vec<Channel>> {
    let mut names = Vec::new();
    for name in place.built_in()? {
        // An agent has deliveries for samples.
        if !bodies(&place.source(&name).join("samples"))?.is_empty() {
            names.push(name);
        }
    }
    names.sort_by_key(|name| name != BASE);
    let mut measured: Vec<Channel> = Vec::new();
    for name in names {
        let found = measure(place, &name, time).with_context(|| format!("channel `{name}`"))?;
        let Some((body, rate, p99)) = found else {
            eprintln!("{name}: no sample becomes an event");
            continue;
        };
        let base = measured.first().map_or(rate, |base| base.rate);
        measured.push(Channel { name, body, rate, p99, ratio: rate / base });
    }
    Ok(measured)
}

fn measure(place: &mut Place, name: &str, time: Duration) -> Result<Option<(usize, f64, f64)>> {
    let Some((file, settings)) = chosen(place, name)? else { return Ok(None) };
    let gateway = place.gateway_of(name, &configuration(place, name, &settings)?)?;
    let sample = sample(place, &gateway, name, &file)?;
    let mut requests = Requests::same(sample.request);
    let mut load = Load::connect(gateway.server.address, CONNECTIONS)?;
    load.run(&mut requests, WARM_UP)?;
    let found = load.run(&mut requests, time)?;
    if !found.bad.is_empty() {
        bail!("answers by status: {:?}", found.bad);
    }
    Ok(Some((sample.body, found.good as f64 / time.as_secs_f64(), found.latency.p99 / 1000.0)))
}

/// The first sample that becomes an event, one without settings before others, and its settings.
fn chosen(place: &Place, name: &str) -> Result<Option<(PathBuf, Value)>> {
    let mut found = None;
    for file in bodies(&place.source(name).join("samples"))? {
        let expected: Value = serde_json::from_slice(&fs::read(file.with_extension("expected.json"))?)?;
        if !expected["receipt"]["events"][0].is_object() {
            continue;
        }
        if expected["config"].is_null() {
            return Ok(Some((file, Value::Null)));
        }
        found = found.or(Some((file, expected["config"].clone())));
    }
    Ok(found)
}

fn configuration(place: &Place, name: &str, settings: &Value) -> Result<String> {
    let secret = match recipe(place, name)?.schemes() {
        [] => String::new(),
        [Scheme::Ed25519(_), ..] => format!("secret = {{ env = \"{PUBLIC_KEY_VARIABLE}\" }}\n"),
        _ => format!("secret = {{ env = \"{CHANNEL_VARIABLE}\" }}\n"),
    };
    // Texts, numbers and lists of them are written alike in JSON and TOML.
    let settings = settings.as_object().into_iter().flatten().map(|(key, value)| format!("{key} = {value}"));
    let settings = settings.collect::<Vec<_>>().join(", ");
    Ok(format!("[eventlog]\ndedup_window = \"0s\"\n\n[channels.{name}]\n{secret}config = {{ {settings} }}\n"))
}

/// What the plugin's manifest says of verification.
fn recipe(place: &Place, name: &str) -> Result<Recipe> {
    let manifest: Value = serde_json::from_slice(&fs::read(place.source(name).join("manifest.json"))?)?;
    let schemes: Vec<Scheme> = match &manifest["verification"] {
        Value::Null => Vec::new(),
        schemes => serde_json::from_value(schemes.clone())?,
    };
    Ok(Recipe::new(schemes)?)
}

/// The request of a sample as its provider would send it now; checked against the gateway.
fn sample(place: &Place, gateway: &Subject, name: &str, file: &Path) -> Result<Sample> {
    let recipe = recipe(place, name)?;
    let path = format!("/webhooks/{name}");
    let now = Timestamp::now();
    let body = fs::read(file)?;
    let body = recipe.refresh_timestamp(&body, now).unwrap_or(body);
    let headers = headers(file)?;
    let id = headers.iter().find_map(|(name, value)| (name == standard_webhooks::ID).then_some(value.as_str()));
    let draft = Draft { method: &Method::POST, path: &path, query: "", id, body: &body };
    let signature = sign(&recipe, &draft, now)?;
    let own = headers.iter().filter(|(name, _)| !signature.iter().any(|(signed, _)| signed == name));
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in own.chain(&signature) {
        head += &format!("{name}: {value}\r\n");
    }
    let request = |more: &[u8]| [head.as_bytes(), more, b"\r\n", &body].concat();
    let (status, answer) = subject::request(gateway.server.address, request(b"Connection: close\r\n"))?;
    if !(200..300).contains(&status) {
        bail!("sample `{}` is answered {status}: {answer}", file.display());
    }
    Ok(Sample { request: request(b""), body: body.len() })
}

/// The headers with the provider's signature; where a private key signs, it is the benchmark's own.
fn sign(recipe: &Recipe, draft: &Draft<'_>, now: Timestamp) -> Result<Vec<(String, String)>> {
    if let [scheme @ Scheme::Ed25519(_), ..] = recipe.schemes() {
        let scheme = serde_json::to_value(scheme)?;
        let name = |value: &Value| value.as_str().map(str::to_owned).context("the scheme names a header");
        let seconds = (now.as_millis() / 1000).to_string();
        let signature = provider_key().sign(&[seconds.as_bytes(), draft.body].concat());
        let time = (name(&scheme["timestamp"]["from"]["header"])?, seconds);
        return Ok(vec![time, (name(&scheme["header"])?, hex::encode(signature.to_bytes()))]);
    }
    if recipe.is_open() {
        return Ok(Vec::new());
    }
    let secret = Secret::new(CHANNEL.into()).context("the secret is not empty")?;
    Ok(recipe.sign(&secret, draft, now)?)
}

/// The bodies of the requests in a folder of samples, by name.
fn bodies(samples: &Path) -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(samples).with_context(|| format!("cannot read `{}`", samples.display()))?;
    let mut files = files.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let is_body = |path: &PathBuf| {
        let file = path.to_string_lossy();
        ![".headers", ".expected.json", ".delivery.json"].iter().any(|ending| file.ends_with(ending))
    };
    files.retain(is_body);
    files.sort();
    Ok(files)
}

/// The headers of a sample, names in lower case; without a file of headers, those of JSON.
fn headers(body: &Path) -> Result<Vec<(String, String)>> {
    let file = body.with_extension("headers");
    if !file.is_file() {
        return Ok(vec![("content-type".to_owned(), "application/json".to_owned())]);
    }
    let text = fs::read_to_string(file)?;
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    Ok(pairs.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned())).collect())
}

/// One line for each channel.
fn print(results: &Results) {
    let mut text = format!(
        "channels with their own samples, {CONNECTIONS} connections, accepted only\n{:<20}{:>8}{:>12}{:>9}{:>10}",
        "", "bytes", "requests/s", "p99 ms", "of dummy"
    );
    for (name, rounds) in by_channel(results) {
        let of = |pick: fn(&Channel) -> f64| median(rounds.iter().map(|round| pick(round))).unwrap_or_default();
        text += &format!(
            "\n{name:<20}{:>8}{:>12}{:>9.2}{:>10.2}",
            of(|round| round.body as f64),
            thousands(of(|round| round.rate)),
            of(|round| round.p99),
            of(|round| round.ratio),
        );
    }
    results.print(&CHANNELS, &text);
}

/// How the slowest channel compares with `dummy`.
fn slowest(results: &Results) -> Option<f64> {
    let ratios = by_channel(results).into_values();
    ratios.filter_map(|rounds| median(rounds.iter().map(|round| round.ratio))).min_by(f64::total_cmp)
}

fn by_channel(results: &Results) -> BTreeMap<&str, Vec<&Channel>> {
    let mut rounds: BTreeMap<&str, Vec<&Channel>> = BTreeMap::new();
    for channel in results.of::<Vec<Channel>>(&CHANNELS).flatten() {
        rounds.entry(&channel.name).or_default().push(channel);
    }
    rounds
}
