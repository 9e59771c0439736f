//! Alerts as operators and agents see them: incidents and alerts through the admin API, the command line, and an agent's key.

use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Delivered, KEY, RemoteAgent, Reply, Setup, TestGateway, built_in};

/// The key of the caller that speaks for the agent `remote`.
const TRIAGE_KEY: &str = "the-key-of-triage";

const ALERTS: &str = r#"
[channels.alertmanager]
verification = "none"
allow_from = ["127.0.0.1"]

[callers.triage]
kind = "bearer"
secret = { env = "TRIAGE_KEY" }

[callers.shop]
kind = "bearer"
secret = { env = "SHOP_KEY" }

[channels.orders]
emit = true
callers = ["shop"]

[alerts]
channels = ["alertmanager"]
group_by = ["alertname"]

[[routes]]
channels = ["alerts"]
agents = ["remote"]
"#;

/// A gateway whose agent is told of alerts.
async fn start(agent: &RemoteAgent) -> TestGateway {
    setup(agent).start().await
}

fn setup(agent: &RemoteAgent) -> Setup {
    Setup::new()
        .plugin(built_in::ALERTMANAGER)
        .remote(agent, "callers = [\"triage\"]")
        .config(ALERTS)
        .env("TRIAGE_KEY", TRIAGE_KEY)
        .env("SHOP_KEY", KEY)
}

/// An answer that accepts, with this word if there is one.
#[expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
fn accepted(word: Option<&str>) -> Response<Full<bytes::Bytes>> {
    let answer = word.into_iter().fold(Response::builder(), |answer, word| answer.header("gateway-outcome", word));
    answer.body(Full::default()).unwrap()
}

/// What an event is about: its kind, and the name of its first alert.
fn about(delivered: &Delivered) -> (String, String) {
    let event = delivered.json()["event"].take();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&event["type"]), text(&event["data"]["alerts"][0]["alertname"]))
}

/// Notifies of one alert of this name for each of the instances.
pub(crate) async fn notify(gateway: &TestGateway, status: &str, name: &str, instances: &[&str]) -> Reply {
    let alert = |instance: &&str| {
        let labels = json!({"alertname": name, "instance": instance, "severity": "critical", "env": "prod"});
        json!({
            "status": status, "labels": labels, "annotations": {"summary": "look"}, "startsAt": "2026-03-01T10:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": format!("{name}-{instance}"),
        })
    };
    let body = json!({
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status, "receiver": "gateway",
        "groupLabels": {"alertname": name}, "commonLabels": {"alertname": name}, "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": instances.iter().map(alert).collect::<Vec<_>>(),
    });
    gateway.client.post("/webhooks/alertmanager", &[("content-type", "application/json")], body.to_string()).await
}

/// Waits until the incident with this title is in this state; its summary.
async fn incident(gateway: &TestGateway, title: &str, state: &str) -> Value {
    let path = format!("incidents?title={title}&state={state}");
    gateway.until(&format!("{title} is {state}"), async || gateway.list(&path).await.pop()).await
}

fn id(incident: &Value) -> &str {
    incident["id"].as_str().expect("an incident has an id")
}

/// Says something of an incident as an operator.
async fn change(gateway: &TestGateway, incident: &str, verb: &str, body: Value) -> Reply {
    let path = format!("/admin/incidents/{incident}/{verb}?by=ann");
    gateway.client.post(&path, &[], body.to_string()).await
}

/// The standard output of `gateway ARGS`.
pub(crate) fn printed(gateway: &TestGateway, arguments: &[&str]) -> String {
    let (code, text, error) = gateway.cli(arguments);
    assert_eq!(code, 0, "{arguments:?}: {error}");
    text
}

