//! What each list of the admin API shows: its columns, and what stands in for an empty one.

use serde_json::Value;

use super::cell::{
    backend_addresses, breaker, budget, detail, failed_lately, fails_mostly, failure, failures, file_name, first_line,
    held, labels, last_failure, next_attempt, pairs, shown, site_routes,
};

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
pub(super) const TIMES: [&str; 18] = [
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
pub(super) type Column = (&'static str, fn(&Value) -> String);

impl Listing {
    /// The member of the response that holds the rows.
    pub(super) fn member(self) -> &'static str {
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

    pub(super) fn columns(self) -> &'static [Column] {
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
    pub(super) fn wide(self) -> &'static [&'static str] {
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
    pub(super) fn short(self) -> &'static [&'static str] {
        match self {
            Self::Events | Self::Found => &["seq"],
            Self::Agents => &["fails"],
            Self::Members => &["alert"],
            Self::Silences => &["silence"],
            _ => &[],
        }
    }

    /// What to print for an empty list.
    pub(super) fn empty(self) -> &'static str {
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
