//! `gateway events tail`: new events as they are stored.

use std::time::Duration;

use serde_json::Value;

use super::arguments::events::TailArguments;
use super::arguments::output::Format;
use super::arguments::select::SelectArguments;
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::shown;
use super::output;
use super::request::{EventFilter, LogRequest};

/// The interval between polls.
const INTERVAL: Duration = Duration::from_millis(500);

/// Events of one request; if there are more, older pages follow.
const PAGE: u32 = 100;

/// Prints new events until Ctrl-C.
pub(super) async fn run(connection: &Connection, arguments: TailArguments) -> Result<(), Failure> {
    tokio::select! {
        followed = follow(connection, &arguments) => followed,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted.map_err(anyhow::Error::from)?),
    }
}

async fn follow(connection: &Connection, arguments: &TailArguments) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    let newest = page(&client, EventFilter { limit: 1, ..EventFilter::new() }).await?;
    let mut last = newest["events"][0]["seq"].as_u64().unwrap_or(0);
    output::note(&format!("following {}, press Ctrl-C to stop", client.origin()));
    loop {
        tokio::time::sleep(INTERVAL).await;
        for row in newer(&client, last).await? {
            last = last.max(seq(&row));
            if is_selected(&row, &arguments.select) {
                let line = match arguments.output.format {
                    Format::Json => output::escaped(&row.to_string()),
                    Format::Text => line(&row),
                };
                output::text(&format!("{line}\n"))?;
            }
        }
    }
}

/// The events after `last`, oldest first.
async fn newer(client: &Client, last: u64) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    let mut filter = EventFilter { limit: PAGE, ..EventFilter::new() };
    loop {
        let mut page = page(client, filter.clone()).await?;
        let Some(events) = page["events"].as_array_mut() else { break };
        let received = events.len();
        rows.extend(events.drain(..).take_while(|row| seq(row) > last));
        let reached = rows.last().is_none_or(|row| seq(row) <= last + 1);
        match page["next"].as_str() {
            Some(next) if !reached && received > 0 => filter.cursor = Some(next.to_owned()),
            _ => break,
        }
    }
    rows.reverse();
    Ok(rows)
}

async fn page(client: &Client, filter: EventFilter) -> Result<Value, Failure> {
    Ok(client.get(&LogRequest::Events(filter).path()).await?)
}

fn seq(row: &Value) -> u64 {
    row["seq"].as_u64().unwrap_or(0)
}

fn is_selected(row: &Value, select: &SelectArguments) -> bool {
    let kind = shown(&row["kind"]);
    select.channel.as_ref().is_none_or(|channel| row["channel"] == channel.as_str())
        && select.kind.as_ref().is_none_or(|wanted| match wanted.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => *wanted == kind,
        })
}

fn line(row: &Value) -> String {
    let parts = ["received_at", "id", "kind", "subject"].map(|name| shown(&row[name]));
    output::clean(parts.join("  ").trim_end(), false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_selected_events_are_printed() {
        let row = json!({"channel": "github", "kind": "github.issues.opened"});
        let select = |channel: Option<&str>, kind: Option<&str>| SelectArguments {
            channel: channel.map(|name| name.parse().unwrap()),
            kind: kind.map(str::to_owned),
        };

        for (channel, kind, expected) in [
            (None, None, true),
            (Some("github"), None, true),
            (Some("grafana"), None, false),
            (None, Some("github.issues.*"), true),
            (None, Some("github.issues"), false),
        ] {
            assert_eq!(is_selected(&row, &select(channel, kind)), expected, "{channel:?} {kind:?}");
        }
    }
}
