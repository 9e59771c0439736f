//! The list of rows, in the order in which a round measures them and the table shows them.
//!
//! One more row is one more file and one more line here.

pub(crate) mod address_limits;
pub(crate) mod alerts;
pub(crate) mod bad_signatures;
pub(crate) mod calls;
pub(crate) mod channels;
pub(crate) mod cold_start;
pub(crate) mod dead_agent;
pub(crate) mod delivery;
pub(crate) mod drop_in;
pub(crate) mod endurance;
pub(crate) mod idle_connections;
pub(crate) mod large_bodies;
pub(crate) mod many_plugins;
pub(crate) mod memory;
pub(crate) mod noisy_plugin;
pub(crate) mod overload;
pub(crate) mod peers;
pub(crate) mod reloads;
pub(crate) mod subscribers;
pub(crate) mod throughput;
pub(crate) mod tls;

use crate::row::Row;

/// The rows that are measured if none is named.
pub(crate) static ALL: [&Row; 25] = [
    &throughput::BARE_HTTP,
    &throughput::APPEND_LOG,
    &throughput::EVENT_LOG,
    &throughput::THROUGHPUT,
    &throughput::REUSED,
    &throughput::ACCEPT_ONLY,
    &delivery::DELIVERY,
    &memory::MEMORY,
    &drop_in::DROP_IN,
    &calls::CALLS,
    &cold_start::COLD_START,
    &dead_agent::DEAD_AGENT,
    &overload::OVERLOAD,
    &endurance::ENDURANCE,
    &many_plugins::MANY_PLUGINS,
    &reloads::RELOADS,
    &noisy_plugin::NOISY_PLUGIN,
    &channels::CHANNELS,
    &tls::TLS,
    &idle_connections::IDLE_CONNECTIONS,
    &address_limits::ADDRESS_LIMITS,
    &bad_signatures::BAD_SIGNATURES,
    &large_bodies::LARGE_BODIES,
    &subscribers::SUBSCRIBERS,
    &alerts::ALERTS,
];

/// Rows of programs that must be installed, which are measured when they are asked for.
pub(crate) static PEERS: [&Row; 4] = [&peers::FASTIFY, &peers::FASTIFY_BATCHED, &peers::FASTAPI, &peers::WEBHOOK];

/// All rows, those of peers too, in the order of the tables.
pub(crate) fn every() -> impl Iterator<Item = &'static Row> {
    ALL.into_iter().chain(PEERS)
}

/// The row of this name or letter.
pub(crate) fn find(word: &str) -> Option<&'static Row> {
    every().find(|row| row.name == word || row.letter == word)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_rows_are_called_the_same() {
        let words: BTreeSet<_> = every().flat_map(|row| [row.name, row.letter]).collect();

        assert_eq!(words.len(), 2 * every().count());
    }

    #[test]
    fn the_letters_of_earlier_versions_still_work() {
        let letters: Vec<_> = ALL.iter().map(|row| row.letter).collect();

        assert_eq!(letters.join(" "), "a a2 a3 b c d e f g h i j k l m n o p q r s t u r2 s2");
    }
}
