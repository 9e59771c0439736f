//! From a request to durable events: which channel it is for, whether it may pass, and what its plugin made of it.
//!
//! It owns channels and their state. It promises that unverified bytes reach neither a plugin nor the disk, and that
//! [`Ingest::receive`] returns only when the events are durable. Deliberately absent: HTTP, and where events go.

mod channel;
mod coding;
mod downgrade_check;
mod metrics;
mod mount;
mod poll;
mod receipt;
mod recording;
mod standalone;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use sha2::{Digest, Sha256};

use crate::caller::{Access, AllowList, Rate};
use crate::egress::{EgressSettings, Response};
use crate::event::{ChannelName, EventId, PluginName, Recipient, RequestId, Timestamp};
use crate::eventlog::{Appended, Batch, EventLog, EventLogError, NewEvent, Space, ValueChange};
use crate::lifecycle::Tasks;
use crate::metrics::{ByProvider, Metrics};
use crate::plugin::{Binding, CallError, CallLimits, PluginHost, Receipt, Rejection, StateChanges, StateError};
use crate::verify::{Recipe, Secret, VerifyError};

pub use self::channel::{Channel, ChannelState, ChannelStatus, Open};
pub use self::coding::Coding;
pub use self::downgrade_check::Guard;
pub use self::mount::Mount;
pub use self::poll::{POLLING, PollSettings, PollStatus};
pub use self::recording::{RecordError, Recorded, Recording};
pub use self::standalone::Rehearsal;

use self::metrics::IngestMetrics;
use self::mount::Mounts;
use self::receipt::{Context, new_events};

/// Valid input of the module.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configured channels.
    pub channels: Vec<ChannelSettings>,
    /// Whether a channel plugin without a channel of its own is served at `/webhooks/<name>`.
    pub auto_mount: bool,
    /// What a call for such a channel may use.
    pub auto_limits: CallLimits,
}

/// One configured channel.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// Its name.
    pub name: ChannelName,
    /// The plugin behind it.
    pub plugin: PluginName,
    /// Where it is mounted: absolute paths without a slash at the end.
    pub paths: Vec<String>,
    /// Any of them verifies a request.
    pub secrets: Vec<Secret>,
    /// Why there is no secret although one is configured.
    pub missing_secret: Option<String>,
    /// What takes the place of the manifest's verification.
    pub verification: Option<Recipe>,
    /// Who may call, and from where.
    pub access: Access,
    /// How often all callers together may call; none means no limit.
    pub rate_limit: Option<Rate>,
    /// What takes the place of the manifest's answer to those over their rate.
    pub overload_status: Option<StatusCode>,
    /// Whether the gateway is ready only while this channel is.
    pub required: bool,
    /// Narrows the manifest's methods.
    pub methods: Option<Vec<Method>>,
    /// Narrows the manifest's limit; bytes.
    pub max_body: Option<usize>,
    /// Codings in which bodies are taken.
    pub encodings: Vec<Coding>,
    /// Request headers that are kept with the event.
    pub keep_headers: Vec<HeaderName>,
    /// Settings of the plugin.
    pub config: BTreeMap<String, serde_json::Value>,
    /// What a call may use.
    pub limits: CallLimits,
    /// The network that the plugin is granted while it polls.
    pub egress: EgressSettings,
    /// Bytes of state that the plugin is granted; 0 is none.
    pub state: usize,
    /// How a plugin that fetches events is called.
    pub poll: PollSettings,
}

/// Where events go, as far as ingest must know: their first deliveries are part of their commit.
pub trait Router: Send + Sync {
    /// Who gets such an event from this channel, each agent once.
    fn recipients(&self, channel: &ChannelName, kind: &str, attributes: &[(String, String)]) -> Vec<Recipient>;
}

/// One request, read in full.
#[derive(Clone)]
pub struct WebhookRequest {
    /// Its method.
    pub method: Method,
    /// The whole path as received: some senders sign it.
    pub full_path: String,
    /// The path below the mount point; starts with `/`.
    pub path: String,
    /// Without `?`, undecoded.
    pub query: String,
    /// As received.
    pub headers: HeaderMap,
    /// As received.
    pub body: Bytes,
    /// When its first byte arrived.
    pub received_at: Timestamp,
    /// Its identity.
    pub id: RequestId,
}

/// A request that may come in: it was verified, or its channel verifies nothing.
pub struct Verified {
    request: WebhookRequest,
    at: Option<Timestamp>,
}

impl Verified {
    /// The body, as it was received.
    pub fn body(&self) -> &Bytes {
        &self.request.body
    }

