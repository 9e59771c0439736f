//! Real senders of alerts: Prometheus with rules over a small exporter, and Alertmanagers, alone and as pairs.
//!
//! `.ci/run` unpacks the Debian packages into `target/tools`. If one is missing, the tests are skipped with a message.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Alertmanager, Notifying, Prometheus, RemoteAgent, Setup, TestGateway, built_in};

/// A kettle above 100 °C is an alert.
fn rules() -> Value {
    json!([{
        "alert": "KettleHot",
        "expr": "kettle_celsius > 100",
        "for": "0s",
        "labels": {"severity": "critical", "environment": "production"},
        "annotations": {"summary": "Kettle {{ $labels.kettle }} is hot", "value": "{{ $value }}"},
    }])
}

/// A recurrence is told at once, and what joins is not.
const ALERTS: &str = r#"
[channels.alertmanager]
secret = { env = "ALERTMANAGER_TOKEN" }

[[routes]]
channels = ["alerts"]
agents = ["remote"]

[alerts]
channels = ["alertmanager"]
cooldown = "1ms"
update_every = "1h"
"#;

/// For tests that are not about repetitions.
const NO_ESCALATION: &str = "[alerts.escalation.production]\ntotal = 0\nburst = 0\n";

/// How fast an Alertmanager is that is to tell a change within a second.
const QUICK: Notifying = Notifying { group_interval: "300ms", repeat_interval: "1h", max_alerts: 0 };

/// The programs, if they are here.
fn programs() -> Option<(PathBuf, PathBuf)> {
    Prometheus::program().zip(Alertmanager::program())
}

/// An exporter with the temperatures of kettles.
struct Kettles {
    exporter: RemoteAgent,
    celsius: Arc<Mutex<BTreeMap<&'static str, u32>>>,
}

impl Kettles {
    async fn start() -> Self {
        let celsius = Arc::new(Mutex::new(BTreeMap::new()));
        let shown = Arc::clone(&celsius);
        let exporter = RemoteAgent::answering(move |_, _| {
            let shown = shown.lock().unwrap();
            let line = |(name, celsius): (&&str, &u32)| format!("kettle_celsius{{kettle=\"{name}\"}} {celsius}\n");
            let text: String = shown.iter().map(line).collect();
            Response::builder().header("content-type", "text/plain").body(Full::new(Bytes::from(text))).unwrap()
        })
        .await;
        Self { exporter, celsius }
    }

    /// From now on these are hot and all others are not.
    fn set_hot(&self, hot: &[&'static str]) {
        let mut celsius = self.celsius.lock().unwrap();
        celsius.values_mut().for_each(|celsius| *celsius = 20);
        celsius.extend(hot.iter().map(|name| (*name, 104)));
    }
}

/// A gateway with an agent, which says nothing of its work.
struct Gateway {
    gateway: TestGateway,
    agent: RemoteAgent,
}

impl Gateway {
    /// `more` has more keys of `[alerts]`.
    async fn start(more: &str) -> Self {
        let agent = RemoteAgent::start().await;
        let gateway = Setup::new()
            .plugin(built_in::ALERTMANAGER)
            .remote(&agent, "")
            .config(ALERTS)
            .config(more)
            .env("ALERTMANAGER_TOKEN", Alertmanager::TOKEN)
            .start()
            .await;
        Self { gateway, agent }
    }

    /// What the agent was told, in order.
    fn told(&self) -> Vec<Value> {
        self.agent.received().iter().map(|delivered| delivered.json()["event"].clone()).collect()
    }

    /// Kind and reason of what the agent was told, in order.
    fn reasons(&self) -> Vec<String> {
        let text = |event: &Value| {
            let kind = event["type"].as_str().unwrap().strip_prefix("alerts.").unwrap().to_owned();
            let reason = event["data"]["reason"].as_str().unwrap();
            if kind == reason { kind } else { format!("{kind} {reason}") }
        };
        self.told().iter().map(text).collect()
    }

    /// Waits until the agent was told exactly this, and returns the last of it.
    async fn until_told(&self, expected: &[&str]) -> Value {
        self.gateway
            .until(&format!("{expected:?}"), async || {
                let reasons = self.reasons();
                let is_so_far = reasons.iter().zip(expected).all(|(reason, expected)| reason == expected);
                assert!(is_so_far && reasons.len() <= expected.len(), "{reasons:?} instead of {expected:?}");
                (reasons.len() == expected.len()).then_some(())
            })
            .await;
        self.told().pop().unwrap()
    }

