//! The keys and variables that the gateway reads. All others are unknown.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::Value;

/// The prefix of environment variables that override a key.
pub(super) const PREFIX: &str = "GATEWAY";

/// Environment variables, by name.
pub(super) type Environment = BTreeMap<String, OsString>;

/// What a known key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Table,
    /// A table of tables with names that the operator chooses.
    Named,
    /// A list of tables.
    List,
    Leaf,
}

/// Every key and variable that was read.
#[derive(Clone, Default)]
pub(super) struct Asked {
    pub(super) keys: BTreeMap<String, Role>,
    /// JSON Schemas of the values, by key.
    pub(super) values: BTreeMap<String, Value>,
    pub(super) variables: BTreeMap<String, String>,
}
