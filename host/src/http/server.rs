//! The server: the addresses it listens at, and its shutdown.

pub(crate) mod activity;
mod connection;
pub(crate) mod connection_limit;
pub(crate) mod error;
mod listener;
mod occupancy;
pub(crate) mod peer;
mod proxy_protocol;
pub(crate) mod tls;
mod turn_away;
mod unread;
pub(crate) mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::error::HttpError;
use self::listener::Listener;
use self::tls::{Loaded, Tls};
use super::router::Router;
use super::settings::Settings;
use super::shared::{Services, Shared};
use super::surface::Surface;
use crate::ingest::Ingest;
use crate::systemd::Sockets;
use crate::web::Web;

/// Connections that an address of the admin API accepts at once.
const ADMIN_CONNECTIONS: usize = 64;

/// How often host names in allow lists are looked up.
const LOOK_UP_EVERY: Duration = Duration::from_secs(60);

/// A server that listens; it answers from [`Server::run`] on.
pub struct Server {
    router: Router,
    listeners: Vec<Listener>,
    tls: Option<Arc<Tls>>,
    /// Where the admin API answers.
    admin: Option<SocketAddr>,
}

/// Replaces the settings of a server that runs.
#[derive(Clone)]
pub struct ServerControl {
    shared: Arc<Shared>,
    tls: Option<Arc<Tls>>,
    admin: Option<SocketAddr>,
}

/// Settings that can replace those in force. They change nothing until then.
pub struct PreparedServer {
    settings: Settings,
    certificates: Option<Loaded>,
}

impl ServerControl {
    /// Prepares other settings, and reads the certificates. Addresses stay as they are, and so does whether there is TLS.
    ///
    /// # Errors
    /// `Exposed` and `Tls`.
    pub fn prepare(&self, settings: Settings) -> Result<PreparedServer, HttpError> {
        check_exposed(&settings, self.admin)?;
        let tls = settings.tls.clone().filter(|_| self.tls.is_some());
        Ok(PreparedServer { certificates: tls.map(Loaded::read).transpose()?, settings })
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.shared.live().settings.clone()
    }

    /// Replaces the settings, for the connections and requests that begin from now on.
    pub fn replace(&self, prepared: PreparedServer) {
        let PreparedServer { settings, certificates } = prepared;
        if let (Some(tls), Some(certificates)) = (&self.tls, certificates) {
            tls.replace(certificates);
        }
        self.shared.replace(settings);
    }
}

/// Refuses settings that would show the admin API to other machines without a token.
fn check_exposed(settings: &Settings, admin: Option<SocketAddr>) -> Result<(), HttpError> {
    match admin.filter(|address| !address.ip().to_canonical().is_loopback()) {
        Some(address) if settings.admin.token.is_none() => Err(HttpError::Exposed { address }),
        _ => Ok(()),
    }
}

async fn follow_names(ingest: Ingest, web: Web, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(LOOK_UP_EVERY)).await.is_some() {
        tokio::join!(ingest.look_up_names(), web.look_up());
    }
}

/// Whether an address of the admin API alone is encrypted: wherever other machines can connect.
pub fn is_encrypted(settings: &Settings, admin: SocketAddr) -> bool {
    settings.tls.is_some() && !admin.ip().to_canonical().is_loopback()
}

/// Listens at the addresses of `settings` before anything else is done, except where a socket was inherited. Callers wait in
/// the queue of the system for [`Server::run`].
///
/// # Errors
/// `Bind` when an address belongs to another machine or is in use.
pub async fn claim_addresses(settings: &Settings, sockets: Sockets) -> Result<Sockets, HttpError> {
    let bind = async |address: SocketAddr, inherited: Option<std::net::TcpListener>| match inherited {
        Some(socket) => Ok(socket),
        None => {
            let bound = tokio::net::TcpListener::bind(address).await;
            bound.and_then(tokio::net::TcpListener::into_std).map_err(|cause| HttpError::Bind { address, cause })
        }
    };
    let webhooks = Some(bind(settings.listen, sockets.webhooks).await?);
    let admin = match settings.admin.listen {
        Some(address) => Some(bind(address, sockets.admin).await?),
        None => None,
    };
    let sites = match settings.own_address_of_sites() {
        Some(address) => Some(bind(address, None).await?),
        None => None,
    };
    Ok(Sockets { webhooks, admin, sites })
}

