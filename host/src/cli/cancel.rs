//! `gateway deliveries cancel`: ends a replay, or the open deliveries to an agent that left the configuration.

use serde_json::{Value, json};

use super::arguments::deliveries::CancelArguments;
use super::arguments::output::{Format, OutputArguments};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::shown;
use super::output;
use super::replay::{by, post, summary};
use super::request::parameters;
use crate::event::AgentName;

pub(super) async fn run(connection: &Connection, arguments: CancelArguments) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    match arguments {
        CancelArguments { agent: Some(agent), dry_run, output, .. } => {
            deliveries(&client, &agent, dry_run, output).await
        }
        CancelArguments { id, output, .. } => {
            let id = id.map(|id| id.to_string()).unwrap_or_default();
            let answer = post(&client, &format!("/admin/replays/{id}/cancel"), "cancel").await?;
            match output.format {
                Format::Json => output::json(&answer),
                Format::Text => output::text(&summary(&answer)),
            }
        }
    }
}

/// Cancels in as many requests as it takes, and shows how far it is.
async fn deliveries(client: &Client, agent: &AgentName, dry_run: bool, output: OutputArguments) -> Result<(), Failure> {
    let pairs =
        [("agent", Some(agent.to_string())), ("by", Some(by())), ("dry_run", dry_run.then(|| true.to_string()))];
    let path = format!("/admin/deliveries/cancel?{}", parameters(&pairs));
    let mut total = 0;
    let mut report = loop {
        let answer = post(client, &path, "cancel").await?;
        total += answer["deliveries"].as_u64().unwrap_or(0);
        if answer["more"] != true {
            break answer;
        }
        output::note(&format!("{total} deliveries to {agent} cancelled so far"));
    };
    report["deliveries"] = json!(total);
    match output.format {
        Format::Json => output::json(&report),
        Format::Text => output::text(&told(&report)),
    }
}

fn told(report: &Value) -> String {
    let [agent, count] = ["agent", "deliveries"].map(|name| shown(&report[name]));
    let noun = if count == "1" { "delivery" } else { "deliveries" };
    match (report["deliveries"].as_u64(), report["dry_run"] == true) {
        (Some(0), _) => format!("no delivery to {agent} is open\n"),
        (_, true) => format!("{count} {noun} to {agent} would be cancelled\n"),
        (_, false) => format!("{count} {noun} to {agent} cancelled\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_one_line() {
        for (deliveries, dry_run, expected) in [
            (0, true, "no delivery to gone is open\n"),
            (0, false, "no delivery to gone is open\n"),
            (1, true, "1 delivery to gone would be cancelled\n"),
            (12, false, "12 deliveries to gone cancelled\n"),
        ] {
            let report = json!({"agent": "gone", "by": "ann", "dry_run": dry_run, "deliveries": deliveries});
            assert_eq!(told(&report), expected);
        }
    }
}
