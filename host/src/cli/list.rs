//! Lists of the admin API as tables.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::arguments::output::{Format, TableArguments};
use super::cell::{
    backend_addresses, breaker, budget, detail, failed_lately, fails_mostly, failure, failures, file_name, first_line,
    held, labels, last_failure, next_attempt, pairs, site_routes,
};
pub(super) use super::cell::{bad_endpoints, forecast, shown};
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
    /// Events with a text.
    Found,
    Deliveries,
    Incidents,
    Alerts,
    /// The alerts of one incident.
    Members,
    /// Heartbeats, maintenance windows and inhibition.
    AlertRules,
    Silences,
    Replays,
    Consumers,
    Parked,
    Subscribers,
    Types,
    Sites,
    Backends,
}

/// The columns that hold times.
const TIMES: [&str; 18] = [
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
    "opened",
    "resolved",
    "rests until",
    "last seen",
    "starts",
    "ends",
    "updated",
    "until",
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
            Self::Incidents => "incidents",
            Self::Alerts | Self::Members => "alerts",
            Self::AlertRules => "rules",
            Self::Silences => "silences",
            Self::Replays => "replays",
            Self::Consumers => "consumers",
            Self::Parked => "parked",
            Self::Subscribers => "connections",
            Self::Types => "types",
            Self::Sites => "sites",
            Self::Backends => "backends",
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
                ("fails", |row| fails_mostly(row)),
                ("failures", |row| failed_lately(row).join(", ")),
                ("budget", |row| budget(row)),
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
            Self::Incidents => &[
                ("id", |row| shown(&row["id"])),
                ("state", |row| shown(&row["state"])),
                ("severity", |row| shown(&row["severity"]["level"])),
                ("environment", |row| shown(&row["environment"])),
                ("firing", |row| {
                    format!("{} of {}", shown(&row["signals"]["firing"]), shown(&row["signals"]["total"]))
                }),
                ("opened", |row| shown(&row["opened_at"])),
                ("resolved", |row| shown(&row["resolved_at"])),
                ("rests until", |row| shown(&row["rests_until"])),
                ("by", |row| shown(&row["state_by"])),
                ("runs", |row| shown(&row["runs"])),
                ("title", |row| shown(&row["title"]) + if row["storm"].is_null() { "" } else { " (storm)" }),
                ("labels", |row| pairs(&row["labels"])),
            ],
            Self::Alerts => &[
                ("alertname", |row| shown(&row["alertname"])),
                ("status", |row| shown(&row["status"])),
                ("severity", |row| shown(&row["severity"]["level"])),
                ("environment", |row| shown(&row["environment"])),
                ("last seen", |row| shown(&row["last_seen"])),
                ("duplicates", |row| shown(&row["duplicates"])),
                ("incident", |row| shown(&row["incident"])),
                ("suppressed", |row| shown(&row["suppressed"])),
                ("channel", |row| shown(&row["channel"])),
                ("id", |row| shown(&row["id"])),
                ("labels", |row| labels(&row["labels"])),
            ],
            Self::Members => &[
                ("alert", |row| shown(&row["id"]).chars().take(12).collect()),
                ("id", |row| shown(&row["id"])),
                ("alertname", |row| shown(&row["alertname"])),
                ("status", |row| shown(&row["status"])),
                ("severity", |row| shown(&row["severity"]["level"])),
                ("last seen", |row| shown(&row["last_seen"])),
                ("duplicates", |row| shown(&row["duplicates"])),
                ("suppressed", |row| shown(&row["suppressed"])),
                ("labels", |row| labels(&row["labels"])),
            ],
            Self::AlertRules => &[
                ("rule", |row| shown(&row["kind"])),
                ("name", |row| shown(&row["name"])),
                ("state", |row| shown(&row["state"])),
                ("last seen", |row| shown(&row["last_seen"])),
                ("until", |row| shown(&row["changes_at"])),
                ("suppressed", |row| shown(&row["suppressed"])),
                ("alerts", |row| shown(&row["alerts"])),
            ],
            Self::Silences => &[
                ("silence", |row| shown(&row["id"]).chars().take(8).collect()),
                ("id", |row| shown(&row["id"])),
                ("state", |row| shown(&row["state"])),
                ("starts", |row| shown(&row["starts_at"])),
                ("ends", |row| shown(&row["ends_at"])),
                ("updated", |row| shown(&row["updated_at"])),
                ("suppressed", |row| shown(&row["suppressed"])),
                ("by", |row| shown(&row["created_by"])),
                ("matchers", |row| shown(&row["matchers"])),
                ("comment", |row| first_line(&row["comment"])),
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
            Self::Sites => &[
                ("hosts", |row| match row["hosts"].as_array().map(Vec::len) {
                    Some(0) => "*".to_owned(),
                    _ => shown(&row["hosts"]),
                }),
                ("routes", |row| site_routes(row)),
                ("in flight", |row| {
                    let in_flight = |route: &Value| route["in_flight"].as_u64().unwrap_or(0);
                    row["routes"].as_array().into_iter().flatten().map(in_flight).sum::<u64>().to_string()
                }),
            ],
            Self::Backends => &[
                ("name", |row| shown(&row["name"])),
                ("state", |row| shown(&row["state"])),
                ("in flight", |row| shown(&row["in_flight"])),
                ("addresses", |row| backend_addresses(row)),
                ("error", |row| {
                    let errors = row["addresses"].as_array().into_iter().flatten().map(|address| &address["error"]);
                    errors.map(first_line).find(|error| !error.is_empty()).unwrap_or_default()
                }),
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
            Self::Agents => &["plugin", "in flight", "failures", "budget"],
            Self::Plugins => &["generation", "digest", "refused"],
            Self::Events => &["id"],
            Self::Found => &["id", "delivery id"],
            Self::Deliveries => &["event", "kind"],
            Self::Incidents => &["environment", "resolved", "rests until", "by", "runs", "labels"],
            Self::Alerts => &["environment", "channel", "id"],
            Self::Members => &["id"],
            Self::Silences => &["id", "starts", "updated", "by"],
            Self::Replays => &["by"],
            Self::Consumers => &["kinds", "connections"],
            Self::Parked => &["id"],
            Self::Subscribers => &["connection"],
            Self::Types => &["checked", "file"],
            Self::Routes | Self::Skills | Self::AlertRules | Self::Sites | Self::Backends => &[],
        }
    }

    /// Columns that stand for wider ones.
    fn short(self) -> &'static [&'static str] {
        match self {
            Self::Events | Self::Found => &["seq"],
            Self::Agents => &["fails"],
            Self::Members => &["alert"],
            Self::Silences => &["silence"],
            _ => &[],
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
            Self::Incidents => "no incidents found: they come from the channels that `[alerts]` names",
            Self::Alerts => "no alerts found: they come from the channels that `[alerts]` names",
            Self::Members => "its alerts are not known any more",
            Self::AlertRules => {
                "no rules: `[[alerts.heartbeats]]`, `[[alerts.maintenance]]` and `[[alerts.inhibit]]` make some"
            }
            Self::Silences => "no silences found; `gateway silences add` makes one",
            Self::Consumers => "no consumers: add `[consumers.NAME]` to the configuration",
            Self::Parked => "nothing is parked",
            Self::Subscribers => "nobody is connected: `gateway subscribe` is one",
            Self::Sites => "no sites: add `[web]` and `[[sites]]` to the configuration",
            Self::Backends => "no backends: add `[web]` and `[backends.NAME]` to the configuration",
            Self::Types => "no kind was seen or declared yet: `gateway send` makes an event",
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
pub(super) fn text(listing: Listing, answer: &Value, view: View) -> String {
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
    for agent in answer["agents"].as_array().into_iter().flatten() {
        notes.extend(forecast(agent));
    }
    notes
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
    fn an_agent_says_what_failed_and_until_when_its_budget_lasts() {
        let forecast = "budget is gone in 13m at this rate: 72 of 72 attempts failed in the last 2m, mostly connect";
        let failures = json!([{"class": "connect", "count": 72}, {"class": "5xx", "count": 1}]);
        let row = json!({
            "name": "triage", "plugin": "http", "state": "serving", "queued": 3, "in_flight": 0, "detail": null,
            "breaker": {"state": "open", "retry_at": "2026-01-31T12:00:05.000Z", "reason": "connect: cannot connect"},
            "lately": {"window": "5m", "attempts": 80, "failures": failures},
            "objective": {"budget_remaining": 0.917, "forecast": forecast},
        });
        let answer = json!({"agents": [row, {"name": "stub", "objective": null, "lately": {"failures": []}}]});
        let now = "2026-01-31T12:00:00Z".parse().unwrap();

        let narrow = text(Listing::Agents, &answer, View::narrow(80, now));
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
        assert!(narrow.contains("open, next try in…  3       72 x connect +1  connect: cannot c…\n"), "{narrow}");
        let whole = text(Listing::Agents, &answer, View::whole());
        assert!(whole.contains("72 x connect, 1 x 5xx  92%     connect: cannot connect"), "{whole}");
        assert_eq!(notes(Listing::Agents, &answer), [format!("agent triage: {forecast}")]);
    }

    #[test]
    fn incidents_and_alerts_fit_into_a_terminal() {
        let id = "3fa85f64a1b2c3d4";
        let incident = json!({
            "id": id, "title": "KubePodCrashLoopingForAVeryLongTime", "state": "acknowledged", "state_by": "ann@host",
            "severity": {"raw": "page", "level": "critical"}, "environment": "production", "labels": {"cluster": "eu"},
            "opened_at": "2026-01-31T11:48:00.000Z", "rests_until": null, "runs": 1, "storm": null,
            "signals": {"total": 3, "firing": 2, "suppressed": 0},
        });
        let alert = json!({
            "id": "a".repeat(32), "alertname": "KubePodCrashLoopingForAVeryLongTime", "status": "firing", "duplicates": 7,
            "severity": {"raw": "page", "level": "critical"}, "environment": "production", "channel": "alertmanager",
            "last_seen": "2026-01-31T11:59:18.000Z", "incident": id, "suppressed": null,
            "labels": {"alertname": "KubePodCrashLoopingForAVeryLongTime", "severity": "page", "pod": "api-1"},
        });
        let now = "2026-01-31T12:00:00Z".parse().unwrap();
        let shown = |listing: Listing, view: View| {
            text(listing, &json!({"incidents": [incident.clone()], "alerts": [alert.clone()]}), view)
        };

        let narrow = View::narrow(80, now);
        assert_eq!(
            shown(Listing::Incidents, narrow),
            "ID                STATE         SEVERITY  FIRING  OPENED   TITLE\n\
             3fa85f64a1b2c3d4  acknowledged  critical  2 of 3  12m ago  KubePodCrashLoopingF…\n"
        );
        assert_eq!(
            shown(Listing::Alerts, narrow),
            "ALERTNAME      STATUS  SEVERITY  LAST SEEN  DUPLICATES  INCIDENT       LABELS\n\
             KubePodCrash…  firing  critical  42s ago    7           3fa85f64a1b2…  pod=api-1\n"
        );
        assert!(shown(Listing::Members, narrow).lines().all(|line| line.chars().count() <= 80));
        assert!(shown(Listing::Members, View::whole()).contains(&"a".repeat(32)));
    }

    #[test]
    fn silences_fit_into_a_terminal() {
        let silence = |id: &str, state: &str, ends: &str, suppressed: u64| {
            json!({
                "id": id, "state": state, "matchers": ["alertname=~\"Disk.*\"", "instance=\"db-1\""],
                "created_by": "ann@host", "comment": "disk swap\nticket 4711", "suppressed": suppressed,
                "starts_at": "2026-01-31T11:00:00.000Z", "ends_at": ends, "updated_at": "2026-01-31T11:00:00.000Z",
            })
        };
        let answer = json!({"silences": [
            silence("b61a8b0c-5d0e-4d4d-9d1b-0a4a6f2f7c11", "active", "2026-01-31T13:30:00.000Z", 12),
            silence("00aa8b0c-5d0e-4d4d-9d1b-0a4a6f2f7c11", "expired", "2026-01-31T11:30:00.000Z", 0),
        ]});

        assert_eq!(
            text(Listing::Silences, &answer, View::narrow(80, "2026-01-31T12:00:00Z".parse().unwrap())),
            "SILENCE   STATE    ENDS     SUPPRESSED  MATCHERS                       COMMENT\n\
             b61a8b0c  active   in 1h    12          alertname=~\"Disk.*\", instanc…  disk swap\n\
             00aa8b0c  expired  30m ago  0           alertname=~\"Disk.*\", instanc…  disk swap\n"
        );
        let whole = text(Listing::Silences, &answer, View::whole());
        assert!(
            whole.contains("\nb61a8b0c-5d0e-4d4d-9d1b-0a4a6f2f7c11  active   2026-01-31T11:00:00.000Z  "),
            "{whole}"
        );
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
