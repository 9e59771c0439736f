//! The admin API: what operators read, and the little they may change.
//!
//! A noun is a file: its rows of the route table, what may be asked, what is shown, and what can go wrong. The command line
//! shows the same from a log that it opened itself.

pub(crate) mod access;
mod agents;
mod alerts;
mod backends;
mod backup;
mod cache;
mod cancellations;
mod channels;
pub(crate) mod consumers;
pub mod deliveries;
mod dry_run;
pub mod events;
pub mod export;
mod import;
pub(crate) mod incidents;
pub(crate) mod kinds;
mod newest;
mod plugins;
pub(crate) mod query;
pub(crate) mod read;
mod record;
mod releases;
mod reload;
pub mod replays;
mod routes;
mod silences;
mod sites;
mod skills;
mod stats;
mod stream;
mod subscribers;

use super::route::Route;

/// The rows of every noun.
pub(crate) const NOUNS: &[&[Route]] = &[
    agents::ROUTES,
    alerts::ROUTES,
    backends::ROUTES,
    backup::ROUTES,
    cache::ROUTES,
    cancellations::ROUTES,
    channels::ROUTES,
    consumers::ROUTES,
    deliveries::ROUTES,
    dry_run::ROUTES,
    events::ROUTES,
    export::ROUTES,
    import::ROUTES,
    incidents::ROUTES,
    plugins::ROUTES,
    record::ROUTES,
    reload::ROUTES,
    releases::ROUTES,
    replays::ROUTES,
    routes::ROUTES,
    silences::ROUTES,
    sites::ROUTES,
    skills::ROUTES,
    subscribers::ROUTES,
    stats::ROUTES,
    kinds::ROUTES,
];
