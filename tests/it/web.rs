//! Sites: what a backend sees, what its caller gets, and what happens when one of them fails.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod answers;
mod cache;
mod cache_suite;
mod connections;
mod cors;
mod failures;
mod files;
mod health;
mod requests;
mod rules;
mod smuggling;
mod uploads;

use std::net::SocketAddr;

use crate::support::{Backend, Setup, TestGateway};

/// A gateway with one site and one backend.
struct Site {
    gateway: TestGateway,
    address: SocketAddr,
}

impl Site {
    /// A route for every path to `backend`; `route` and `backend_keys` have more keys.
    async fn new(backend: &Backend, route: &str, backend_keys: &str) -> Self {
        Self::start(Setup::new().config(&config(&[backend.address], "/", route, backend_keys))).await
    }

    async fn start(setup: Setup) -> Self {
        let gateway = setup.start().await;
        let address = gateway.sites().await;
        Self { gateway, address }
    }
}

/// The tables of a site with one route to one backend.
fn config(addresses: &[SocketAddr], prefix: &str, route: &str, backend: &str) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    format!(
        "[web]\nlisten = \"127.0.0.1:0\"\n[backends.app]\naddresses = {addresses:?}\n{backend}\n\
         [[sites]]\n[[sites.routes]]\nprefix = \"{prefix}\"\nbackend = \"app\"\n{route}\n"
    )
}
