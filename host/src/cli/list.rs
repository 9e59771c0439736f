//! Lists of the admin API as tables.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::arguments::output::{Format, TableArguments};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::output;
use super::query;
use super::request::Request;
use super::table::fitted;
use super::terminal::View;

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

/// The columns that hold times.
const TIMES: [&str; 4] = ["last event", "received", "next attempt", "started"];

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
                ("seq", |row| shown(&row["seq"])),
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

    /// Columns that a terminal is too narrow for.
    fn wide(self) -> &'static [&'static str] {
        match self {
            Self::Channels => &["plugin", "duplicates", "paths"],
            Self::Agents => &["plugin"],
            Self::Plugins => &["generation", "digest", "refused"],
            Self::Events => &["id"],
            Self::Deliveries => &["event", "kind"],
            Self::Replays => &["by"],
            Self::Routes | Self::Skills => &[],
        }
    }

    /// Columns that stand for wider ones.
    fn short(self) -> &'static [&'static str] {
        if self == Self::Events { &["seq"] } else { &[] }
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
    connection: &Connection,
    listing: Listing,
    request: &Request,
    table: TableArguments,
) -> Result<(), Failure> {
    let answer = query::fetch(connection, request).await?;
    print(listing, &answer, table)
}

/// Prints the channels or plugins that somebody has set up.
pub(super) async fn run_set_up(
    connection: &Connection,
    listing: Listing,
    request: &Request,
    table: TableArguments,
) -> Result<(), Failure> {
    let mut answer = query::fetch(connection, request).await?;
    if table.output.format == Format::Json {
        return output::json(&answer);
    }
    let used = if listing == Listing::Plugins { Some(used_plugins(&Client::admin(connection)?).await?) } else { None };
    let is_shown = |row: &Value| match &used {
        Some(used) => !row["error"].is_null() || used.contains(&file_name(&row["file"]).replace(".wasm", "")),
        None => is_set_up(row),
    };
    let Some(rows) = answer[listing.member()].as_array_mut() else { return print(listing, &answer, table) };
    let all = rows.len();
    rows.retain(is_shown);
    let hidden = all - rows.len();
    if !rows.is_empty() || hidden == 0 {
        print(listing, &answer, table)?;
    }
    if hidden > 0 {
        output::note(&format!("{hidden} more in the plugin folder are not set up; `--all` lists them"));
    }
    Ok(())
}

/// Whether somebody has set up this channel: one that was mounted automatically counts once it serves.
pub(super) fn is_set_up(channel: &Value) -> bool {
    channel["automatic"] != true || channel["state"] == "serving"
}

/// The plugins of channels that are set up, and of agents.
async fn used_plugins(client: &Client) -> Result<BTreeSet<String>, Failure> {
    let (channels, agents) = (client.get("/admin/channels").await?, client.get("/admin/agents").await?);
    let channels = channels["channels"].as_array().into_iter().flatten().filter(|row| is_set_up(row));
    let agents = agents["agents"].as_array().into_iter().flatten();
    Ok(channels.chain(agents).map(|row| shown(&row["plugin"])).collect())
}

fn print(listing: Listing, answer: &Value, table: TableArguments) -> Result<(), Failure> {
    if table.output.format == Format::Json {
        return output::json(answer);
    }
    output::text(&text(listing, answer, View::of(table)))?;
    notes(listing, answer).iter().for_each(|line| output::note(line));
    Ok(())
}

/// The rows as a table; an empty text if there are none.
fn text(listing: Listing, answer: &Value, view: View) -> String {
    let rows = answer[listing.member()].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return String::new();
    }
    let columns = listing.columns();
    // A column that is empty in every row is left out.
    let cells: Vec<Vec<String>> = rows.iter().map(|row| columns.iter().map(|(_, read)| read(row)).collect()).collect();
    let left_out = if view.is_narrow() { listing.wide() } else { listing.short() };
    let is_used =
        |column: &usize| !left_out.contains(&columns[*column].0) && cells.iter().any(|row| !row[*column].is_empty());
    let used: Vec<usize> = (0..columns.len()).filter(is_used).collect();
    let headings: Vec<&str> = used.iter().map(|column| columns[*column].0).collect();
    let cells: Vec<Vec<String>> = cells
        .into_iter()
        .map(|row| used.iter().map(|column| cell(columns[*column].0, &row[*column], view)).collect())
        .collect();
    fitted(&headings, &cells, view)
}

fn cell(heading: &str, text: &str, view: View) -> String {
    if TIMES.contains(&heading) { view.time(text) } else { text.to_owned() }
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
            text(Listing::Agents, &answer, View::whole()),
            "NAME  PLUGIN  STATE    QUEUED  IN FLIGHT\nstub  stub    serving  0       2\n"
        );
        assert_eq!(notes(Listing::Agents, &answer), Vec::<String>::new());
    }

    #[test]
    fn a_list_fits_into_a_terminal() {
        let id = "018bcfe5-6800-7000-8000-000000000011";
        let row = json!({
            "id": id, "seq": 17, "received_at": "2026-01-31T11:59:18.000Z", "status": "delivered",
            "kind": "github.pull_request_review_comment.created", "subject": "acme/".repeat(30),
        });
        let answer = json!({"events": [row], "next": null});
        let now = "2026-01-31T12:00:00Z".parse().unwrap();

        let narrow = text(Listing::Events, &answer, View::narrow(80, now));
        assert!(narrow.starts_with("SEQ  RECEIVED  STATUS     KIND"), "{narrow}");
        assert!(narrow.contains("\n17   42s ago   delivered  github.pull_request_"), "{narrow}");
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");

        let whole = text(Listing::Events, &answer, View::whole());
        assert!(whole.contains(&format!("\n{id}  2026-01-31T11:59:18.000Z  delivered  ")), "{whole}");
    }

    #[test]
    fn an_empty_list_says_what_to_do() {
        let answer = json!({"routes": []});

        assert_eq!(text(Listing::Routes, &answer, View::whole()), "");
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
