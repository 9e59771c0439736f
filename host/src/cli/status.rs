//! `gateway status`: whether the gateway is fine, and what to do if it is not.

mod next_steps;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use ::http::Method;
use bytes::Bytes;
use bytesize::ByteSize;
use serde_json::{Value, json};

use super::arguments::output::{Format, OutputArguments};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::{is_set_up, shown};
use super::output;
use super::terminal::{painted, rough};

/// What a gateway says of itself.
struct Report {
    at: String,
    ready: Value,
    stats: Value,
    agents: Vec<Value>,
    channels: Vec<Value>,
    plugins: Vec<Value>,
    /// Keys that only a restart applies.
    restart: Vec<String>,
    /// Agents that are not configured and have deliveries that wait, as far as the latest ones show.
    gone_agents: BTreeSet<String>,
}

/// Deliveries of each state that are looked at for agents that are gone.
const LOOKED_AT: usize = 500;

/// Prints the status. A gateway that is not ready is a failure.
pub(super) async fn run(connection: &Connection, output: OutputArguments) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    // The first request also says whether the token is right.
    let stats = client.get("/admin/stats").await?;
    let reply = client.send(Method::GET, "/health/ready", Vec::new(), Bytes::new()).await?;
    let rows = |answer: Value, noun: &str| answer[noun].as_array().cloned().unwrap_or_default();
    let report = Report {
        at: client.origin().to_string(),
        ready: serde_json::from_slice(&reply.body).unwrap_or_else(|_| json!({"status": "failing", "failing": []})),
        stats,
        agents: rows(client.get("/admin/agents").await?, "agents"),
        channels: rows(client.get("/admin/channels").await?, "channels").into_iter().filter(is_set_up).collect(),
        plugins: rows(client.get("/admin/plugins").await?, "plugins"),
        restart: rows(client.get("/admin/reload").await?, "restart").iter().map(shown).collect(),
        gone_agents: gone_agents(&client).await?,
    };
    match output.format {
        Format::Json => output::json(&report.json())?,
        Format::Text => output::text(&report.text())?,
    }
    if report.is_ready() { Ok(()) } else { Err(Failure::Reported) }
}

async fn gone_agents(client: &Client) -> Result<BTreeSet<String>, Failure> {
    let mut gone = BTreeSet::new();
    for state in ["pending", "retrying"] {
        let open = client.get(&format!("/admin/deliveries?state={state}&limit={LOOKED_AT}")).await?;
        let open = open["deliveries"].as_array().into_iter().flatten();
        gone.extend(open.filter(|row| row["held"]["by"] == "absence").map(|row| shown(&row["agent"])));
    }
    Ok(gone)
}

impl Report {
    fn is_ready(&self) -> bool {
        self.ready["status"] == "ok"
    }

    fn json(&self) -> Value {
        json!({
            "address": self.at,
            "ready": self.is_ready(),
            "failing": self.ready["failing"],
            "stats": self.stats,
            "agents": self.agents,
            "channels": self.channels,
            "restart": self.restart,
            "gone_agents": self.gone_agents,
            "next_steps": self.next_steps(),
        })
    }

