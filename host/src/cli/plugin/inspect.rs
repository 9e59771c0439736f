//! `gateway plugin inspect`.

use std::fmt::Write;
use std::path::Path;

use anyhow::anyhow;
use bytesize::ByteSize;
use serde_json::{Value, json};

use super::super::arguments::output::{Format, OutputArguments};
use super::super::failure::Failure;
use super::super::list::shown;
use super::super::output;
use crate::plugin::{self, Inspection, Settings, SignatureState, StandaloneHost};
use crate::sample::{self, Sample};

pub(super) async fn run(settings: Settings, file: &Path, output: OutputArguments) -> Result<(), Failure> {
    let max_file = settings.max_file;
    let host = StandaloneHost::new(settings).map_err(anyhow::Error::from)?;
    let failed = |error| anyhow!("{}: {error}", file.display());
    let inspection = host.inspect(file).await.map_err(failed)?;
    let samples = sample::embedded(&plugin::read_file(file, max_file).map_err(failed)?);
    let json = to_json(file, &inspection, &samples);
    match output.format {
        Format::Json => output::json(&json),
        Format::Text => output::text(&text(&json)),
    }
}

fn to_json(file: &Path, inspection: &Inspection, samples: &[Sample]) -> Value {
    let manifest = &inspection.manifest;
    let config = manifest.config.iter().map(|(name, key)| {
        let key = json!({"type": key.kind, "summary": key.summary, "default": key.default, "required": key.required});
        (name.clone(), key)
    });
    json!({
        "file": file.display().to_string(),
        "kind": inspection.kind.as_str(),
        "name": manifest.name,
        "version": manifest.version.to_string(),
        "summary": manifest.summary,
        "methods": manifest.methods.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "content_types": manifest.content_types,
        "max_body": manifest.max_body,
        "verification": manifest.recipe,
        "config": config.collect::<serde_json::Map<_, _>>(),
        "asks": asks(inspection),
        "digest": inspection.digest,
        "size": inspection.size,
        "memory": inspection.memory,
        "signature": signature(inspection.signature),
        "refusal": inspection.refusal.as_ref().map(ToString::to_string),
        "samples": samples.iter().map(|sample| &sample.name).collect::<Vec<_>>(),
        "imports": inspection.imports,
        "exports": inspection.exports,
    })
}

/// What the plugin needs from the configuration, according to its imports and its manifest.
fn asks(inspection: &Inspection) -> Value {
    let interface = |name: &str| format!("gateway:plugin/{name}@");
    let imports = |name: &str| inspection.imports.iter().any(|import| import.starts_with(&interface(name)));
    let manifest = &inspection.manifest;
    let required = manifest.config.iter().filter(|(_, key)| key.required).map(|(name, _)| name);
    json!({
        "network": imports("http"),
        "hosts": manifest.hosts,
        "credentials": manifest.config.contains_key("credential"),
        "secret": !manifest.recipe.is_open(),
        "state": imports("state"),
        "settings": required.collect::<Vec<_>>(),
    })
}

/// The same as text, with the keys of the configuration.
fn asked(asks: &Value) -> Vec<String> {
    let is = |name: &str| asks[name] == true;
    let mut lines = Vec::new();
    if is("secret") {
        lines.push("a `secret` to verify requests".to_owned());
    }
    if is("network") {
        let hosts = shown(&asks["hosts"]);
        lines.push(if hosts.is_empty() {
            "hosts that you choose, in `allow_hosts`".to_owned()
        } else {
            format!("these hosts, in `allow_hosts`: {hosts}")
        });
    }
    if is("credentials") {
        lines.push("a credential, if its service needs one, in `credentials`".to_owned());
    }
    if is("state") {
        lines.push("`state`, which it keeps between calls".to_owned());
    }
    let settings = shown(&asks["settings"]);
    if !settings.is_empty() {
        lines.push(format!("settings, in `config`: {settings}"));
    }
    lines
}

