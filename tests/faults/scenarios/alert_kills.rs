//! ALR1: `kill -9` while notifications of alerts arrive.

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::report::Report;
use crate::suite::Scale;
use crate::support::{Client, RemoteAgent, Setup, TestGateway, built_in};
use crate::trial::{all_events, random};

use super::Outcome;
use super::kills::kill_while_it_starts;

/// Concurrent senders; each has one alert at a time.
const SENDERS: usize = 6;

/// The longest time until the last alerts are told.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is told of an alert: its environment, and how often it fires before it is resolved, each time that it fires.
///
/// A notification whose answer is missing is sent again and may count twice, which makes no difference to what is told: the
/// numbers of a course are far below the thresholds of its environment, or above all of them.
struct Course {
    name: &'static str,
    environment: &'static str,
    firing: &'static [u32],
}

const COURSES: [Course; 4] = [
    Course { name: "brief", environment: "development", firing: &[1] },
    Course { name: "flapping", environment: "development", firing: &[1, 1] },
    Course { name: "steady", environment: "production", firing: &[7] },
    Course { name: "staged", environment: "staging", firing: &[10] },
];

impl Course {
    /// The statuses that are notified, in order.
    fn statuses(&self) -> impl Iterator<Item = &'static str> {
        let episode = |firing: &u32| std::iter::repeat_n("firing", *firing as usize).chain(["resolved"]);
        self.firing.iter().flat_map(episode)
    }
}

/// An alert that was notified to its end.
struct Alert {
    name: String,
    course: &'static Course,
}

pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(scale.rounds);
    let expected = without_kills().await;
    report.expect(expected.values().flatten().any(|told| told.starts_with("alerts.escalated")), || {
        format!("nothing escalates: {expected:?}")
    });

    let agent = agent().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut gateway = start(setup(&agent), &socket).await;
    let stop = CancellationToken::new();
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send(gateway.client.clone(), sender, stop.clone()));
    }
    for round in 0..scale.rounds {
        scale.progress(round);
        tokio::time::sleep(random(Duration::from_millis(250))).await;
        let mut setup = gateway.kill();
        if round.is_multiple_of(10) {
            setup = kill_while_it_starts(setup).await;
        }
        let began = Instant::now();
        gateway = start(setup, &socket).await;
        report.recoveries.push(began.elapsed());
    }
    stop.cancel();
    let sent = tokio::time::timeout(PATIENCE, senders.join_all()).await.expect("the senders come to an end");
    let alerts: Vec<Alert> = sent.into_iter().flatten().collect();

    let told = Told::read(&gateway, &agent).await;
    report.repeated = told.repeated;
    report.acknowledged = alerts.iter().map(|alert| alert.course.statuses().count()).sum();
    for Alert { name, course } in &alerts {
        let (found, expected) = (told.of.get(name).map_or(&[][..], Vec::as_slice), &expected[course.name]);
        report.lost += usize::from(found.len() < expected.len());
        report.duplicated += usize::from(found.len() > expected.len());
        report.expect(found == expected, || format!("{name} was told as {found:?} instead of {expected:?}"));
    }
    report.expect(told.of.len() == alerts.len(), || format!("{} of {} were told", told.of.len(), alerts.len()));
    report.expect(told.not_delivered == 0, || format!("{} events never came to the agent", told.not_delivered));
    report.lost += told.not_delivered;
    for Alert { name, course } in alerts.iter().filter(|alert| alert.course.firing.len() == 1) {
        let acknowledged = course.statuses().count() as u64;
        let (counted, stored) = (told.notifications.get(name).copied().unwrap_or_default(), told.stored[name]);
        report.expect((acknowledged..=stored).contains(&counted), || {
            format!(
                "{name}: {counted} notifications were counted, {acknowledged} were acknowledged, {stored} are stored"
            )
        });
    }
    report.expect(alerts.len() > scale.rounds as usize, || "hardly any load".to_owned());
    report.note(format!("{} alerts, of which an agent was told {} events, as without kills", alerts.len(), told.count));
    Ok(report)
}

/// What is told of each course without a kill.
async fn without_kills() -> BTreeMap<&'static str, Vec<String>> {
    let agent = agent().await;
    let gateway = setup(&agent).start().await;
    for course in &COURSES {
        notify(&gateway.client, course.name, course).await;
    }
    let mut told = Told::read(&gateway, &agent).await;
    COURSES.each_ref().map(|course| (course.name, told.of.remove(course.name).unwrap_or_default())).into()
}

/// An agent that handles what it is told.
async fn agent() -> RemoteAgent {
    let handled = || Response::builder().header("gateway-outcome", "handled").body(Full::default()).unwrap();
    RemoteAgent::answering(move |_, _| handled()).await
}

