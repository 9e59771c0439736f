//! One incident for people: what is known of it, its alerts, and what happened.

use std::fmt::Write;

use serde_json::Value;

use super::super::cell::pairs;
use super::super::list::{self, Listing, shown};
use super::super::output::clean;
use super::super::terminal::View;
use super::super::timeline::steps;

/// The response of `/admin/incidents/{id}` as text.
pub(super) fn text(incident: &Value, view: View) -> String {
    let mut text = String::new();
    for (label, value) in facts(incident).iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{label:<11} {}", clean(value, false));
    }
    text.push('\n');
    text.push_str(&list::text(Listing::Members, incident, view));
    let more = incident["more_alerts"].as_u64().unwrap_or(0);
    let id = shown(&incident["id"]);
    if more > 0 {
        let _ = writeln!(text, "{more} more: `gateway alerts --incident {id}` lists them");
    }
    let _ = write!(text, "\n{}", steps(&incident["history"], what));
    let cut = incident["history_cut"].as_u64().unwrap_or(0);
    if cut > 0 {
        let _ = writeln!(text, "after the first step, {cut} are not kept");
    }
    let _ = writeln!(text, "`gateway events find {id}` lists what agents were told");
    text
}

fn facts(incident: &Value) -> [(&'static str, String); 12] {
    let text = |name: &str| shown(&incident[name]);
    let storm = if incident["storm"].is_null() { "" } else { " (storm)" };
    // What is resolved because its sender said so has that word twice.
    let by = Some(text("state_by")).filter(|by| !by.is_empty() && *by != text("state"));
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    let [level, word] = ["level", "raw"].map(|name| shown(&incident["severity"][name]));
    let failures = match incident["failures"].as_u64() {
        None | Some(0) => String::new(),
        Some(1) => ", the last one failed".to_owned(),
        Some(failures) => format!(", the last {failures} failed"),
    };
    let count = |name: &str| incident["signals"][name].as_u64().unwrap_or(0);
    let suppressed = match count("suppressed") {
        0 => String::new(),
        suppressed => format!(", {suppressed} of them suppressed"),
    };
    [
        ("incident", text("id")),
        ("title", text("title") + storm),
        ("state", format!("{}{by}, since {}", text("state"), text("state_since"))),
        ("severity", if word.is_empty() || word == level { level } else { format!("{level} ({word})") }),
        ("environment", text("environment")),
        ("labels", pairs(&incident["labels"])),
        ("opened", text("opened_at")),
        ("resolved", text("resolved_at")),
        ("rests until", text("rests_until")),
        ("merged into", text("merged_into")),
        ("agent runs", text("runs") + &failures),
        ("alerts", format!("{}, {} firing{suppressed}", count("total"), count("firing"))),
    ]
}

/// A step of the history.
fn what(entry: &Value) -> String {
    let mut what = shown(&entry["what"]).replace('_', " ");
    let text = shown(&entry["text"]);
    if !text.is_empty() && text != what {
        let _ = write!(what, ": {text}");
    }
    if let Some(seq) = entry["seq"].as_u64() {
        let _ = write!(what, " (event {seq})");
    }
    what
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_incident_reads_from_top_to_bottom() {
        let incident = json!({
            "id": "3fa85f64a1b2c3d4", "title": "DiskFull", "state": "acknowledged", "state_by": "ann@host",
            "state_since": "2026-01-31T12:05:00.000Z", "severity": {"raw": "page", "level": "critical"},
            "environment": "production", "labels": {"alertname": "DiskFull"}, "opened_at": "2026-01-31T12:00:00.000Z",
            "resolved_at": null, "rests_until": null, "runs": 2, "failures": 1, "merged_into": null, "storm": null,
            "signals": {"total": 120, "firing": 119, "suppressed": 3}, "more_alerts": 119,
            "alerts": [{
                "id": "0d4e81".repeat(5), "alertname": "DiskFull", "status": "firing", "duplicates": 4,
                "severity": {"raw": "page", "level": "critical"}, "last_seen": "2026-01-31T12:04:00.000Z",
                "suppressed": null, "labels": {"alertname": "DiskFull", "instance": "db-1", "severity": "page"},
            }],
            "history": [
                {"at": "2026-01-31T12:00:00.000Z", "what": "opened", "text": "alert 0d4e81 `Disk\u{1b}Full`", "seq": 17},
                {"at": "2026-01-31T12:00:00.030Z", "what": "accepted", "text": "triage", "seq": null},
                {"at": "2026-01-31T12:03:00.000Z", "what": "resolved", "text": "resolved", "seq": null},
                {"at": "2026-01-31T12:04:00.000Z", "what": "needs_human", "text": "", "seq": null},
                {"at": "2026-01-31T12:05:00.000Z", "what": "acknowledged", "text": "ann@host: on it", "seq": null},
            ],
            "history_cut": 2,
        });
        let narrow = View::narrow(80, "2026-01-31T12:06:00Z".parse().unwrap());

        assert_eq!(
            text(&incident, narrow),
            "incident    3fa85f64a1b2c3d4\n\
             title       DiskFull\n\
             state       acknowledged by ann@host, since 2026-01-31T12:05:00.000Z\n\
             severity    critical (page)\n\
             environment production\n\
             labels      alertname=DiskFull\n\
             opened      2026-01-31T12:00:00.000Z\n\
             agent runs  2, the last one failed\n\
             alerts      120, 119 firing, 3 of them suppressed\n\
             \n\
             ALERT         ALERTNAME  STATUS  SEVERITY  LAST SEEN  DUPLICATES  LABELS\n\
             0d4e810d4e81  DiskFull   firing  critical  2m ago     4           instance=db-1\n\
             119 more: `gateway alerts --incident 3fa85f64a1b2c3d4` lists them\n\
             \n\
             2026-01-31T12:00:00.000Z   +0ms  opened: alert 0d4e81 `Disk\u{fffd}Full` (event 17)\n\
             2026-01-31T12:00:00.030Z  +30ms  accepted: triage\n\
             2026-01-31T12:03:00.000Z    +3m  resolved\n\
             2026-01-31T12:04:00.000Z    +4m  needs human\n\
             2026-01-31T12:05:00.000Z    +5m  acknowledged: ann@host: on it\n\
             after the first step, 2 are not kept\n\
             `gateway events find 3fa85f64a1b2c3d4` lists what agents were told\n"
        );
    }
}
