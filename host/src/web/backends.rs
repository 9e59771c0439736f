//! Backends: their addresses, and which of them gets a request.

mod endpoint;
mod pool;
mod standing;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) use self::endpoint::{Endpoint, Lease};
pub(super) use self::standing::Verdict;
use super::gate::Gate;
use super::metrics::BackendMetrics;
use super::settings::{Address, BackendSettings};
use crate::event::Timestamp;

/// How long one look-up of names may take.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Services that answer alike.
pub(super) struct Backend {
    pub(super) settings: Arc<BackendSettings>,
    pub(super) gate: Arc<Gate>,
    pub(super) metrics: BackendMetrics,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    next: AtomicUsize,
    tasks: TaskTracker,
    /// Whether somebody looks after it.
    pub(super) is_watched: AtomicBool,
    /// Cancelled when no configuration has it any more.
    pub(super) retired: CancellationToken,
}

/// A backend for operators.
#[derive(Clone, Debug, Serialize)]
pub struct BackendStatus {
    pub name: String,
    /// `unknown`, `up` or `down`: whether one of its addresses is up.
    pub state: &'static str,
    pub in_flight: usize,
    pub addresses: Vec<AddressStatus>,
}

/// One of its addresses.
#[derive(Clone, Debug, Serialize)]
pub struct AddressStatus {
    pub address: SocketAddr,
    /// `unknown`, `up` or `down`.
    pub state: &'static str,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    pub in_flight: usize,
    /// Connections that are kept for the next request.
    pub idle: usize,
}

impl Backend {
    pub(super) fn new(settings: Arc<BackendSettings>, metrics: BackendMetrics, tasks: TaskTracker) -> Arc<Self> {
        let backend = Self {
            gate: Gate::new(settings.max_in_flight),
            metrics,
            endpoints: ArcSwap::default(),
            next: AtomicUsize::new(0),
            tasks,
            is_watched: AtomicBool::new(false),
            retired: CancellationToken::new(),
            settings,
        };
        let known = backend.settings.addresses.iter().filter_map(|address| match address {
            Address::Ip(ip) => Some((*ip, address)),
            Address::Name { .. } => None,
        });
        backend.replace(&known.collect::<Vec<_>>());
        Arc::new(backend)
    }

    /// The address for a request: of those that are not down the one with the fewest requests, and not `other` if there is a choice.
    pub(super) fn pick(&self, other: Option<&Arc<Endpoint>>) -> Option<Arc<Endpoint>> {
        let endpoints = self.endpoints.load();
        let available = |endpoint: &&Arc<Endpoint>| endpoint.verdict() != Verdict::Down;
        if let [only] = endpoints.as_slice() {
            return Some(only).filter(available).cloned();
        }
        let first = self.next.fetch_add(1, Ordering::Relaxed) % endpoints.len().max(1);
        let (before, after) = endpoints.split_at(first);
        let candidates = || after.iter().chain(before).filter(available);
        let is_other = |endpoint: &&Arc<Endpoint>| !other.is_some_and(|other| Arc::ptr_eq(other, endpoint));
        let best = candidates().filter(is_other).min_by_key(|endpoint| endpoint.in_flight());
        best.or_else(|| candidates().next()).cloned()
    }

    pub(super) fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// Whether one of its addresses is up; `None` before any was tried.
    pub(super) fn is_up(&self) -> Option<bool> {
        let endpoints = self.endpoints.load();
        let mut verdicts = endpoints.iter().map(|endpoint| endpoint.verdict());
        if verdicts.clone().any(|verdict| verdict == Verdict::Up) {
            return Some(true);
        }
        verdicts.all(|verdict| verdict == Verdict::Down).then_some(false)
    }

    pub(super) fn has_names(&self) -> bool {
        self.settings.addresses.iter().any(|address| matches!(address, Address::Name { .. }))
    }

    /// Looks its names up. Of a name that cannot be looked up the addresses of before stay.
    pub(super) async fn look_up(&self) {
        let mut found: Vec<(SocketAddr, &Address)> = Vec::new();
        for address in &self.settings.addresses {
            match address {
                Address::Ip(ip) => found.push((*ip, address)),
                Address::Name { host, port } => {
                    let looked_up =
                        tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((host.as_str(), *port))).await;
                    match looked_up {
                        Ok(Ok(addresses)) => found.extend(addresses.map(|ip| (ip, address))),
                        Ok(Err(error)) => self.keep(address, &error.to_string(), &mut found),
                        Err(_) => self.keep(address, "the look-up took too long", &mut found),
                    }
                }
            }
        }
        found.sort_by_key(|(ip, _)| *ip);
        found.dedup_by_key(|(ip, _)| *ip);
        self.replace(&found);
    }

    fn keep<'a>(&self, address: &'a Address, reason: &str, found: &mut Vec<(SocketAddr, &'a Address)>) {
        tracing::debug!(backend = self.settings.name, %address, "Name was not looked up: {reason}");
        let authority = address.to_string();
        let endpoints = self.endpoints.load();
        let kept = endpoints.iter().filter(|endpoint| endpoint.authority == authority.as_str());
        found.extend(kept.map(|endpoint| (endpoint.address, address)));
    }

    /// What stays keeps its connections and its verdict.
    fn replace(&self, found: &[(SocketAddr, &Address)]) {
        let before = self.endpoints.load_full();
        let endpoint = |(ip, address): &(SocketAddr, &Address)| {
            let known = before.iter().find(|endpoint| endpoint.address == *ip).cloned();
            known.unwrap_or_else(|| {
                let authority =
                    HeaderValue::try_from(address.to_string()).expect("a host and a port are visible ASCII");
                Endpoint::new(*ip, authority, &self.settings.health, self.tasks.clone())
            })
        };
        self.endpoints.store(Arc::new(found.iter().map(endpoint).collect()));
    }

    /// Closes connections that wait for too long.
    pub(super) fn purge(&self) {
        self.endpoints.load().iter().for_each(|endpoint| endpoint.purge());
    }

    pub(super) fn status(&self) -> BackendStatus {
        let address = |endpoint: &Arc<Endpoint>| {
            let record = endpoint.record();
            AddressStatus {
                address: endpoint.address,
                state: record.verdict.as_str(),
                since: record.since,
                error: record.error,
                in_flight: endpoint.in_flight(),
                idle: endpoint.idle(),
            }
        };
        BackendStatus {
            name: self.settings.name.clone(),
            state: match self.is_up() {
                None => Verdict::Unknown,
                Some(true) => Verdict::Up,
                Some(false) => Verdict::Down,
            }
            .as_str(),
            in_flight: self.gate.inside(),
            addresses: self.endpoints.load().iter().map(address).collect(),
        }
    }
}
