//! The settings of the HTTP server.

use std::net::SocketAddr;
use std::time::Duration;

use super::server::tls::TlsSettings;
use crate::caller::{AddressLimit, Rate, TrustedProxies};
use crate::verify::Secret;

/// Valid input of the module.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where webhooks are received.
    pub listen: SocketAddr,
    /// Open connections at once; more are answered 503 and closed.
    pub max_connections: usize,
    /// Open connections of one address that is not a trusted proxy; at least 1.
    pub max_connections_per_address: usize,
    /// Webhook requests in flight; more wait for a place. As many again may wait for an agent's answer.
    pub max_requests: usize,
    /// Webhook requests that wait for a place; more are answered 503.
    pub max_waiting: usize,
    /// How long a webhook request waits for a place before it is answered 503.
    pub turn_timeout: Duration,
    /// Bytes of request bodies in memory at once; more are answered 503.
    pub max_buffered: usize,
    /// Bytes of the largest body of any channel.
    pub max_body: usize,
    /// Bytes of the largest request head; at least 8 KiB with HTTP/1.
    pub max_header_bytes: usize,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// How long a connection may stay open without a request. Above the 60 s of common load balancers, so that they, and not the
    /// gateway, end a connection that they keep.
    pub idle_timeout: Duration,
    /// The `Retry-After` of answers with status 503.
    pub retry_after: Duration,
    /// How long requests are still accepted after the gateway reported that it is not ready.
    pub drain: Duration,
    /// How long requests in flight may take after the gateway stopped accepting new ones.
    pub shutdown_grace: Duration,
    /// How connections are encrypted; `None` means plain HTTP.
    pub tls: Option<TlsSettings>,
    /// The proxies whose word about the client address is believed.
    pub trusted_proxies: TrustedProxies,
    /// Whether those proxies begin each connection with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// The host names under which webhooks are received; empty means any.
    pub hosts: Vec<String>,
    /// The rate of all webhooks together; `None` means no limit.
    pub rate_limit: Option<Rate>,
    /// The rate of each address; `None` means no limit.
    pub address_limit: Option<AddressLimit>,
    /// Whether every request is logged.
    pub access_log: bool,
    /// The admin API.
    pub admin: AdminSettings,
    /// Where sites are served; `None` means nowhere.
    pub sites: Option<SocketAddr>,
}

/// Where the admin API answers, and to whom.
#[derive(Clone, Debug, Default)]
pub struct AdminSettings {
    /// An address of its own; `None` means the address of webhooks.
    pub listen: Option<SocketAddr>,
    /// The bearer token; without one only callers on this machine are answered.
    pub token: Option<Secret>,
}

impl Settings {
    /// Where sites are served, if not at the address of webhooks.
    pub(crate) fn own_address_of_sites(&self) -> Option<SocketAddr> {
        // Port 0 means another port each time.
        self.sites.filter(|address| *address != self.listen || address.port() == 0)
    }

    /// The default of `listen`.
    pub const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);

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
            idle_timeout: Duration::from_secs(75),
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
            sites: None,
        }
    }
}