fn text(json: &Value) -> String {
    let is_channel = json["kind"] == "channel";
    let size = |value: &Value| ByteSize(value.as_u64().unwrap_or(0)).to_string();
    let mut lines = vec![
        ("file", shown(&json["file"])),
        ("kind", shown(&json["kind"])),
        ("name", format!("{} {}", shown(&json["name"]), shown(&json["version"]))),
        ("summary", shown(&json["summary"])),
        ("digest", shown(&json["digest"])),
        ("size", size(&json["size"])),
        ("memory", format!("{} at the start", size(&json["memory"]))),
        ("signature", shown(&json["signature"])),
        ("refused", shown(&json["refusal"])),
    ];
    if is_channel {
        lines.push(("methods", shown(&json["methods"])));
        lines.push((
            "accepts",
            Some(shown(&json["content_types"]))
                .filter(|types| !types.is_empty())
                .unwrap_or("any media type".to_owned()),
        ));
        lines.push(("max body", size(&json["max_body"])));
        let schemes: Vec<_> = json["verification"].as_array().into_iter().flatten().map(scheme).collect();
        lines.push((
            "verified",
            if schemes.is_empty() { "no, anyone can post to it".to_owned() } else { schemes.join(", or ") },
        ));
    }
    lines.extend(asked(&json["asks"]).into_iter().map(|line| ("asks for", line)));
    for (name, key) in json["config"].as_object().into_iter().flatten() {
        let default = if key["required"] == true {
            ", required".to_owned()
        } else if key["default"].is_null() {
            String::new()
        } else {
            format!(", default {}", key["default"])
        };
        lines.push(("config", format!("{name} ({}{default}): {}", shown(&key["type"]), shown(&key["summary"]))));
    }
    lines.push(("samples", shown(&json["samples"])));
    for label in ["imports", "exports"] {
        lines.extend(json[label].as_array().into_iter().flatten().map(|interface| (label, shown(interface))));
    }
    let mut text = String::new();
    for (label, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{label:<9} {}", output::clean(value, false));
    }
    text
}

/// The state of a signature in a few words.
fn signature(state: SignatureState) -> String {
    match state {
        SignatureState::Missing => "none".to_owned(),
        SignatureState::Unchecked => "not checked, because `plugins.trusted_keys` is empty".to_owned(),
        SignatureState::Valid(key) => format!("valid, by the key {key}"),
        SignatureState::Wrong(error) => error.to_string(),
    }
}

/// A scheme in a few words.
fn scheme(json: &Value) -> String {
    let name = shown(&json["scheme"]);
    let place = [&json["header"], &json["name"], &json["in"]].into_iter().map(shown).find(|place| !place.is_empty());
    match place {
        Some(place) => format!("{name} ({place})"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspection_is_readable() {
        let json = json!({
            "file": "github.wasm", "kind": "channel", "name": "github", "version": "0.1.0", "summary": "GitHub webhooks",
            "methods": ["POST"], "content_types": [], "max_body": 26_214_400,
            "verification": [{"scheme": "hmac", "header": "x-hub-signature-256"}, {"scheme": "token", "in": "bearer"}],
            "config": {"ignore_senders": {"type": "array", "summary": "logins", "default": [], "required": false}},
            "asks": {"network": false, "hosts": [], "credentials": false, "secret": true, "state": false, "settings": []},
            "digest": "abc", "size": 2048, "memory": 1_114_112, "signature": "none", "refusal": null,
            "samples": ["ping", "push"],
            "imports": ["gateway:plugin/inbound@0.1.0"],
            "exports": ["gateway:plugin/channel@0.1.0"],
        });

        assert_eq!(
            text(&json),
            "file      github.wasm\nkind      channel\nname      github 0.1.0\nsummary   GitHub webhooks\ndigest    abc\n\
             size      2.0 KiB\nmemory    1.1 MiB at the start\nsignature none\nmethods   POST\naccepts   any media type\nmax body  25.0 MiB\n\
             verified  hmac (x-hub-signature-256), or token (bearer)\n\
             asks for  a `secret` to verify requests\n\
             config    ignore_senders (array, default []): logins\nsamples   ping, push\n\
             imports   gateway:plugin/inbound@0.1.0\nexports   gateway:plugin/channel@0.1.0\n"
        );
    }
}
