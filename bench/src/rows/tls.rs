//! Row q: HTTP/2 over TLS beside HTTP/1 in the clear.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::client::Client;
use crate::load::Outcome;
use crate::rounds::{Task, Throughput, measure, plain_load};
use crate::subject::{Place, Subject};

/// How requests come, in the order of the table. The second is what the third is compared with, because the same client
/// sends them; the first tells what that client costs.
pub(crate) const WAYS: [&str; 3] =
    ["HTTP/1 in the clear, the load of a to d", "HTTP/1 in the clear, hyper", "HTTP/2 over TLS, hyper"];

/// One round.
#[derive(Debug)]
pub(crate) struct Encrypted {
    /// As many as [`WAYS`].
    pub(crate) ways: [Throughput; 3],
}

impl Encrypted {
    /// Requests in a second.
    pub(crate) fn rates(&self) -> [f64; 3] {
        self.ways.each_ref().map(|way| way.rate)
    }
}

/// Measures each way for `time`, on a gateway of its own. Nothing is routed. Connections are opened before.
pub(crate) fn run(place: &mut Place, time: Duration) -> Result<Encrypted> {
    let raw = accepted(place.gateway("")?, time, plain_load)?;
    let plain = accepted(place.gateway("")?, time, |server| Ok(load(Client::plain(server)?)))?;
    let (gateway, callers) = place.gateway_behind_tls("")?;
    let encrypted = accepted(gateway, time, |server| Ok(load(Client::encrypted(server, callers)?)))?;
    let ways = [raw, plain, encrypted];
    for (way, name) in ways.iter().zip(WAYS) {
        ensure!(way.bad.is_empty(), "answers to `{name}` by status: {:?}", way.bad);
    }
    Ok(Encrypted { ways })
}

fn accepted<L: FnMut(Duration) -> Result<Outcome>>(
    gateway: Subject,
    time: Duration,
    connect: impl FnOnce(SocketAddr) -> Result<L>,
) -> Result<Throughput> {
    measure(&gateway.server, Task::Accept, time, connect)
}

fn load(mut client: Client) -> impl FnMut(Duration) -> Result<Outcome> {
    move |time| client.run(time)
}
