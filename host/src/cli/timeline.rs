//! One event for people: its fields, its timeline and its data.

use std::fmt::Write;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;

use super::list::shown;
use super::output::clean;
use crate::event::Timestamp;

/// The response of `/admin/events/{id}` as text.
pub(super) fn text(event: &Value) -> String {
    let mut text = String::new();
    for (label, value) in facts(event).iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{label:<11} {}", clean(value, false));
    }
    text.push('\n');
    text.push_str(&timeline(event));
    text.push('\n');
    text.push_str(&data(event));
    text
}

fn facts(event: &Value) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("event", shown(&event["id"])),
        ("status", shown(&event["status"])),
        ("kind", shown(&event["kind"])),
        ("subject", shown(&event["subject"])),
        ("channel", format!("{} (plugin {})", shown(&event["channel"]), shown(&event["plugin"]))),
        ("seq", shown(&event["seq"])),
        ("request", shown(&event["request_id"])),
        ("delivery id", shown(&event["delivery_id"])),
    ];
    for (name, value) in event["attributes"].as_object().into_iter().flatten() {
        facts.push(("attribute", format!("{name} = {}", shown(value))));
    }
    for header in event["headers"].as_array().into_iter().flatten() {
        facts.push(("header", format!("{}: {}", shown(&header[0]), shown(&header[1]))));
    }
    facts
}

