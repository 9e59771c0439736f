//! The keys and variables that the gateway reads. All others are unknown.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The prefix of environment variables that override a key.
pub(super) const PREFIX: &str = "GATEWAY";

/// Environment variables, by name.
pub(super) type Environment = BTreeMap<String, OsString>;

/// What a known key holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Table,
    Leaf,
}

/// Every key and variable that was read.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) keys: BTreeMap<String, Role>,
    pub(super) variables: BTreeMap<String, String>,
}