fn setup(agent: &RemoteAgent) -> Setup {
    let address = agent.address;
    Setup::new()
        .plugin(built_in::ALERTMANAGER)
        .plugin(built_in::HTTP)
        .config(&format!(
            r#"
            [channels.alertmanager]
            secret = {{ env = "ALERTMANAGER_TOKEN" }}
            [alerts]
            channels = ["alertmanager"]
            [agents.handler]
            plugin = "http"
            config = {{ url = "http://{address}/alerts" }}
            allow_hosts = ["{address}"]
            [[routes]]
            channels = ["alerts"]
            agents = ["handler"]
            "#
        ))
        .env("ALERTMANAGER_TOKEN", "a-token")
        .env("GATEWAY__LOG__LEVEL", "info")
}

/// On the same socket each time, so that what is sent meanwhile waits.
async fn start(setup: Setup, socket: &TcpListener) -> TestGateway {
    let started = setup.try_start_on(socket).await;
    started.unwrap_or_else(|ended| panic!("the gateway ended:\n{}", ended.log))
}

/// Notifies one alert after the other, each to its end.
async fn send(client: Client, sender: usize, stop: CancellationToken) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for (number, course) in COURSES.iter().cycle().skip(sender).enumerate() {
        if stop.is_cancelled() {
            break;
        }
        let name = format!("{}-{sender}-{number}", course.name);
        notify(&client, &name, course).await;
        alerts.push(Alert { name, course });
    }
    alerts
}

/// Sends each notification of an alert until it is answered, as Alertmanager does.
async fn notify(client: &Client, name: &str, course: &Course) {
    let headers = [("authorization", "Bearer a-token"), ("content-type", "application/json")];
    for status in course.statuses() {
        let alert = json!({
            "status": status, "fingerprint": name, "startsAt": "2026-03-01T10:00:00Z", "annotations": {},
            "labels": {"alertname": name, "environment": course.environment, "severity": "critical"},
        });
        let body = json!({
            "version": "4", "receiver": "gateway", "status": status, "groupKey": name, "truncatedAlerts": 0,
            "groupLabels": {"alertname": name}, "commonLabels": {}, "commonAnnotations": {},
            "externalURL": "http://alertmanager.example", "alerts": [alert],
        });
        let body = body.to_string();
        while !client
            .try_send("POST", "/webhooks/alertmanager", &headers, body.clone().into())
            .await
            .is_ok_and(|reply| reply.status.is_success())
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// What was told of the alerts.
struct Told {
    /// Kind and reason of the events of each alert, in order.
    of: HashMap<String, Vec<String>>,
    /// All of these events.
    count: usize,
    /// Those that the agent did not get, and deliveries of those that it got before.
    not_delivered: usize,
    repeated: usize,
    /// How many notifications of an alert were counted when its end was told.
    notifications: HashMap<String, u64>,
    /// How many are stored.
    stored: HashMap<String, u64>,
}

impl Told {
    /// Waits until everything is decided and delivered.
    async fn read(gateway: &TestGateway, agent: &RemoteAgent) -> Self {
        gateway
            .until("everything is told", async || {
                let newest = &gateway.json("/admin/events?channel=alertmanager&limit=1").await["events"][0];
                let last = gateway.json(&format!("/admin/events/{}", newest["id"].as_str().unwrap())).await;
                let is_decided = last["timeline"].as_array().unwrap().iter().any(|moment| moment["by"] == "alerts");
                let is_settled = async || gateway.json("/admin/stats").await["events"]["pending"] == 0;
                (is_decided && is_settled().await).then_some(())
            })
            .await;
        let mut rows = all_events(gateway).await;
        rows.reverse();
        let received = agent.received();
        let bodies: HashMap<String, Value> = received
            .iter()
            .map(|delivered| delivered.json()["event"].clone())
            .map(|event| (event["id"].as_str().unwrap().to_owned(), event))
            .collect();
        let mut told = Self {
            of: HashMap::new(),
            count: 0,
            not_delivered: 0,
            repeated: received.len() - bodies.len(),
            notifications: HashMap::new(),
            stored: HashMap::new(),
        };
        for row in rows {
            if row["channel"] == "alertmanager" {
                *told.stored.entry(row["subject"].as_str().unwrap().to_owned()).or_default() += 1;
                continue;
            }
            told.count += 1;
            let Some(event) = bodies.get(row["id"].as_str().unwrap()) else {
                told.not_delivered += 1;
                continue;
            };
            let name = event["alertname"].as_str().unwrap().to_owned();
            let kind = event["type"].as_str().unwrap();
            let notifications = event["data"]["alerts"][0]["notifications"].as_u64().unwrap();
            // Rules that are met in one page of notifications are told in one event.
            let reasons = match event["data"]["escalations"].as_array() {
                Some(escalations) => escalations.iter().map(|it| &it["rule"]).collect(),
                None => vec![&event["data"]["reason"]],
            };
            let events = reasons.iter().map(|reason| format!("{kind} {}", reason.as_str().unwrap()));
            told.of.entry(name.clone()).or_default().extend(events);
            told.notifications.insert(name, notifications);
        }
        told
    }
}
