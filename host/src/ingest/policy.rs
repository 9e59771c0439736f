//! What a channel accepts, and how it reads a body.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};

use super::error::IngestError;
use super::identity::Dedup;
use super::media_type::MediaTypes;
use super::settings::ChannelSettings;
use crate::coding::Coding;
use crate::plugin::{Digest, Generation, OnUnknown};
use crate::verify::Recipe;

/// What a channel accepts with one generation of its plugin.
pub(super) struct ChannelPolicy {
    pub(super) digest: Digest,
    pub(super) recipe: Recipe,
    /// The plugin's own verification where the configuration replaces it: senders go on sending what it requires.
    pub(super) replaced: Option<Recipe>,
    pub(super) methods: Vec<Method>,
    pub(super) content_types: MediaTypes,
    pub(super) max_body: usize,
    pub(super) overload_status: StatusCode,
    pub(super) dedup: Dedup,
    /// What becomes of a verified body that the plugin refuses.
    pub(super) on_unknown: OnUnknown,
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
            content_types: MediaTypes::new(settings.content_types.as_deref().unwrap_or(&manifest.content_types)),
            max_body: manifest.max_body.min(settings.max_body.unwrap_or(usize::MAX)),
            overload_status: settings.overload_status.unwrap_or(manifest.overload_status),
            dedup: Dedup {
                states: settings.states.clone().unwrap_or_else(|| manifest.states.clone()),
                late_window: settings.late_window,
            },
            on_unknown: settings.on_unknown.unwrap_or(manifest.on_unknown),
        }
    }

    /// The methods that are answered: where events are posted, senders may look with `HEAD` before.
    pub(super) fn answered_methods(&self) -> Vec<Method> {
        let look = self.methods.contains(&Method::POST).then_some(Method::HEAD);
        self.methods.iter().cloned().chain(look).collect()
    }

    /// Refuses methods and media types that the channel does not have.
    pub(super) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), IngestError> {
        let Self { methods, content_types, .. } = self;
        if !methods.contains(method) {
            return Err(IngestError::Method(self.answered_methods()));
        }
        let mut found = headers.get_all(CONTENT_TYPE).iter();
        let value = found.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
        if found.next().is_some() {
            return Err(IngestError::AmbiguousContentType);
        }
        // A `GET` has no body that could be of a type.
        if method == Method::GET && value.is_empty() { Ok(()) } else { content_types.check(value) }
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
