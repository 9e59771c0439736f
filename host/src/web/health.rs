//! Looking after backends: probes, names, connections that are not needed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;

use super::backends::{Backend, Endpoint};
use super::settings::ProbeSettings;

/// How often connections that wait for too long are closed.
const PURGE: Duration = Duration::from_secs(1);

const AGENT: HeaderValue = HeaderValue::from_static("gateway-health");

/// Which backends are up, for everybody: without addresses and errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendHealth {
    /// Whether all are up.
    pub ok: bool,
    /// `up` or `down`, by name.
    pub services: BTreeMap<String, &'static str>,
}

impl BackendHealth {
    pub(super) fn of<'a>(backends: impl Iterator<Item = &'a Arc<Backend>>) -> Self {
        let services: BTreeMap<_, _> = backends
            .map(|backend| {
                let word = if backend.is_up() == Some(true) { "up" } else { "down" };
                (backend.settings.name.clone(), word)
            })
            .collect();
        Self { ok: services.values().all(|word| *word == "up"), services }
    }
}

/// Looks after a backend until no configuration has it any more.
pub(super) async fn look_after(backend: Arc<Backend>) {
    let retired = backend.retired.clone();
    retired
        .run_until_cancelled(async {
            let every = |period| {
                let mut ticks = tokio::time::interval(period);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                ticks
            };
            let settings = &backend.settings;
            let (mut probes, mut purges) = (every(settings.health.interval), every(PURGE));
            let mut look_ups = every(settings.resolve);
            look_ups.reset();
            loop {
                tokio::select! {
                    _ = probes.tick() => probe_all(&backend).await,
                    _ = purges.tick() => backend.purge(),
                    _ = look_ups.tick(), if backend.has_names() => backend.look_up().await,
                }
            }
        })
        .await;
    backend.is_watched.store(false, Ordering::Release);
}

async fn probe_all(backend: &Backend) {
    let (endpoints, settings) = (backend.endpoints(), &backend.settings.health);
    let probes = endpoints.iter().map(async |endpoint| match probe(endpoint, settings).await {
        Ok(()) => endpoint.answered(),
        Err(error) => endpoint.failed(error, true),
    });
    join_all(probes).await;
    backend.metrics.up.set(i64::from(backend.is_up() == Some(true)));
}

async fn probe(endpoint: &Endpoint, settings: &ProbeSettings) -> Result<(), String> {
    let limit = settings.timeout;
    let asked = tokio::time::timeout(limit, ask(endpoint, settings.path.as_deref())).await;
    asked.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
}

/// Over a connection of its own: one that is kept says nothing of whether another can be opened.
async fn ask(endpoint: &Endpoint, path: Option<&str>) -> Result<(), String> {
    let stream = TcpStream::connect(endpoint.address).await.map_err(|error| error.to_string())?;
    let Some(path) = path else { return Ok(()) };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let request = Request::get(path).header(HOST, &endpoint.authority).header(USER_AGENT, AGENT);
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    };
    let status = answer.map_err(|error| error.to_string())?.status();
    if status.is_success() { Ok(()) } else { Err(format!("it answers with the status {}", status.as_u16())) }
}
