//! What the plugin of a channel or agent may use: hosts, credentials, state.

use std::collections::BTreeMap;
use std::time::Duration;

use ::http::{HeaderName, Method};
use serde_json::json;
use toml::{Table, Value};

use super::place::SettingPlace;
use super::problem::quoted;
use super::secret::{is_header_text, secrets};
use super::section::{Section, Shape, found};
use super::value::text;
use crate::egress::{Credential, CredentialKind, EgressSettings, Grant};
use crate::verify::{Secret, standard_webhooks};

/// Hosts, credentials and limits of outbound requests, from the table of `owner`.
pub(super) fn egress(owner: &str, section: &Section<'_>) -> EgressSettings {
    let default = EgressSettings::default();
    let grants = grants(section, "allow_hosts").unwrap_or_default();
    EgressSettings {
        credentials: credentials(owner, section, &grants),
        grants,
        max_response: section.size("max_response", 1..=1 << 30).unwrap_or(default.max_response),
        connect_timeout: section
            .duration("connect_timeout", Duration::from_millis(1)..)
            .unwrap_or(default.connect_timeout),
    }
}

/// The state limit in bytes; the state is held in memory.
pub(super) fn state(section: &Section<'_>) -> usize {
    section.size("state", 0..=16 << 20).unwrap_or(0)
}

fn credentials(owner: &str, section: &Section<'_>, allowed: &[Grant]) -> BTreeMap<String, Credential> {
    let named = section.named("credentials");
    named
        .into_iter()
        .filter_map(|(name, section)| Some((name.to_owned(), credential(owner, name, &section, allowed)?)))
        .collect()
}

fn credential(owner: &str, name: &str, section: &Section<'_>, allowed: &[Grant]) -> Option<Credential> {
    #[derive(Clone, Copy)]
    enum Word {
        Bearer,
        Basic,
        Header,
        StandardWebhooks,
    }
    const KINDS: [(&str, Word); 4] = [
        ("bearer", Word::Bearer),
        ("basic", Word::Basic),
        ("header", Word::Header),
        ("standard-webhooks", Word::StandardWebhooks),
    ];
    let missing = |key: &str, expected: &str, example: &str| {
        let place = section.place(key);
        if !section.has(key) {
            place.problem_with_hint(expected, "nothing", place.example(example));
        }
    };
    let variable =
        format!("{owner}_{name}_SECRET").to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let word = section.choice("kind", &KINDS);
    let header = section.parsed("header", "the name of a header", str::parse::<HeaderName>);
    let found = secrets(section, "secret", &variable);
    let hosts = grants(section, "hosts");
    missing("kind", "`bearer`, `basic`, `header` or `standard-webhooks`", "\"bearer\"");
    missing("secret", "a secret", &format!("{{ env = \"{variable}\" }}"));
    missing("hosts", "the hosts that may receive the credential", "[\"api.example.com\"]");
    for host in hosts.iter().flatten() {
        if !allowed.iter().any(|grant| grant.host == host.host && grant.port == host.port) {
            let key = section.key("hosts");
            section.raw().warn(format!("{key}: `{}` is not in `allow_hosts` of `{owner}`", host.host));
        }
    }
    match (word, section.has("header")) {
        (Some(Word::Header), false) => missing("header", "the name of the header", "\"x-api-key\""),
        (Some(Word::Bearer | Word::Basic | Word::StandardWebhooks), true) => {
            section.place("header").problem("no `header` with this `kind`", "one");
        }
        _ => {}
    }
    let found = found?;
    found.missing.iter().for_each(|missing| missing.report(None));
    if found.present.len() > 1 && !matches!(word, Some(Word::StandardWebhooks) | None) {
        section.place("secret").problem("a single secret with this `kind`", "a list of them");
    }
    let kind = match word? {
        Word::Bearer => CredentialKind::Bearer,
        Word::Basic => CredentialKind::Basic,
        Word::Header => CredentialKind::Header(header?),
        Word::StandardWebhooks => CredentialKind::StandardWebhooks,
    };
    found.present.iter().for_each(|(secret, place)| check_secret(&kind, secret, place));
    let mut secrets = found.present.into_iter().map(|(secret, _)| secret);
    Some(Credential { kind, secret: secrets.next()?, further: secrets.collect(), hosts: hosts? })
}

/// Reports a secret that does not fit `kind`, without showing it.
fn check_secret(kind: &CredentialKind, secret: &Secret, place: &SettingPlace<'_>) {
    match kind {
        CredentialKind::Bearer | CredentialKind::Header(_) if !is_header_text(secret) => place.problem_with_hint(
            "a secret of visible ASCII characters",
            "other characters",
            "is there a second line break at its end?",
        ),
        CredentialKind::Basic if !secret.expose().contains(&b':') => {
            place.problem("a secret of the form `user:password`", "one without `:`");
        }
        CredentialKind::StandardWebhooks => {
            if let Err(expected) = standard_webhooks::can_sign(secret) {
                place.problem(format!("a secret that can sign ({expected})"), "another one");
            }
        }
        _ => {}
    }
}

