//! Values of answers as cells of a table.

use std::time::Duration;

use serde_json::Value;

use super::output;
use super::terminal::rough;

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
pub(super) fn breaker(row: &Value) -> String {
    let breaker = &row["breaker"];
    match breaker["state"].as_str() {
        Some("open") => format!("open, next try {}", shown(&breaker["retry_at"])),
        Some("half-open") => "half-open".to_owned(),
        _ => String::new(),
    }
}

/// The routes of a site: prefixes, and what answers below each.
pub(super) fn site_routes(site: &Value) -> String {
    let route = |route: &Value| format!("{} > {}", shown(&route["prefix"]), shown(&route["backend"]));
    site["routes"].as_array().into_iter().flatten().map(route).collect::<Vec<_>>().join(", ")
}

/// The addresses of a backend, each with its state unless that is the expected one.
pub(super) fn backend_addresses(backend: &Value) -> String {
    let address = |address: &Value| match address["state"].as_str() {
        Some("up") => shown(&address["address"]),
        _ => format!("{} ({})", shown(&address["address"]), shown(&address["state"])),
    };
    backend["addresses"].as_array().into_iter().flatten().map(address).collect::<Vec<_>>().join(", ")
}

/// Why an agent does not get its deliveries.
pub(super) fn detail(row: &Value) -> String {
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

/// What failed in the last minutes, the most frequent first.
pub(super) fn failed_lately(agent: &Value) -> Vec<String> {
    let failures = agent["lately"]["failures"].as_array().into_iter().flatten();
    failures.map(|failure| format!("{} x {}", shown(&failure["count"]), shown(&failure["class"]))).collect()
}

/// The first of them, and how many others there are.
pub(super) fn fails_mostly(agent: &Value) -> String {
    match failed_lately(agent).as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first, others @ ..] => format!("{first} +{}", others.len()),
    }
}

/// What is left of the failures that the objective of an agent allows; empty while that is everything.
pub(super) fn budget(agent: &Value) -> String {
    let remaining = agent["objective"]["budget_remaining"].as_f64().filter(|remaining| *remaining < 1.0);
    remaining.map_or_else(String::new, |remaining| format!("{:.0}%", remaining * 100.0))
}

/// Until when the budget of an agent lasts, if it does not.
pub(super) fn forecast(agent: &Value) -> Option<String> {
    let forecast = agent["objective"]["forecast"].as_str()?;
    Some(output::clean(&format!("agent {}: {forecast}", shown(&agent["name"])), false))
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
pub(super) fn next_attempt(row: &Value) -> String {
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
pub(super) fn failures(row: &Value) -> String {
    let mut all: Vec<&Value> = row["failures"].as_array().into_iter().flatten().collect();
    all.sort_by_key(|failure| std::cmp::Reverse(failure["count"].as_u64()));
    let each = all.iter().map(|failure| {
        let [count, status, code] = ["count", "status", "code"].map(|name| shown(&failure[name]));
        format!("{count} x {status} {code}")
    });
    each.collect::<Vec<_>>().join(", ")
}

pub(super) fn last_failure(row: &Value) -> String {
    let last = &row["last_failure"];
    if last.is_null() {
        return String::new();
    }
    format!("{} {}: {}", shown(&last["at"]), shown(&last["status"]), first_line(&last["reason"]))
}

/// Why the latest attempt failed, on one line.
pub(super) fn failure(row: &Value) -> String {
    let parts = [shown(&row["code"]), first_line(&row["message"])];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

/// The members of an object as `name=value`.
pub(super) fn pairs(value: &Value) -> String {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().join(" ")
}

/// The labels of an alert, without those that have a column of their own.
pub(super) fn labels(value: &Value) -> String {
    let mut labels = value.clone();
    if let Some(members) = labels.as_object_mut() {
        members.retain(|name, _| name != "alertname" && name != "severity");
    }
    pairs(&labels)
}

pub(super) fn file_name(value: &Value) -> String {
    let path = shown(value);
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

pub(super) fn first_line(value: &Value) -> String {
    shown(value).lines().next().unwrap_or_default().to_owned()
}

pub(super) fn held(hold_ms: u64) -> String {
    rough(Duration::from_millis(hold_ms))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
}