/// One line for each step: time, time since the first one, description.
pub(super) fn steps(moments: &Value, what: impl Fn(&Value) -> String) -> String {
    let moments = moments.as_array().map(Vec::as_slice).unwrap_or_default();
    let start = moments.first().and_then(time);
    let lines: Vec<_> = moments
        .iter()
        .map(|moment| {
            let passed = start.zip(time(moment)).map(|(start, at)| at.since(start)).unwrap_or_default();
            (shown(&moment["at"]), format!("+{}", duration(passed)), what(moment))
        })
        .collect();
    let width = lines.iter().map(|(_, passed, _)| passed.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (at, passed, what) in &lines {
        let _ = writeln!(text, "{at}  {passed:>width$}  {}", clean(what, false));
    }
    text
}

fn timeline(event: &Value) -> String {
    let mut text = steps(&event["timeline"], what);
    match event["status"].as_str() {
        Some("held") => {
            let until = shown(&event["held_until"]);
            let _ = writeln!(
                text,
                "held until {until}, because its state may be late; dropped if the last one is confirmed"
            );
        }
        Some("accepted") => {
            let sentence = shown(&event["unrouted"]);
            let hint = if sentence.ends_with("would now") { ": `gateway events replay` delivers it" } else { "" };
            if !sentence.is_empty() {
                let _ = writeln!(text, "{}{hint}", clean(&sentence, false));
            }
        }
        Some("quarantined") => {
            let id = shown(&event["id"]);
            let _ = writeln!(text, "in quarantine: {}", clean(&shown(&event["quarantine"]), false));
            let _ = writeln!(text, "`gateway events release {id}` tells it to everybody");
        }
        Some("released") => {
            let released = &event["released"];
            let [by, at, new] = ["by", "at", "event"].map(|name| clean(&shown(&released[name]), false));
            let _ = writeln!(text, "was in quarantine: {}", clean(&shown(&event["quarantine"]), false));
            let _ = writeln!(text, "released as {new} by {by} at {at}");
        }
        Some("dropped") => text.push_str("dropped, because the last state was confirmed or another one followed\n"),
        _ => {}
    }
    for delivery in event["deliveries"].as_array().into_iter().flatten() {
        let agent = shown(&delivery["agent"]);
        match delivery["state"].as_str() {
            Some("pending" | "retrying") if delivery["held"]["by"] == "absence" => {
                let _ = writeln!(text, "waiting for {agent}, which is not configured");
            }
            Some("pending") => {
                let _ = writeln!(text, "waiting for the first attempt to {agent}{}", held(&delivery["held"]));
            }
            Some("retrying") => {
                let at = shown(&delivery["next_attempt_at"]);
                let _ = writeln!(text, "next attempt to {agent} at {at}{}", held(&delivery["held"]));
            }
            _ => {}
        }
    }
    text
}

/// What holds a delivery, as the end of a line.
fn held(hold: &Value) -> String {
    let reason = clean(&shown(&hold["reason"]), false);
    match hold["by"].as_str() {
        Some("breaker") if reason.is_empty() => format!(", its breaker is open until {}", shown(&hold["until"])),
        Some("breaker") => format!(", its breaker is open until {}: {reason}", shown(&hold["until"])),
        Some("pause") => format!(", {reason}"),
        _ => String::new(),
    }
}

fn time(moment: &Value) -> Option<Timestamp> {
    moment["at"].as_str()?.parse().ok()
}

/// The description of a step.
fn what(moment: &Value) -> String {
    let what = shown(&moment["what"]);
    let agent = shown(&moment["agent"]);
    match what.as_str() {
        "attempt" => {
            let took = duration(Duration::from_millis(moment["duration_ms"].as_u64().unwrap_or(0)));
            let number = shown(&moment["attempt"]);
            match moment["outcome"].as_str() {
                Some("delivered") => match shown(&moment["message"]) {
                    note if note.is_empty() => format!("attempt {number} to {agent}: accepted after {took}"),
                    note => format!("attempt {number} to {agent}: accepted after {took}, {note}"),
                },
                _ => {
                    let reasons = [shown(&moment["code"]), shown(&moment["message"])];
                    let reasons: Vec<_> = reasons.into_iter().filter(|reason| !reason.is_empty()).collect();
                    format!("attempt {number} to {agent}: failed after {took}, {}", reasons.join(": "))
                }
            }
        }
        "dead" => format!("dead, no more attempts to {agent}; `gateway events replay` delivers it again"),
        "omitted" => match (&moment["attempts"][0], &moment["attempts"][1]) {
            (first, last) if first == last => format!("attempt {first} to {agent} is not kept"),
            (first, last) => format!("attempts {first} to {last} to {agent} are not kept"),
        },
        "repeat" => format!("repeat of {}", shown(&moment["of"])),
        "note" => format!("{}: {}", shown(&moment["by"]), shown(&moment["message"])),
        "replayed" => format!("replayed to {agent} by {}", shown(&moment["by"])),
        "delivered" => format!("delivered to {agent}"),
        "cancelled" => format!("delivery to {agent} {}", shown(&moment["message"])),
        _ => what,
    }
}

fn duration(duration: Duration) -> String {
    SignedDuration::try_from(duration).map_or_else(
        |_| format!("{duration:?}"),
        |duration| {
            let text = format!("{duration:#}").replace(' ', "");
            if text == "0s" { "0ms".to_owned() } else { text }
        },
    )
}

fn data(event: &Value) -> String {
    let content_type = clean(&shown(&event["content_type"]), false);
    if let Some(base64) = event["data_base64"].as_str() {
        let bytes = base64.trim_end_matches('=').len() * 3 / 4;
        return format!(
            "data        {content_type}, {bytes} bytes of binary data; `--format json` shows them in base64\n"
        );
    }
    let text = match &event["data"] {
        Value::Null if !content_type.contains("json") => return format!("data        {content_type}, empty\n"),
        Value::String(text) if !content_type.contains("json") => text.clone(),
        json => format!("{json:#}"),
    };
    format!("data        {content_type}\n{}\n", clean(text.trim_end(), true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({
            "id": "0198", "seq": 7, "channel": "github", "plugin": "github", "kind": "github.push",
            "subject": "acme/api\u{1b}[2J", "status": "pending", "request_id": "0199", "content_type": "application/json",
            "attributes": {"severity": "high"}, "headers": [["x-github-event", "push"]], "data": {"ref": "main"},
            "deliveries": [
                {"agent": "a", "state": "delivered"},
                {"agent": "b", "state": "retrying", "next_attempt_at": "2026-01-31T12:01:00.000Z"},
            ],
            "timeline": [
                {"at": "2026-01-31T12:00:00.000Z", "what": "received"},
                {"at": "2026-01-31T12:00:00.001Z", "what": "verified"},
                {"at": "2026-01-31T12:00:00.003Z", "what": "stored"},
                {"at": "2026-01-31T12:00:00.004Z", "what": "attempt", "agent": "a", "attempt": 1, "outcome": "delivered", "duration_ms": 12},
                {"at": "2026-01-31T12:00:00.016Z", "what": "delivered", "agent": "a"},
                {"at": "2026-01-31T12:00:01.500Z", "what": "attempt", "agent": "b", "attempt": 1, "outcome": "retry",
                 "code": "timeout", "message": "no answer", "duration_ms": 30_000},
            ],
        })
    }

    #[test]
    fn an_event_reads_from_top_to_bottom() {
        assert_eq!(
            text(&event()),
            "event       0198\n\
             status      pending\n\
             kind        github.push\n\
             subject     acme/api\u{fffd}[2J\n\
             channel     github (plugin github)\n\
             seq         7\n\
             request     0199\n\
             attribute   severity = high\n\
             header      x-github-event: push\n\
             \n\
             2026-01-31T12:00:00.000Z      +0ms  received\n\
             2026-01-31T12:00:00.001Z      +1ms  verified\n\
             2026-01-31T12:00:00.003Z      +3ms  stored\n\
             2026-01-31T12:00:00.004Z      +4ms  attempt 1 to a: accepted after 12ms\n\
             2026-01-31T12:00:00.016Z     +16ms  delivered to a\n\
             2026-01-31T12:00:01.500Z  +1s500ms  attempt 1 to b: failed after 30s, timeout: no answer\n\
             next attempt to b at 2026-01-31T12:01:00.000Z\n\
             \n\
             data        application/json\n\
             {\n  \"ref\": \"main\"\n}\n"
        );
    }

    #[test]
    fn an_event_that_nobody_is_told_of_says_why() {
        let last = |status: &str, until: Value| {
            let event = json!({
                "status": status, "held_until": until, "deliveries": [],
                "unrouted": "no route took it; `routes[1]` would now",
                "timeline": [{"at": "2026-01-31T12:00:00.000Z", "what": "received"}],
            });
            timeline(&event).lines().last().unwrap().to_owned()
        };

        assert_eq!(
            last("held", json!("2026-01-31T12:01:30.000Z")),
            "held until 2026-01-31T12:01:30.000Z, because its state may be late; dropped if the last one is confirmed"
        );
        assert_eq!(
            last("accepted", Value::Null),
            "no route took it; `routes[1]` would now: `gateway events replay` delivers it"
        );
        assert_eq!(
            last("dropped", Value::Null),
            "dropped, because the last state was confirmed or another one followed"
        );
    }

    #[test]
    fn a_delivery_says_what_holds_it() {
        let last = |state: &str, held: Value| {
            let delivery = json!({"agent": "a", "state": state, "next_attempt_at": "then", "held": held});
            let event = json!({"status": "pending", "deliveries": [delivery], "timeline": []});
            timeline(&event)
        };

        let breaker = json!({"by": "breaker", "until": "later", "reason": "timeout: no answer"});
        assert_eq!(
            last("retrying", breaker),
            "next attempt to a at then, its breaker is open until later: timeout: no answer\n"
        );
        let pause = json!({"by": "pause", "until": null, "reason": "paused by ann at noon"});
        assert_eq!(last("pending", pause), "waiting for the first attempt to a, paused by ann at noon\n");
    }

    #[test]
    fn steps_are_described() {
        for (moment, expected) in [
            (json!({"what": "replayed", "agent": "a", "by": "ann@host"}), "replayed to a by ann@host"),
            (
                json!({"what": "cancelled", "agent": "a", "message": "cancelled by ann@host"}),
                "delivery to a cancelled by ann@host",
            ),
            (json!({"what": "omitted", "agent": "a", "attempts": [1, 12]}), "attempts 1 to 12 to a are not kept"),
            (json!({"what": "omitted", "agent": "a", "attempts": [1, 1]}), "attempt 1 to a is not kept"),
            (json!({"what": "repeat", "of": "0198"}), "repeat of 0198"),
            (
                json!({"what": "note", "by": "alert", "message": "repeat 7 of incident 3, suppressed: in progress"}),
                "alert: repeat 7 of incident 3, suppressed: in progress",
            ),
        ] {
            assert_eq!(what(&moment), expected);
        }
    }

    #[test]
    fn binary_data_is_not_printed() {
        for (fields, expected) in [
            (
                json!({"content_type": "image/png", "data_base64": "AAEC"}),
                "data        image/png, 3 bytes of binary data; `--format json` shows them in base64\n",
            ),
            (json!({"content_type": "text/plain", "data": "a\nb\u{7}\n"}), "data        text/plain\na\nb\u{fffd}\n"),
            (json!({"content_type": "application/json", "data": "a"}), "data        application/json\n\"a\"\n"),
            (json!({"content_type": "application/json", "data": null}), "data        application/json\nnull\n"),
        ] {
            assert_eq!(data(&fields), expected);
        }
    }
}
