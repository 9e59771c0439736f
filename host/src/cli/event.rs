//! `gateway events show` and `gateway events replay`.

use serde_json::json;

use super::arguments::output::{Format, OutputArguments};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::output;
use super::request::{LogRequest, Request, parameters};
use super::{query, replay, timeline};
use crate::event::{AgentName, EventName};

/// Prints the timeline and the data of an event.
pub(super) async fn show(connection: &Connection, name: EventName, output: OutputArguments) -> Result<(), Failure> {
    let event = query::fetch(connection, &Request::Log(LogRequest::Event(name))).await?;
    match output.format {
        Format::Json => output::json(&event),
        Format::Text => output::text(&timeline::text(&event)),
    }
}

/// Replays an event.
pub(super) async fn replay(
    connection: &Connection,
    name: &EventName,
    agent: Option<&AgentName>,
    output: OutputArguments,
) -> Result<(), Failure> {
    let query = parameters(&[("agent", agent.map(ToString::to_string)), ("by", Some(replay::by()))]);
    let path = format!("/admin/events/{name}/replay?{query}");
    let answer = Client::admin(connection)?.post(&path, &json!({})).await?;
    replay::added(&answer, output)
}
