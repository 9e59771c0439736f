//! From a request to durable events.
//!
//! It owns channels, their state, and every step of a webhook after it was read. It promises that unverified bytes reach neither
//! a decoder, a plugin nor the disk, and that [`Ingest::receive`] returns only when the events are durable. Deliberately absent:
//! HTTP, and where events go.

mod budget;
mod channel;
mod decode;
mod downgrade_check;
mod emit;
mod error;
mod identity;
mod media_type;
mod metrics;
mod mount;
mod pipeline;
mod policy;
mod poll;
mod ready;
mod receipt;
mod recording;
mod request;
mod settings;
mod standalone;
mod unknown;

use std::sync::Arc;
use std::time::Duration;

pub use self::budget::{BodyBudget, BodyShare, NoRoom};
pub use self::channel::{Channel, ChannelState, ChannelStatus};
pub use self::downgrade_check::DowngradeCheck;
pub use self::error::IngestError;
pub use self::media_type::is_media_type;
pub use self::mount::Mount;
pub use self::pipeline::{DryEvent, DryRun, Outcome, Received, ReceivedEvent, Router};
pub use self::policy::BodyPolicy;
pub use self::poll::POLLING;
pub use self::poll::status::PollStatus;
pub use self::ready::ReadyChannel;
pub use self::recording::recorder::Recorded;
pub use self::recording::{RecordError, Recording};
pub use self::request::WebhookRequest;
pub use self::settings::{ChannelSettings, PollSettings, Settings};
pub use self::standalone::StandaloneChannel;

use self::metrics::IngestMetrics;
use self::mount::{MountTable, Mounts};
use self::pipeline::Pipeline;
use crate::caller::look_up_names;
use crate::event::{ChannelName, EmittedEvent, PluginName, RequestId};
use crate::eventlog::EventLog;
use crate::lifecycle::Tasks;
use crate::metrics::Metrics;
use crate::plugin::PluginHost;
use crate::schema::Schemas;

/// The handle of the module.
#[derive(Clone)]
pub struct Ingest {
    mounts: Arc<MountTable>,
    pipeline: Arc<Pipeline>,
}

/// Channels that can replace those in force. They change nothing until then.
pub struct PreparedChannels(Mounts);

impl Ingest {
    pub fn new(
        settings: Settings,
        plugins: PluginHost,
        log: EventLog,
        router: Arc<dyn Router>,
        schemas: Schemas,
        metrics: &Metrics,
    ) -> Self {
        let mounts = Mounts::none(plugins.clone()).with(settings);
        let pipeline = Pipeline::new(plugins, log, router, schemas, IngestMetrics::register(metrics));
        Self { mounts: Arc::new(MountTable::new(mounts)), pipeline: Arc::new(pipeline) }
    }

    /// Prepares the channels of other settings: looks up the host names in their allow lists, which takes five seconds at most.
    pub async fn prepare(&self, settings: Settings) -> PreparedChannels {
        let mounts = self.mounts.load().with(settings);
        look_up_names(&mounts.host_names()).await;
        PreparedChannels(mounts)
    }

    /// Replaces the channels. A request goes on with the channel that it began with.
    pub fn replace(&self, PreparedChannels(mounts): PreparedChannels) {
        self.mounts.replace(mounts);
    }

    /// The channel that serves `path`, and the rest of the path below it.
    pub fn mount(&self, path: &str) -> Option<Mount> {
        self.mounts.load().find(path)
    }

    /// What the channel accepts right now, before anything of the body is read.
    ///
    /// # Errors
    /// `Waiting`.
    pub fn open(&self, mount: &Mount) -> Result<ReadyChannel, IngestError> {
        ReadyChannel::new(&mount.channel, &self.pipeline.plugins)
    }

    /// Looks up the host names in the allow lists of channels.
    pub async fn look_up_names(&self) {
        look_up_names(&self.mounts.load().host_names()).await;
    }

    /// The channels whose events are emitted, by name.
    pub fn emitters(&self) -> Vec<Arc<Channel>> {
        let mounts = self.mounts.load();
        mounts.configured().values().filter(|channel| channel.settings.emit).cloned().collect()
    }

    /// Whether there is a channel whose events are emitted.
    pub fn has_emitters(&self) -> bool {
        self.mounts.load().configured().values().any(|channel| channel.settings.emit)
    }

    /// Makes emitted events of a channel durable: all of them, or none.
    ///
    /// # Errors
    /// `Log`.
    pub async fn emit(
        &self,
        channel: &Channel,
        events: Vec<EmittedEvent>,
        request_id: RequestId,
    ) -> Result<Received, IngestError> {
        self.pipeline.admits()?;
        self.pipeline.emit(channel, events, request_id).await
    }

    /// Whether the log accepts events right now. Cheap: asked before anything is done for a request.
    ///
    /// # Errors
    /// `Log`.
    pub fn admits(&self) -> Result<(), IngestError> {
        self.pipeline.admits()
    }

    /// Every channel with its state, by name.
    pub fn channels(&self) -> Vec<ChannelStatus> {
        self.mounts.load().channels().iter().map(|channel| channel.status(&self.pipeline.plugins)).collect()
    }

    /// Every channel with its plugin; `None` where services emit the events.
    pub fn sources(&self) -> Vec<(ChannelName, Option<PluginName>)> {
        let source = |channel: &Arc<Channel>| {
            let settings = &channel.settings;
            (settings.name.clone(), (!settings.emit).then(|| settings.plugin.clone()))
        };
        self.mounts.load().channels().iter().map(source).collect()
    }

    /// The channels that may be silent, and from when on they are.
    pub fn silence_limits(&self) -> Vec<(ChannelName, Duration)> {
        let mounts = self.mounts.load();
        let channels = mounts.configured().values();
        channels.filter_map(|channel| Some((channel.name().clone(), channel.settings.silent_after?))).collect()
    }

    /// Starts to poll the sources of channels whose plugins do that.
    pub fn start(&self) -> Tasks {
        poll::start(&self.mounts, &self.pipeline)
    }

    /// Records what the channel receives from now on, until the recording is dropped.
    ///
    /// # Errors
    /// `Unknown`, and `Busy` while another recording of the channel is under way.
    pub fn record(&self, channel: &str) -> Result<Recording, RecordError> {
        let found = self.mounts.load().channels().into_iter().find(|known| known.name().as_str() == channel);
        Recording::start(found.ok_or_else(|| RecordError::Unknown(channel.to_owned()))?)
    }

    /// Verifies and decodes the request, has the plugin turn it into events, and makes them durable. `policy` comes from the
    /// request's head ([`ReadyChannel::check_head`]); `budget` limits the memory of decoded bodies.
    ///
    /// Cancel safe: all of its events are in the log, or none.
    ///
    /// # Errors
    /// All but `Waiting` and those of the head.
    pub async fn receive(
        &self,
        channel: &ReadyChannel,
        policy: BodyPolicy,
        request: WebhookRequest,
        budget: &Arc<BodyBudget>,
    ) -> Result<Received, IngestError> {
        self.pipeline.receive(channel, policy, request, budget).await
    }

    /// What [`receive`](Self::receive) would bring. Calls the plugin; nothing is stored, counted or recorded.
    ///
    /// # Errors
    /// Those of `receive`.
    pub async fn dry_run(
        &self,
        channel: &ReadyChannel,
        policy: BodyPolicy,
        request: WebhookRequest,
        budget: &Arc<BodyBudget>,
    ) -> Result<DryRun, IngestError> {
        self.pipeline.dry_run(channel, policy, request, budget).await
    }
}