#[tokio::test]
async fn a_problem_is_one_incident_and_its_repetitions_stay_readable() {
    let agent = RemoteAgent::start().await;
    let gateway = start(&agent).await;

    let first = notify(&gateway, "firing", "DiskFull", &["db-1", "db-2"]).await.expect_status(202).json();
    let known = incident(&gateway, "DiskFull", "in_progress").await;
    assert_eq!(
        (&known["signals"]["total"], &known["runs"], &known["state_by"]),
        (&json!(2), &json!(1), &json!("remote"))
    );
    let again = notify(&gateway, "firing", "DiskFull", &["db-1", "db-2"]).await.expect_status(200).json();
    assert_eq!(again["events"][0]["status"], "duplicate");
    assert_eq!(again["events"][0]["id"], first["events"][0]["id"]);

    // The agent was asked once; the repetition is an event that says what was decided.
    let repeats = gateway
        .until("the repetitions", async || {
            Some(gateway.list("events?status=repeat").await).filter(|rows| rows.len() == 2)
        })
        .await;
    let note = format!("repeat 1 of incident {}, suppressed: in progress", id(&known));
    for repeat in &repeats {
        let path = format!("/admin/events/{}", repeat["id"].as_str().unwrap());
        gateway
            .until("the note", async || {
                let timeline = gateway.json(&path).await["timeline"].take();
                timeline.as_array().unwrap().iter().any(|moment| moment["message"] == note.as_str()).then_some(())
            })
            .await;
    }
    let shown = printed(&gateway, &["events", "show", repeats[0]["id"].as_str().unwrap()]);
    assert!(shown.contains(&note), "{shown}");
    assert_eq!(agent.received().len(), 1);

    // One incident, by the beginning of its id, from the first notification on.
    let detail = gateway.json(&format!("/admin/incidents/{}", &id(&known)[..10])).await;
    assert_eq!((&detail["id"], &detail["more_alerts"], &detail["history_cut"]), (&known["id"], &json!(0), &json!(0)));
    assert_eq!(detail["alerts"].as_array().unwrap().len(), 2);
    let opened = &detail["history"][0];
    let event = gateway.json(&format!("/admin/events/{}", opened["seq"])).await;
    assert_eq!((&opened["what"], &event["id"]), (&json!("opened"), &first["events"][0]["id"]));
    let steps: Vec<_> =
        detail["history"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap()).collect();
    assert_eq!(steps, ["opened", "joined", "accepted"]);

    // The alerts by themselves, page by page.
    let page = gateway.json("/admin/alerts?limit=1&status=firing&alertname=Disk%2A&environment=production").await;
    let rest = gateway.json(&format!("/admin/alerts?limit=1&cursor={}", page["next"].as_str().unwrap())).await;
    let (one, two) = (&page["alerts"][0], &rest["alerts"][0]);
    assert_ne!(one["id"], two["id"]);
    assert_eq!((&one["duplicates"], &one["incident"], &rest["next"]), (&json!(1), &known["id"], &Value::Null));
    assert_eq!(one["severity"], json!({"raw": "critical", "level": "critical"}));

    let incidents = printed(&gateway, &["incidents", "--state", "unresolved"]);
    assert!(incidents.contains(id(&known)) && incidents.contains("in_progress"), "{incidents}");
    let alerts = printed(&gateway, &["alerts", "--incident", id(&known)]);
    assert!(alerts.contains("instance=db-1") && alerts.contains("instance=db-2"), "{alerts}");
    let shown = printed(&gateway, &["incidents", "show", &id(&known)[..10]]);
    assert!(shown.contains("\nstate       in_progress by remote") && shown.contains("  opened: alert "), "{shown}");
    let status = printed(&gateway, &["status"]);
    assert!(status.contains("\nalerts    2 firing; incidents: 1 in_progress\n"), "{status}");

    notify(&gateway, "resolved", "DiskFull", &["db-1", "db-2"]).await.expect_status(202);
    let over = incident(&gateway, "DiskFull", "resolved").await;
    assert_eq!(over["signals"], json!({"total": 2, "firing": 0, "suppressed": 0}));
    assert_eq!(gateway.list("alerts?status=firing").await, [] as [Value; 0]);
}

