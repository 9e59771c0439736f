//! Lists of the admin API as tables.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use super::arguments::output::{Format, TableArguments};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::output;
use super::query;
use super::request::Request;
use super::table::fitted;
use super::terminal::{View, rough};

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
    Consumers,
    Parked,
    Subscribers,
    Types,
}

/// The columns that hold times.
const TIMES: [&str; 10] = [
    "breaker",
    "last event",
    "last failure",
    "received",
    "next attempt",
    "started",
    "oldest",
    "parked at",
    "connected",
    "heard",
];

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
            Self::Consumers => "consumers",
            Self::Parked => "parked",
            Self::Subscribers => "connections",
            Self::Types => "types",
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
                ("rolled back from", |row| shown(&row["rolled_back_from"])),
                ("refused", |row| shown(&row["refused"]).chars().take(12).collect()),
                ("error", |row| first_line(&row["error"])),
            ],
            Self::Routes => &[
                ("channels", |row| shown(&row["channels"])),
                ("kinds", |row| shown(&row["kinds"])),
                ("where", |row| shown(&row["where"])),
                ("agents", |row| shown(&row["agents"])),
                ("mode", |row| match (shown(&row["mode"]), &row["fallback"]) {
                    (mode, Value::Bool(true)) => format!("{mode}, fallback"),
                    (mode, _) => mode,
                }),
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
            Self::Found => &[
                ("seq", |row| shown(&row["seq"])),
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
            Self::Consumers => &[
                ("name", |row| shown(&row["name"])),
                ("state", |row| shown(&row["state"])),
                ("position", |row| shown(&row["position"])),
                ("lag", |row| shown(&row["lag"])),
                ("oldest", |row| shown(&row["oldest"])),
                ("unacked", |row| shown(&row["unacked"])),
                ("parked", |row| shown(&row["parked"])),
                ("hold", |row| row["hold_ms"].as_u64().filter(|hold| *hold > 0).map_or_else(String::new, held)),
                ("connections", |row| shown(&row["connections"])),
                ("kinds", |row| shown(&row["kinds"])),
            ],
            Self::Parked => &[
                ("seq", |row| shown(&row["seq"])),
                ("id", |row| shown(&row["id"])),
                ("parked at", |row| shown(&row["parked_at"])),
                ("attempts", |row| shown(&row["attempts"])),
                ("reason", |row| first_line(&row["reason"])),
            ],
            Self::Types => &[
                ("kind", |row| shown(&row["kind"])),
                ("events", |row| shown(&row["events"])),
                ("last event", |row| shown(&row["last_event_at"])),
                ("schema", |row| shown(&row["schema"]["version"]).chars().take(12).collect()),
                ("checked", |row| shown(&row["schema"]["checked"])),
                ("mismatched", |row| shown(&row["schema"]["mismatched"])),
                ("file", |row| shown(&row["schema"]["file"])),
            ],
            Self::Subscribers => &[
                ("subscriber", |row| shown(&row["subscriber_id"])),
                ("transport", |row| shown(&row["transport"])),
                ("remote", |row| shown(&row["remote"])),
                ("consumer", |row| shown(&row["consumer"])),
                ("connected", |row| shown(&row["connected_at"])),
                ("heard", |row| shown(&row["last_heartbeat"])),
                ("lag", |row| shown(&row["lag"])),
                ("unacked", |row| shown(&row["unacked"])),
                ("connection", |row| shown(&row["connection_id"])),
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
            Self::Channels => &["plugin", "duplicates", "last failure", "paths"],
            Self::Agents => &["plugin"],
            Self::Plugins => &["generation", "digest", "refused"],
            Self::Events => &["id"],
            Self::Found => &["id", "delivery id"],
            Self::Deliveries => &["event", "kind"],
            Self::Replays => &["by"],
            Self::Consumers => &["kinds", "connections"],
            Self::Parked => &["id"],
            Self::Subscribers => &["connection"],
            Self::Types => &["checked", "file"],
            Self::Routes | Self::Skills => &[],
        }
    }

    /// Columns that stand for wider ones.
    fn short(self) -> &'static [&'static str] {
        if matches!(self, Self::Events | Self::Found) { &["seq"] } else { &[] }
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
            Self::Consumers => "no consumers: add `[consumers.NAME]` to the configuration",
            Self::Parked => "nothing is parked",
            Self::Subscribers => "nobody is connected: `gateway subscribe` is one",
            Self::Types => "no kind was seen or declared yet: `gateway send` makes an event",
            Self::Replays => "no replays; `gateway deliveries replay` starts one",
        }
    }
}

