use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwapOption;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde::Serialize;

use crate::caller::{Access, Bucket};
use crate::egress::Egress;
use crate::event::Timestamp;
use crate::plugin::{
    Binding, CallError, CallLimits, Digest, Generation, Inbound, Kind, Network, PluginHost, PluginState, config_text,
};
use crate::verify::{Recipe, Scheme, Signed, VerifyError};

use super::poll::{PollStatus, Polling};
use super::recording::Recorder;
use super::{ChannelSettings, Coding, IngestError, Verified, WebhookRequest};

/// Failures of one channel are logged once in this many milliseconds: whoever forges requests must not fill the log.
const WARN_EVERY: i64 = 10_000;

/// A configured source. Lives as long as the gateway; generations of its plugin come and go.
pub struct Channel {
    pub(super) settings: ChannelSettings,
    pub(super) instance: Arc<Binding>,
    /// What `poll` is called with: it has the network and a time limit of its own.
    pub(super) polled: Arc<Binding>,
    pub(super) polling: Polling,
    /// Whether it was mounted without a table in the configuration.
    pub(super) automatic: bool,
    terms: ArcSwapOption<Terms>,
    recorder: ArcSwapOption<Recorder>,
    bucket: Option<Bucket>,
    warned_at: AtomicI64,
}

/// What a channel accepts with one generation of its plugin.
struct Terms {
    digest: Digest,
    recipe: Recipe,
    /// What the plugin's own verification would be, where another one has taken its place: senders go on sending what it asks
    /// for.
    replaced: Option<Recipe>,
    methods: Vec<Method>,
    content_types: Vec<String>,
    max_body: usize,
    overload_status: StatusCode,
    /// Why it cannot serve all the same.
    obstacle: Option<String>,
}

/// A channel that serves: its terms and the generation that a request will run on.
pub struct Open {
    pub(super) generation: Arc<Generation>,
    channel: Arc<Channel>,
    terms: Arc<Terms>,
}

/// Whether a channel serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelState {
    /// Requests are received.
    Serving,
    /// Something is missing; requests are answered 503.
    Waiting,
}

/// One row of `/admin/channels`, without the counts.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves and stand in the contract")]
pub struct ChannelStatus {
    pub name: String,
    pub plugin: String,
    pub paths: Vec<String>,
    pub state: ChannelState,
    /// What it waits for.
    pub detail: Option<String>,
    pub required: bool,
    pub automatic: bool,
    pub generation: Option<u64>,
    pub methods: Vec<String>,
    pub max_body: Option<usize>,
    /// The verification in force, in the manifest's form; empty when the channel is open.
    pub verification: Vec<Scheme>,
    /// How the plugin fetches events; none when it does not.
    pub poll: Option<PollStatus>,
    /// Bytes of state in use, and bytes that are granted.
    pub state_used: usize,
    pub state_quota: usize,
}

impl Channel {
    pub(super) fn new(settings: ChannelSettings, state: Option<Arc<PluginState>>, automatic: bool) -> Self {
        let name = settings.name.as_str();
        let config: BTreeMap<_, _> =
            settings.config.iter().map(|(key, value)| (key.clone(), config_text(value))).collect();
        let instance = Binding::new(name, config.clone(), Network::Closed, &settings.limits);
        let polled = CallLimits { time: settings.poll.timeout, concurrency: 1, ..settings.limits.clone() };
        let network = Network::Granted(Box::new(Egress::new(settings.egress.clone())));
        let polled = Binding::new(name, config, network, &polled);
        Self {
            bucket: settings.rate_limit.map(Bucket::new),
            settings,
            instance: Arc::new(instance.with_state(state.clone())),
            polled: Arc::new(polled.with_state(state)),
            polling: Polling::default(),
            automatic,
            terms: ArcSwapOption::empty(),
            recorder: ArcSwapOption::empty(),
            warned_at: AtomicI64::new(0),
        }
    }

    pub(super) fn open(self: &Arc<Self>, plugins: &PluginHost) -> Result<Open, IngestError> {
        let waiting = |detail| IngestError::Waiting { channel: self.settings.name.clone(), detail };
        let generation = self.generation(plugins).map_err(waiting)?;
        let terms = self.terms(&generation);
        match &terms.obstacle {
            Some(detail) => Err(waiting(detail.clone())),
            None => Ok(Open { generation, channel: Arc::clone(self), terms }),
        }
    }

