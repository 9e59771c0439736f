//! Lists of the admin API as tables.

use std::fmt::Write;

use serde_json::Value;

use super::arguments::output::{Format, OutputArguments};
use super::failure::Failure;
use super::output;
use super::query;
use super::request::Request;
use super::table::table;
use crate::config::Config;

/// A list that a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    Channels,
    Agents,
    Plugins,
    Routes,
    Skills,
    Events,
    /// Events with a text.
    Found,
    Deliveries,
    Replays,
}

/// A column: its heading and how to read it from a row.
type Column = (&'static str, fn(&Value) -> String);

impl Listing {
    /// The member of the response that holds the rows.
    fn member(self) -> &'static str {
        match self {
            Self::Channels => "channels",
            Self::Agents => "agents",
            Self::Plugins => "plugins",
            Self::Routes => "routes",
            Self::Skills => "skills",
            Self::Events | Self::Found => "events",
            Self::Deliveries => "deliveries",
            Self::Replays => "replays",
        }
    }

    fn columns(self) -> &'static [Column] {
        match self {
            Self::Channels => &[
                ("name", |row| shown(&row["name"])),
                ("plugin", |row| shown(&row["plugin"])),
                ("state", |row| shown(&row["state"])),
                ("accepted", |row| shown(&row["accepted"])),
                ("duplicates", |row| shown(&row["duplicates"])),
                ("last event", |row| shown(&row["last_event_at"])),
                ("failures", |row| failures(row)),
                ("last failure", |row| last_failure(row)),
                ("paths", |row| shown(&row["paths"])),
                ("detail", |row| shown(&row["detail"])),
            ],
            Self::Agents => &[
                ("name", |row| shown(&row["name"])),
                ("plugin", |row| shown(&row["plugin"])),
                ("state", |row| shown(&row["state"])),
                ("breaker", |row| breaker(row)),
                ("queued", |row| shown(&row["queued"]) + if row["behind"] == true { "+" } else { "" }),
                ("in flight", |row| shown(&row["in_flight"])),
                ("detail", |row| detail(row)),
            ],
            Self::Plugins => &[
                ("file", |row| file_name(&row["file"])),
                ("kind", |row| shown(&row["kind"])),
                ("version", |row| shown(&row["version"])),
                ("state", |row| shown(&row["state"])),
                ("generation", |row| shown(&row["generation"])),
                ("digest", |row| shown(&row["digest"]).chars().take(12).collect()),
                ("error", |row| first_line(&row["error"])),
            ],
            Self::Routes => &[
                ("channels", |row| shown(&row["channels"])),
                ("kinds", |row| shown(&row["kinds"])),
                ("agents", |row| shown(&row["agents"])),
                ("mode", |row| shown(&row["mode"])),
                ("skills", |row| shown(&row["skills"])),
            ],
            Self::Skills => &[
                ("name", |row| shown(&row["name"])),
                ("path", |row| shown(&row["path"])),
                ("description", |row| shown(&row["description"])),
            ],
            Self::Events => &[
                ("id", |row| shown(&row["id"])),
                ("received", |row| shown(&row["received_at"])),
                ("status", |row| shown(&row["status"])),
                ("kind", |row| shown(&row["kind"])),
                ("subject", |row| shown(&row["subject"])),
            ],
            Self::Found => &[
                ("id", |row| shown(&row["id"])),
                ("received", |row| shown(&row["received_at"])),
                ("status", |row| shown(&row["status"])),
                ("kind", |row| shown(&row["kind"])),
                ("delivery id", |row| shown(&row["delivery_id"])),
                ("found in", |row| shown(&row["found_in"]).replace('_', " ")),
            ],
            Self::Deliveries => &[
                ("id", |row| shown(&row["id"])),
                ("event", |row| shown(&row["event"])),
                ("agent", |row| shown(&row["agent"])),
                ("state", |row| shown(&row["state"])),
                ("attempts", |row| shown(&row["attempts"])),
                ("next attempt", |row| next_attempt(row)),
                ("kind", |row| shown(&row["kind"])),
                ("failure", |row| failure(row)),
            ],
            Self::Replays => &[
                ("id", |row| shown(&row["id"])),
                ("state", |row| shown(&row["state"])),
                ("replayed", |row| format!("{} of {}", shown(&row["replayed"]), shown(&row["matched"]))),
                ("rate", |row| format!("{}/s", shown(&row["rate"]))),
                ("started", |row| shown(&row["created_at"])),
                ("by", |row| shown(&row["by"])),
                ("filter", |row| pairs(&row["filter"])),
                ("error", |row| first_line(&row["error"])),
            ],
        }
    }

    /// What to print for an empty list.
    fn empty(self) -> &'static str {
        match self {
            Self::Channels => {
                "no channels: add `[channels.NAME]` to the configuration, or a channel plugin to its folder"
            }
            Self::Agents => "no agents: add `[agents.NAME]` to the configuration",
            Self::Plugins => "no plugins: copy a `.wasm` file into the plugin folder",
            Self::Routes => "no routes, so events are stored and not delivered: add `[[routes]]` to the configuration",
            Self::Skills => "no skills: add a folder with a SKILL.md to the skill folder",
            Self::Events => "no events found; `gateway send CHANNEL FILE` sends one",
            Self::Found => "no event has this text",
            Self::Deliveries => "no deliveries found",
            Self::Replays => "no replays; `gateway deliveries replay` starts one",
        }
    }
}

