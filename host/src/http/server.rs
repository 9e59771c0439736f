//! Sockets and connections: who may connect, how long a connection may do nothing, and how it ends.

pub(crate) mod connection;
pub(crate) mod connection_limit;
pub(crate) mod listener;
mod proxy_protocol;
pub(crate) mod tls;
