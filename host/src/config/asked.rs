//! Which keys and variables the gateway asked for: what is not among them is unknown.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// How environment variables that override a key begin.
pub(super) const PREFIX: &str = "GATEWAY";

/// Environment variables, by name.
pub(super) type Environment = BTreeMap<String, OsString>;

/// What a key that was asked for stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Keys of its own.
    Table,
    /// A value.
    Leaf,
}

/// Everything that was asked for while the configuration was read.
#[derive(Default)]
pub(super) struct Asked {
    /// Every key, and whether it is a table with keys of its own.
    pub(super) keys: BTreeMap<String, Role>,
    /// The key of each variable.
    pub(super) variables: BTreeMap<String, String>,
}
