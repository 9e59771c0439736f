//! A self-hosted event gateway: webhooks in, durable events, agents out, every adapter a sandboxed Wasm component.
//!
//! To read it in order: `event`, `metrics`, `systemd`, `lifecycle`, `memory`, `coding`, `process`, `verify`, `caller`, `egress`, `eventlog`, `plugin`, `skill`, `notice`, `schema`, `catalog`, `ingest`, `dispatch`,
//! `replay`, `web`, `sample`, `http`, `config`, `gateway`, `cli`. Each imports only from those before it (`ARCHITECTURE.md` says why).

#![expect(
    missing_docs,
    reason = "the library is for the binaries and tests of this repository, and a comment that repeats a name is noise"
)]

pub mod alert;
pub mod caller;
pub mod catalog;
pub mod cli;
pub mod coding;
pub mod config;
pub mod dispatch;
pub mod egress;
pub mod event;
pub mod eventlog;
pub mod gateway;
pub mod http;
pub mod ingest;
pub mod lifecycle;
pub mod memory;
pub mod metrics;
pub mod notice;
pub mod plugin;
mod priority;
pub mod process;
pub mod replay;
pub mod sample;
pub mod schema;
pub mod skill;
pub mod subscribe;
pub mod systemd;
pub mod verify;
pub mod web;
