//! What a channel accepts, and how it reads a body.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};

use super::error::IngestError;
use super::identity::Dedup;
use super::settings::ChannelSettings;
use crate::coding::Coding;
use crate::plugin::{Digest, Generation};
use crate::verify::Recipe;

/// What a channel accepts with one generation of its plugin.
pub(super) struct ChannelPolicy {
    pub(super) digest: Digest,
    pub(super) recipe: Recipe,
    /// The plugin's own verification where the configuration replaces it: senders go on sending what it requires.
    pub(super) replaced: Option<Recipe>,
    pub(super) methods: Vec<Method>,
    pub(super) content_types: Vec<String>,
    pub(super) max_body: usize,
    pub(super) overload_status: StatusCode,
    pub(super) dedup: Dedup,
    /// Why it cannot serve with it.
    pub(super) blocked_by: Option<String>,
}

/// How the body of a request is to be read, after its head was accepted.
#[derive(Clone, Copy, Debug)]
pub struct BodyPolicy {
    max: usize,
    pub(super) coding: Option<Coding>,
}

impl BodyPolicy {
    pub(super) fn new(max: usize, coding: Option<Coding>) -> Self {
        Self { max, coding }
    }

    /// The same for bodies of at most `max` bytes.
    pub fn at_most(self, max: usize) -> Self {
        Self { max: self.max.min(max), ..self }
    }

    /// Bytes of the largest body, as it is sent and as it is decoded.
    pub fn max(&self) -> usize {
        self.max
    }
}

impl ChannelPolicy {
    pub(super) fn new(settings: &ChannelSettings, generation: &Generation) -> Self {
        let manifest = &generation.manifest;
        let mut methods = manifest.methods.clone();
        if let Some(narrowed) = &settings.methods {
            methods.retain(|method| narrowed.contains(method));
        }
        let recipe = settings.verification.clone().unwrap_or_else(|| manifest.recipe.clone());
        Self {
            digest: generation.digest,
            blocked_by: blocked_by(settings, &recipe, &manifest.recipe)
                .or_else(|| manifest.check_config(&settings.config).into_iter().next())
                .or_else(|| methods.is_empty().then(|| "`methods` leaves none of the plugin's methods".to_owned())),
            recipe,
            replaced: settings.verification.is_some().then(|| manifest.recipe.clone()),
            methods,
            content_types: manifest.content_types.clone(),
            max_body: manifest.max_body.min(settings.max_body.unwrap_or(usize::MAX)),
            overload_status: settings.overload_status.unwrap_or(manifest.overload_status),
            dedup: Dedup {
                states: settings.states.clone().unwrap_or_else(|| manifest.states.clone()),
                late_window: settings.late_window,
            },
        }
    }

    /// Refuses methods and media types that the channel does not have.
    pub(super) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), IngestError> {
        let Self { methods, content_types, .. } = self;
        if !methods.contains(method) {
            return Err(IngestError::Method(methods.clone()));
        }
        let mut found = headers.get_all(CONTENT_TYPE).iter();
        let value = found.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
        if found.next().is_some() {
            return Err(IngestError::AmbiguousContentType);
        }
        // A `GET` has no body that could be of a type.
        if method == Method::GET && value.is_empty() { Ok(()) } else { check_content_type(value, content_types) }
    }
}

/// Why a channel cannot serve with this verification.
fn blocked_by(settings: &ChannelSettings, recipe: &Recipe, own: &Recipe) -> Option<String> {
    let name = &settings.name;
    let operator_opened = settings.verification.as_ref().is_some_and(Recipe::is_open);
    match (recipe.is_open(), settings.secrets.as_slice()) {
        _ if operator_opened && !own.is_open() && !settings.access.is_restricted() => Some(format!(
            "its verification is switched off, so it must say who may call; set `channels.{name}.allow_from` or `channels.{name}.callers`, or `allow_from = [\"0.0.0.0/0\", \"::/0\"]` if anybody may"
        )),
        (true, []) => None,
        (true, _) if operator_opened => None,
        (true, _) => Some(format!(
            "a secret is configured, but the plugin verifies nothing; remove `channels.{name}.secret` or set `channels.{name}.verification`"
        )),
        (false, []) => Some(match &settings.missing_secret {
            Some(reason) => format!("`channels.{name}.secret`: {reason}"),
            None => format!("the plugin verifies requests; set `channels.{name}.secret`"),
        }),
        (false, secrets) => {
            let bad = secrets.iter().find_map(|secret| recipe.accepts_secret(secret).err());
            bad.map(|problem| format!("`channels.{name}.secret`: {problem}"))
        }
    }
}

/// Whether a channel that accepts `allowed` accepts this; one that names no types accepts any bytes.
fn check_content_type(value: &str, allowed: &[String]) -> Result<(), IngestError> {
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    if allowed.is_empty() {
        return Ok(());
    }
    if !allowed.contains(&essence) {
        return Err(IngestError::ContentType(allowed.to_vec()));
    }
    let is_charset = |(name, _): &(&str, &str)| name.trim().eq_ignore_ascii_case("charset");
    let mut charsets = parts.filter_map(|part| part.split_once('=')).filter(is_charset);
    let is_utf8 = |(_, charset): (&str, &str)| {
        let charset = charset.trim().trim_matches('"');
        charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
    };
    if charsets.all(is_utf8) { Ok(()) } else { Err(IngestError::Charset) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_accepts_its_types_in_utf_8() {
        let json = ["application/json".to_owned()];
        for (value, allowed, expected) in [
            ("application/json", &json[..], "ok"),
            ("Application/JSON ; charset=UTF-8", &json, "ok"),
            ("application/json; charset=\"utf-8\"", &json, "ok"),
            ("application/json; profile=x;charset=us-ascii", &json, "ok"),
            ("application/json; charset=iso-8859-1", &json, "charset"),
            ("application/json; charset=utf-8; charset=utf-16", &json, "charset"),
            ("application/json; charset=", &json, "charset"),
            ("application/json, text/plain", &json, "type"),
            ("text/plain", &json, "type"),
            ("json", &json, "type"),
            ("", &json, "type"),
            ("text/plain; charset=iso-8859-1", &[], "ok"),
            ("", &[], "ok"),
        ] {
            let outcome = match check_content_type(value, allowed) {
                Ok(()) => "ok",
                Err(IngestError::Charset) => "charset",
                Err(IngestError::ContentType(_)) => "type",
                Err(other) => panic!("{other}"),
            };

            assert_eq!(outcome, expected, "{value}");
        }
    }
}