/// Prints a list.
pub(super) async fn run(
    config: &Config,
    listing: Listing,
    request: &Request,
    output: OutputArguments,
) -> Result<(), Failure> {
    show(listing, &query::fetch(config, request).await?, output)
}

/// Prints the rows of an answer.
pub(super) fn show(listing: Listing, answer: &Value, output: OutputArguments) -> Result<(), Failure> {
    if output.format == Format::Json {
        return output::json(answer);
    }
    output::text(&text(listing, answer))?;
    notes(listing, answer).iter().for_each(|line| output::note(line));
    Ok(())
}

/// The rows as a table; an empty text if there are none.
fn text(listing: Listing, answer: &Value) -> String {
    let rows = answer[listing.member()].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return String::new();
    }
    let columns = listing.columns();
    // A column that is empty in every row is left out.
    let cells: Vec<Vec<String>> = rows.iter().map(|row| columns.iter().map(|(_, read)| read(row)).collect()).collect();
    let is_used = |column: &usize| cells.iter().any(|row| !row[*column].is_empty());
    let used: Vec<usize> = (0..columns.len()).filter(is_used).collect();
    let headings: Vec<&str> = used.iter().map(|column| columns[*column].0).collect();
    let cells: Vec<Vec<String>> =
        cells.into_iter().map(|row| used.iter().map(|column| row[*column].clone()).collect()).collect();
    table(&headings, &cells)
}

/// Remarks below the list.
fn notes(listing: Listing, answer: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    if answer[listing.member()].as_array().is_none_or(Vec::is_empty) && answer["next"].is_null() {
        notes.push(listing.empty().to_owned());
    }
    if let Some(searched) = answer["searched"].as_object() {
        let (events, back_to) = (shown(&searched["events"]), shown(&searched["back_to"]));
        let back_to = if back_to.is_empty() { back_to } else { format!(", back to {back_to}") };
        notes.push(format!("searched {events} events{back_to}"));
    }
    if !answer["next"].is_null() {
        notes.push(format!("more rows: add `--cursor {}`", shown(&answer["next"])));
    }
    for problem in answer["problems"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let mut line = format!("skill not loaded: {}", shown(&problem["path"]));
        if let Some(number) = problem["line"].as_u64() {
            let _ = write!(line, ":{number}");
        }
        let _ = write!(line, ": {}", shown(&problem["message"]));
        notes.push(output::clean(&line, false));
    }
    notes
}

/// A value as a cell: commas between items, empty for null.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The breaker of an agent; empty while it is closed.
fn breaker(row: &Value) -> String {
    let breaker = &row["breaker"];
    match breaker["state"].as_str() {
        Some("open") => format!("open until {}", shown(&breaker["retry_at"])),
        Some("half-open") => "half-open".to_owned(),
        _ => String::new(),
    }
}

/// Why an agent does not get its deliveries.
fn detail(row: &Value) -> String {
    if !row["detail"].is_null() {
        return shown(&row["detail"]);
    }
    match &row["paused"] {
        Value::Null => shown(&row["breaker"]["reason"]),
        pause => format!("paused by {} at {}", shown(&pause["by"]), shown(&pause["since"])),
    }
}

/// When a delivery is attempted next, as far as that is known.
fn next_attempt(row: &Value) -> String {
    let (due, held) = (shown(&row["next_attempt_at"]), &row["held"]);
    match held["by"].as_str() {
        Some("pause") => "paused".to_owned(),
        // Both are in UTC with milliseconds, so that the later one is the greater.
        Some(by) => format!("{} ({by})", due.max(shown(&held["until"]))),
        None => due,
    }
}