#[tokio::test]
async fn an_operator_takes_notes_on_and_ends_an_incident() {
    let agent = RemoteAgent::start().await;
    let gateway = start(&agent).await;
    notify(&gateway, "firing", "DiskFull", &["db-1"]).await.expect_status(202);
    let known = incident(&gateway, "DiskFull", "in_progress").await;
    let beginning = &id(&known)[..10];

    let acknowledged = printed(&gateway, &["incidents", "ack", beginning, "--note", "on it"]);
    assert_eq!(acknowledged, format!("{} is acknowledged: no agent is run again until it is resolved\n", id(&known)));
    let noted = printed(&gateway, &["incidents", "note", beginning, "the disk is on its way"]);
    assert_eq!(noted, format!("noted in the history of {}\n", id(&known)));
    change(&gateway, beginning, "note", json!({"note": " "})).await.expect_problem(400, "malformed");
    let shown = gateway.json(&format!("/admin/incidents/{beginning}")).await;
    assert_eq!(shown["state"], "acknowledged");
    let texts: Vec<_> =
        shown["history"].as_array().unwrap().iter().map(|step| step["text"].as_str().unwrap()).collect();
    assert!(texts[2].ends_with(": on it") && texts[3].ends_with(": the disk is on its way"), "{texts:?}");

    let resolved = change(&gateway, beginning, "resolve", json!({"note": "new disk"})).await.expect_status(200).json();
    assert_eq!((&resolved["state"], &resolved["state_by"]), (&json!("resolved"), &json!("operator")));
    change(&gateway, beginning, "resolve", json!({})).await.expect_problem(409, "incident_resolved");
    let (code, _, error) = gateway.cli(&["incidents", "resolve", beginning]);
    assert!(code == 1 && error.contains("the incident is resolved"), "{error}");
    let again = printed(&gateway, &["incidents", "outcome", beginning, "handled"]);
    assert_eq!(again, format!("{} is resolved already: that is noted, and changes nothing\n", id(&known)));
    let told = gateway
        .until("the agent to hear of the end", async || Some(agent.received()).filter(|told| told.len() == 2))
        .await;
    assert_eq!(told[1].json()["event"]["type"], "alerts.resolved");

    let (code, _, error) = gateway.cli(&["incidents", "show", "0000"]);
    assert!(
        code == 1 && error.contains("there is no incident `0000`\nhint: `gateway incidents` lists them"),
        "{error}"
    );
}

#[tokio::test]
async fn an_operator_merges_and_splits_incidents() {
    let agent = RemoteAgent::start().await;
    let gateway = start(&agent).await;
    notify(&gateway, "firing", "DiskFull", &["db-1", "db-2", "db-3"]).await.expect_status(202);
    notify(&gateway, "firing", "DiskSlow", &["db-1"]).await.expect_status(202);
    let full = incident(&gateway, "DiskFull", "in_progress").await;
    let slow = incident(&gateway, "DiskSlow", "in_progress").await;

    change(&gateway, id(&slow), "merge", json!({"into": id(&slow)})).await.expect_problem(422, "incident_unfit");
    change(&gateway, id(&slow), "merge", json!({"into": "none"})).await.expect_problem(404, "incident_not_found");
    let merged = printed(&gateway, &["incidents", "merge", id(&slow), &id(&full)[..10]]);
    assert_eq!(merged, format!("{} is merged into {}, which has its alerts now\n", id(&slow), id(&full)));
    let over = incident(&gateway, "DiskSlow", "resolved").await;
    assert_eq!(over["merged_into"], full["id"]);

    let alerts = gateway.list(&format!("alerts?incident={}", id(&full))).await;
    assert_eq!(alerts.len(), 4);
    let first = alerts.iter().find(|alert| alert["labels"]["instance"] == "db-3").unwrap()["id"].as_str().unwrap();
    for (ids, expected) in [
        (json!([]), "some alerts have to go and some have to stay"),
        (json!(["zz"]), "the incident has no alert `zz`"),
        (json!(["0".repeat(32)]), "does not fire in this incident"),
    ] {
        let refused = change(&gateway, id(&full), "split", json!({"alerts": ids})).await;
        let detail = refused.expect_problem(422, "incident_unfit");
        assert!(detail.contains(expected), "{detail}");
    }
    let split = printed(&gateway, &["incidents", "split", id(&full), &first[..16], "--format", "json"]);
    let new: Value = serde_json::from_str(&split).unwrap();
    assert_ne!(new["id"], full["id"]);
    assert_eq!((&new["title"], &new["signals"]["total"]), (&json!("DiskFull"), &json!(1)));
    assert_eq!(gateway.list(&format!("alerts?incident={}", id(&new))).await[0]["labels"]["instance"], "db-3");
}