fn schema() -> serde_json::Value {
    let table = json!({
        "type": "object",
        "required": ["host"],
        "properties": {
            "host": text(),
            "port": { "type": "integer", "minimum": 1, "maximum": 65535 },
            "scheme": { "enum": ["http", "https"] },
            "path": { "type": "string", "pattern": "^/" },
            "methods": { "type": "array", "minItems": 1, "items": { "type": "string", "pattern": "^[A-Z]+$" } },
            "private": { "type": "boolean" },
        },
        "additionalProperties": false,
    });
    json!({ "type": "array", "items": { "anyOf": [text(), table] } })
}

/// The destinations at `name`: texts, or tables with more than a host and a port.
fn grants(section: &Section<'_>, name: &str) -> Option<Vec<Grant>> {
    let entry = section.entry(name, &[Shape::List], schema())?;
    let items = match &*entry.value {
        Value::Array(items) => items.as_slice(),
        other => {
            let example = entry.place.example("[\"api.example.com\"]");
            entry.place.problem_with_hint("a list", found(other), example);
            return None;
        }
    };
    let grant = |(index, item): (usize, &Value)| {
        let place = entry.place.item(index);
        match item {
            Value::String(text) => grant_of_text(text, &place),
            Value::Table(table) => grant_of_table(table, &place),
            other => {
                place.problem("`host:port` or a table", found(other));
                None
            }
        }
    };
    Some(items.iter().enumerate().filter_map(grant).collect())
}

fn grant_of_text(text: &str, place: &SettingPlace<'_>) -> Option<Grant> {
    const EXPECTED: &str = "`host`, `host:port` or `scheme://host:port`";
    let grant = text.parse::<Grant>().ok();
    if grant.is_none() {
        match text {
            // The text may hold a password.
            text if text.contains('@') => place.problem_with_hint(
                EXPECTED,
                "a text with `@`",
                "user and password are a credential: `[agents.NAME.credentials.NAME]` with `kind = \"basic\"`",
            ),
            text if text.contains('*') => {
                place.problem_with_hint(EXPECTED, quoted(text), "wildcards are not supported: name every host");
            }
            text if text.trim_start_matches("http://").trim_start_matches("https://").contains('/') => {
                place.problem_with_hint(
                    EXPECTED,
                    quoted(text),
                    "to allow a path, write `{ host = \"...\", path = \"/...\" }`",
                );
            }
            text => place.problem(EXPECTED, quoted(text)),
        }
    }
    grant
}

fn grant_of_table(table: &Table, place: &SettingPlace<'_>) -> Option<Grant> {
    const KEYS: &str = "`host`, `port`, `scheme`, `path`, `methods` or `private`";
    let Some(host) = table.get("host") else {
        place.member("host").problem("`host`", "nothing");
        return None;
    };
    let mut grant = match host {
        Value::String(host) => grant_of_text(host, &place.member("host"))?,
        other => {
            place.member("host").problem("`host`", found(other));
            return None;
        }
    };
    for (key, value) in table {
        let place = place.member(key);
        match (key.as_str(), value) {
            ("host", _) => {}
            ("port", Value::Integer(port)) if (1..=0xffff).contains(port) => grant.port = u16::try_from(*port).ok(),
            ("port", other) => place.problem("a port from 1 to 65535", found(other)),
            ("scheme", Value::String(scheme)) if scheme == "http" || scheme == "https" => {
                grant.scheme = Some(scheme.clone());
            }
            ("scheme", other) => place.problem("`http` or `https`", found(other)),
            ("path", Value::String(path)) if path.starts_with('/') => grant.path = Some(path.clone()),
            ("path", other) => place.problem("a path that starts with `/`", found(other)),
            ("methods", Value::Array(items)) if !items.is_empty() => {
                grant.methods = Some(
                    items.iter().enumerate().filter_map(|(index, item)| method(item, &place.item(index))).collect(),
                );
            }
            ("methods", other) => place.problem("a list of methods", found(other)),
            ("private", Value::Boolean(private)) => grant.private = *private,
            ("private", other) => place.problem("`true` or `false`", found(other)),
            (other, _) => place.problem(KEYS, quoted(other)),
        }
    }
    Some(grant)
}

fn method(value: &Value, place: &SettingPlace<'_>) -> Option<Method> {
    let is_upper = |text: &&str| text.chars().all(|c| c.is_ascii_uppercase());
    let method = value.as_str().filter(is_upper).and_then(|text| text.parse().ok());
    if method.is_none() {
        place.problem("a method such as `POST`", found(value));
    }
    method
}
