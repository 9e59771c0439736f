//! `gateway events show` and `gateway events replay`.

use serde_json::json;

use super::arguments::output::{Format, OutputArguments};
use super::client::Client;
use super::failure::Failure;
use super::output;
use super::request::{LogRequest, Request, parameters};
use super::{query, replay, timeline};
use crate::config::Config;
use crate::event::{AgentName, EventId};

/// Prints the timeline and the data of an event.
pub(super) async fn show(config: &Config, id: EventId, output: OutputArguments) -> Result<(), Failure> {
    let event = query::fetch(config, &Request::Log(LogRequest::Event(id))).await?;
    match output.format {
        Format::Json => output::json(&event),
        Format::Text => output::text(&timeline::text(&event)),
    }
}

/// Replays an event.
pub(super) async fn replay(
    config: &Config,
    id: EventId,
    agent: Option<&AgentName>,
    output: OutputArguments,
) -> Result<(), Failure> {
    let query = parameters(&[("agent", agent.map(ToString::to_string)), ("by", Some(replay::by()))]);
    let path = format!("/admin/events/{id}/replay?{query}");
    let answer = Client::admin(config).post(&path, &json!({})).await.map_err(anyhow::Error::from)?;
    replay::added(&answer, output)
}
