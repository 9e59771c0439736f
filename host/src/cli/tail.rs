//! `gateway events tail`: new events as they are stored, and what becomes of them.

use serde_json::Value;

use super::arguments::events::TailArguments;
use super::arguments::output::Format;
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::follow::{Follower, is_selected};
use super::list::shown;
use super::output;
use super::terminal::painted;

/// Prints new events until Ctrl-C.
pub(super) async fn run(connection: &Connection, arguments: TailArguments) -> Result<(), Failure> {
    tokio::select! {
        followed = follow(connection, &arguments) => followed,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted.map_err(anyhow::Error::from)?),
    }
}

async fn follow(connection: &Connection, arguments: &TailArguments) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    let mut follower = Follower::start(&client, arguments.since, &arguments.select).await?;
    loop {
        for row in follower.next().await.iter().filter(|row| is_selected(row, &arguments.select)) {
            match arguments.output.format {
                // One line for each event.
                Format::Json if row["again"] == true => {}
                Format::Json => output::text(&format!("{}\n", output::escaped(&row.to_string())))?,
                Format::Text => output::text(&format!("{}\n", line(row)))?,
            }
        }
    }
}

/// Time, position, status, kind and subject.
fn line(row: &Value) -> String {
    let time = time_of_day(&shown(&row["received_at"]));
    let status = format!("{:<9}", output::clean(&shown(&row["status"]), false));
    let about = [shown(&row["kind"]), shown(&row["subject"])].join("  ");
    let about = output::clean(about.trim_end(), false);
    format!("{time}  {:>6}  {}  {about}", shown(&row["seq"]), painted(&status))
}

/// The time of day: whoever looks on knows the day.
pub(super) fn time_of_day(received: &str) -> String {
    let time = received.split_once('T').map_or(received, |(_, time)| time).split('.').next().unwrap_or_default();
    format!("{time}Z")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_shows_subject_and_outcome() {
        let row = json!({
            "seq": 7, "status": "delivered", "received_at": "2026-01-31T12:00:01.500Z",
            "kind": "github.push", "subject": "acme/api\u{1b}[2J",
        });

        assert_eq!(line(&row), "12:00:01Z       7  delivered  github.push  acme/api\u{fffd}[2J");
    }
}
