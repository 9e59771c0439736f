//! Polling: a channel whose plugin exports `poll` is called on an interval.

pub(crate) mod status;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::status::Polled;
use super::channel::Channel;
use super::error::IngestError;
use super::metrics::ByPoll;
use super::mount::MountTable;
use super::pipeline::Pipeline;
use super::receipt::{self, Context};
use crate::event::{ChannelName, RequestId, Timestamp};
use crate::lifecycle::Tasks;
use crate::plugin::{Batch, Failure, Generation};
use crate::schema::Origin;

/// Calls in a row of a source that always has more; then its interval counts, so that no source is polled without end.
const MAX_ROUNDS: u32 = 100;

/// The longest wait after failures, unless the interval or the source asks for more.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// The longest wait that a source can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The name of the tasks that poll.
pub const POLLING: &str = "polling";

/// Starts to poll. A call that is cut off at the end is made again after the next start.
pub(super) fn start(mounts: &Arc<MountTable>, pipeline: &Arc<Pipeline>) -> Tasks {
    let mut tasks = Tasks::new(POLLING)
        .debug_when_cut_off("Polls were cut off, their sources are polled again after the next start");
    let (mounts, pipeline) = (Arc::clone(mounts), Arc::clone(pipeline));
    tasks.spawn(|stop| supervise(mounts, pipeline, stop));
    tasks
}

/// Keeps one task for every channel that polls.
async fn supervise(mounts: Arc<MountTable>, pipeline: Arc<Pipeline>, stop: CancellationToken) {
    let mut replaced = mounts.subscribe();
    let mut pollers: JoinSet<ChannelName> = JoinSet::new();
    let mut active = BTreeSet::new();
    while !stop.is_cancelled() {
        for channel in mounts.load().configured().values().filter(|channel| polls(channel)) {
            if active.insert(channel.name().clone()) {
                let (channel, mounts, pipeline) = (Arc::clone(channel), Arc::clone(&mounts), Arc::clone(&pipeline));
                pollers.spawn(Poller { channel, mounts, pipeline }.run(stop.clone()));
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            Ok(()) = replaced.changed() => {}
            Some(ended) = pollers.join_next() => match ended {
                Ok(name) => drop(active.remove(&name)),
                Err(error) => tracing::error!("Polling ended badly: {error}"),
            },
        }
    }
    while pollers.join_next().await.is_some() {}
}

fn polls(channel: &Channel) -> bool {
    !channel.settings.poll.every.is_zero()
}

/// Polls one source, one call at a time, until its channel polls no more.
struct Poller {
    channel: Arc<Channel>,
    mounts: Arc<MountTable>,
    pipeline: Arc<Pipeline>,
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
enum PollError {
    /// The source or the plugin's way to it.
    #[error("{}: {}", .0.code, .0.message)]
    Source(Failure),
    /// The plugin or the log.
    #[error(transparent)]
    Ingest(IngestError),
}

impl Poller {
    async fn run(mut self, stop: CancellationToken) -> ChannelName {
        let mut plugins = self.pipeline.plugins.subscribe();
        let mut replaced = self.mounts.subscribe();
        let mut rounds = 0;
        loop {
            let wait = match self.generation() {
                None => None,
                Some(generation) => match self.noted(&generation).await {
                    Ok(true) if rounds < MAX_ROUNDS => {
                        rounds += 1;
                        Some(Duration::ZERO)
                    }
                    Ok(_) => {
                        rounds = 0;
                        Some(self.channel.settings.poll.every)
                    }
                    Err(error) => Some(self.failed(&error)),
                },
            };
            let next = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    // No plugin to call: one that appears is polled at once.
                    None => drop(plugins.changed().await),
                }
            };
            let mut next = std::pin::pin!(next);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return self.channel.name().clone(),
                    () = &mut next => break,
                    Ok(()) = replaced.changed() => {}
                }
                match self.mounts.load().configured().get(self.channel.name()) {
                    Some(channel) if Arc::ptr_eq(channel, &self.channel) => {}
                    // Other settings: called at once.
                    Some(channel) if polls(channel) => {
                        self.channel = Arc::clone(channel);
                        break;
                    }
                    _ => return self.channel.name().clone(),
                }
            }
        }
    }

    /// The generation to call; `None` while the plugin is not there, does not poll, or lacks a setting.
    fn generation(&self) -> Option<Arc<Generation>> {
        let generation = self.channel.generation(&self.pipeline.plugins).ok()?;
        let complete = || generation.manifest.check_config(&self.channel.settings.config).is_empty();
        (generation.polls() && complete()).then_some(generation)
    }

    /// Polls, and notes whether the plugin failed.
    async fn noted(&self, generation: &Arc<Generation>) -> Result<bool, PollError> {
        let polled = self.poll(generation).await;
        let failed = match &polled {
            Err(PollError::Ingest(error)) => error.is_fault_of_plugin(),
            Ok(_) | Err(PollError::Source(_)) => false,
        };
        generation.note(failed);
        polled
    }

    /// Stores what is new, and returns whether there is more.
    async fn poll(&self, generation: &Arc<Generation>) -> Result<bool, PollError> {
        let (channel, id) = (&self.channel, RequestId::new());
        // Events fetched while the log accepts nothing would only be fetched again.
        self.pipeline.admits()?;
        let called = generation.poll(&channel.polled, id).await.map_err(IngestError::from)?;
        let Batch { events, more, state } = called.map_err(PollError::Source)?;
        receipt::check_count(generation, events.len(), channel.settings.limits.max_events)?;
        let policy = channel.policy(generation);
        let context = Context {
            channel: &channel.settings.name,
            plugin: &generation.plugin,
            dedup: &policy.dedup,
            keep_repeats: channel.settings.keep_repeats,
            time: Timestamp::now(),
            verified_at: None,
            request_id: id,
            content_type: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
        };
        let routed = receipt::fetched_events(events, &context, |facts| self.pipeline.router.route(facts));
        let events: Vec<_> = routed.map_err(IngestError::Receipt)?.into_iter().map(|routed| routed.event).collect();
        let fetched = events.len();
        self.pipeline.append(&channel.polled, events, state, Origin::Polled).await?;
        tracing::debug!(channel = %channel.settings.name, fetched, more, "Source polled");
        self.count("ok");
        *channel.polling.lock() = Polled { at: Some(Timestamp::now()), ..Polled::default() };
        Ok(more)
    }

    /// Notes a failed call, and returns how long to wait.
    fn failed(&self, error: &PollError) -> Duration {
        let channel = &self.channel;
        let now = Timestamp::now();
        let asked = match error {
            PollError::Source(failure) => failure.asked_wait(now),
            PollError::Ingest(_) => None,
        };
        self.count("failed");
        let failures = {
            let mut polled = channel.polling.lock();
            *polled = Polled { at: Some(now), failures: polled.failures + 1, error: Some(error.to_string()) };
            polled.failures
        };
        channel.warn_of("Poll failed", error);
        let every = channel.settings.poll.every;
        let own = every.saturating_mul(2_u32.saturating_pow(failures - 1)).min(MAX_WAIT.max(every));
        own.max(asked.unwrap_or_default().min(MAX_RETRY_AFTER))
    }

    fn count(&self, outcome: &str) {
        self.pipeline.metrics.polls.get_or_create(&ByPoll::new(&self.channel.settings.name, outcome)).inc();
    }
}

impl<E: Into<IngestError>> From<E> for PollError {
    fn from(error: E) -> Self {
        Self::Ingest(error.into())
    }
}
