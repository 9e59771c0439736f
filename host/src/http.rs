//! The front door: webhooks in, answers out, and the admin API beside it.
//!
//! It owns sockets, limits and the words in which callers are told what happened. It promises that a request costs
//! nothing before the cheap refusals are over, that at most [`Settings::max_buffered`] bytes of bodies are held, and that
//! every answer to a request that could be read carries `x-request-id`. Deliberately absent: what a webhook means (its
//! plugin), and what happens to an event afterwards.

mod access_log;
mod admin;
mod encoding;
mod health;
mod metrics;
mod payload;
mod refusal;
mod respond;
mod route;
mod server;
mod shared;
#[cfg(test)]
mod tests;
mod webhook;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::caller::{AddressLimit, AllowList, HostName, Rate, TrustedProxies, follow_names};
use crate::dispatch::Dispatch;
use crate::event::Timestamp;
use crate::eventlog::EventLog;
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::plugin::PluginHost;
use crate::replay::Replays;
use crate::skill::Skills;
use crate::systemd::Sockets;
use crate::verify::Secret;

pub use self::admin::query::{BadParameter, DeliveriesQuery, EventsQuery};
pub use self::admin::view;
pub use self::server::tls::{TlsError, TlsSettings};

use self::route::Surface;
use self::server::listener::Listener;
use self::server::tls::Tls;
use self::shared::Front;

/// Connections that a separate admin address takes at once.
const ADMIN_CONNECTIONS: usize = 64;

/// Valid input of the module.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where webhooks are received.
    pub listen: SocketAddr,
    /// Connections open at once; more are answered 503 and closed.
    pub max_connections: usize,
    /// Of them, those of one address that is no trusted proxy; at least 1.
    pub max_connections_per_address: usize,
    /// Webhook requests in flight; more wait for their turn. As many again may wait for an agent's answer.
    pub max_requests: usize,
    /// Webhook requests that wait for their turn; more are answered 503.
    pub max_waiting: usize,
    /// How long a webhook request waits for its turn; then it is answered 503.
    pub turn_timeout: Duration,
    /// Bytes of request bodies held at once; more are answered 503.
    pub max_buffered: usize,
    /// Bytes of the largest body of any channel.
    pub max_body: usize,
    /// Bytes of the largest head of a request; at least 8 KiB with HTTP/1.
    pub max_header_bytes: usize,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// How long a connection may be open without a request.
    pub idle_timeout: Duration,
    /// What a caller is told to wait when it is answered 503.
    pub retry_after: Duration,
    /// How long requests are still taken after the gateway said that it is not ready any more.
    pub drain: Duration,
    /// How long requests in flight may take after no more are taken.
    pub shutdown_grace: Duration,
    /// How connections are encrypted; none means not at all.
    pub tls: Option<TlsSettings>,
    /// The proxies that say where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// Whether those proxies begin each connection with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// The names under which webhooks are received; empty means any.
    pub hosts: Vec<String>,
    /// How often webhooks are received in all; none means no limit.
    pub rate_limit: Option<Rate>,
    /// How often from each address; none means no limit.
    pub address_limit: Option<AddressLimit>,
    /// Whether every request is logged.
    pub access_log: bool,
    /// The admin API.
    pub admin: AdminSettings,
}

/// Where the admin API answers, and to whom.
#[derive(Clone, Debug, Default)]
pub struct AdminSettings {
    /// Its own address; none means the same as webhooks.
    pub listen: Option<SocketAddr>,
    /// What a caller must know; without it only callers on this machine are answered.
    pub token: Option<Secret>,
}

impl Settings {
    /// The defaults around `listen`.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            max_connections: 4096,
            max_connections_per_address: 1024,
            max_requests: 1024,
            max_waiting: 4096,
            turn_timeout: Duration::from_secs(1),
            max_buffered: 256 << 20,
            max_body: 25 << 20,
            max_header_bytes: 32 << 10,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            retry_after: Duration::from_secs(5),
            drain: Duration::ZERO,
            shutdown_grace: Duration::from_secs(20),
            tls: None,
            trusted_proxies: TrustedProxies::default(),
            proxy_protocol: false,
            hosts: Vec::new(),
            rate_limit: None,
            address_limit: None,
            access_log: false,
            admin: AdminSettings::default(),
        }
    }
}