    /// Waits until `count` notifications were decided about, and returns what was decided, oldest first.
    async fn decisions(&self, count: usize) -> Vec<(Value, String)> {
        self.gateway
            .until(&format!("{count} decisions"), async || {
                let mut decided = Vec::new();
                for row in self.gateway.list("events?channel=alertmanager&limit=500").await.iter().rev() {
                    let event = self.gateway.json(&format!("/admin/events/{}", row["id"].as_str().unwrap())).await;
                    let timeline = event["timeline"].as_array().unwrap();
                    let note = timeline.iter().find(|moment| moment["by"] == "alerts")?["message"].as_str()?.to_owned();
                    decided.push((event, note));
                }
                assert!(decided.len() <= count, "{decided:#?}");
                Some(decided).filter(|decided| decided.len() == count)
            })
            .await
    }

    /// Waits until the newest notification of a kettle has this status, and returns what it says of the group.
    async fn group_when(&self, kettle: &str, status: &str) -> Value {
        self.gateway
            .until(&format!("kettle {kettle} is {status}"), async || {
                for row in self.gateway.list("events?channel=alertmanager&limit=500").await {
                    let event = self.gateway.json(&format!("/admin/events/{}", row["id"].as_str().unwrap())).await;
                    if event["data"]["labels"]["kettle"] == kettle {
                        return (event["data"]["status"] == status).then(|| event["data"]["group"].clone());
                    }
                }
                None
            })
            .await
    }

