//! The manifest of a plugin, as `describe` returns it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::{Method, StatusCode};
use jsonschema::Validator;
use serde::Deserialize;
use serde_json::Value;

use super::schema_problem::describe;
use super::state_group::StateGroup;
use crate::event::names_kind;
use crate::verify::{Probe, Recipe, Scheme};

/// A plugin's manifest, checked against `wit/manifest.schema.json`.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// For people. The name of the plugin is its file stem.
    pub name: String,
    pub version: semver::Version,
    pub summary: String,
    pub methods: Vec<Method>,
    /// In lower case; empty means any.
    pub content_types: Vec<String>,
    /// Bytes of a body.
    pub max_body: usize,
    /// The answer to a caller that exceeds its rate.
    pub overload_status: StatusCode,
    pub recipe: Recipe,
    /// All kinds of its events, without the channel's name; a `*` at the end stands for any rest. `None` if it does not say.
    pub kinds: Option<Vec<String>>,
    /// Kinds whose keys name states.
    pub states: Vec<StateGroup>,
    /// Requests that the provider does not sign, to see whether the address answers.
    pub probes: Vec<Probe>,
    pub on_unknown: OnUnknown,
    /// The keys of the `config` table.
    pub config: BTreeMap<String, ConfigKey>,
    /// The key of `config` that holds the agent's address.
    pub address: Option<String>,
    /// Hosts that the plugin wants to reach.
    pub hosts: Vec<String>,
}

/// What becomes of a verified body that the plugin refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknown {
    /// It is one event of the kind `unknown`: the provider would not send it again.
    Keep,
    /// The sender is told, and sends it again.
    #[default]
    Refuse,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ConfigKey {
    /// `string`, `number`, `boolean`, `array` or `object`.
    #[serde(rename = "type")]
    pub kind: String,
    pub summary: String,
    pub default: Option<Value>,
    /// The default as a guest sees it, made once: many calls ask for it.
    #[serde(skip)]
    pub default_text: Option<String>,
    #[serde(default)]
    pub required: bool,
}

impl ConfigKey {
    /// Whether `value` has the key's type.
    pub fn accepts(&self, value: &Value) -> bool {
        match self.kind.as_str() {
            "string" => value.is_string(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            _ => value.is_object(),
        }
    }
}

/// A value of a `config` table as a guest sees it: strings as they are, everything else as JSON.
pub fn config_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest is not JSON: {0}")]
    Json(String),
    #[error("the manifest breaks its schema: {0}")]
    Schema(String),
    /// A value matches the schema, but is invalid.
    #[error("the manifest's `{key}` {problem}")]
    Value { key: &'static str, problem: String },
}

#[derive(Deserialize)]
struct Raw {
    name: String,
    version: String,
    summary: String,
    methods: Option<Vec<String>>,
    #[serde(default)]
    content_types: Vec<String>,
    max_body: Option<String>,
    overload_status: Option<u16>,
    kinds: Option<Vec<String>>,
    #[serde(default)]
    verification: Vec<Scheme>,
    #[serde(default)]
    states: Vec<StateGroup>,
    #[serde(default)]
    probes: Vec<Probe>,
    #[serde(default)]
    on_unknown: OnUnknown,
    #[serde(default)]
    config: BTreeMap<String, ConfigKey>,
    address: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
}

/// Bytes of a body if the manifest sets no limit.
const DEFAULT_MAX_BODY: usize = 1 << 20;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("../../../wit/manifest.schema.json"))
        .expect("the schema of this release is JSON");
    jsonschema::validator_for(&schema).expect("the schema of this release is a schema")
});

