//! `gateway incidents show`, and what a person says and does about an incident.

mod detail;

use serde_json::{Value, json};

use super::arguments::incidents::{IncidentsCommand, SayArguments};
use super::arguments::output::{Format, OutputArguments, TableArguments};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::{self, Listing, shown};
use super::output;
use super::replay::by;
use super::request::{Request, encoded, parameters};
use super::terminal::View;

pub(super) async fn run(connection: &Connection, command: IncidentsCommand) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    match command {
        IncidentsCommand::List(arguments) => {
            let (query, table) = arguments.split();
            list::run(connection, Listing::Incidents, &Request::Incidents(query), table).await
        }
        IncidentsCommand::Show { incident, table } => show(&client, &incident.id, table).await,
        IncidentsCommand::Ack(SayArguments { incident, note, output }) => {
            let body = json!({"outcome": "acknowledged", "note": note.note});
            print(&post(&client, &incident.id, "outcome", &body).await?, output, follows)
        }
        IncidentsCommand::Outcome { incident, outcome, note, output } => {
            let body = json!({"outcome": outcome, "note": note.note});
            print(&post(&client, &incident.id, "outcome", &body).await?, output, follows)
        }
        IncidentsCommand::Resolve(SayArguments { incident, note, output }) => {
            let body = json!({"note": note.note});
            print(&post(&client, &incident.id, "resolve", &body).await?, output, |incident| {
                match incident["state"].as_str() {
                    Some("resolved") => {
                        format!("{} is resolved; it opens again if its alerts go on\n", shown(&incident["id"]))
                    }
                    _ => format!(
                        "{} is being resolved: {} alerts are left\n",
                        shown(&incident["id"]),
                        shown(&incident["signals"]["firing"])
                    ),
                }
            })
        }
        IncidentsCommand::Note { incident, note, output } => {
            let body = json!({"note": note});
            print(&post(&client, &incident.id, "note", &body).await?, output, |incident| {
                format!("noted in the history of {}\n", shown(&incident["id"]))
            })
        }
        IncidentsCommand::Merge { incident, into, output } => {
            let body = json!({"into": into});
            print(&post(&client, &incident.id, "merge", &body).await?, output, |incident| {
                let [id, into] = ["id", "merged_into"].map(|name| shown(&incident[name]));
                format!("{id} is merged into {into}, which has its alerts now\n")
            })
        }
        IncidentsCommand::Split { incident, alerts, output } => {
            let body = json!({"alerts": alerts});
            print(&post(&client, &incident.id, "split", &body).await?, output, |new| {
                let (id, count) = (shown(&new["id"]), new["signals"]["total"].as_u64().unwrap_or(0));
                let are = if count == 1 { "1 alert is".to_owned() } else { format!("{count} alerts are") };
                format!("{are} a new incident, {id}\n")
            })
        }
    }
}

async fn show(client: &Client, id: &str, table: TableArguments) -> Result<(), Failure> {
    let incident = client.get(&format!("/admin/incidents/{}", encoded(id))).await?;
    match table.output.format {
        Format::Json => output::json(&incident),
        Format::Text => output::text(&detail::text(&incident, View::of(table))),
    }
}

async fn post(client: &Client, id: &str, verb: &str, body: &Value) -> Result<Value, Failure> {
    let query = parameters(&[("by", Some(by()))]);
    Ok(client.post(&format!("/admin/incidents/{}/{verb}?{query}", encoded(id)), body).await?)
}

fn print(answer: &Value, output: OutputArguments, text: impl Fn(&Value) -> String) -> Result<(), Failure> {
    match output.format {
        Format::Json => output::json(answer),
        Format::Text => output::text(&text(answer)),
    }
}

/// What follows from the state of an incident.
fn follows(incident: &Value) -> String {
    let [id, until] = ["id", "rests_until"].map(|name| shown(&incident[name]));
    let failures = incident["failures"].as_u64().unwrap_or(0);
    let times = if failures == 1 { "once".to_owned() } else { format!("{failures} times in a row") };
    let rests = format!("no agent is run again before {until}");
    let stays = "no agent is run again until it is resolved";
    let text = match incident["state"].as_str() {
        Some("acknowledged") => format!("is acknowledged: {stays}"),
        Some("needs_human") => format!("needs a person: {stays}"),
        Some("in_progress") => "is in progress: its agent is waited for".to_owned(),
        Some("handled") => format!("is handled: {rests}"),
        Some("failed") => format!("has failed {times}: {rests}"),
        Some("blocked") => format!("is blocked, because it has failed {times}: {rests}"),
        _ => "is resolved already: that is noted, and changes nothing".to_owned(),
    };
    format!("{id} {text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_has_its_consequence_beside_it() {
        for (state, failures, expected) in [
            ("acknowledged", 0, "3fa8 is acknowledged: no agent is run again until it is resolved\n"),
            ("needs_human", 0, "3fa8 needs a person: no agent is run again until it is resolved\n"),
            ("in_progress", 0, "3fa8 is in progress: its agent is waited for\n"),
            ("handled", 0, "3fa8 is handled: no agent is run again before then\n"),
            ("failed", 1, "3fa8 has failed once: no agent is run again before then\n"),
            (
                "blocked",
                3,
                "3fa8 is blocked, because it has failed 3 times in a row: no agent is run again before then\n",
            ),
            ("resolved", 0, "3fa8 is resolved already: that is noted, and changes nothing\n"),
        ] {
            let incident = json!({"id": "3fa8", "state": state, "failures": failures, "rests_until": "then"});
            assert_eq!(follows(&incident), expected);
        }
    }
}
