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
            Self::Events => "events",
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
                ("paths", |row| shown(&row["paths"])),
                ("detail", |row| shown(&row["detail"])),
            ],
            Self::Agents => &[
                ("name", |row| shown(&row["name"])),
                ("plugin", |row| shown(&row["plugin"])),
                ("state", |row| shown(&row["state"])),
                ("queued", |row| shown(&row["queued"])),
                ("in flight", |row| shown(&row["in_flight"])),
                ("detail", |row| shown(&row["detail"])),
            ],
            Self::Plugins => &[
                ("file", |row| file_name(&row["file"])),
                ("kind", |row| shown(&row["kind"])),
                ("version", |row| shown(&row["version"])),
                ("state", |row| shown(&row["state"])),
                ("generation", |row| shown(&row["generation"])),
                ("digest", |row| shown(&row["digest"]).chars().take(12).collect()),
                ("rolled back from", |row| shown(&row["rolled_back_from"])),
                ("refused", |row| shown(&row["refused"]).chars().take(12).collect()),
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
            Self::Deliveries => &[
                ("id", |row| shown(&row["id"])),
                ("event", |row| shown(&row["event"])),
                ("agent", |row| shown(&row["agent"])),
                ("state", |row| shown(&row["state"])),
                ("attempts", |row| shown(&row["attempts"])),
                ("next attempt", |row| shown(&row["next_attempt_at"])),
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
    let answer = query::fetch(config, request).await?;
    if output.format == Format::Json {
        return output::json(&answer);
    }
    output::text(&text(listing, &answer))?;
    notes(listing, &answer).iter().for_each(|line| output::note(line));
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