impl Manifest {
    /// Parses the result of `describe`. Unknown members are accepted: the manifest may grow.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let json: Value = serde_json::from_str(text).map_err(|error| ManifestError::Json(error.to_string()))?;
        let problems: Vec<_> = SCHEMA.iter_errors(&json).take(5).map(|error| describe(&error)).collect();
        if !problems.is_empty() {
            return Err(ManifestError::Schema(problems.join("; ")));
        }
        let mut raw: Raw = serde_json::from_value(json).map_err(|error| ManifestError::Schema(error.to_string()))?;
        let bad = |key, problem: String| ManifestError::Value { key, problem };
        for (name, key) in &mut raw.config {
            key.default_text = key.default.as_ref().map(config_text);
            if key.default.as_ref().is_some_and(|default| !key.accepts(default)) {
                return Err(bad("config", format!("gives `{name}` a default that is not of type {}", key.kind)));
            }
        }
        if let Some(name) = raw.states.iter().find_map(StateGroup::bad_attribute) {
            let problem = format!("names the attribute `{}`, expected 1 to 20 of `a-z0-9`", name.escape_default());
            return Err(bad("states", problem));
        }
        if let Some(address) = raw.address.as_ref().filter(|address| !raw.config.contains_key(*address)) {
            return Err(bad("address", format!("is `{}`, expected a key of `config`", address.escape_default())));
        }
        Ok(Self {
            version: raw.version.parse().map_err(|error| {
                bad("version", format!("is `{}`, expected a semantic version: {error}", raw.version))
            })?,
            methods: methods(raw.methods.as_deref()).map_err(|problem| bad("methods", problem))?,
            max_body: match &raw.max_body {
                Some(text) => bytes(text).map_err(|problem| bad("max_body", problem))?,
                None => DEFAULT_MAX_BODY,
            },
            overload_status: match raw.overload_status {
                Some(503) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::TOO_MANY_REQUESTS,
            },
            recipe: Recipe::new(raw.verification).map_err(|error| bad("verification", error.to_string()))?,
            content_types: raw.content_types.iter().map(|kind| kind.to_ascii_lowercase()).collect(),
            probes: raw.probes,
            on_unknown: raw.on_unknown,
            name: raw.name,
            summary: raw.summary,
            kinds: raw.kinds,
            states: raw.states,
            config: raw.config,
            address: raw.address,
            hosts: raw.hosts,
        })
    }

    /// Whether events of this kind, without the channel's name, are among those that the plugin says it has.
    pub fn declares(&self, kind: &str) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|declared| names_kind(declared, kind)))
    }

    /// The problems of a `config` table, one sentence each.
    pub fn check_config(&self, config: &BTreeMap<String, Value>) -> Vec<String> {
        let unknown = config.keys().filter(|name| !self.config.contains_key(*name)).map(|name| {
            let known: Vec<_> = self.config.keys().map(|known| format!("`{known}`")).collect();
            let known = if known.is_empty() { "no settings".to_owned() } else { known.join(", ") };
            format!("`config.{name}` is unknown; the plugin has {known}")
        });
        let wrong = self.config.iter().filter_map(|(name, key)| match config.get(name) {
            Some(value) if !key.accepts(value) => Some(format!("`config.{name}` must be of type {}", key.kind)),
            None if key.required => Some(format!("`config.{name}` is required: {}", key.summary)),
            _ => None,
        });
        unknown.chain(wrong).collect()
    }
}

fn methods(names: Option<&[String]>) -> Result<Vec<Method>, String> {
    match names {
        None => Ok(vec![Method::POST]),
        Some([]) => Err("is empty, expected at least one method".to_owned()),
        Some(names) => {
            let parse = |name: &String| name.parse().map_err(|_| format!("names `{name}`, which is not a method"));
            names.iter().map(parse).collect()
        }
    }
}