#[tokio::test]
async fn an_agent_says_what_became_of_an_incident() {
    let agent = RemoteAgent::start().await;
    let gateway = start(&agent).await;
    notify(&gateway, "firing", "DiskFull", &["db-1"]).await.expect_status(202);
    let known = incident(&gateway, "DiskFull", "in_progress").await;
    let say = async |key: &str, incident: &str, body: Value| {
        let path = format!("/api/incidents/{incident}/outcome");
        let headers = [("api-key", key)];
        gateway.client.post(&path, if key.is_empty() { &[] } else { &headers }, body.to_string()).await
    };
    let handled = json!({"outcome": "handled", "note": "restarted"});

    // A caller that may only emit, a key that nobody has, and none.
    say(KEY, id(&known), handled.clone()).await.expect_problem(403, "forbidden");
    say("another-key", id(&known), handled.clone()).await.expect_problem(401, "unknown_caller");
    say("", id(&known), handled.clone()).await.expect_problem(401, "unknown_caller");
    let wrong = say(TRIAGE_KEY, id(&known), json!({"outcome": "done"})).await.expect_problem(400, "malformed");
    assert!(wrong.contains("unknown variant `done`, expected one of `in_progress`, `handled`, `failed`"), "{wrong}");
    say(TRIAGE_KEY, id(&known), json!({"note": "x"})).await.expect_problem(400, "malformed");
    for unknown in ["0000000000000000", &id(&known)[..10]] {
        say(TRIAGE_KEY, unknown, handled.clone()).await.expect_problem(404, "incident_not_found");
    }

    let answer = say(TRIAGE_KEY, id(&known), handled).await.expect_status(200).json();
    assert_eq!((&answer["state"], &answer["state_by"]), (&json!("handled"), &json!("remote")));
    assert!(answer["rests_until"].is_string(), "{answer}");
    let history = gateway.json(&format!("/admin/incidents/{}", id(&known))).await["history"].take();
    assert_eq!(history.as_array().unwrap().last().unwrap()["text"], "remote: restarted");
}

#[tokio::test]
async fn the_word_in_the_answer_of_an_agent_is_heard() {
    let agent = RemoteAgent::answering(|_, delivered| {
        let (kind, name) = about(delivered);
        accepted(match (kind.as_str(), name.as_str()) {
            ("alerts.opened", "DiskFull") => Some("failed"),
            ("alerts.opened", "DiskSlow") => Some("needs_human"),
            ("alerts.opened", "DiskHot") => Some("finished"),
            ("alerts.escalated", "DiskWorn") => Some("handled"),
            _ => None,
        })
    })
    .await;
    let gateway = start(&agent).await;
    for name in ["DiskFull", "DiskSlow", "DiskHot", "DiskWorn"] {
        notify(&gateway, "firing", name, &["db-1"]).await.expect_status(202);
    }

    assert_eq!(incident(&gateway, "DiskFull", "failed").await["failures"], 1);
    incident(&gateway, "DiskSlow", "needs_human").await;
    incident(&gateway, "DiskWorn", "in_progress").await;
    let known = incident(&gateway, "DiskHot", "in_progress").await;
    let unknown =
        "remote: said `finished`, expected `in_progress`, `handled`, `failed`, `needs_human` or `acknowledged`";
    gateway
        .until("the note", async || {
            let detail = gateway.json(&format!("/admin/incidents/{}", id(&known))).await;
            detail["history"].as_array().unwrap().iter().any(|step| step["text"] == unknown).then_some(())
        })
        .await;
    // Three repetitions at once escalate in production.
    for _ in 0..3 {
        notify(&gateway, "firing", "DiskWorn", &["db-1"]).await.expect_status(200);
    }
    incident(&gateway, "DiskWorn", "handled").await;
    let heard = "gateway_alert_deliveries_heard_total 5";
    gateway.until(heard, async || gateway.metrics().await.contains(heard).then_some(())).await;
}

