//! The settings of the web gateway.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::cache::Settings as CacheSettings;
use super::files::Settings as FilesSettings;
use crate::caller::{Access, Rate};

/// Valid input of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where sites are served; `None` means nowhere.
    pub listen: Option<SocketAddr>,
    /// The path of the health of all backends, at the address of sites and at that of the admin API.
    pub health: String,
    /// WebSocket connections at once; more are answered 503.
    pub max_tunnels: usize,
    /// How long nothing may be sent through one, in either direction.
    pub tunnel_idle: Duration,
    pub cache: CacheSettings,
    /// Of several sites for the same host the first one counts.
    pub sites: Vec<SiteSettings>,
    /// By name.
    pub backends: Vec<Arc<BackendSettings>>,
}

/// What is served under some host names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteSettings {
    /// Host names in lower case, without ports; empty means any.
    pub hosts: Vec<String>,
    pub routes: Vec<RouteSettings>,
}

/// What is served below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    /// Whole segments: `/api` stands for `/api` and for everything below `/api/`. Starts with `/`; only `/` itself ends with it.
    pub prefix: String,
    pub target: Target,
    pub cache: Caching,
    /// Whether the backend sees paths without the prefix.
    pub strip_prefix: bool,
    /// Whether connections may become WebSocket connections.
    pub websocket: bool,
    /// Whether pages of other origins may call it.
    pub cors: Option<CorsSettings>,
    /// Bytes of the largest request body.
    pub max_body: u64,
    /// Requests at once; more are answered 503.
    pub max_in_flight: usize,
    pub access: Access,
    /// The rate of all callers together.
    pub rate_limit: Option<Rate>,
}

/// What answers on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The backend of this name.
    Backend(String),
    Files(FilesSettings),
}

/// Whether answers are stored for the next caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    #[default]
    Off,
    On {
        /// Whether a caller may ask for a newer answer than the stored one.
        reload: bool,
    },
}

/// Services that answer alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSettings {
    pub name: String,
    /// Never empty.
    pub addresses: Vec<Address>,
    /// How often names are looked up again.
    pub resolve: Duration,
    /// The `Host` of requests to it.
    pub host: HostHeader,
    /// Requests at once; more are answered 503.
    pub max_in_flight: usize,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long an answer may take to begin, once the request is sent.
    pub first_byte_timeout: Duration,
    /// How long either side may be silent within a body.
    pub idle_timeout: Duration,
    pub health: ProbeSettings,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Ip(SocketAddr),
    /// Looked up again and again.
    Name {
        host: String,
        port: u16,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// The `Host` that a backend sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostHeader {
    /// The one that the caller named.
    #[default]
    Keep,
    /// The address of the backend, as configured.
    Backend,
}

/// How it is found out whether a backend is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSettings {
    /// `GET` of this path must be answered with a 2xx; without one, a connection is enough.
    pub path: Option<String>,
    pub interval: Duration,
    pub timeout: Duration,
    /// Successes in a row after which an address is up.
    pub up_after: u32,
    /// Failures in a row after which an address is down.
    pub down_after: u32,
}

/// Which pages may call a route, and what of the answer they see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsSettings {
    pub origins: Origins,
    /// Never empty.
    pub methods: Vec<Method>,
    /// Request headers beyond those that are always allowed.
    pub headers: Vec<HeaderName>,
    /// Answer headers beyond those that are always shown.
    pub expose: Vec<HeaderName>,
    /// Whether cookies and other credentials go with requests.
    pub credentials: bool,
    /// How long a browser may keep the answer to a preflight.
    pub max_age: Duration,
}

/// The origins of pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    Any,
    /// Exactly these, such as `https://app.example.com`.
    Listed(Vec<HeaderValue>),
}

impl Settings {
    /// The default of `health`.
    pub const HEALTH: &'static str = "/health/backends";

    /// Whether sites are served.
    pub const fn is_on(&self) -> bool {
        self.listen.is_some()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: None,
            health: Self::HEALTH.to_owned(),
            max_tunnels: 10_000,
            tunnel_idle: Duration::from_secs(600),
            cache: CacheSettings::default(),
            sites: Vec::new(),
            backends: Vec::new(),
        }
    }
}

impl BackendSettings {
    /// The defaults around a name.
    pub fn new(name: String, addresses: Vec<Address>) -> Self {
        Self {
            name,
            addresses,
            resolve: Duration::from_secs(10),
            host: HostHeader::Keep,
            max_in_flight: 1024,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            health: ProbeSettings {
                path: None,
                interval: Duration::from_secs(5),
                timeout: Duration::from_secs(1),
                up_after: 2,
                down_after: 3,
            },
        }
    }
}

impl RouteSettings {
    /// The default of `max_body`.
    pub const MAX_BODY: u64 = 10 << 20;
    /// The default of `max_in_flight`.
    pub const MAX_IN_FLIGHT: usize = 1024;
}
