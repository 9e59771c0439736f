//! What all subscribers share, and the front of the module.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::arrivals::Arrivals;
use super::close::Close;
use super::connections::{Connection, ConnectionStatus, Connections, Totals};
use super::consumer::Consumer;
use super::consumers::Consumers;
use super::error::SubscribeError;
use super::grant::Grant;
use super::metrics::{ByTransport, SubscribeMetrics};
use super::relay::Relay;
use super::settings::Settings;
use super::shared_event::Encoding;
use super::start::{Since, Start};
use super::tickets::Tickets;
use crate::caller::{AddressLimit, Addresses};
use crate::event::Timestamp;
use crate::eventlog::{Cursor, EventLog, EventLogError};
use crate::lifecycle::Tasks;
use crate::metrics::{ByReason, Metrics};

/// The name of the tasks of [`Subscriptions::start`].
pub const SUBSCRIPTIONS: &str = "subscriptions";

/// How often it is looked what consumers have to write.
const FLUSH: Duration = Duration::from_secs(1);

/// Addresses whose attempts are counted, for each subscriber.
const ADDRESSES: usize = 1024;

/// The front of the module; clones are the same.
#[derive(Clone)]
pub struct Subscriptions(pub(super) Arc<Hub>);

pub(super) struct Hub {
    pub(super) settings: ArcSwap<Settings>,
    pub(super) relay: Arc<Relay>,
    pub(super) connections: Connections,
    pub(super) consumers: Consumers,
    pub(super) tickets: Tickets,
    /// By subscriber; those with a wrong key are under `None`.
    pub(super) attempts: Mutex<HashMap<Option<String>, Addresses>>,
    pub(super) metrics: SubscribeMetrics,
    pub(super) leaving: CancellationToken,
}

impl Subscriptions {
    /// Reads what is known of consumers, and makes those of the configuration. The log was opened with `arrivals`.
    ///
    /// # Errors
    /// Those of reads of the log.
    pub fn load(
        settings: Settings,
        log: EventLog,
        arrivals: Arrivals,
        metrics: &Metrics,
    ) -> Result<Self, EventLogError> {
        let registered = SubscribeMetrics::register(metrics);
        let consumers = Consumers::load(&log, &settings.consumers, registered.parked.clone())?;
        Ok(Self(Arc::new(Hub {
            settings: ArcSwap::from_pointee(settings),
            relay: Arc::new(Relay::new(log, arrivals)),
            connections: Connections::default(),
            consumers,
            tickets: Tickets::default(),
            attempts: Mutex::default(),
            metrics: registered,
            leaving: CancellationToken::new(),
        })))
    }

    /// Starts to wake those who read.
    pub fn start(&self) -> Tasks {
        let mut tasks = Tasks::new(SUBSCRIPTIONS);
        let hub = Arc::clone(&self.0);
        tasks.spawn(|stop| Arc::clone(&hub.relay).run(stop));
        tasks.spawn(|stop| async move {
            while stop.run_until_cancelled(tokio::time::sleep(FLUSH)).await.is_some() {
                hub.expire_consumers().await;
                hub.consumers.flush(hub.relay.log()).await;
            }
            hub.consumers.flush(hub.relay.log()).await;
        });
        tasks
    }

    /// Writes what consumers have to write, as far as it can be written now. Those that are new are known from then on, so that
    /// they begin where they were made, whatever happens.
    pub async fn flush(&self) {
        self.0.consumers.flush(self.0.relay.log()).await;
    }

    /// Tells all subscribers that the gateway ends.
    pub fn leave(&self) {
        self.0.leaving.cancel();
    }

    pub fn settings(&self) -> Arc<Settings> {
        self.0.settings.load_full()
    }

