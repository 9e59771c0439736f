//! The front door: webhooks in, answers out, and the admin API beside it.
//!
//! It owns sockets, limits, and the words in which callers are told what happened. It promises that a request costs nothing
//! before the cheap refusals are over, that at most [`Settings::max_buffered`] bytes of bodies are in memory, and that every
//! answer to a request that could be read carries `x-request-id`. Deliberately absent: what a webhook means (`ingest` and its
//! plugin), and what happens to an event afterwards.

mod access_log;
pub mod admin;
mod answer;
mod authority;
mod encoding;
mod health;
mod log_throttle;
mod metrics;
mod payload;
mod problem;
mod refusal;
mod respond;
mod root;
mod route;
mod router;
mod server;
mod settings;
mod shared;
mod surface;
#[cfg(test)]
mod tests;
mod webhook;

pub use self::server::error::HttpError;
pub use self::server::tls::{TlsError, TlsSettings};
pub use self::server::{Server, is_encrypted};
pub use self::settings::{AdminSettings, Settings};
pub use self::shared::Services;
