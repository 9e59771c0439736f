//! Settings of a client.

use std::collections::BTreeMap;
use std::time::Duration;

use super::credential::Credential;
use super::grant::Grant;

/// What one client may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressSettings {
    pub grants: Vec<Grant>,
    /// Credentials by the name that plugins use.
    pub credentials: BTreeMap<String, Credential>,
    /// Bytes of the largest response body.
    pub max_response: usize,
    /// Time to resolve and connect.
    pub connect_timeout: Duration,
}

impl Default for EgressSettings {
    /// Nothing is granted.
    fn default() -> Self {
        let (grants, credentials) = (Vec::new(), BTreeMap::new());
        Self { grants, credentials, max_response: 1 << 20, connect_timeout: Duration::from_secs(5) }
    }
}