    /// Replaces the settings. Connections whose rights have changed are ended: they come back with what is in force then, or not.
    ///
    /// # Errors
    /// Those of reads of the log; nothing has changed then.
    pub fn replace(&self, settings: Settings) -> Result<(), EventLogError> {
        let hub = &self.0;
        let before = hub.settings.load_full();
        hub.consumers.configure(hub.relay.log(), &settings.consumers)?;
        if before.limits.attempts != settings.limits.attempts {
            hub.attempts().clear();
        }
        hub.connections.end(|connection| {
            let [before, after] = [&before, &settings].map(|settings| settings.subscribers.get(&connection.subscriber));
            match (before, after) {
                (Some(_), None) => Some(Close::Revoked),
                (Some(before), Some(after)) if before != after => Some(Close::Moved),
                _ => None,
            }
        });
        hub.settings.store(Arc::new(settings));
        Ok(())
    }

    /// Counts an attempt to connect: of a subscriber, or of somebody with a wrong key.
    ///
    /// # Errors
    /// How long to wait, if there were too many.
    pub fn attempt(&self, address: IpAddr, subscriber: Option<&str>) -> Result<(), Duration> {
        let rate = self.0.settings.load().limits.attempts;
        let mut attempts = self.0.attempts();
        let limit = AddressLimit { rate, addresses: ADDRESSES };
        let known = attempts.entry(subscriber.map(str::to_owned)).or_insert_with(|| Addresses::new(limit));
        let (standing, _) = known.take(address);
        if standing.is_exceeded() {
            self.0.refuse("attempts");
            return Err(standing.wait);
        }
        Ok(())
    }

    /// The newest position.
    pub fn head(&self) -> Cursor {
        self.0.head()
    }

    /// The connections, oldest first.
    pub fn connections(&self) -> Vec<ConnectionStatus> {
        self.0.connections.list(self.0.head())
    }

    /// How many connections there are.
    pub fn active(&self) -> usize {
        self.0.connections.count()
    }

    /// What connections have done since the start.
    pub fn totals(&self) -> Totals {
        self.0.connections.totals(self.0.metrics.sent.get())
    }
}

impl Hub {
    /// A consumer that the subscriber may hold.
    pub(super) fn held(&self, grant: &Grant, name: &str) -> Result<Arc<Consumer>, SubscribeError> {
        if !grant.may_hold(name) {
            return Err(SubscribeError::NotAllowed(name.to_owned()));
        }
        self.consumers.get(name)
    }

    /// Deletes the consumers that nobody uses any more.
    async fn expire_consumers(&self) {
        let settings = self.settings.load_full();
        for consumer in self.consumers.list() {
            if !settings.consumers.contains_key(&consumer.name) && consumer.expire(Timestamp::now()) {
                self.metrics.expired.inc();
                tracing::info!(
                    consumer = consumer.name,
                    "Consumer deleted, nobody has used it for its `idle_expiry_ms`"
                );
            }
            if consumer.is_deleted()
                && let Err(error) = self.consumers.delete(&consumer).await
            {
                tracing::debug!(consumer = consumer.name, "Consumer is still in the log: {error}");
            }
        }
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<Option<String>, Addresses>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn refuse(&self, reason: &'static str) {
        self.connections.refused();
        self.metrics.refused.get_or_create(&ByReason::new(reason)).inc();
    }

    pub(super) fn leave(&self, connection: &Connection) {
        self.connections.leave(connection);
        self.metrics.connections.get_or_create(&ByTransport::new(connection.transport)).dec();
    }

    /// Where a subscription begins. Only a time has to be looked for: everything else is decided before anybody else runs, so that
    /// nothing is stored between a connection that is shown and its beginning.
    pub(super) async fn start(&self, since: Since) -> Result<Start, EventLogError> {
        let log = self.relay.log().clone();
        if !matches!(since, Since::Time(_)) {
            return since.find(&log);
        }
        let found = tokio::task::spawn_blocking(move || since.find(&log)).await;
        found.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))
    }

    pub(super) fn encoding(&self, settings: &Settings, max_payload: usize) -> Encoding {
        let epoch = self.relay.log().snapshot().epoch;
        Encoding { epoch, max_payload, events_path: format!("{}/events", settings.prefix).into() }
    }

    pub(super) fn head(&self) -> Cursor {
        let snapshot = self.relay.log().snapshot();
        Cursor { epoch: snapshot.epoch, seq: snapshot.head }
    }
}
