//! How the embedded log lays out events, deliveries and values as keys and values of an engine.

pub(crate) mod additions;
pub(crate) mod block;
pub(crate) mod bucket;
pub(crate) mod deliveries;
pub(crate) mod identities;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod meta;
pub(crate) mod moved;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod states;
pub(crate) mod v1;
pub(crate) mod v2;