    /// The same request with its body decoded, and without what the headers said of the encoded one.
    pub fn with_decoded(mut self, body: Bytes) -> Self {
        self.request.headers.remove(CONTENT_ENCODING);
        self.request.headers.remove(CONTENT_LENGTH);
        self.request.body = body;
        self
    }
}

/// What became of a request.
#[derive(Debug)]
pub struct Received {
    /// Its events, in order.
    pub events: Vec<ReceivedEvent>,
    /// The plugin's own answer.
    pub response: Option<Response>,
}

/// What would become of a request.
#[derive(Debug)]
pub struct Rehearsed {
    /// Kind and subject of each event, in order.
    pub events: Vec<(String, Option<String>)>,
    /// The plugin's own answer.
    pub response: Option<Response>,
}

/// One event of an answer.
#[derive(Clone, Debug)]
pub struct ReceivedEvent {
    /// The event's id; of a duplicate, the first one's.
    pub id: EventId,
    /// Its kind.
    pub kind: String,
    /// Whether it was in the log already.
    pub duplicate: bool,
}

/// Why a request brought no events.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The channel cannot serve yet or any more.
    #[error("channel `{channel}` waits: {detail}")]
    Waiting {
        /// The channel.
        channel: ChannelName,
        /// What it waits for.
        detail: String,
    },
    /// The method is not one of the channel's.
    #[error("the method is not allowed")]
    Method(Vec<Method>),
    /// The media type is not one of the channel's.
    #[error("the content type is not one of {}", .0.join(", "))]
    ContentType(Vec<String>),
    /// The text is in another encoding than the one that plugins read.
    #[error("the charset is not utf-8")]
    Charset,
    /// Two readers of the request could take it for two things.
    #[error("`content-type` is given more than once")]
    AmbiguousContentType,
    /// The request does not come from the provider.
    #[error(transparent)]
    Verification(#[from] VerifyError),
    /// The plugin refuses the content.
    #[error("{}", .0.detail)]
    Rejected(Rejection),
    /// The plugin failed.
    #[error("the plugin failed: {0}")]
    Plugin(#[from] CallError),
    /// The plugin answered something that is no receipt.
    #[error("the plugin's receipt is invalid: {0}")]
    Receipt(String),
    /// The plugin wanted to keep more than it was granted.
    #[error("the plugin's state was refused: {0}")]
    State(#[from] StateError),
    /// The log did not take the events.
    #[error(transparent)]
    Log(#[from] EventLogError),
}

/// The front of the module.
#[derive(Clone)]
pub struct Ingest(Arc<Inner>);

struct Inner {
    mounts: Mounts,
    plugins: PluginHost,
    log: EventLog,
    router: Arc<dyn Router>,
    metrics: IngestMetrics,
}

impl Ingest {
    /// Serves the channels of `settings`.
    pub fn new(
        settings: Settings,
        plugins: PluginHost,
        log: EventLog,
        router: Arc<dyn Router>,
        metrics: &Metrics,
    ) -> Self {
        let mounts = Mounts::new(settings, plugins.clone());
        Self(Arc::new(Inner { mounts, plugins, log, router, metrics: IngestMetrics::register(metrics) }))
    }

    /// The channel that serves `path`, and the rest of the path below it.
    pub fn mount(&self, path: &str) -> Option<Mount> {
        self.0.mounts.find(path)
    }

    /// What the channel accepts right now, before anything of the body is read.
    pub fn open(&self, mount: &Mount) -> Result<Open, IngestError> {
        mount.channel.open(&self.0.plugins)
    }

    /// The allow lists of the configured channels.
    pub fn allow_lists(&self) -> impl Iterator<Item = &AllowList> {
        self.0.mounts.configured().filter_map(|channel| channel.access().from.as_ref())
    }

    /// Whether events would be taken right now. Cheap: asked before anything is done for a request.
    pub fn admits(&self) -> Result<(), IngestError> {
        Ok(self.0.log.admits()?)
    }

    /// Every channel with its state, by name.
    pub fn channels(&self) -> Vec<ChannelStatus> {
        self.0.mounts.channels().iter().map(|channel| channel.status(&self.0.plugins)).collect()
    }

    /// Starts to ask the sources whose plugins fetch events.
    pub fn start(&self) -> Tasks {
        poll::start(self.0.mounts.configured(), &self.0)
    }

    /// Records what the channel receives from now on, until the recording is dropped.
    ///
    /// # Errors
    /// `Unknown`, and `Busy` while another recording of the channel is under way.
    pub fn record(&self, channel: &str) -> Result<Recording, RecordError> {
        let found = self.0.mounts.channels().into_iter().find(|known| known.name().as_str() == channel);
        Recording::start(found.ok_or_else(|| RecordError::Unknown(channel.to_owned()))?)
    }

    /// Refuses a request that does not come from its provider, and counts it.
    ///
    /// # Errors
    /// `Verification`, and `Log` while no events are taken: the body may have taken its time.
    pub fn verify(&self, open: &Open, request: WebhookRequest) -> Result<Verified, IngestError> {
        self.0.log.admits()?;
        let channel = open.channel();
        let verified = open.verify(request).inspect_err(|error| {
            self.0.metrics.signature_failures.get_or_create(&ByProvider::new(channel.name())).inc();
            channel.warn_of(error);
        })?;
        Ok(verified)
    }

    /// Has the plugin turn the request into events and makes them durable.
    ///
    /// Cancel safe: a request that is given up leaves all of its events in the log or none.
    pub async fn receive(&self, open: &Open, verified: Verified) -> Result<Received, IngestError> {
        let Inner { log, router, .. } = &*self.0;
        let channel = open.channel();
        let Verified { request, at } = verified;
        let context = context(open, &request, at);
        let inbound = open.shown(request);
        let recorder = channel.recorder();
        let recorded = recorder.as_ref().map(|_| inbound.clone());
        let called = open.generation.receive(&channel.instance, inbound).await;
        if let (Some(recorder), Some(inbound)) = (recorder, recorded) {
            recorder.note(inbound, &called);
        }
        let receipt = called.inspect_err(|error| channel.warn_of(error))?.map_err(IngestError::Rejected)?;
        let response = receipt.response;
        let digest = || Sha256::digest(&context.body).into();
        let recipients = |kind: &str, attributes: &[_]| router.recipients(context.channel, kind, attributes);
        let events = new_events(receipt.events, &context, digest, recipients).map_err(IngestError::Receipt)?;
        let kinds: Vec<_> = events.iter().map(|event| event.kind.clone()).collect();
        let appended = append(log, &channel.instance, events, receipt.state).await?;
        let received = |(appended, kind)| match appended {
            Appended::Accepted(event) => ReceivedEvent { id: event.id, kind, duplicate: false },
            Appended::Duplicate(id) => ReceivedEvent { id, kind, duplicate: true },
        };
        let events = appended.into_iter().zip(kinds).map(received).collect();
        Ok(Received { events, response })
    }

    /// What `receive` would say of the request. Calls the plugin; nothing of that is stored or kept.
    pub async fn rehearse(&self, open: &Open, verified: Verified) -> Result<Rehearsed, IngestError> {
        let Verified { request, at } = verified;
        let context = context(open, &request, at);
        let called = open.generation.receive(&open.channel().instance, open.shown(request)).await?;
        let Receipt { events, response, .. } = called.map_err(IngestError::Rejected)?;
        let digest = || Sha256::digest(&context.body).into();
        let events = new_events(events, &context, digest, |_, _| Vec::new()).map_err(IngestError::Receipt)?;
        Ok(Rehearsed { events: events.into_iter().map(|event| (event.kind, event.subject)).collect(), response })
    }
}

/// What the request says of all its events.
fn context<'a>(open: &'a Open, request: &WebhookRequest, verified_at: Option<Timestamp>) -> Context<'a> {
    let channel = open.channel();
    Context {
        channel: channel.name(),
        plugin: &open.generation.plugin,
        time: request.received_at,
        verified_at,
        request_id: request.id,
        content_type: content_type(&request.headers),
        headers: open.kept_headers(&request.headers),
        body: request.body.clone(),
    }
}

/// Makes events durable, in one step with what their call has changed of the plugin's state.
async fn append(
    log: &EventLog,
    instance: &Binding,
    events: Vec<NewEvent>,
    changes: StateChanges,
) -> Result<Vec<Appended>, IngestError> {
    match &instance.state {
        Some(state) if !changes.is_empty() => {
            let write = async move |entries| {
                let values = ValueChange::all(&Space::of_plugin(&state.owner), entries);
                Ok(log.commit(Batch { events, values, ..Batch::default() }).await?.events)
            };
            state.keep(changes, write).await
        }
        _ => Ok(log.commit(events.into()).await?.events),
    }
}

/// The request's media type; bytes of an unnamed type are just bytes (RFC 9110, section 8.3).
fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or("application/octet-stream").to_owned()
}