    pub(super) fn status(&self, plugins: &PluginHost) -> ChannelStatus {
        let generation = self.generation(plugins);
        let terms = generation.as_ref().ok().map(|generation| self.terms(generation));
        let detail = match (&generation, &terms) {
            (Err(detail), _) => Some(detail.clone()),
            (Ok(_), terms) => terms.as_ref().and_then(|terms| terms.obstacle.clone()),
        };
        ChannelStatus {
            name: self.settings.name.to_string(),
            plugin: self.settings.plugin.to_string(),
            paths: self.settings.paths.clone(),
            state: if detail.is_none() { ChannelState::Serving } else { ChannelState::Waiting },
            detail,
            required: self.settings.required,
            automatic: self.automatic,
            generation: generation.as_ref().ok().map(|generation| generation.number),
            methods: terms.iter().flat_map(|terms| &terms.methods).map(ToString::to_string).collect(),
            max_body: terms.as_ref().map(|terms| terms.max_body),
            poll: generation.as_ref().is_ok_and(|generation| generation.polls()).then(|| self.poll_status()),
            state_used: self.instance.state.as_ref().map_or(0, |state| state.used()),
            state_quota: self.settings.state,
            verification: terms.iter().flat_map(|terms| terms.recipe.schemes()).cloned().collect(),
        }
    }

    pub(super) fn generation(&self, plugins: &PluginHost) -> Result<Arc<Generation>, String> {
        let plugin = &self.settings.plugin;
        let generation = plugins
            .serving(plugin.as_str())
            .ok_or_else(|| format!("no serving plugin `{plugin}` in the plugin folder"))?;
        match generation.kind() {
            Kind::Channel => Ok(generation),
            Kind::Agent => Err(format!("plugin `{plugin}` is an agent plugin")),
        }
    }

    /// The terms with this generation, made once for each.
    fn terms(&self, generation: &Generation) -> Arc<Terms> {
        if let Some(terms) = &*self.terms.load()
            && terms.digest == generation.digest
        {
            return Arc::clone(terms);
        }
        let terms = Arc::new(Terms::new(&self.settings, generation));
        if let Some(obstacle) = &terms.obstacle {
            tracing::warn!(channel = %self.settings.name, "Channel waits: {obstacle}");
        }
        self.terms.store(Some(Arc::clone(&terms)));
        terms
    }

    /// Logs a failure of a request, now and then.
    pub(super) fn warn_of(&self, error: &dyn std::error::Error) {
        let now = Timestamp::now().as_millis();
        let last = self.warned_at.load(Ordering::Relaxed);
        let due = now - last >= WARN_EVERY;
        if due && self.warned_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(channel = %self.settings.name, "Request failed: {error}");
        } else {
            tracing::debug!(channel = %self.settings.name, "Request failed: {error}");
        }
    }
}

impl Terms {
    fn new(settings: &ChannelSettings, generation: &Generation) -> Self {
        let manifest = &generation.manifest;
        let mut methods = manifest.methods.clone();
        if let Some(narrowed) = &settings.methods {
            methods.retain(|method| narrowed.contains(method));
        }
        let recipe = settings.verification.clone().unwrap_or_else(|| manifest.recipe.clone());
        Self {
            digest: generation.digest,
            obstacle: obstacle(settings, &recipe, &manifest.recipe)
                .or_else(|| manifest.check_config(&settings.config).into_iter().next())
                .or_else(|| methods.is_empty().then(|| "`methods` leaves none of the plugin's methods".to_owned())),
            recipe,
            replaced: settings.verification.is_some().then(|| manifest.recipe.clone()),
            methods,
            content_types: manifest.content_types.clone(),
            max_body: manifest.max_body.min(settings.max_body.unwrap_or(usize::MAX)),
            overload_status: settings.overload_status.unwrap_or(manifest.overload_status),
        }
    }
}