    fn text(&self) -> String {
        let stats = &self.stats;
        let up = Duration::from_secs(stats["uptime_seconds"].as_u64().unwrap_or(0));
        let mut lines = vec![
            ("gateway", format!("{} at {}", self.version(), self.at)),
            ("ready", self.readiness()),
            ("up", format!("{}, since {}", rough(up), shown(&stats["started_at"]))),
            ("received", self.received()),
            ("events", self.events()),
            ("channels", self.states(&self.channels)),
            ("agents", self.agents()),
            ("alerts", self.alerts()),
            ("store", self.store()),
        ];
        lines.extend(self.next_steps().into_iter().map(|step| ("next", step)));
        let mut text = String::new();
        let mut before = "";
        for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
            let label = if *name == before { "" } else { name };
            let _ = writeln!(text, "{label:<9} {}", value.replace('\n', "\n          "));
            before = name;
        }
        text
    }

    fn version(&self) -> String {
        let commit = &self.stats["commit"];
        let commit = if commit.is_null() { String::new() } else { format!(" (commit {})", shown(commit)) };
        output::clean(&format!("{}{commit}", shown(&self.stats["version"])), false)
    }

    fn readiness(&self) -> String {
        if self.is_ready() {
            return painted("yes");
        }
        let failing = self.ready["failing"].as_array().into_iter().flatten().filter(|part| part["required"] == true);
        let parts: Vec<_> = failing
            .map(|part| match shown(&part["detail"]) {
                detail if detail.is_empty() => shown(&part["part"]),
                detail => format!("{}: {detail}", shown(&part["part"])),
            })
            .collect();
        format!("{}, {}", painted("no"), output::clean(&parts.join("; "), true))
    }

    fn received(&self) -> String {
        let spans = [("minute", "minute"), ("hour", "hour"), ("day", "day")];
        let count = |(name, word)| Some(format!("{} in the last {word}", self.stats["received"][name].as_u64()?));
        spans.into_iter().filter_map(count).collect::<Vec<_>>().join(", ")
    }

    fn events(&self) -> String {
        let counts = self.stats["events"].as_object().into_iter().flatten();
        let counts = counts.filter(|(_, count)| count.as_u64() != Some(0));
        let counts: Vec<_> = counts.map(|(status, count)| format!("{count} {}", painted(status))).collect();
        if counts.is_empty() { "none yet".to_owned() } else { counts.join(", ") }
    }

    /// How many are in which state.
    fn states(&self, rows: &[Value]) -> String {
        let is = |row: &&Value, state: &str| row["state"] == state;
        let counts = ["serving", "waiting"].map(|state| (state, rows.iter().filter(|row| is(row, state)).count()));
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        let mut counts: Vec<_> = counts.map(|(state, count)| format!("{count} {}", painted(state))).collect();
        let paused: Vec<_> = rows.iter().filter(|row| is(row, "paused")).map(|row| shown(&row["name"])).collect();
        if !paused.is_empty() {
            counts.push(format!("{} {} ({})", paused.len(), painted("paused"), paused.join(", ")));
        }
        if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
    }

    fn agents(&self) -> String {
        let mut text = self.states(&self.agents);
        for agent in self.agents.iter().filter(|agent| is_unwell(agent)) {
            let _ = write!(text, "; health of {} {}", shown(&agent["name"]), painted("failing"));
        }
        for agent in self.agents.iter().filter(|agent| is_broken(agent)) {
            let wait = agent["breaker"]["retry_in_ms"].as_u64().map(Duration::from_millis);
            let wait = wait.map_or_else(String::new, |wait| format!(", tried again in {}", rough(wait)));
            let _ = write!(text, "; breaker of {} {}{wait}", shown(&agent["name"]), painted("open"));
        }
        for agent in &self.agents {
            let Some(left) = agent["objective"]["gone_in_ms"].as_u64().map(Duration::from_millis) else { continue };
            let gone = if left.is_zero() { "gone".to_owned() } else { format!("gone in {}", rough(left)) };
            let _ = write!(text, "; budget of {} {gone}", shown(&agent["name"]));
        }
        text
    }

    /// Empty if no channel has alerts.
    fn alerts(&self) -> String {
        let alerts = &self.stats["alerts"];
        if alerts.is_null() {
            return String::new();
        }
        let count = |name: &str| alerts[name].as_u64().unwrap_or(0);
        let stopped = alerts["stopped"].as_str();
        let stopped = stopped.map(|why| format!("not processed any more, {}; before: ", output::clean(why, false)));
        let mut text = format!("{}{} {}", stopped.unwrap_or_default(), count("firing"), painted("firing"));
        if count("suppressed") > 0 {
            let _ = write!(text, ", {} of them suppressed", count("suppressed"));
        }
        let incidents = alerts["incidents"].as_object().into_iter().flatten();
        let unresolved = incidents.filter(|(state, _)| *state != "resolved");
        let unresolved: Vec<_> = unresolved.map(|(state, count)| format!("{count} {}", painted(state))).collect();
        if !unresolved.is_empty() {
            let _ = write!(text, "; incidents: {}", unresolved.join(", "));
        }
        match count("storms") {
            0 => {}
            1 => text.push_str("; 1 storm"),
            storms => drop(write!(text, "; {storms} storms")),
        }
        let missing = shown(&alerts["heartbeats_missing"]);
        if !missing.is_empty() {
            let _ = write!(text, "; heartbeat {} missing", output::clean(&missing, false));
        }
        text
    }

    fn store(&self) -> String {
        let log = &self.stats["eventlog"];
        let size = |bytes: &Value| bytes.as_u64().map(|bytes| ByteSize::b(bytes).to_string());
        let parts = [
            size(&log["bytes"]).map(|size| format!("{size} of events")),
            size(&log["disk"]["used"]).map(|size| format!("{size} on disk")),
            size(&log["disk"]["free"]).map(|size| format!("{size} free")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn is_broken(agent: &Value) -> bool {
    !matches!(agent["breaker"]["state"].as_str(), None | Some("closed"))
}

fn is_unwell(agent: &Value) -> bool {
    agent["endpoints"].as_array().into_iter().flatten().any(|endpoint| endpoint["health"]["ok"] == false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            at: "http://127.0.0.1:8080".to_owned(),
            ready: json!({"status": "ok", "failing": [
                {"part": "channel:github", "detail": "environment variable `X` is not set", "required": false},
                {"part": "channel:slack", "detail": "no secret", "required": false},
            ]}),
            stats: json!({
                "version": "0.1.0", "commit": "15c9d63", "uptime_seconds": 7300, "started_at": "2026-01-31T10:00:00.000Z",
                "received": {"minute": 1, "hour": 20, "day": 300},
                "events": {"accepted": 0, "dead": 2, "delivered": 298, "pending": 0},
                "eventlog": {"bytes": 2048, "disk": {"used": 1_048_576, "free": 1_073_741_824}},
            }),
            agents: vec![
                json!({"name": "triage", "state": "serving", "breaker": {"state": "open", "retry_in_ms": 5000}}),
            ],
            channels: vec![json!({"name": "github", "state": "waiting"}), json!({"name": "dummy", "state": "serving"})],
            plugins: Vec::new(),
            restart: Vec::new(),
            gone_agents: BTreeSet::new(),
        }
    }

    #[test]
    fn a_status_says_what_to_do_next() {
        assert_eq!(
            report().text(),
            "gateway   0.1.0 (commit 15c9d63) at http://127.0.0.1:8080\n\
             ready     yes\n\
             up        2h, since 2026-01-31T10:00:00.000Z\n\
             received  1 in the last minute, 20 in the last hour, 300 in the last day\n\
             events    2 dead, 298 delivered\n\
             channels  1 serving, 1 waiting\n\
             agents    1 serving; breaker of triage open, tried again in 5s\n\
             store     2.0 KiB of events, 1.0 MiB on disk, 1.0 GiB free\n\
             next      channel github waits: environment variable `X` is not set\n          \
             `gateway deliveries --state dead` says why, `gateway deliveries replay --all` tries again\n          \
             `gateway deliveries --state retrying` says why the agent fails\n"
        );
    }

    /// A problem of several lines stays below its label.
    #[test]
    fn what_waits_for_somebody_is_named_with_the_next_step() {
        let ready = json!({"status": "ok", "failing": [
            {"part": "configuration", "detail": "the last good one is in force: `f` has 1 problem\n  a: b", "required": false},
            {"part": "plugin:echo", "detail": "it has no valid signature", "required": false},
        ]});
        let agents = vec![
            json!({"name": "triage", "state": "paused", "breaker": {"state": "closed"}}),
            json!({"name": "pager", "state": "serving", "breaker": {"state": "closed"}, "endpoints": [
                {"address": "http://a", "breaker": {"state": "closed"}, "health": {"ok": false, "reason": "answered 503"}},
            ]}),
        ];
        let report = Report {
            ready,
            agents,
            plugins: vec![json!({"name": "echo", "state": "serving"})],
            restart: vec!["http.listen".to_owned()],
            gone_agents: ["old".to_owned()].into(),
            stats: json!({}),
            ..report()
        };

        let text = report.text();
        assert!(text.contains("\nagents    1 serving, 1 paused (triage); health of pager failing\n"), "{text}");
        let next = text.split_once("\nnext      ").unwrap().1;
        assert_eq!(
            next,
            "configuration: the last good one is in force: `f` has 1 problem\n            a: b\n          \
             plugin echo: new file refused, the version before serves: it has no valid signature\n          \
             agent pager: 1 of 1 fail: http://a answered 503\n          \
             `gateway agents resume triage` ends its pause\n          \
             deliveries wait for old, which is not configured: \
             `gateway deliveries cancel --agent old --dry-run` counts them\n          \
             restart the gateway to apply http.listen\n"
        );
        assert!(report.json()["next_steps"][0].as_str().unwrap().contains("problem\n  a"));
    }

    #[test]
    fn a_budget_that_does_not_last_says_until_when_it_does() {
        let agents = [("triage", 780_000, "budget is gone in 13m at this rate"), ("pager", 0, "budget is gone")]
            .map(|(name, left, forecast)| {
                json!({"name": name, "state": "serving", "objective": {"gone_in_ms": left, "forecast": forecast}})
            });
        let text = Report { agents: agents.into(), ..report() }.text();

        assert!(text.contains("\nagents    2 serving; budget of triage gone in 13m; budget of pager gone\n"), "{text}");
        assert!(text.contains(" agent triage: budget is gone in 13m at this rate\n"), "{text}");
    }

    #[test]
    fn alerts_have_a_line_and_what_waits_for_a_person_a_next_step() {
        let alerts = json!({
            "firing": 12, "suppressed": 2, "storms": 1, "heartbeats_missing": ["watchdog"],
            "incidents": {"blocked": 1, "needs_human": 2, "open": 3, "resolved": 40},
        });
        let report = Report { stats: json!({"alerts": alerts}), ..report() };

        let text = report.text();
        assert!(
            text.contains(
                "\nalerts    12 firing, 2 of them suppressed; incidents: 1 blocked, 2 needs_human, 3 open; 1 storm; \
                 heartbeat watchdog missing\n"
            ),
            "{text}"
        );
        for step in [
            "`gateway incidents --state needs_human` lists what waits for a person, `gateway incidents ack ID` takes it",
            "`gateway incidents --state blocked` lists what agents have failed at too often",
            "heartbeat watchdog is missing: do alerts still arrive?",
        ] {
            assert!(report.next_steps().contains(&step.to_owned()), "{step}");
        }
        let quiet =
            json!({"firing": 0, "suppressed": 0, "storms": 0, "heartbeats_missing": [], "incidents": {"resolved": 1}});
        let report = Report { stats: json!({"alerts": quiet}), ..report };
        assert!(report.text().contains("\nalerts    0 firing\n"), "{}", report.text());
        let stopped = json!({
            "stopped": "the event log is damaged", "firing": 1, "suppressed": 0, "storms": 0, "heartbeats_missing": [],
            "incidents": {},
        });
        let report = Report { stats: json!({"alerts": stopped}), ..report };
        let line = "\nalerts    not processed any more, the event log is damaged; before: 1 firing\n";
        assert!(report.text().contains(line), "{}", report.text());
    }

    #[test]
    fn what_makes_it_unready_stands_first() {
        let ready = json!({"status": "failing", "failing": [{"part": "eventlog", "detail": "the disk is full", "required": true}]});
        let report = Report { ready, ..report() };

        assert!(report.text().contains("\nready     no, eventlog: the disk is full\n"), "{}", report.text());
        assert!(!report.is_ready());
    }
}