/// Refused requests of a channel by cause, the most frequent first.
fn failures(row: &Value) -> String {
    let mut all: Vec<&Value> = row["failures"].as_array().into_iter().flatten().collect();
    all.sort_by_key(|failure| std::cmp::Reverse(failure["count"].as_u64()));
    let each = all.iter().map(|failure| {
        let [count, status, code] = ["count", "status", "code"].map(|name| shown(&failure[name]));
        format!("{count} x {status} {code}")
    });
    each.collect::<Vec<_>>().join(", ")
}

fn last_failure(row: &Value) -> String {
    let last = &row["last_failure"];
    if last.is_null() {
        return String::new();
    }
    format!("{} {}: {}", shown(&last["at"]), shown(&last["status"]), first_line(&last["reason"]))
}

/// Why the latest attempt failed, on one line.
fn failure(row: &Value) -> String {
    let parts = [shown(&row["code"]), first_line(&row["message"])];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

/// The members of an object as `name=value`.
fn pairs(value: &Value) -> String {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().join(" ")
}

fn file_name(value: &Value) -> String {
    let path = shown(value);
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

fn first_line(value: &Value) -> String {
    shown(value).lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_a_table_without_empty_columns() {
        let answer = json!({"agents": [
            {"name": "stub", "plugin": "stub", "state": "serving", "queued": 0, "in_flight": 2, "detail": null},
        ]});

        assert_eq!(
            text(Listing::Agents, &answer),
            "NAME  PLUGIN  STATE    QUEUED  IN FLIGHT\nstub  stub    serving  0       2\n"
        );
        assert_eq!(notes(Listing::Agents, &answer), Vec::<String>::new());
    }

    #[test]
    fn an_agent_and_its_deliveries_say_what_they_wait_for() {
        let open = json!({"state": "open", "retry_at": "2026-01-31T12:00:05.000Z", "reason": "timeout: no answer"});
        let row = json!({"breaker": open, "detail": null, "paused": null});
        assert_eq!(
            (breaker(&row), detail(&row)),
            ("open until 2026-01-31T12:00:05.000Z".to_owned(), "timeout: no answer".to_owned())
        );
        let row = json!({"breaker": {"state": "closed"}, "paused": {"by": "ann", "since": "then"}});
        assert_eq!((breaker(&row), detail(&row)), (String::new(), "paused by ann at then".to_owned()));
        for (due, held, expected) in [
            (json!("2026-01-31T12:00:01.000Z"), json!(null), "2026-01-31T12:00:01.000Z"),
            (
                json!("2026-01-31T12:00:01.000Z"),
                json!({"by": "breaker", "until": "2026-01-31T12:00:05.000Z"}),
                "2026-01-31T12:00:05.000Z (breaker)",
            ),
            (json!(null), json!({"by": "pause", "until": null}), "paused"),
            (json!(null), json!(null), ""),
        ] {
            assert_eq!(next_attempt(&json!({"next_attempt_at": due, "held": held})), expected);
        }
    }

    #[test]
    fn a_channel_says_what_went_wrong() {
        let row = json!({
            "failures": [{"status": 400, "code": "malformed", "count": 1}, {"status": 401, "code": "verification_failed", "count": 3}],
            "last_failure": {"at": "then", "status": 401, "code": "verification_failed", "reason": "no header\nmore"},
        });
        assert_eq!(failures(&row), "3 x 401 verification_failed, 1 x 400 malformed");
        assert_eq!(last_failure(&row), "then 401: no header");
        assert_eq!((failures(&json!({})), last_failure(&json!({}))), (String::new(), String::new()));
    }

    #[test]
    fn an_empty_list_says_what_to_do() {
        let answer = json!({"routes": []});

        assert_eq!(text(Listing::Routes, &answer), "");
        assert_eq!(notes(Listing::Routes, &answer), [Listing::Routes.empty()]);
    }

    #[test]
    fn a_page_says_how_to_continue() {
        let answer = json!({"events": [{"id": "x"}], "next": "17"});

        assert_eq!(notes(Listing::Events, &answer), ["more rows: add `--cursor 17`"]);
    }

    #[test]
    fn a_broken_skill_is_reported_with_its_line() {
        let answer = json!({"skills": [{"name": "a"}], "problems": [{"path": "/s/b/SKILL.md", "line": 2, "message": "no `name`"}]});

        assert_eq!(notes(Listing::Skills, &answer), ["skill not loaded: /s/b/SKILL.md:2: no `name`"]);
    }
}