impl Server {
    /// Listens at the addresses of `settings`, or on the inherited sockets in their place. Callers that connect from now on
    /// wait for [`Server::run`].
    ///
    /// # Errors
    /// `Bind` when an address belongs to another machine or is in use, `Exposed`, `Tls`.
    pub async fn bind(settings: Settings, services: Services, sockets: Sockets) -> Result<Self, HttpError> {
        let mut listeners = Vec::new();
        let sites = settings.own_address_of_sites();
        let public = match settings.admin.listen {
            Some(_) if settings.sites.is_some() && sites.is_none() => Surface::PublicWithSites,
            Some(_) => Surface::Public,
            None => Surface::Everything,
        };
        let tls = settings.tls.clone().map(Tls::new).transpose()?.map(Arc::new);
        let bound = Listener::bind(settings.listen, sockets.webhooks, public, tls.clone(), settings.max_connections);
        listeners.push(bound.await?);
        if let Some(address) = settings.admin.listen {
            let inherited = sockets.admin.as_ref().and_then(|socket| socket.local_addr().ok());
            let tls = tls.clone().filter(|_| is_encrypted(&settings, inherited.unwrap_or(address)));
            let bound = Listener::bind(address, sockets.admin, Surface::Admin, tls, ADMIN_CONNECTIONS);
            listeners.push(bound.await?);
        }
        if let Some(address) = sites {
            let bound = Listener::bind(address, sockets.sites, Surface::Sites, tls.clone(), settings.max_connections);
            listeners.push(bound.await?);
        }
        let admin = listeners.iter().find(|listener| listener.surface.has_admin()).map(|listener| listener.address);
        check_exposed(&settings, admin)?;
        Ok(Self { router: Router::new(Shared::new(settings, services)), listeners, tls, admin })
    }

    /// What replaces the settings while the server runs.
    pub fn control(&self) -> ServerControl {
        ServerControl { shared: Arc::clone(self.router.shared()), tls: self.tls.clone(), admin: self.admin }
    }

    /// The URLs it answers at: webhooks first, then the own addresses of the admin API and of sites.
    pub fn urls(&self) -> Vec<String> {
        let scheme = |listener: &Listener| if listener.tls.is_some() { "https" } else { "http" };
        self.listeners.iter().map(|listener| format!("{}://{}/", scheme(listener), listener.address)).collect()
    }

    /// Cancelling it makes the gateway report that it is not ready. The server continues, and asks callers to connect elsewhere.
    pub fn leaving(&self) -> CancellationToken {
        self.router.shared().leaving.clone()
    }

    /// Serves until `shutdown`, then lets requests in flight finish within [`Settings::shutdown_grace`].
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { router, listeners, tls, .. } = self;
        let router = Arc::new(router);
        let shared = router.shared();
        let tasks = TaskTracker::new();
        // The names of allow lists are resolved before the first request is answered.
        tokio::join!(shared.services.ingest.look_up_names(), shared.services.web.look_up());
        tasks.spawn(follow_names(shared.services.ingest.clone(), shared.services.web.clone(), shutdown.clone()));
        if let Some(tls) = tls {
            tasks.spawn(tls.follow(shutdown.clone()));
        }
        for listener in listeners {
            tasks.spawn(listener.serve(Arc::clone(&router), tasks.clone(), shutdown.clone()));
        }
        shutdown.cancelled().await;
        shared.leaving.cancel();
        tasks.close();
        // Connections end themselves when the grace is over; what they started may take a moment longer.
        let patience = shared.live().settings.shutdown_grace + Duration::from_secs(2);
        if tokio::time::timeout(patience, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "Requests were cut off at the end of the grace");
        }
    }
}

#[cfg(test)]
impl Server {
    /// The addresses it listens at, in the order of [`Server::urls`].
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listener| listener.address).collect()
    }

    /// Routes that only a test has.
    pub(crate) fn with_routes(mut self, routes: &'static [super::route::Route]) -> Self {
        self.router.add(routes);
        self
    }
}
