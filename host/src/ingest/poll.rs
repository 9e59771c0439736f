//! Sources that are asked: a channel whose plugin exports `poll` is called on an interval.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::event::{RequestId, Timestamp};
use crate::lifecycle::Tasks;
use crate::plugin::{Batch, Failure, Generation};

use super::channel::Channel;
use super::metrics::ByPoll;
use super::receipt::{self, Context};
use super::{IngestError, Inner, append};

/// Calls in a row of a source that always has more; then its interval counts, so that no source is asked without end.
const MAX_ROUNDS: u32 = 100;

/// The longest wait after failures, unless the interval or the source asks for more.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// The longest wait that a source can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// When a source is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollSettings {
    /// From the end of one call to the next; zero is never.
    pub every: Duration,
    /// Time for one call, the network included.
    pub timeout: Duration,
}

impl PollSettings {
    /// The source is not asked.
    pub const NEVER: Self = Self { every: Duration::ZERO, timeout: Duration::from_secs(30) };
}

/// How the calls of one channel have gone.
#[derive(Debug, Default)]
pub(super) struct Polling(Mutex<Polled>);

#[derive(Clone, Debug, Default)]
struct Polled {
    at: Option<Timestamp>,
    failures: u32,
    error: Option<String>,
}

/// The polling of a channel in `/admin/channels`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves and stand in the contract")]
pub struct PollStatus {
    pub every_ms: u64,
    /// When the last call ended.
    pub at: Option<Timestamp>,
    /// Failed calls in a row.
    pub failures: u32,
    /// Why the last one failed.
    pub error: Option<String>,
}

/// The name of the tasks that ask sources.
pub const POLLING: &str = "polling";

/// Begins to ask. A call that is cut off at the end is made again after the next start.
pub(super) fn start<'a>(channels: impl Iterator<Item = &'a Arc<Channel>>, ingest: &Arc<Inner>) -> Tasks {
    let mut tasks = Tasks::new(POLLING)
        .debug_when_cut_off("Polls were cut off, their sources are asked again after the next start");
    for channel in channels.filter(|channel| !channel.settings.poll.every.is_zero()) {
        let poller = Poller { channel: Arc::clone(channel), ingest: Arc::clone(ingest) };
        tasks.spawn(|stop| poller.run(stop));
    }
    tasks
}

/// Asks one source, one call at a time.
struct Poller {
    channel: Arc<Channel>,
    ingest: Arc<Inner>,
}

/// Why a call brought nothing.
enum PollError {
    /// The source or the plugin's way to it.
    Source(Failure),
    /// The plugin or the log.
    Ingest(IngestError),
}

impl Poller {
    async fn run(self, stop: CancellationToken) {
        let mut plugins = self.ingest.plugins.subscribe();
        let mut rounds = 0;
        loop {
            let every = self.channel.settings.poll.every;
            let wait = match self.generation() {
                None => None,
                Some(generation) => match self.poll(&generation).await {
                    Ok(true) if rounds < MAX_ROUNDS => {
                        rounds += 1;
                        Some(Duration::ZERO)
                    }
                    Ok(_) => {
                        rounds = 0;
                        Some(every)
                    }
                    Err(error) => Some(self.failed(&error)),
                },
            };
            let next = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    // Nothing is there to be called: a plugin that comes is asked at once.
                    None => drop(plugins.changed().await),
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = next => {}
            }
        }
    }

    /// The generation to call; none while the plugin is not there, polls nothing or lacks a setting.
    fn generation(&self) -> Option<Arc<Generation>> {
        let generation = self.channel.generation(&self.ingest.plugins).ok()?;
        let complete = || generation.manifest.check_config(&self.channel.settings.config).is_empty();
        (generation.polls() && complete()).then_some(generation)
    }

    /// Makes what is new durable, and tells whether there is more.
    async fn poll(&self, generation: &Arc<Generation>) -> Result<bool, PollError> {
        let (channel, id) = (&self.channel, RequestId::new());
        // What is fetched while the log takes nothing would only be fetched again.
        self.ingest.log.admits()?;
        let called = generation.poll(&channel.polled, id).await.map_err(IngestError::from)?;
        let Batch { events, more, state } = called.map_err(PollError::Source)?;
        let context = Context {
            channel: &channel.settings.name,
            plugin: &generation.plugin,
            time: Timestamp::now(),
            verified_at: None,
            request_id: id,
            content_type: String::new(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
        };
        let recipients =
            |kind: &str, attributes: &[_]| self.ingest.router.recipients(context.channel, kind, attributes);
        let events = receipt::fetched_events(events, &context, recipients).map_err(IngestError::Receipt)?;
        let fetched = events.len();
        append(&self.ingest.log, &channel.polled, events, state).await?;
        tracing::debug!(channel = %channel.settings.name, fetched, more, "Source was asked");
        self.count("ok");
        *channel.polling.lock() = Polled { at: Some(Timestamp::now()), ..Polled::default() };
        Ok(more)
    }

    /// Notes a failed call and tells how long to wait.
    fn failed(&self, error: &PollError) -> Duration {
        let channel = &self.channel;
        let now = Timestamp::now();
        let (asked, text) = match error {
            PollError::Source(failure) => (failure.asked_wait(now), format!("{}: {}", failure.code, failure.message)),
            PollError::Ingest(error) => (None, error.to_string()),
        };
        self.count("failed");
        let failures = {
            let mut polled = channel.polling.lock();
            *polled = Polled { at: Some(now), failures: polled.failures + 1, error: Some(text.clone()) };
            polled.failures
        };
        channel.warn_of(&std::io::Error::other(text));
        let every = channel.settings.poll.every;
        let own = every.saturating_mul(2_u32.saturating_pow(failures - 1)).min(MAX_WAIT.max(every));
        own.max(asked.unwrap_or_default().min(MAX_RETRY_AFTER))
    }

    fn count(&self, outcome: &str) {
        self.ingest.metrics.polls.get_or_create(&ByPoll::new(&self.channel.settings.name, outcome)).inc();
    }
}

impl Polling {
    fn lock(&self) -> std::sync::MutexGuard<'_, Polled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    pub(super) fn poll_status(&self) -> PollStatus {
        let Polled { at, failures, error } = self.polling.lock().clone();
        let every_ms = u64::try_from(self.settings.poll.every.as_millis()).unwrap_or(u64::MAX);
        PollStatus { every_ms, at, failures, error }
    }
}

impl<E: Into<IngestError>> From<E> for PollError {
    fn from(error: E) -> Self {
        Self::Ingest(error.into())
    }
}
