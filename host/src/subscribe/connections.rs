//! The connections of subscribers.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::close::Close;
use super::settings::Limits;
use crate::event::{Seq, Timestamp};
use crate::eventlog::Cursor;

/// All of them.
#[derive(Default)]
pub(super) struct Connections {
    open: Mutex<HashMap<Uuid, Arc<Connection>>>,
    refused: AtomicU64,
    gaps: AtomicU64,
    failures: Mutex<Failures>,
}

#[derive(Default)]
struct Failures {
    count: u64,
    last: Option<(Timestamp, &'static str)>,
}

/// What connections have done since the start.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves and stand in the contract")]
pub struct Totals {
    pub refused: u64,
    pub gaps: u64,
    pub sent: u64,
    pub failed: u64,
    pub last_failure_at: Option<Timestamp>,
    pub last_failure_reason: Option<&'static str>,
}

/// One connection, from the decision to let it in to its end.
pub(super) struct Connection {
    pub(super) id: Uuid,
    pub(super) subscriber: String,
    pub(super) transport: &'static str,
    pub(super) remote: IpAddr,
    pub(super) consumer: Option<String>,
    connected_at: Timestamp,
    heard_at: AtomicI64,
    position: AtomicU64,
    unacked: AtomicU64,
    /// Cancelled when the gateway wants it to end, and why.
    pub(super) ending: CancellationToken,
    why: Mutex<Option<Close>>,
}

/// A connection as operators see it.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves and stand in the contract")]
pub struct ConnectionStatus {
    pub subscriber_id: String,
    pub connection_id: Uuid,
    pub transport: &'static str,
    pub remote: IpAddr,
    pub consumer: Option<String>,
    pub connected_at: Timestamp,
    pub last_heartbeat: Timestamp,
    pub status: &'static str,
    pub cursor: Cursor,
    /// Positions after the cursor, whether they are for it or not.
    pub lag: u64,
    pub unacked: u64,
}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    Connections,
    Subscriber,
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one in.
    pub(super) fn enter(
        &self,
        limits: &Limits,
        subscriber: &str,
        transport: &'static str,
        remote: IpAddr,
        consumer: Option<&str>,
    ) -> Result<Arc<Connection>, NoPlace> {
        let mut open = self.open();
        if open.len() >= limits.connections {
            return Err(NoPlace::Connections);
        }
        if open.values().filter(|known| known.subscriber == subscriber).count() >= limits.connections_per_subscriber {
            return Err(NoPlace::Subscriber);
        }
        let now = Timestamp::now();
        let connection = Arc::new(Connection {
            id: Uuid::now_v7(),
            subscriber: subscriber.to_owned(),
            transport,
            remote,
            consumer: consumer.map(str::to_owned),
            connected_at: now,
            heard_at: AtomicI64::new(now.as_millis()),
            position: AtomicU64::new(0),
            unacked: AtomicU64::new(0),
            ending: CancellationToken::new(),
            why: Mutex::default(),
        });
        open.insert(connection.id, Arc::clone(&connection));
        Ok(connection)
    }

    pub(super) fn leave(&self, connection: &Connection) {
        self.open().remove(&connection.id);
    }

    /// Ends the connections for which `why` gives a reason.
    pub(super) fn end(&self, why: impl Fn(&Connection) -> Option<Close>) -> usize {
        let open = self.open();
        let ended = open.values().filter_map(|connection| Some((connection, why(connection)?)));
        ended.map(|(connection, close)| connection.end(close)).count()
    }

    /// The open ones, oldest first.
    pub(super) fn list(&self, head: Cursor) -> Vec<ConnectionStatus> {
        let open = self.open();
        let ordered: BTreeMap<_, _> = open.iter().collect();
        ordered.into_values().map(|connection| connection.status(head)).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.open().len()
    }

    pub(super) fn totals(&self, sent: u64) -> Totals {
        let failures = self.failures();
        Totals {
            refused: self.refused.load(Ordering::Relaxed),
            gaps: self.gaps.load(Ordering::Relaxed),
            sent,
            failed: failures.count,
            last_failure_at: failures.last.map(|(at, _)| at),
            last_failure_reason: failures.last.map(|(_, reason)| reason),
        }
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn told_gap(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, reason: &'static str) {
        let mut failures = self.failures();
        failures.count += 1;
        failures.last = Some((Timestamp::now(), reason));
    }
}

impl Connection {
    pub(super) fn end(&self, close: Close) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(close);
        self.ending.cancel();
    }

    /// Why it has to end.
    pub(super) fn why(&self) -> Close {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(Close::Fault)
    }

    pub(super) fn heard(&self) {
        self.heard_at.store(Timestamp::now().as_millis(), Ordering::Relaxed);
    }

    pub(super) fn is_at(&self, position: Seq, unacked: usize) {
        self.position.store(position.0, Ordering::Relaxed);
        self.unacked.store(unacked as u64, Ordering::Relaxed);
    }

    fn status(&self, head: Cursor) -> ConnectionStatus {
        let position = Seq(self.position.load(Ordering::Relaxed));
        ConnectionStatus {
            subscriber_id: self.subscriber.clone(),
            connection_id: self.id,
            transport: self.transport,
            remote: self.remote,
            consumer: self.consumer.clone(),
            connected_at: self.connected_at,
            last_heartbeat: Timestamp::from_millis(self.heard_at.load(Ordering::Relaxed)),
            status: if self.ending.is_cancelled() { "disconnecting" } else { "connected" },
            cursor: Cursor { epoch: head.epoch, seq: position },
            lag: head.seq.0.saturating_sub(position.0),
            unacked: self.unacked.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscribe::settings::Settings;

    #[test]
    fn the_places_of_1000_connections_take_less_than_a_megabyte() {
        let limits = Settings::default().limits;
        let connections = Connections::default();

        let taken = allocation_counter::measure(|| {
            for number in 0..1000 {
                let subscriber = format!("subscriber-{number}");
                let remote = IpAddr::from([192, 0, 2, 1]);
                connections.enter(&limits, &subscriber, "websocket", remote, Some("audit")).unwrap();
            }
        });

        assert_eq!(connections.count(), 1000);
        assert!(taken.bytes_current < 1_000_000, "{taken:?}");
    }
}