fn held(hold_ms: u64) -> String {
    rough(Duration::from_millis(hold_ms))
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

/// Prints the rows of an answer.
pub(super) fn print(listing: Listing, answer: &Value, table: TableArguments) -> Result<(), Failure> {
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
    if let Some(searched) = answer["searched"].as_object() {
        let (events, back_to) = (shown(&searched["events"]), shown(&searched["back_to"]));
        let back_to = if back_to.is_empty() { back_to } else { format!(", back to {back_to}") };
        notes.push(format!("searched {events} events{back_to}"));
    }
    for schema in answer["schemas"].as_array().into_iter().flatten().filter(|schema| !schema["problem"].is_null()) {
        let [file, problem] = ["file", "problem"].map(|name| shown(&schema[name]));
        notes
            .push(output::clean(&format!("schema {file} is not in force, the last good version is: {problem}"), false));
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
        Some("open") => format!("open, next try {}", shown(&breaker["retry_at"])),
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
        Value::Null => match bad_endpoints(row) {
            bad if bad.is_empty() => shown(&row["breaker"]["reason"]),
            bad => bad,
        },
        pause => format!("paused by {} at {}", shown(&pause["by"]), shown(&pause["since"])),
    }
}

/// The endpoints of an agent that are not well; empty if all are.
pub(super) fn bad_endpoints(row: &Value) -> String {
    let endpoints = row["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
    let bad = endpoints.iter().filter_map(|endpoint| {
        let (breaker, health) = (&endpoint["breaker"], &endpoint["health"]);
        let reason = if health["ok"] == false { &health["reason"] } else { &breaker["reason"] };
        let parts = [shown(&endpoint["address"]), shown(reason)];
        (breaker["state"] != "closed" || health["ok"] == false).then(|| parts.join(" ").trim().to_owned())
    });
    let bad: Vec<_> = bad.collect();
    if bad.is_empty() {
        String::new()
    } else {
        format!("{} of {} fail: {}", bad.len(), endpoints.len(), bad.join("; "))
    }
}

/// When a delivery is attempted next, as far as that is known.
fn next_attempt(row: &Value) -> String {
    let (due, held) = (shown(&row["next_attempt_at"]), &row["held"]);
    match held["by"].as_str() {
        Some("pause") => "paused".to_owned(),
        Some("absence") => "no agent".to_owned(),
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
    fn an_agent_and_its_deliveries_say_what_they_wait_for() {
        let open = json!({"state": "open", "retry_at": "2026-01-31T12:00:05.000Z", "reason": "timeout: no answer"});
        let row = json!({"breaker": open, "detail": null, "paused": null});
        assert_eq!(
            (breaker(&row), detail(&row)),
            ("open, next try 2026-01-31T12:00:05.000Z".to_owned(), "timeout: no answer".to_owned())
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
            (json!("2026-01-31T12:00:01.000Z"), json!({"by": "absence", "until": null}), "no agent"),
            (json!(null), json!(null), ""),
        ] {
            assert_eq!(next_attempt(&json!({"next_attempt_at": due, "held": held})), expected);
        }
    }

    #[test]
    fn an_agent_names_the_endpoints_that_are_not_well() {
        let endpoint = |address: &str, state: &str, health: Value| {
            let breaker = json!({"state": state, "reason": "status: answered 500"});
            json!({"address": address, "breaker": breaker, "health": health})
        };
        let good = endpoint("http://a", "closed", json!({"ok": true}));
        let open = endpoint("http://b", "open", Value::Null);
        let ill = endpoint("http://c", "closed", json!({"ok": false, "reason": "answered 503"}));

        assert_eq!(bad_endpoints(&json!({"endpoints": [good.clone()]})), "");
        // The settings of the plugin say the address.
        let mut only = ill.clone();
        only["address"] = Value::Null;
        assert_eq!(bad_endpoints(&json!({"endpoints": [only]})), "1 of 1 fail: answered 503");
        assert_eq!(
            bad_endpoints(&json!({"endpoints": [good, open, ill]})),
            "2 of 3 fail: http://b status: answered 500; http://c answered 503"
        );
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
