//! A self-hosted event gateway: webhooks in, durable events, agents out, every adapter a sandboxed Wasm component.
//!
//! To read it in order: `event`, `metrics`, `supervisor`, `verify`, `caller`, `eventlog`, `plugin`, `skill`, `ingest`, `dispatch`,
//! `replay`, `sample`, `http`, `config`, `gateway`, `cli`. Each imports only from those before it (`ARCHITECTURE.md` says why).

pub mod caller;
pub mod cli;
pub mod config;
pub mod dispatch;
pub mod event;
pub mod eventlog;
pub mod gateway;
pub mod http;
pub mod ingest;
pub mod metrics;
pub mod plugin;
pub mod replay;
pub mod sample;
pub mod skill;
pub mod supervisor;
pub mod verify;
