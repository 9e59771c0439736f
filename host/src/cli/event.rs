use serde_json::json;

use super::arguments::{Format, OutputArguments};
use super::client::Client;
use super::failure::Failure;
use super::life;
use super::list::shown;
use super::output;
use super::request::Request;
use super::source;
use crate::config::Config;
use crate::event::{AgentName, EventId};

/// Prints the life of an event.
pub(super) async fn show(config: &Config, id: EventId, output: OutputArguments) -> Result<(), Failure> {
    let event = source::fetch(config, &Request::Event(id)).await?;
    match output.format {
        Format::Json => output::json(&event),
        Format::Text => output::text(&life::text(&event)),
    }
}

/// Asks the running gateway to deliver an event again.
pub(super) async fn replay(
    config: &Config,
    id: EventId,
    agent: Option<&AgentName>,
    output: OutputArguments,
) -> Result<(), Failure> {
    let path = match agent {
        Some(agent) => format!("/admin/events/{id}/replay?agent={agent}"),
        None => format!("/admin/events/{id}/replay"),
    };
    let answer = Client::admin(config).post(&path, &json!({})).await.map_err(anyhow::Error::from)?;
    match output.format {
        Format::Json => output::json(&answer),
        Format::Text => {
            let deliveries = answer["deliveries"].as_array().map_or(0, Vec::len);
            let noun = if deliveries == 1 { "delivery" } else { "deliveries" };
            output::note(&format!("`gateway events show {id}` shows what becomes of it"));
            output::text(&format!("{deliveries} new {noun} of {id}: {}\n", shown(&answer["deliveries"])))
        }
    }
}