    /// The one incident that the agent was told of.
    fn incident(&self) -> String {
        let subjects: BTreeSet<String> =
            self.told().iter().map(|event| event["subject"].as_str().unwrap().to_owned()).collect();
        assert_eq!(subjects.len(), 1, "{subjects:?}");
        subjects.into_iter().next().unwrap()
    }
}

/// How many of the decisions begin with `text`.
fn count(decisions: &[(Value, String)], text: &str) -> usize {
    decisions.iter().filter(|(_, note)| note.starts_with(text)).count()
}

#[tokio::test]
async fn a_rule_that_fires_and_flaps_is_one_incident() {
    let Some((prometheus, alertmanager)) = programs() else { return };
    let kettles = Kettles::start().await;
    let gateway = Gateway::start("").await;
    let alertmanager = Alertmanager::start(&alertmanager, gateway.gateway.client.address(), QUICK);
    let exporter = kettles.exporter.address;
    let _prometheus = Prometheus::start(&prometheus, exporter, &rules(), &[alertmanager.address()]);

    kettles.set_hot(&["one"]);
    let opened = gateway.until_told(&["opened"]).await;
    assert_eq!(opened["data"]["alerts"][0]["annotations"]["summary"], "Kettle one is hot");
    assert_eq!(
        opened["data"]["alerts"][0]["fingerprint"],
        json!(alertmanager.fingerprints().await.into_iter().next().unwrap())
    );
    // It flaps.
    kettles.set_hot(&[]);
    gateway.until_told(&["opened", "resolved"]).await;
    kettles.set_hot(&["one"]);
    let recurred = gateway.until_told(&["opened", "resolved", "changed recurred"]).await;
    let alert = &recurred["data"]["alerts"][0];
    assert_eq!((&alert["recurrences"], &alert["duplicates"]), (&json!(1), &json!(1)), "{alert}");
    kettles.set_hot(&[]);
    let resolved = gateway.until_told(&["opened", "resolved", "changed recurred", "resolved"]).await;
    assert_eq!(resolved["data"]["incident"]["signals"], json!({"total": 1, "firing": 0, "suppressed": 0}));

    let incident = gateway.incident();
    let decisions: Vec<_> = gateway.decisions(4).await.into_iter().map(|(_, note)| note).collect();
    let expected = [
        format!("opened incident {incident}"),
        format!("resolved, of incident {incident}"),
        format!("fires again, joined incident {incident}"),
        format!("resolved, of incident {incident}"),
    ];
    assert_eq!(decisions, expected);
}

/// Five duplicates are six sightings.
#[tokio::test]
async fn an_alert_that_is_repeated_escalates_by_the_third_and_by_the_fifth_duplicate() {
    let Some((prometheus, alertmanager)) = programs() else { return };
    let kettles = Kettles::start().await;
    let gateway = Gateway::start("").await;
    let how = Notifying { repeat_interval: "600ms", ..QUICK };
    let alertmanager = Alertmanager::start(&alertmanager, gateway.gateway.client.address(), how);
    let exporter = kettles.exporter.address;
    let _prometheus = Prometheus::start(&prometheus, exporter, &rules(), &[alertmanager.address()]);

    kettles.set_hot(&["one"]);
    gateway.until_told(&["opened", "escalated burst", "escalated total"]).await;
    kettles.set_hot(&[]);
    gateway.until_told(&["opened", "escalated burst", "escalated total", "resolved"]).await;

    let told = gateway.told();
    for (event, duplicates) in [(&told[1], 3), (&told[2], 5)] {
        assert_eq!(event["priority"], "high", "{event}");
        assert_eq!(event["data"]["priority"], "immediate");
        assert_eq!(event["data"]["escalations"][0]["count"], duplicates);
        assert_eq!(event["data"]["alerts"][0]["duplicates"], duplicates);
    }
    assert_eq!(told[2]["data"]["escalations"][0]["threshold"], 5);
    gateway.incident();
}

/// Each sends everything: six sightings of the first alert, of which three are copies.
#[tokio::test]
async fn two_alertmanagers_that_know_nothing_of_each_other_are_one_sender() {
    let Some((prometheus, alertmanager)) = programs() else { return };
    let kettles = Kettles::start().await;
    let gateway = Gateway::start("").await;
    let pair = Alertmanager::start_strangers(&alertmanager, gateway.gateway.client.address(), QUICK);
    let addresses = pair.each_ref().map(Alertmanager::address);
    let _prometheus = Prometheus::start(&prometheus, kettles.exporter.address, &rules(), &addresses);

    for (hot, notifications) in [(&["one"][..], 2), (&["one", "two"], 6), (&["one", "three", "two"], 12)] {
        kettles.set_hot(hot);
        gateway.decisions(notifications).await;
    }
    let burning = gateway.decisions(12).await;
    kettles.set_hot(&[]);
    gateway.until_told(&["opened", "resolved"]).await;

    assert_eq!(count(&burning, "copy of what another peer has told"), 6, "{burning:#?}");
    assert_eq!(count(&burning, "repeat "), 3, "{burning:#?}");
    let ended = gateway.decisions(18).await;
    assert_eq!(count(&ended, "resolved, of incident"), 3, "{ended:#?}");
    assert_eq!(count(&ended, "resolved, but it did not fire"), 3, "{ended:#?}");
    let told = gateway.told();
    let alerts = told.last().unwrap()["data"]["alerts"].as_array().unwrap();
    let copies: BTreeMap<_, _> =
        alerts.iter().map(|alert| (alert["labels"]["kettle"].as_str().unwrap(), alert["copies"].clone())).collect();
    assert_eq!(json!(copies), json!({"one": 3, "two": 2, "three": 1}));
    gateway.incident();
}

/// One of them dies while it burns.
#[tokio::test]
async fn two_alertmanagers_that_are_a_cluster_are_one_sender_also_when_one_dies() {
    let Some((prometheus, alertmanager)) = programs() else { return };
    let kettles = Kettles::start().await;
    let gateway = Gateway::start("").await;
    let [one, two] = Alertmanager::start_pair(&alertmanager, gateway.gateway.client.address(), QUICK);
    let addresses = [one.address(), two.address()];
    let _prometheus = Prometheus::start(&prometheus, kettles.exporter.address, &rules(), &addresses);

    kettles.set_hot(&["one"]);
    gateway.until_told(&["opened"]).await;
    drop(one);
    kettles.set_hot(&[]);
    gateway.until_told(&["opened", "resolved"]).await;
    kettles.set_hot(&["one"]);
    gateway.until_told(&["opened", "resolved", "changed recurred"]).await;
    kettles.set_hot(&[]);
    gateway.until_told(&["opened", "resolved", "changed recurred", "resolved"]).await;

    gateway.incident();
    assert_eq!(two.fingerprints().await, BTreeSet::new());
}

/// Alertmanager ends an alert that Prometheus does not renew, and nobody ends one that Alertmanager does not repeat.
#[tokio::test]
async fn an_alert_ends_when_those_who_tell_of_it_are_gone() {
    let Some((prometheus, alertmanager)) = programs() else { return };
    let kettles = Kettles::start().await;
    let gateway = Gateway::start(&format!("stale_after = \"6s\"\n{NO_ESCALATION}")).await;
    let how = Notifying { repeat_interval: "600ms", ..QUICK };
    let alertmanager = Alertmanager::start(&alertmanager, gateway.gateway.client.address(), how);
    let exporter = kettles.exporter.address;
    let prometheus = Prometheus::start(&prometheus, exporter, &rules(), &[alertmanager.address()]);

    kettles.set_hot(&["one"]);
    gateway.until_told(&["opened"]).await;
    let start_again = prometheus.kill();
    let resolved = gateway.until_told(&["opened", "resolved"]).await;
    assert_eq!(resolved["data"]["alerts"][0]["resolved_by"], "resolved");
    let _prometheus = start_again();
    gateway.until_told(&["opened", "resolved", "changed recurred"]).await;

    drop(alertmanager);
    let stale = gateway.until_told(&["opened", "resolved", "changed recurred", "stale"]).await;
    assert_eq!(stale["data"]["alerts"][0]["resolved_by"], "stale");
    gateway.incident();
}

/// Alertmanager computes the status of a group after it has cut off what is above `max_alerts`: it says `resolved` while what was
/// cut off burns. That comes back when it is repeated.
#[tokio::test]
async fn what_is_cut_off_from_a_group_does_not_burn_for_ever() {
    let Some((prometheus, alertmanager)) = programs() else { return };
    let kettles = Kettles::start().await;
    let gateway = Gateway::start(NO_ESCALATION).await;
    // Out of step with Prometheus, which tells of what is over each second: in some repetition only `c` is left.
    let how = Notifying { repeat_interval: "700ms", max_alerts: 2, ..QUICK };
    let alertmanager = Alertmanager::start(&alertmanager, gateway.gateway.client.address(), how);
    let exporter = kettles.exporter.address;
    let _prometheus = Prometheus::start(&prometheus, exporter, &rules(), &[alertmanager.address()]);
    let is_group = |group: &Value, status: &str, cut: u32| {
        assert_eq!((&group["status"], &group["truncatedAlerts"]), (&json!(status), &json!(cut)));
    };
    let counts = |event: &Value| event["data"]["incident"]["signals"].clone();

    // They are sent in the order of their labels, so `c` is told of before it is cut off.
    kettles.set_hot(&["b", "c"]);
    gateway.until_told(&["opened"]).await;
    kettles.set_hot(&["a", "b", "c"]);
    is_group(&gateway.group_when("a", "firing").await, "firing", 1);

    kettles.set_hot(&["c"]);
    let resolved = gateway.until_told(&["opened", "resolved"]).await;
    is_group(&gateway.group_when("a", "resolved").await, "resolved", 1);
    assert_eq!(counts(&resolved), json!({"total": 3, "firing": 0, "suppressed": 0}));
    assert_eq!(alertmanager.fingerprints().await.len(), 1, "`c` burns all the same");
    let recurred = gateway.until_told(&["opened", "resolved", "changed recurred"]).await;
    assert_eq!(counts(&recurred), json!({"total": 3, "firing": 1, "suppressed": 0}));

    // Nobody says of `c` that it is over.
    kettles.set_hot(&["a", "b", "c"]);
    is_group(&gateway.group_when("a", "firing").await, "firing", 1);
    kettles.set_hot(&[]);
    let resolved = gateway.until_told(&["opened", "resolved", "changed recurred", "resolved"]).await;
    is_group(&gateway.group_when("a", "resolved").await, "resolved", 1);
    assert_eq!(counts(&resolved), json!({"total": 3, "firing": 0, "suppressed": 0}));
    let alerts = resolved["data"]["alerts"].as_array().unwrap();
    let endings = alerts.iter().map(|alert| (&alert["labels"]["kettle"], &alert["resolved_by"]));
    let ended: BTreeMap<_, _> = endings.map(|(kettle, by)| (kettle.as_str().unwrap(), by)).collect();
    assert_eq!(json!(ended), json!({"a": "resolved", "b": "resolved", "c": "bundle_resolved"}));
    gateway.incident();
}
