//! `gateway deliveries replay`. The running gateway makes the replays, so they outlive the command.

use std::fmt::Write;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::deliveries::ReplayArguments;
use super::arguments::output::{Format, OutputArguments};
use super::client::{Absent, Client, NoAnswer};
use super::connection::Connection;
use super::failure::Failure;
use super::list::shown;
use super::output;
use super::progress::{Progress, percent};
use super::request::{filtering, parameters};

/// How often the progress is polled.
const INTERVAL: Duration = Duration::from_millis(500);

/// Replays one delivery, or those that match the filters.
pub(super) async fn run(connection: &Connection, arguments: ReplayArguments) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    let ReplayArguments { id, selected, dry_run, rate, detach, output } = arguments;
    if let Some(id) = id {
        let query = parameters(&[("by", Some(by()))]);
        return added(&post(&client, &format!("/admin/deliveries/{id}/replay?{query}"), "replay").await?, output);
    }
    let Some(filter) = selected.filter() else {
        return Err(Failure::Call(
            "expected a delivery id or a filter\n\
             hint: `--all` replays every dead delivery, or every one in the given state; `--dry-run` counts them first"
                .into(),
        ));
    };
    let mut pairs = filtering(&filter);
    pairs.push(("by", Some(by())));
    pairs.push(("rate", rate.map(|rate| rate.to_string())));
    pairs.push(("dry_run", dry_run.then(|| true.to_string())));
    // From here on Ctrl-C ends the wait, not the replay.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(anyhow::Error::from)?;
    let answer = post(&client, &format!("/admin/deliveries/replay?{}", parameters(&pairs)), "replay").await?;
    if dry_run {
        return match output.format {
            Format::Json => output::json(&answer),
            Format::Text => output::text(&counted(&answer)),
        };
    }
    let id = shown(&answer["id"]);
    let last = if detach {
        output::note(&format!("replay {id} is running; `gateway deliveries replays` shows its progress"));
        answer
    } else {
        tokio::select! {
            last = follow(&client, answer) => last?,
            _ = interrupt.recv() => {
                output::note(&format!(
                    "replay {id} continues; `gateway deliveries replays` shows its progress, \
                     `gateway deliveries cancel {id}` cancels it"
                ));
                return Ok(());
            }
        }
    };
    result(&last, output)
}

/// Shows one replay and what became of its deliveries.
pub(super) async fn show(connection: &Connection, id: u64, output: OutputArguments) -> Result<(), Failure> {
    let replay = Client::admin(connection)?.get(&format!("/admin/replays/{id}")).await?;
    match output.format {
        Format::Json => output::json(&replay),
        Format::Text => output::text(&summary(&replay)),
    }
}

/// Prints the new deliveries.
pub(super) fn added(answer: &Value, output: OutputArguments) -> Result<(), Failure> {
    if output.format == Format::Json {
        return output::json(answer);
    }
    let id = shown(&answer["id"]);
    let deliveries = answer["deliveries"].as_array().map_or(0, Vec::len);
    let noun = if deliveries == 1 { "delivery" } else { "deliveries" };
    output::note(&format!("`gateway events show {id}` shows the result"));
    output::text(&format!("{deliveries} new {noun} of {id}: {}\n", shown(&answer["deliveries"])))
}

/// The user and the machine, as far as they are known: who asks for the replay.
pub(super) fn by() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "someone".to_owned());
    let system = rustix::system::uname();
    let name = format!("{user}@{}", system.nodename().to_string_lossy());
    name.chars().filter(|c| !c.is_control()).take(128).collect()
}

/// Asks the running gateway to `deed`.
pub(super) async fn post(client: &Client, path: &str, deed: &str) -> anyhow::Result<Value> {
    client.post(path, &json!({})).await.map_err(|reason| match reason {
        NoAnswer::Refused(Absent { origin, hint }) => {
            anyhow!("no gateway is running at {origin}, and only a running one can {deed}\nhint: {hint}")
        }
        NoAnswer::Failed(error) => error,
    })
}

/// Shows the progress of a replay until it ends.
async fn follow(client: &Client, mut replay: Value) -> Result<Value, Failure> {
    let path = format!("/admin/replays/{}", shown(&replay["id"]));
    let mut shown_before = String::new();
    let mut line = Progress::new("replayed");
    while replay["state"] == "running" {
        let progress = progress(&replay);
        if line.is_live() {
            let count = |name: &str| replay[name].as_u64().unwrap_or(0);
            line.at(count("replayed"), count("matched"));
        } else if progress != shown_before {
            output::note(&progress);
            shown_before = progress;
        }
        tokio::time::sleep(INTERVAL).await;
        replay = client.get(&path).await?;
    }
    Ok(replay)
}

