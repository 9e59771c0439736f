//! The HTTP server: webhooks, sites, health checks and the admin API.
//!
//! It owns sockets, limits, status codes and error texts. It promises that cheap refusals come before any work, that at most
//! [`Settings::max_buffered`] bytes of bodies are in memory, and that every response to a readable request carries
//! `x-request-id`. Deliberately absent: the meaning of a webhook (`ingest` and the plugin), and what happens to an event
//! afterwards.

mod access_log;
pub mod admin;
mod answer;
mod authority;
mod encoding;
mod health;
mod live_settings;
mod log_throttle;
mod metrics;
mod payload;
mod problem;
mod refusal;
mod reload;
mod respond;
mod root;
mod route;
mod router;
mod server;
mod settings;
mod shared;
mod sites;
mod subscriptions;
mod surface;
#[cfg(test)]
mod tests;
mod webhook;

pub use self::reload::{Reload, ReloadHandle, ReloadOutcome, ReloadRequests, reloads};
pub use self::server::error::HttpError;
pub use self::server::tls::{TlsError, TlsSettings};
pub use self::server::{PreparedServer, Server, ServerControl, claim_addresses, is_encrypted};
pub use self::settings::{AdminSettings, Settings};
pub use self::shared::Services;
