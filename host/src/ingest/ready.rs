//! A channel that serves, with the generation of its plugin that a request will run on.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::channel::Channel;
use super::decode::coding_of;
use super::error::IngestError;
use super::policy::{BodyPolicy, ChannelPolicy};
use super::receipt::{Context, check_count};
use super::request::{WebhookRequest, content_type};
use crate::event::Timestamp;
use crate::plugin::{CallError, Generation, Inbound, OnUnknown, PluginHost, Receipt, Rejection};
use crate::verify::{Recipe, Signed, VerifyError};

pub struct ReadyChannel {
    generation: Arc<Generation>,
    channel: Arc<Channel>,
    policy: Arc<ChannelPolicy>,
}

impl ReadyChannel {
    /// # Errors
    /// `Waiting` when the channel has no serving plugin, or lacks what it needs to serve.
    pub(super) fn new(channel: &Arc<Channel>, plugins: &PluginHost) -> Result<Self, IngestError> {
        let waiting = |detail| IngestError::Waiting { channel: channel.name().clone(), detail };
        let generation = channel.generation(plugins).map_err(waiting)?;
        let policy = channel.policy(&generation);
        match &policy.blocked_by {
            Some(detail) => Err(waiting(detail.clone())),
            None => Ok(Self { generation, channel: Arc::clone(channel), policy }),
        }
    }

    /// The channel with this generation, whether or not it has what it needs to serve.
    pub(super) fn regardless(channel: Arc<Channel>, generation: Arc<Generation>) -> Self {
        let policy = channel.policy(&generation);
        Self { generation, channel, policy }
    }

    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The methods that are received, at least one.
    pub fn methods(&self) -> &[Method] {
        &self.policy.methods
    }

    /// The methods that are answered: those that are received, and `HEAD`.
    pub fn answered_methods(&self) -> Vec<Method> {
        self.policy.answered_methods()
    }

    /// Whether the provider only looks if the address answers: it does not sign such a request.
    pub fn is_probe(&self, query: &str) -> bool {
        self.generation.manifest.probes.iter().any(|probe| probe.is_in_query(query))
    }

    /// Whether a verified body that the plugin refuses is kept as an event.
    pub(super) fn keeps_unknown(&self) -> bool {
        self.policy.on_unknown == OnUnknown::Keep
    }

    /// Bytes of the largest body.
    pub fn max_body(&self) -> usize {
        self.policy.max_body
    }

    /// The status of answers to callers over their rate.
    pub fn overload_status(&self) -> StatusCode {
        self.policy.overload_status
    }

    /// Refuses what the head of a request is enough to refuse, and says how the body is to be read.
    ///
    /// # Errors
    /// Those of [`accepts`](Self::accepts), `Plugin` when the plugin has no place for one more call, and `Encoding`.
    pub fn check_head(&self, method: &Method, headers: &HeaderMap) -> Result<BodyPolicy, IngestError> {
        self.accepts(method, headers)?;
        if self.channel.binding.is_full() {
            return Err(CallError::Busy.into());
        }
        let coding = coding_of(headers, &self.channel.settings.encodings)?;
        Ok(BodyPolicy::new(self.policy.max_body, coding))
    }

    /// Refuses methods and media types that the channel does not have.
    ///
    /// # Errors
    /// `Method`, `ContentType`, `Charset` and `AmbiguousContentType`.
    pub fn accepts(&self, method: &Method, headers: &HeaderMap) -> Result<(), IngestError> {
        self.policy.check(method, headers)
    }

    /// Refuses a request that does not come from its provider, and returns when it was verified; `None` if the channel verifies
    /// nothing. The error is safe to show to the caller.
    pub(super) fn verify(&self, request: &WebhookRequest) -> Result<Option<Timestamp>, VerifyError> {
        if self.recipe().is_open() {
            return Ok(None);
        }
        let WebhookRequest { method, full_path, query, headers, body, .. } = request;
        let signed = Signed { method, path: full_path, query, headers, body };
        let now = Timestamp::now();
        self.recipe().verify(&self.channel.settings.secrets, &signed, now)?;
        Ok(Some(now))
    }

    /// Whether a request that is not signed is a probe of the provider.
    pub(super) fn is_unsigned_probe(&self, request: &WebhookRequest) -> bool {
        self.is_probe(&request.query)
            || self.generation.manifest.probes.iter().any(|probe| probe.is_in_form(&request.body))
    }

    /// Refuses more events than one request may bring.
    pub(super) fn check_count(&self, events: usize) -> Result<(), IngestError> {
        check_count(&self.generation, events, self.channel.settings.limits.max_events)
    }

    /// The request as a guest may see it: without credentials.
    pub(super) fn inbound(&self, request: WebhookRequest) -> Inbound {
        let WebhookRequest { method, path, query, headers, body, received_at, .. } = request;
        Inbound {
            method: method.as_str().to_owned(),
            path,
            query: self.recipes().fold(query, |query, recipe| recipe.strip_query(&query).into_owned()),
            headers: self.without_credentials(headers),
            body,
            received_at,
        }
    }

    /// The generation that requests run on.
    pub(super) fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// The same channel on another generation, for a request that this one has accepted.
    pub(super) fn on(&self, generation: Arc<Generation>) -> Self {
        Self { generation, channel: Arc::clone(&self.channel), policy: Arc::clone(&self.policy) }
    }

    /// Calls the plugin.
    pub(super) async fn call(&self, inbound: Inbound) -> Result<Result<Receipt, Rejection>, CallError> {
        self.generation.receive(&self.channel.binding, inbound).await
    }

    /// What the events of the request have in common.
    pub(super) fn context(&self, request: &WebhookRequest, verified_at: Option<Timestamp>) -> Context<'_> {
        Context {
            channel: self.channel.name(),
            plugin: &self.generation.plugin,
            dedup: &self.policy.dedup,
            keep_repeats: self.channel.settings.keep_repeats,
            time: request.received_at,
            verified_at,
            request_id: request.id,
            content_type: self.content_type(&request.headers),
            headers: self.kept_headers(&request.headers),
            body: request.body.clone(),
        }
    }

    /// The media type of a body. One without a type is JSON if the channel takes JSON.
    fn content_type(&self, headers: &HeaderMap) -> String {
        if self.policy.content_types.has_json() && !headers.contains_key(CONTENT_TYPE) {
            return "application/json".to_owned();
        }
        content_type(headers)
    }

    /// The headers that are kept with events: never one that carries a credential.
    fn kept_headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let names = self.channel.settings.keep_headers.iter().filter(|name| !self.hides(name));
        let kept = names.flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)));
        kept.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
    }

    /// The verification in force.
    fn recipe(&self) -> &Recipe {
        &self.policy.recipe
    }

    /// The verification in force, and the one that it replaces.
    fn recipes(&self) -> impl Iterator<Item = &Recipe> {
        std::iter::once(&self.policy.recipe).chain(&self.policy.replaced)
    }

    fn hides(&self, name: &HeaderName) -> bool {
        [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name)
            || self.recipes().any(|recipe| recipe.hides_header(name.as_str()))
            || self.channel.access().hides_header(name.as_str())
    }

    fn without_credentials(&self, mut headers: HeaderMap) -> HeaderMap {
        let hidden: Vec<_> = headers.keys().filter(|name| self.hides(name)).cloned().collect();
        for name in hidden {
            headers.remove(name);
        }
        headers
    }
}