#[tokio::test]
async fn the_word_of_the_second_agent_is_heard_too() {
    let first = RemoteAgent::start().await;
    let (asked, go_on) = (CancellationToken::new(), CancellationToken::new());
    let (was_asked, may_answer) = (asked.clone(), go_on.clone());
    let second = RemoteAgent::answering_later(move |_, _| {
        let (was_asked, may_answer) = (was_asked.clone(), may_answer.clone());
        async move {
            was_asked.cancel();
            may_answer.cancelled().await;
            accepted(Some("needs_human"))
        }
    })
    .await;
    let address = second.address;
    let second = format!(
        "[agents.second]\nplugin = \"http\"\nconfig = {{ url = \"http://{address}/events\" }}\n\
         allow_hosts = [\"{address}\"]\n\n[[routes]]\nchannels = [\"alerts\"]\nagents = [\"second\"]\n"
    );
    let gateway = setup(&first).config(&second).start().await;
    notify(&gateway, "firing", "DiskFull", &["db-1"]).await.expect_status(202);
    incident(&gateway, "DiskFull", "in_progress").await;
    asked.cancelled().await;

    go_on.cancel();

    assert_eq!(incident(&gateway, "DiskFull", "needs_human").await["state_by"], "second");
}

#[tokio::test]
async fn the_word_on_an_event_that_was_open_at_a_kill_is_heard() {
    let agent = RemoteAgent::answering_later(|number, _| async move {
        if number == 0 {
            // It dies with the first gateway.
            std::future::pending::<()>().await;
        }
        accepted(Some("needs_human"))
    })
    .await;
    let gateway = start(&agent).await;
    notify(&gateway, "firing", "DiskFull", &["db-1"]).await.expect_status(202);
    gateway.until("the agent to be asked", async || (!agent.received().is_empty()).then_some(())).await;

    let gateway = gateway.kill().start().await;

    let known = incident(&gateway, "DiskFull", "needs_human").await;
    assert_eq!((&known["runs"], &known["state_by"]), (&json!(1), &json!("remote")));
    assert_eq!(agent.received().len(), 2);
}

#[tokio::test]
async fn without_channels_of_alerts_the_lists_are_empty() {
    let gateway = Setup::new().plugin(built_in::DUMMY).start().await;

    assert_eq!(gateway.json("/admin/incidents").await, json!({"incidents": [], "next": null}));
    assert_eq!(gateway.json("/admin/alerts").await, json!({"alerts": [], "next": null}));
    assert_eq!(gateway.json("/admin/stats").await["alerts"], Value::Null);
    let refused = gateway.client.get("/admin/incidents?state=closed").await.expect_problem(400, "invalid_parameter");
    assert!(refused.starts_with("`state`: expected `open`, `in_progress`,"), "{refused}");
    gateway.client.post("/api/incidents/0000000000000000/outcome", &[], "{}").await.expect_status(404);
    let (code, text, note) = gateway.cli(&["incidents"]);
    assert_eq!((code, text.as_str()), (0, ""));
    assert!(note.contains("no incidents found"), "{note}");
}
