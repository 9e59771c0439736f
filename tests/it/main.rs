//! End-to-end tests: the real binary, real plugins, real requests.

mod agent_protocols;
mod agents;
mod alertmanager;
mod alerts;
mod bodies;
mod browser;
mod cancellation;
mod channel_samples;
mod check;
mod check_live;
mod cli;
mod clients;
mod cloud_events;
mod compile_bombs;
mod connections;
mod consumer_faults;
mod consumers;
mod delivery;
mod egress;
mod emit;
mod endpoints;
mod event_bus;
mod examples;
mod failing_agents;
mod faults;
mod find;
mod formats;
mod front_door;
mod gaps;
mod github;
mod handshakes;
mod http_agent;
mod issued_tokens;
mod languages;
mod large_notifications;
mod lean_guests;
mod log;
mod main_path;
mod mcp;
mod media_types;
mod memory;
mod messages;
mod metrics;
mod notices;
mod odd_payloads;
mod overload;
mod plugin_dev;
mod plugin_folder;
mod plugin_rollback;
mod plugin_test;
mod plugin_trust;
mod plugins;
mod priority;
mod real_alerts;
mod reload;
mod replay;
mod restart;
mod routing;
mod sandbox;
mod schemas;
mod secrets;
mod see_why;
mod shutdown;
mod signatures;
mod signers;
mod silences;
mod skills;
mod start;
mod states;
mod subscriber_examples;
mod subscriptions;
#[expect(dead_code, reason = "the fault suite uses the rest of it")]
mod support;
mod tidy;
mod two_way;
mod unknown_bodies;
mod verification;
mod versions;
mod web;

#[path = ".."]
mod shared {
    pub(crate) mod signatures;
    #[expect(dead_code, unused_imports, reason = "the suites use the rest of it")]
    pub(crate) mod suite;
}
