//! Notices: what happens to the gateway itself, as events of the built-in channels `gateway` and `web`.
//!
//! Whoever notices something puts it into a bounded queue and goes on; a task commits it like any other event, and routes that
//! name the channel send it anywhere. It promises that a notice never holds anybody up, that of one kind about one thing there is
//! at most one within `every`, and that what is left out is counted. A notice is never about a notice: who tells of deliveries
//! leaves out those of the channel `gateway`. Deliberately absent: what is worth a notice.

mod throttle;

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use self::throttle::Throttle;
use crate::event::{ChannelName, Facts, Recipient, Timestamp};
use crate::eventlog::{EventLog, NewEvent};
use crate::lifecycle::Tasks;
use crate::metrics::Metrics;

/// The name of the tasks of [`Notices::start`].
pub const NOTICES: &str = "notices";

/// How often those who are asked for notices are asked.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The least time between two notices of one kind about one thing.
    pub every: Duration,
    /// How many wait to be stored.
    pub queue: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { every: Duration::from_secs(60), queue: 256 }
    }
}

/// Something that happened to the gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The built-in channel that tells it.
    pub channel: &'static str,
    /// Without the name of the channel, such as `delivery.dead`.
    pub kind: &'static str,
    /// What it is about: the name of an agent, a plugin or a channel.
    pub subject: String,
    /// The data of the event.
    pub data: Map<String, Value>,
}

impl Notice {
    /// The same, told by another built-in channel.
    #[must_use]
    pub fn told_by(self, channel: &'static str) -> Self {
        Self { channel, ..self }
    }

    /// A notice with an object as its data.
    pub fn new(kind: &'static str, subject: impl ToString, data: Value) -> Self {
        let data = match data {
            Value::Object(data) => data,
            other => [("value".to_owned(), other)].into_iter().collect(),
        };
        Self { channel: ChannelName::GATEWAY, kind, subject: subject.to_string(), data }
    }
}

/// Where the events of the channels go: the routes.
pub type Recipients = Box<dyn Fn(&Facts<'_>) -> Vec<Recipient> + Send + Sync>;

/// Is asked every second what there is to notice.
pub type Source = Box<dyn FnMut(Timestamp) -> Vec<Notice> + Send>;

/// The queue; clones are the same.
#[derive(Clone)]
pub struct Notices(Arc<Inner>);

struct Inner {
    settings: Settings,
    sender: mpsc::Sender<Notice>,
    receiver: Mutex<mpsc::Receiver<Notice>>,
    dropped: Counter,
    throttled: Counter,
}

impl Notices {
    pub fn new(settings: Settings, metrics: &Metrics) -> Self {
        let (sender, receiver) = mpsc::channel(settings.queue.max(1));
        let dropped = metrics.register(
            "gateway_notices_dropped",
            "Notices that were not stored, because the queue was full or the log refused them",
            Counter::default(),
        );
        let throttled = metrics.register(
            "gateway_notices_throttled",
            "Notices that were left out, because there was one of the same kind about the same thing",
            Counter::default(),
        );
        Self(Arc::new(Inner { settings, sender, receiver: Mutex::new(receiver), dropped, throttled }))
    }

    /// Queues a notice, or drops and counts it if the queue is full. Never waits.
    pub fn tell(&self, notice: Notice) {
        if self.0.sender.try_send(notice).is_err() {
            self.0.dropped.inc();
        }
    }

    /// The least time between two notices of one kind about one thing.
    pub fn every(&self) -> Duration {
        self.0.settings.every
    }

    /// Starts to store what is told, and to ask `sources`.
    pub fn start(&self, log: &EventLog, recipients: Recipients, sources: Vec<Source>) -> Tasks {
        let (notices, log) = (self.clone(), log.clone());
        let mut tasks = Tasks::new(NOTICES);
        tasks.spawn(|stop| notices.run(log, recipients, sources, stop));
        tasks
    }

    async fn run(self, log: EventLog, recipients: Recipients, mut sources: Vec<Source>, stop: CancellationToken) {
        let mut throttle = Throttle::new(self.0.settings.every);
        let mut receiver = self.0.receiver.lock().await;
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(notice) = receiver.recv() => self.store(notice, &log, &recipients, &mut throttle).await,
                _ = ticks.tick() => {
                    let now = Timestamp::now();
                    for notice in sources.iter_mut().flat_map(|source| source(now)) {
                        self.store(notice, &log, &recipients, &mut throttle).await;
                    }
                }
            }
        }
        // Attempts that have just ended may have left some.
        receiver.close();
        while let Some(notice) = receiver.recv().await {
            self.store(notice, &log, &recipients, &mut throttle).await;
        }
    }

    async fn store(&self, notice: Notice, log: &EventLog, recipients: &Recipients, throttle: &mut Throttle) {
        let Some(left_out) = throttle.admit(notice.kind, &notice.subject, Instant::now()) else {
            self.0.throttled.inc();
            return;
        };
        let event = event(notice, left_out, recipients);
        if event.recipients.is_empty() {
            // Nobody asked for it, and the log of the gateway tells it all the same.
            return;
        }
        let (kind, subject) = (event.kind.clone(), event.subject.clone());
        if let Err(error) = log.commit(vec![event].into()).await {
            self.0.dropped.inc();
            tracing::warn!(kind, subject, "Notice was not stored: {error}");
        }
    }
}

/// `left_out` is how many like it there were since the last one.
fn event(notice: Notice, left_out: u64, recipients: &Recipients) -> NewEvent {
    let Notice { channel, kind, subject, mut data } = notice;
    if left_out > 0 {
        data.insert("left_out".to_owned(), json!(left_out));
    }
    NewEvent::of_gateway(channel, kind, subject, Vec::new(), &Value::Object(data), recipients)
}
