mod build;
mod new;
mod pin;
mod project;
mod sign;
mod template;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use bytesize::ByteSize;
use serde_json::{Value, json};

use super::arguments::{Format, OutputArguments, PluginCommand};
use super::failure::Failure;
use super::list::shown;
use super::output;
use crate::config::{self, FILE_NAME};
use crate::plugin::{self, Inspection, Settings, SignatureState};

pub(super) use self::pin::PinArguments;
pub(super) use self::sign::SignArguments;

pub(super) use self::build::BuildArguments;
pub(super) use self::new::NewArguments;

/// Instances for looking at a plugin: one call of `describe`.
const INSTANCES: usize = 16;

/// Makes plugins and looks into their files.
pub(super) async fn run(config: Option<&Path>, command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::New(arguments) => new::run(arguments),
        PluginCommand::Build(arguments) => build::run(&arguments),
        PluginCommand::Check { files } => check(&settings(config)?, &files).await,
        PluginCommand::Inspect { file, output } => inspect(&settings(config)?, &file, output).await,
        PluginCommand::Pin(arguments) => pin::run(config, arguments),
        PluginCommand::Sign(arguments) => sign::run(&settings(config)?, &arguments),
    }
}

/// The limits of the configuration where there is one: what passes here then passes there. Without one, the defaults.
fn settings(config: Option<&Path>) -> Result<Settings, Failure> {
    let mut settings = if config.is_some() || Path::new(FILE_NAME).is_file() {
        config::load(config)?.plugins
    } else {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
        let cache =
            cache.context("there is no folder for compiled plugins\nhint: name a configuration with `--config`")?;
        Settings::new("plugins".into(), cache.join("gateway"))
    };
    settings.instances = settings.instances.min(INSTANCES);
    Ok(settings)
}

async fn check(settings: &Settings, files: &[PathBuf]) -> Result<(), Failure> {
    let mut failed = 0;
    for file in files {
        match plugin::inspect(settings.clone(), file).await {
            Ok(Inspection { refusal: Some(error), .. }) => {
                failed += 1;
                output::note(&format!("error: {}: {error}", file.display()));
            }
            Ok(Inspection { kind, manifest, .. }) => {
                output::text(&format!("{}: {} plugin, version {}\n", file.display(), kind.as_str(), manifest.version))?;
            }
            Err(error) => {
                failed += 1;
                output::note(&format!("error: {}: {error}", file.display()));
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Told) }
}

async fn inspect(settings: &Settings, file: &Path, output: OutputArguments) -> Result<(), Failure> {
    let inspected = plugin::inspect(settings.clone(), file).await;
    let inspection = inspected.map_err(|error| anyhow!("{}: {error}", file.display()))?;
    let json = to_json(file, &inspection);
    match output.format {
        Format::Json => output::json(&json),
        Format::Text => output::text(&text(&json)),
    }
}

fn to_json(file: &Path, inspection: &Inspection) -> Value {
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
        "hosts": manifest.hosts,
        "digest": inspection.digest,
        "size": inspection.size,
        "signature": signature(inspection.signature),
        "refusal": inspection.refusal.as_ref().map(ToString::to_string),
        "imports": inspection.imports,
        "exports": inspection.exports,
    })
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
        ("signature", shown(&json["signature"])),
        ("refused", shown(&json["refusal"])),
    ];
    if is_channel {
        lines.push(("methods", shown(&json["methods"])));
        lines.push((
            "takes",
            Some(shown(&json["content_types"]))
                .filter(|types| !types.is_empty())
                .unwrap_or("any media type".to_owned()),
        ));
        lines.push(("max body", size(&json["max_body"])));
        let schemes: Vec<_> = json["verification"].as_array().into_iter().flatten().map(scheme).collect();
        lines.push((
            "verified",
            if schemes.is_empty() { "no, anybody may post to it".to_owned() } else { schemes.join(", or ") },
        ));
    } else {
        lines.push(("asks for", shown(&json["hosts"])));
    }
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
    for label in ["imports", "exports"] {
        lines.extend(json[label].as_array().into_iter().flatten().map(|interface| (label, shown(interface))));
    }
    let mut text = String::new();
    for (label, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{label:<9} {}", output::clean(value, false));
    }
    text
}

/// What a signature says, in a few words.
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
            "hosts": [], "digest": "abc", "size": 2048, "signature": "none", "refusal": null, "imports": ["gateway:plugin/inbound@0.1.0"],
            "exports": ["gateway:plugin/channel@0.1.0"],
        });

        assert_eq!(
            text(&json),
            "file      github.wasm\nkind      channel\nname      github 0.1.0\nsummary   GitHub webhooks\ndigest    abc\n\
             size      2.0 KiB\nsignature none\nmethods   POST\ntakes     any media type\nmax body  25.0 MiB\n\
             verified  hmac (x-hub-signature-256), or token (bearer)\n\
             config    ignore_senders (array, default []): logins\n\
             imports   gateway:plugin/inbound@0.1.0\nexports   gateway:plugin/channel@0.1.0\n"
        );
    }
}