/// What the front door leads to.
#[expect(missing_docs, reason = "each field is the handle its type documents")]
pub struct Services {
    pub ingest: Ingest,
    pub dispatch: Dispatch,
    pub replays: Replays,
    pub log: EventLog,
    pub plugins: PluginHost,
    pub skills: Skills,
    pub metrics: Metrics,
    /// When the process started.
    pub started_at: Timestamp,
}

/// Whether TLS is spoken at the admin API's own address: wherever others than this machine can listen in.
pub fn is_encrypted(settings: &Settings, admin: SocketAddr) -> bool {
    settings.tls.is_some() && !admin.ip().to_canonical().is_loopback()
}

/// Why there is nothing to serve on.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be had.
    #[error("cannot listen on `{address}`: {source}\nhint: choose another address, or end what listens there")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Connections cannot be encrypted.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A socket that was handed over would show the admin API to other machines.
    #[error(
        "the socket at `{address}` that was handed over serves the admin API, which needs a token beyond this machine\nhint: set `admin.token`, or give the admin API an address of its own with `admin.listen`"
    )]
    Exposed {
        /// Where it listens.
        address: SocketAddr,
    },
}

/// A front door that is open but lets nobody in before [`Server::run`].
pub struct Server {
    front: Arc<Front>,
    listeners: Vec<Listener>,
    tls: Option<Arc<Tls>>,
}

impl Server {
    /// Takes the addresses of `settings`, or the sockets in their place. Callers that connect from now on wait for
    /// [`Server::run`].
    ///
    /// # Errors
    /// `Bind` when an address is not this machine's or is in use, `Exposed`, `Tls`.
    pub async fn bind(settings: Settings, services: Services, sockets: Sockets) -> Result<Self, HttpError> {
        let mut listeners = Vec::new();
        let public = if settings.admin.listen.is_some() { Surface::Public } else { Surface::Everything };
        let tls = settings.tls.clone().map(Tls::new).transpose()?.map(Arc::new);
        let bound = Listener::bind(settings.listen, sockets.webhooks, public, tls.clone(), settings.max_connections);
        listeners.push(bound.await?);
        if let Some(address) = settings.admin.listen {
            let inherited = sockets.admin.as_ref().and_then(|socket| socket.local_addr().ok());
            let tls = tls.clone().filter(|_| is_encrypted(&settings, inherited.unwrap_or(address)));
            let bound = Listener::bind(address, sockets.admin, Surface::Admin, tls, ADMIN_CONNECTIONS);
            listeners.push(bound.await?);
        }
        let exposed =
            |listener: &&Listener| listener.surface.has_admin() && !listener.address.ip().to_canonical().is_loopback();
        if settings.admin.token.is_none()
            && let Some(Listener { address, .. }) = listeners.iter().find(exposed)
        {
            return Err(HttpError::Exposed { address: *address });
        }
        Ok(Self { front: Arc::new(Front::new(settings, services)), listeners, tls })
    }

    /// Where it answers, as URLs: webhooks first, then the admin API's own address.
    pub fn urls(&self) -> Vec<String> {
        let scheme = |listener: &Listener| if listener.tls.is_some() { "https" } else { "http" };
        self.listeners.iter().map(|listener| format!("{}://{}/", scheme(listener), listener.address)).collect()
    }

    /// What makes the gateway unready when it is cancelled. It goes on serving, and tells callers to connect elsewhere.
    pub fn leaving(&self) -> CancellationToken {
        self.front.leaving.clone()
    }

    /// Serves until `shutdown`, then lets requests in flight finish within [`Settings::shutdown_grace`].
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { front, listeners, tls } = self;
        let tasks = TaskTracker::new();
        let names: Vec<Arc<HostName>> =
            front.services.ingest.allow_lists().flat_map(AllowList::names).cloned().collect();
        // Nobody is let in before it is known who may.
        tasks.spawn(follow_names(names, shutdown.clone()).await);
        if let Some(tls) = tls {
            tasks.spawn(tls.follow(shutdown.clone()));
        }
        for listener in listeners {
            tasks.spawn(listener.serve(Arc::clone(&front), tasks.clone(), shutdown.clone()));
        }
        shutdown.cancelled().await;
        front.leaving.cancel();
        tasks.close();
        // Connections end themselves when the grace is over; what they started may take a moment longer.
        let patience = front.settings.shutdown_grace + Duration::from_secs(2);
        if tokio::time::timeout(patience, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "Requests were cut off at the end of the grace");
        }
    }
}