fn progress(replay: &Value) -> String {
    let [id, replayed, matched, rate] = ["id", "replayed", "matched", "rate"].map(|name| shown(&replay[name]));
    let count = |name: &str| replay[name].as_u64().unwrap_or(0);
    let percent = percent(count("replayed"), count("matched"));
    format!("replay {id}: {replayed} of {matched} ({percent} %), at most {rate}/s")
}

/// Prints the final state of a replay. A failed or cancelled one is a failure of the command.
fn result(replay: &Value, output: OutputArguments) -> Result<(), Failure> {
    match output.format {
        Format::Json => output::json(replay)?,
        Format::Text => output::text(&summary(replay))?,
    }
    match replay["state"].as_str() {
        Some("failed" | "cancelled") => Err(Failure::Reported),
        _ => Ok(()),
    }
}

pub(super) fn summary(replay: &Value) -> String {
    let [id, state, replayed] = ["id", "state", "replayed"].map(|name| shown(&replay[name]));
    let noun = if replayed == "1" { "delivery" } else { "deliveries" };
    let mut text = format!("replay {id} {state}: {replayed} {noun} replayed");
    if replay["skipped"].as_u64().is_some_and(|skipped| skipped > 0) {
        let _ = write!(text, ", {} skipped", shown(&replay["skipped"]));
    }
    if let Some(outcomes) = replay["outcomes"].as_object() {
        let states = ["queued", "retrying", "delivered", "dead"].map(|state| (state, shown(&outcomes[state])));
        let told = states.iter().filter(|(_, count)| count != "0").map(|(state, count)| format!("{count} {state}"));
        let told = told.collect::<Vec<_>>().join(", ");
        if !told.is_empty() {
            let _ = write!(text, " ({told})");
        }
    }
    if !replay["error"].is_null() {
        let _ = write!(text, ": {}", output::clean(&shown(&replay["error"]), false));
    }
    text.push('\n');
    text
}

/// The response to a dry run.
fn counted(answer: &Value) -> String {
    let matched = shown(&answer["matched"]);
    let noun = if matched == "1" { "delivery" } else { "deliveries" };
    let mut text = format!("{matched} {noun} would be replayed\n");
    for (member, label) in [("by_agent", "to"), ("by_channel", "of")] {
        for (name, count) in answer[member].as_object().into_iter().flatten() {
            let _ = writeln!(text, "{:>8}  {label} {name}", shown(count));
        }
    }
    if answer["skipped"].as_u64().is_some_and(|skipped| skipped > 0) {
        let _ = writeln!(text, "{:>8}  skipped, their agent is not configured", shown(&answer["skipped"]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_counts_by_agent_and_channel() {
        let answer = json!({"dry_run": true, "matched": 12, "by_agent": {"a": 2, "b": 10}, "by_channel": {"github": 12}, "skipped": 1});

        assert_eq!(
            counted(&answer),
            "12 deliveries would be replayed\n       2  to a\n      10  to b\n      12  of github\n       \
             1  skipped, their agent is not configured\n"
        );
    }

    #[test]
    fn a_replay_is_summed_up_with_what_it_skipped_and_why_it_ended() {
        let replay = |state: &str, skipped: u64, error: Option<&str>| json!({"id": 3, "state": state, "replayed": 1, "matched": 5, "rate": 9, "skipped": skipped, "error": error});

        assert_eq!(progress(&replay("running", 0, None)), "replay 3: 1 of 5 (20 %), at most 9/s");
        assert_eq!(summary(&replay("done", 0, None)), "replay 3 done: 1 delivery replayed\n");
        let mut known = replay("done", 0, None);
        known["outcomes"] = json!({"queued": 2, "retrying": 0, "delivered": 7, "dead": 1});
        assert_eq!(summary(&known), "replay 3 done: 1 delivery replayed (2 queued, 7 delivered, 1 dead)\n");
        assert_eq!(
            summary(&replay("failed", 2, Some("damaged\u{1b}"))),
            "replay 3 failed: 1 delivery replayed, 2 skipped: damaged\u{fffd}\n"
        );
    }

    #[test]
    fn who_asks_has_a_name_that_the_gateway_accepts() {
        let by = by();

        assert!(by.contains('@') && by.chars().count() <= 128, "{by}");
    }
}
