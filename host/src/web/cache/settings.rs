//! Limits of the cache.

use std::time::Duration;

/// Limits of a cache; all of them are above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of all stored responses, and as many again for those that are being received.
    pub max_size: usize,
    /// Bytes of one body.
    pub max_object: usize,
    /// How long a request waits for the response to an equal one.
    pub max_wait: Duration,
    /// Requests that the cache has sent to backends and nobody may be waiting for.
    pub max_fetches: usize,
    /// Validations of responses that were served stale meanwhile.
    pub max_revalidations: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_size: 32 << 20,
            max_object: 1 << 20,
            max_wait: Duration::from_secs(5),
            max_fetches: 1024,
            max_revalidations: 64,
        }
    }
}