fn bytes(text: &str) -> Result<usize, String> {
    let size: bytesize::ByteSize = text.parse().map_err(|error| format!("is `{text}`: {error}"))?;
    usize::try_from(size.as_u64()).map_err(|_| format!("is `{text}`, more than this machine can hold"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GITHUB: &str = r#"{
        "name": "github", "version": "0.1.0", "summary": "GitHub webhooks",
        "verification": [{"scheme": "hmac", "algorithm": "sha256", "header": "x-hub-signature-256",
                          "prefix": "sha256=", "encoding": "hex", "signed": ["body"]}],
        "config": {"ignore_senders": {"type": "array", "summary": "logins whose events are dropped", "default": []}},
        "methods": ["POST"], "max_body": "25MiB", "later": true
    }"#;

    #[test]
    fn a_manifest_gives_what_it_says_and_defaults_for_the_rest() {
        let github = Manifest::parse(GITHUB).unwrap();
        let small = Manifest::parse(r#"{"name": "n", "version": "1.0.0", "summary": "s"}"#).unwrap();

        assert_eq!(github.max_body, 25 << 20);
        assert!(!github.recipe.is_open());
        assert_eq!(github.config["ignore_senders"].default_text.as_deref(), Some("[]"));
        assert_eq!(small.methods, [Method::POST]);
        assert_eq!(small.max_body, 1 << 20);
        assert!(small.recipe.is_open());
    }

    #[test]
    fn a_manifest_says_what_is_kept_and_what_is_not_signed() {
        let start = r#"{"name": "n", "version": "1.0.0", "summary": "s""#;
        let plain = Manifest::parse(&format!("{start}}}")).unwrap();
        assert_eq!((plain.on_unknown, plain.probes.len()), (OnUnknown::Refuse, 0));

        let probes = r#""on_unknown": "keep", "probes": [{"in": "form", "name": "ssl_check", "value": "1"}]"#;
        let manifest = Manifest::parse(&format!("{start}, {probes}}}")).unwrap();
        assert_eq!(manifest.on_unknown, OnUnknown::Keep);
        assert!(manifest.probes[0].is_in_form(b"ssl_check=1"));
        for wrong in [r#""on_unknown": "drop""#, r#""probes": [{"in": "header", "name": "a", "value": "1"}]"#] {
            assert!(Manifest::parse(&format!("{start}, {wrong}}}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_manifest_may_say_which_kinds_there_are() {
        let start = r#"{"name": "n", "version": "1.0.0", "summary": "s""#;
        let open = Manifest::parse(&format!("{start}}}")).unwrap();
        let closed = Manifest::parse(&format!(r#"{start}, "kinds": ["push", "issues.*"]}}"#)).unwrap();

        for (kind, expected) in [("push", true), ("issues.opened", true), ("pushed", false), ("issues", false)] {
            assert_eq!((open.declares(kind), closed.declares(kind)), (true, expected), "{kind}");
        }
        assert!(Manifest::parse(&format!(r#"{start}, "kinds": []}}"#)).is_err());
    }

    #[test]
    fn a_bad_manifest_says_where_and_why() {
        for (text, expected) in [
            ("nonsense", "not JSON"),
            ("{}", "the manifest has no member `name`"),
            (r#"{"name": 7, "version": "1.0.0", "summary": "s"}"#, "`/name` is `7`, expected the type string"),
            (
                r#"{"name": "n", "version": "1.0.0", "summary": "s", "on_unknown": "drop"}"#,
                "`/on_unknown` is `drop`, expected `keep` or `refuse`",
            ),
            (
                r#"{"name": "n", "version": "1.0.0", "summary": "s", "verification": [{"scheme": "hmca"}]}"#,
                "`/verification/0/scheme` is `hmca`, expected `hmac`, `ed25519`, `token`, `standard-webhooks` or `jwt`",
            ),
            (
                r#"{"name": "n", "version": "1.0.0", "summary": "s", "verification": [{"scheme": "hmac", "algorithm": "md5", "header": "h", "encoding": "hex", "signed": ["body"]}]}"#,
                "schema: `/verification/0/algorithm` is `md5`, expected `sha1`, `sha256` or `sha512`",
            ),
            (
                r#"{"name": "n", "version": "1.0.0", "summary": "s", "verification": [{"scheme": "hmac", "algorithm": "sha1", "header": "h", "encoding": "hex"}]}"#,
                "schema: `/verification/0` has no member `signed`",
            ),
            (
                r#"{"name": "n", "version": "1.0.0", "summary": "s", "verification": [{"header": "h"}]}"#,
                "`/verification/0` has none of its forms: it has no member `scheme`",
            ),
            (
                r#"{"name": "n", "version": "1.0.0", "summary": "s", "verification": [{"scheme": "hmac", "algorithm": "sha1", "header": "h", "encoding": "hex", "signed": ["boby"]}]}"#,
                "`/verification/0/signed/0` is `boby`, expected `body` or `timestamp`",
            ),
            (r#"{"name": "n", "version": "one", "summary": "s"}"#, "semantic version"),
            (r#"{"name": "n", "version": "1.0.0", "summary": "s", "max_body": "5 fish"}"#, "`/max_body`"),
            (r#"{"name": "n", "version": "1.0.0", "summary": "s", "methods": []}"#, "at least one method"),
            (
                r#"{"name": "n", "version": "1.0.0", "summary": "s", "states": [{"name": "a", "kinds": ["b"], "peer": "externalURL"}]}"#,
                "`states` names the attribute `externalURL`",
            ),
            (
                r#"{"name": "n", "version": "1.0.0", "summary": "s", "states": [{"kinds": ["b"]}]}"#,
                "`/states/0` has no member `name`",
            ),
            (
                r#"{"name": "n", "version": "1.0.0", "summary": "s", "config": {"a": {"type": "array", "summary": "s", "default": 1}}}"#,
                "`a` a default that is not of type array",
            ),
        ] {
            let message = Manifest::parse(text).unwrap_err().to_string();

            assert!(message.contains(expected), "{message} should contain {expected}");
        }
    }

    #[test]
    fn settings_are_checked_against_the_manifest() {
        let manifest = Manifest::parse(
            r#"{"name": "n", "version": "1.0.0", "summary": "s", "config": {"url": {"type": "string", "summary": "where to", "required": true}}}"#,
        )
        .unwrap();
        let config = |json: Value| serde_json::from_value(json).unwrap();

        assert_eq!(manifest.check_config(&config(serde_json::json!({"url": "http://a"}))), Vec::<String>::new());
        assert_eq!(manifest.check_config(&config(serde_json::json!({}))), ["`config.url` is required: where to"]);
        assert_eq!(
            manifest.check_config(&config(serde_json::json!({"url": 1, "ulr": 2}))),
            ["`config.ulr` is unknown; the plugin has `url`", "`config.url` must be of type string"]
        );
    }
}
