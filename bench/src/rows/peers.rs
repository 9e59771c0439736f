//! Rows u to x: what others do for the same task, under the load of rows a to d. `table` prints them.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::load::Load;
use crate::measure::{Task, measure, plain_load};
use crate::peer::Peer;
use crate::row::{Effort, Found, Row, Run};
use crate::subject::Place;
use crate::webhook::Requests;

pub(crate) static FASTIFY: Row = Row {
    name: "fastify",
    letter: "v",
    about: "Fastify, HMAC and SQLite, a transaction for each event",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place, Peer::Fastify { mode: "single" }, effort)),
    print: |_| {},
};

pub(crate) static FASTIFY_BATCHED: Row = Row {
    name: "fastify_batched",
    letter: "w",
    about: "the same with a transaction for all events that wait",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place, Peer::Fastify { mode: "batched" }, effort)),
    print: |_| {},
};

pub(crate) static FASTAPI: Row = Row {
    name: "fastapi",
    letter: "x",
    about: "FastAPI, HMAC and SQLite, a transaction for each event",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place, Peer::FastApi, effort)),
    print: |_| {},
};

pub(crate) static WEBHOOK: Row = Row {
    name: "webhook",
    letter: "y",
    about: "adnanh/webhook: HMAC, starts /bin/true; nothing is kept",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place, Peer::Webhook, effort)),
    print: |_| {},
};

fn run(place: &mut Place, peer: Peer, effort: &Effort) -> Result<Found> {
    let subject = place.peer(peer)?;
    // One that takes everything would be compared with servers that do more.
    let forged = Load::connect(subject.server.address, 1)?.run(&mut Requests::forged(), Duration::from_millis(10))?;
    ensure!(forged.good == 0 && forged.answered > 0, "{peer:?} does not refuse a wrong signature: {forged:?}");
    let found = measure(&subject.server, Task::Accept, effort.time, plain_load)?;
    Ok(Found::new(format!("{:.0} requests/s", found.rate), found))
}
