//! Silences as people and Alertmanager see them: who is not told of what, through the admin API, the command line, and `amtool`.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::alerts::{notify, printed};
use crate::support::{Alertmanager, Notifying, RemoteAgent, Setup, TestGateway, built_in};

const ALERTS: &str = r#"
[channels.alertmanager]
verification = "none"
allow_from = ["127.0.0.1"]

[alerts]
channels = ["alertmanager"]
group_by = ["alertname"]

[[routes]]
channels = ["alerts"]
agents = ["remote"]
"#;

/// A regular expression that would be gigabytes.
const BOMB: &str = r#"alertname=~"(a{1000}){1000}""#;
const BOMB_REFUSED: &str =
    "expected a regular expression of at most 256 KiB when compiled, `(a{1000}){1000}` is larger";

/// A gateway whose agent is told of alerts, and accepts everything.
async fn start(agent: &RemoteAgent) -> TestGateway {
    Setup::new().plugin(built_in::ALERTMANAGER).remote(agent, "").config(ALERTS).start().await
}

/// The kind and the title of everything that an agent was told.
fn told(agent: &RemoteAgent) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told = agent.received();
    told.iter()
        .map(|told| {
            let event = &told.json()["event"];
            (text(&event["type"]), text(&event["data"]["incident"]["title"]))
        })
        .collect()
}

/// Waits until the event of a notification has a note that ends so.
async fn noted(gateway: &TestGateway, event: &Value, ending: &str) {
    let path = format!("/admin/events/{}", event["id"].as_str().unwrap());
    gateway
        .until(&format!("the note `{ending}`"), async || {
            let timeline = gateway.json(&path).await["timeline"].take();
            let mut messages = timeline.as_array().unwrap().iter().filter_map(|moment| moment["message"].as_str());
            messages.any(|message| message.ends_with(ending)).then_some(())
        })
        .await;
}

/// Adds a silence through the command line; its id.
fn add(gateway: &TestGateway, arguments: &[&str]) -> String {
    let made = printed(gateway, &[&["silences", "add", "--format", "json"], arguments].concat());
    serde_json::from_str::<Value>(&made).unwrap()["id"].as_str().unwrap().to_owned()
}