/// What keeps a channel from serving with this verification.
fn obstacle(settings: &ChannelSettings, recipe: &Recipe, plugins: &Recipe) -> Option<String> {
    let name = &settings.name;
    let operator_opened = settings.verification.as_ref().is_some_and(Recipe::is_open);
    match (recipe.is_open(), settings.secrets.as_slice()) {
        _ if operator_opened && !plugins.is_open() && !settings.access.is_restricted() => Some(format!(
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

impl Open {
    /// What the channel accepts with this generation, whether or not it has what it needs to serve.
    pub(super) fn regardless(channel: Arc<Channel>, generation: Arc<Generation>) -> Self {
        let terms = channel.terms(&generation);
        Self { generation, channel, terms }
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The verification in force.
    pub(super) fn recipe(&self) -> &Recipe {
        &self.terms.recipe
    }

    /// Refuses a request that does not come from its provider.
    ///
    /// # Errors
    /// Why; safe to show to the caller.
    pub fn verify(&self, request: WebhookRequest) -> Result<Verified, VerifyError> {
        if self.recipe().is_open() {
            return Ok(Verified { request, at: None });
        }
        let WebhookRequest { method, full_path, query, headers, body, .. } = &request;
        let signed = Signed { method, path: full_path, query, headers, body };
        let now = Timestamp::now();
        self.recipe().verify(&self.channel.settings.secrets, &signed, now)?;
        Ok(Verified { request, at: Some(now) })
    }

    /// The methods that are received, at least one.
    pub fn methods(&self) -> &[Method] {
        &self.terms.methods
    }

    /// Bytes of the largest body.
    pub fn max_body(&self) -> usize {
        self.terms.max_body
    }

    /// What a caller over its rate is answered.
    pub fn overload_status(&self) -> StatusCode {
        self.terms.overload_status
    }

    /// The codings of bodies that are taken, besides bodies as they are.
    pub fn codings(&self) -> &[Coding] {
        &self.channel.settings.encodings
    }

    /// Refuses what the head of a request is enough to refuse.
    pub fn check_head(&self, method: &Method, headers: &HeaderMap) -> Result<(), IngestError> {
        let Terms { methods, content_types, .. } = &*self.terms;
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

    /// Refuses a request that its plugin would have no place for.
    pub fn admits(&self) -> Result<(), IngestError> {
        if self.channel.instance.is_full() { Err(CallError::Busy.into()) } else { Ok(()) }
    }

    /// The request as a guest may see it: without what the host takes for a credential.
    pub(super) fn shown(&self, request: WebhookRequest) -> Inbound {
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

    /// The headers that are kept with events: never one that carries a credential.
    pub(super) fn kept_headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let names = self.channel.settings.keep_headers.iter().filter(|name| !self.hides(name));
        let kept = names.flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)));
        kept.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
    }

    /// The verification in force, and the one that it has replaced.
    fn recipes(&self) -> impl Iterator<Item = &Recipe> {
        std::iter::once(&self.terms.recipe).chain(&self.terms.replaced)
    }

    fn hides(&self, name: &HeaderName) -> bool {
        [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name)
            || self.recipes().any(|recipe| recipe.hides_header(name.as_str()))
            || self.channel.access().hides_header(name.as_str())
    }

    /// The headers that a guest may see.
    fn without_credentials(&self, mut headers: HeaderMap) -> HeaderMap {
        let hidden: Vec<_> = headers.keys().filter(|name| self.hides(name)).cloned().collect();
        for name in hidden {
            headers.remove(name);
        }
        headers
    }
}

/// Whether a channel that takes `allowed` takes this; one that names no types takes any bytes.
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

impl Channel {
    /// Its name.
    pub fn name(&self) -> &crate::event::ChannelName {
        &self.settings.name
    }

    /// Who may call, and from where.
    pub fn access(&self) -> &Access {
        &self.settings.access
    }

    /// What of its rate is used; none when it has no limit.
    pub fn bucket(&self) -> Option<&Bucket> {
        self.bucket.as_ref()
    }

    /// Where requests are recorded at the moment.
    pub(super) fn recorder(&self) -> Option<Arc<Recorder>> {
        self.recorder.load_full()
    }

    /// Has requests recorded there; false when they are recorded elsewhere already.
    pub(super) fn begin_recording(&self, recorder: &Arc<Recorder>) -> bool {
        let before = self.recorder.compare_and_swap(&None::<Arc<Recorder>>, Some(Arc::clone(recorder)));
        before.is_none()
    }

    pub(super) fn end_recording(&self, recorder: &Arc<Recorder>) {
        self.recorder.compare_and_swap(recorder, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_takes_its_types_in_utf_8() {
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