/// Runs `gateway ARGS` with this standard input.
fn piped(gateway: &TestGateway, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = gateway.cli_command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What silences in Alertmanager's shape say, by id: all but when they were changed.
fn said(silences: &str) -> BTreeMap<String, Value> {
    let silences: Vec<Value> = serde_json::from_str(silences).unwrap();
    let said = silences.into_iter().map(|mut silence| {
        let mut said = silence["matchers"].take();
        let matchers = said.as_array_mut().unwrap();
        matchers.sort_by_key(ToString::to_string);
        let facts = ["startsAt", "endsAt", "createdBy", "comment"].map(|name| silence[name].take());
        (silence["id"].as_str().unwrap().to_owned(), json!([said, silence["status"], facts]))
    });
    said.collect()
}

#[tokio::test]
async fn what_is_silenced_is_noted_and_told_when_the_silence_ends() {
    let agent = RemoteAgent::start().await;
    let gateway = start(&agent).await;
    let made = printed(
        &gateway,
        &["silences", "add", "alertname=\"DiskFull\"", "instance=~\"db-.*\"", "--for", "2h", "--comment", "disk swap"],
    );
    let silence = gateway.list("silences").await.remove(0);
    let (id, until) = (silence["id"].as_str().unwrap().to_owned(), silence["ends_at"].as_str().unwrap());
    assert_eq!(made, format!("{id} is active until {until}: no alert that fires now matches\n"));
    assert_eq!(silence["matchers"], json!(["alertname=\"DiskFull\"", "instance=~\"db-.*\""]));
    assert_eq!(silence["parsed"][1], json!({"name": "instance", "operator": "=~", "value": "db-.*"}));
    assert!(silence["created_by"].as_str().unwrap().contains('@'), "{silence}");

    // It is stored with the reason, and nobody is told.
    let quiet = notify(&gateway, "firing", "DiskFull", &["db-1"]).await.expect_status(202).json();
    let reason = format!("suppressed: silence {id}");
    noted(&gateway, &quiet["events"][0], &reason).await;
    notify(&gateway, "firing", "Latency", &["db-1"]).await.expect_status(202);
    gateway.until("another alert to be told", async || (!told(&agent).is_empty()).then_some(())).await;
    let latency = ("alerts.opened".to_owned(), "Latency".to_owned());
    assert_eq!(told(&agent), std::slice::from_ref(&latency));
    assert_eq!(gateway.list("silences?state=active").await[0]["suppressed"], 1);
    let alerts = gateway.list("alerts?suppressed=true").await;
    assert_eq!((alerts.len(), &alerts[0]["suppressed"]), (1, &json!(format!("silence {id}"))));
    let shown = printed(&gateway, &["silences", "show", &id[..8]]);
    assert!(shown.contains("\ncomment    disk swap\n") && shown.contains("\nsuppressed 1 that fire now\n"), "{shown}");

    // It outlives the process.
    let (code, setup) = gateway.stop().await;
    assert_eq!(code, Some(0));
    let gateway = setup.start().await;
    let again = notify(&gateway, "firing", "DiskFull", &["db-2"]).await.expect_status(202).json();
    noted(&gateway, &again["events"][0], &reason).await;
    let silences = printed(&gateway, &["silences"]);
    assert!(silences.contains(&id) && silences.contains("  active  "), "{silences}");
    assert_eq!(told(&agent), std::slice::from_ref(&latency));

    // Its end tells at once what burns.
    let ended = printed(&gateway, &["silences", "end", &id[..8]]);
    assert_eq!(ended, format!("{id} has ended: what it kept quiet and still fires is told\n"));
    gateway.until("the alerts to be told", async || (told(&agent).len() > 1).then_some(())).await;
    assert_eq!(told(&agent), [latency, ("alerts.opened".to_owned(), "DiskFull".to_owned())]);
    assert_eq!(agent.received()[1].json()["event"]["data"]["alerts"].as_array().unwrap().len(), 2);

    let (code, text, error) = gateway.cli(&["silences", "end", "00000000", &id]);
    assert_eq!((code, text), (1, format!("{id} was over already\n")));
    assert!(error.contains("there is no silence `00000000`\nhint: `gateway silences` lists them"), "{error}");
    assert_eq!(gateway.list("silences?state=active").await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_silence_is_made_and_changed_by_requests() {
    let agent = RemoteAgent::start().await;
    let gateway = start(&agent).await;
    notify(&gateway, "firing", "DiskFull", &["db-1", "db-2"]).await.expect_status(202);
    gateway.until("the alerts", async || (gateway.list("alerts").await.len() == 2).then_some(())).await;
    let post = async |body: Value| gateway.client.post("/admin/silences?by=ann", &[], body.to_string()).await;

    let body = json!({"matchers": ["alertname=DiskFull"], "duration": "2h", "comment": "disk swap"});
    let made = post(body).await.expect_status(201).json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        (&made["state"], &made["created_by"], &made["replaced"]),
        (&json!("active"), &json!("ann"), &Value::Null)
    );
    assert_eq!(made["suppressed"], 2);
    // What does not differ from what has been is changed in place, and anything else makes another one.
    let longer = post(json!({"id": &id[..8], "duration": "5h"})).await.expect_status(200).json();
    assert_eq!((&longer["id"], &longer["starts_at"]), (&made["id"], &made["starts_at"]));
    assert!(longer["ends_at"].as_str() > made["ends_at"].as_str(), "{longer}");
    let other = post(json!({"id": id, "matchers": ["instance=db-1"]})).await.expect_status(201).json();
    assert_eq!(
        (&other["replaced"], &other["comment"], &other["suppressed"]),
        (&made["id"], &made["comment"], &json!(1))
    );
    assert_eq!(gateway.json(&format!("/admin/silences/{id}")).await["state"], "expired");
    let added = printed(
        &gateway,
        &["silences", "add", "alertname=~Disk.+", "--until", "2100-01-01T00:00:00Z", "--comment", "x", "--by", "bob"],
    );
    assert!(
        added.ends_with(" is active until 2100-01-01T00:00:00.000Z: 2 alerts that fire now are quiet\n"),
        "{added}"
    );
    let pending = add(&gateway, &["a=b", "--from", "2099-01-01T00:00:00Z", "--for", "1d", "--comment", "x"]);
    let shown = printed(&gateway, &["silences", "--state", "pending"]);
    assert!(shown.contains(&pending) && shown.contains("2099-01-02T00:00:00.000Z"), "{shown}");

    // The one that ends last comes first, page by page.
    let page = gateway.json("/admin/silences?limit=1").await;
    assert_eq!(page["silences"][0]["created_by"], "bob");
    let rest = gateway.json(&format!("/admin/silences?cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((rest["silences"].as_array().unwrap().len(), &rest["next"]), (3, &Value::Null));

    // What cannot be is refused with the reason, and changes nothing.
    let bomb = json!({"matchers": [BOMB], "duration": "2h", "comment": "x"});
    assert_eq!(post(bomb).await.expect_problem(422, "silence_unfit"), BOMB_REFUSED);
    let (code, _, error) = gateway.cli(&["silences", "add", BOMB, "--for", "2h", "--comment", "x"]);
    assert!(code == 1 && error.contains(BOMB_REFUSED), "{error}");
    let everything = json!({"matchers": ["alertname=~\".*\""], "duration": "2h", "comment": "x"});
    post(everything).await.expect_problem(422, "silence_unfit");
    post(json!({"id": "none", "duration": "2h"})).await.expect_problem(404, "silence_not_found");
    post(json!({"until": "2h"})).await.expect_problem(400, "malformed");
    gateway.client.get("/admin/silences/none").await.expect_problem(404, "silence_not_found");
    gateway.client.get("/admin/silences?state=over").await.expect_problem(400, "invalid_parameter");
    let (code, _, error) = gateway.cli(&["silences", "add", "a=b", "--comment", "x"]);
    assert!(code == 2 && error.contains("--for <DURATION>|--until <TIME>"), "{error}");
    assert_eq!(gateway.list("silences").await.len(), 4);
}

#[tokio::test]
async fn silences_move_between_gateways() {
    let agent = RemoteAgent::start().await;
    let (one, two) = (start(&agent).await, start(&agent).await);
    add(&one, &["alertname=\"Disk \\\"Full\\\"\"", "team!=\"\"", "--for", "2h", "--comment", "disk swap"]);
    add(&one, &["host.name=~\"db-\\\\d+\"", "--from", "2099-01-01T00:00:00Z", "--for", "1d", "--comment", "x"]);
    let over = add(&one, &["a=b", "--for", "2h", "--comment", "x"]);
    printed(&one, &["silences", "end", &over]);

    let (code, _, note) = one.cli(&["silences", "export", "silences.json"]);
    assert_eq!((code, note.as_str()), (0, "2 silences exported\n"));
    let (code, _, error) = one.cli(&["silences", "export", "silences.json"]);
    assert!(code == 1 && error.contains("`silences.json` already exists"), "{error}");
    let file = one.path().join("silences.json");
    let import = |expected: &str| {
        assert_eq!(printed(&two, &["silences", "import", file.to_str().unwrap()]), format!("{expected}\n"));
    };
    import("2 added, 0 changed, 0 unchanged");
    import("0 added, 0 changed, 2 unchanged");
    let exported = printed(&two, &["silences", "export"]);
    assert_eq!(said(&exported), said(&fs::read_to_string(&file).unwrap()));

    // All or none.
    let mut silences: Vec<Value> = serde_json::from_str(&exported).unwrap();
    silences[0]["comment"] = json!("two disks");
    silences[1]["matchers"][0] = json!({"name": "alertname", "value": "(a{1000}){1000}", "isRegex": true});
    let (code, _, error) = piped(&two, &["silences", "import", "-"], &json!(silences).to_string());
    assert!(code == 1 && error.contains(&format!("silence 2: {BOMB_REFUSED}")), "{error}");
    assert_eq!(printed(&two, &["silences", "export"]), exported);
    silences[1]["endsAt"] = json!("2026-01-01T00:00:00Z");
    silences[1]["matchers"] = json!([]);
    let (code, text, _) = piped(&two, &["silences", "import", "-"], &json!(silences).to_string());
    assert_eq!((code, text.as_str()), (0, "0 added, 1 changed, 0 unchanged; 1 left out, it is over\n"));
    let (code, _, error) = piped(&two, &["silences", "import", "-"], "no silences");
    assert!(code == 1 && error.contains("answered 400: expected a silence or a list of silences as JSON"), "{error}");
}

/// Our export goes into a real Alertmanager, and what that one has comes back as it is.
#[tokio::test]
async fn silences_go_to_a_real_alertmanager_and_back() {
    let (Some(program), Some(amtool)) = (Alertmanager::program(), Alertmanager::amtool()) else {
        return;
    };
    let agent = RemoteAgent::start().await;
    let gateway = start(&agent).await;
    let alertmanager = Alertmanager::start(&program, gateway.client.address(), Notifying::default());
    let amtool = |arguments: &[&str]| {
        let url = format!("--alertmanager.url=http://{}", alertmanager.address());
        let output = Command::new(&amtool).arg("silence").args(arguments).arg(url).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    add(&gateway, &["alertname=\"Disk \\\"Full\\\"\"", "team!=\"\"", "--for", "2h", "--comment", "disk swap"]);
    add(
        &gateway,
        &["host=~\"db-\\\\d+|é\"", "env!~\"dev.*\"", "--from", "2099-01-01T00:00:00Z", "--for", "1d", "--comment", "x"],
    );
    printed(&gateway, &["silences", "export", "silences.json"]);

    amtool(&["import", gateway.path().join("silences.json").to_str().unwrap()]);
    let theirs = amtool(&["query", "-o", "json"]);

    // They have other ids there, and say the same.
    let (code, text, error) = piped(&gateway, &["silences", "import", "-"], &theirs);
    assert_eq!((code, text.as_str()), (0, "0 added, 0 changed, 2 unchanged\n"), "{error}");

    // One that is made there has its id here, too, however often it is imported.
    amtool(&["add", "--author=ann", "--comment=move", "--duration=3h", "alertname=Latency", "dc=~\"eu-.*\""]);
    let theirs = amtool(&["query", "-o", "json"]);
    for expected in ["1 added, 0 changed, 2 unchanged\n", "0 added, 0 changed, 3 unchanged\n"] {
        let (code, text, error) = piped(&gateway, &["silences", "import", "-"], &theirs);
        assert_eq!((code, text.as_str()), (0, expected), "{error}");
    }
    let (theirs, ours) = (said(&theirs), said(&printed(&gateway, &["silences", "export"])));
    let common: Vec<_> = ours.keys().filter(|id| theirs.contains_key(*id)).collect();
    assert_eq!(common.len(), 1);
    assert_eq!(ours[common[0]], theirs[common[0]]);
}

#[tokio::test]
async fn without_channels_of_alerts_there_are_no_silences() {
    let gateway = Setup::new().plugin(built_in::DUMMY).start().await;

    assert_eq!(gateway.json("/admin/silences").await, json!({"silences": [], "next": null}));
    assert_eq!(gateway.json("/admin/silences/export").await, json!([]));
    let body = json!({"matchers": ["a=b"], "duration": "2h", "comment": "x"});
    gateway.client.post("/admin/silences", &[], body.to_string()).await.expect_problem(409, "alerts_off");
    let (code, text, note) = gateway.cli(&["silences"]);
    assert_eq!((code, text.as_str()), (0, ""));
    assert!(note.contains("no silences found"), "{note}");
}
