//! The event bus of services: emit, subscribe with a checkpoint, read since an event, replay, and read all by filter. And the
//! commands for it.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{KEY, RemoteAgent, Setup, TestGateway, WebSocket, built_in, wait_for};

/// A bus for the service `training`, which emits and reads.
fn setup() -> Setup {
    Setup::new().plugin(built_in::DUMMY).env("TRAINING_KEY", KEY).config(
        "\n[callers.training]\nkind = \"bearer\"\nsecret = { env = \"TRAINING_KEY\" }\n\
         [subscribe]\nattempts = { rate = \"1000/s\", burst = 1000 }\n\
         [channels.training]\nemit = true\ncallers = [\"training\"]\n\
         [subscribers.training]\ncallers = [\"training\"]\nconsumers = [\"*\"]\n\
         [consumers.tutor]\nstart = \"earliest\"\nkinds = [\"training.started\", \"training.paused\"]\n",
    )
}

/// Emits an event; returns its id in the log and whether it is new.
async fn emit(gateway: &TestGateway, kind: &str, id: &str, student: &str) -> (String, bool) {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/services/training", "type": kind, "subject": student,
        "data": {"student": student},
    });
    let headers = [("api-key", KEY), ("content-type", "application/cloudevents+json")];
    let reply = gateway.client.post("/api/events", &headers, event.to_string()).await.json();
    let row = &reply["events"][0];
    (row["id"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned(), row["status"] == "accepted")
}

async fn read(gateway: &TestGateway, query: &str) -> Value {
    let path = format!("/api/events?{query}");
    gateway.client.send("GET", &path, &[("api-key", KEY)], Vec::new()).await.expect_status(200).json()
}

fn ids(page: &Value) -> Vec<String> {
    page["events"].as_array().unwrap().iter().map(|event| event["originalid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_event_is_stored_and_read_back_once_for_one_id() {
    let gateway = setup().start().await;
    let (first, is_new) = emit(&gateway, "started", "e-1", "ada").await;
    assert!(is_new);
    let (again, is_new) = emit(&gateway, "started", "e-1", "ada").await;
    assert!(!is_new);
    assert_eq!(first, again);

    let page = read(&gateway, "since=earliest").await;
    let event = &page["events"][0];
    assert_eq!(page["events"].as_array().unwrap().len(), 1);
    assert_eq!((&event["type"], &event["subject"]), (&json!("training.started"), &json!("ada")));
    assert_eq!((&event["data"], &event["originalsource"]), (&json!({"student": "ada"}), &json!("/services/training")));
}

#[tokio::test]
async fn a_service_gets_what_came_since_its_checkpoint_and_then_each_new_event() {
    let gateway = setup().start().await;
    for (kind, id) in [("started", "1"), ("scored", "2"), ("paused", "3")] {
        emit(&gateway, kind, id, "ada").await;
    }
    let path = "/api/subscribe?consumer=tutor";
    let mut socket = WebSocket::connect(gateway.client.address(), path).await;
    let first = socket.message_of("event").await;
    assert_eq!(first["event"]["originalid"], "1");
    socket.say(&json!({"type": "ack", "cursor": first["cursor"]})).await;
    socket.message_of("acked").await;

    let gateway = gateway.kill().start().await;
    let mut socket = WebSocket::connect(gateway.client.address(), path).await;
    assert_eq!(socket.message_of("event").await["event"]["originalid"], "3", "`training.scored` is not for it");
    emit(&gateway, "started", "4", "bob").await;
    assert_eq!(socket.message_of("event").await["event"]["originalid"], "4");
}

#[tokio::test]
async fn events_are_read_since_one_of_them_replayed_from_one_and_filtered() {
    let gateway = setup().start().await;
    for number in 1..=4 {
        emit(&gateway, if number % 2 == 0 { "paused" } else { "started" }, &number.to_string(), "ada").await;
    }
    let all = read(&gateway, "since=earliest&limit=2").await;
    let since = all["cursor"].as_str().unwrap().to_owned();
    assert_eq!(ids(&read(&gateway, &format!("since={since}")).await), ["3", "4"]);
    assert_eq!(ids(&read(&gateway, "since=earliest&channel=training&kind=training.paused").await), ["2", "4"]);
    assert_eq!(ids(&read(&gateway, "since=2026-01-01T00:00:00Z&subject=ada").await).len(), 4);
    assert_eq!(ids(&read(&gateway, "since=earliest&subject=bob").await), Vec::<String>::new());

    // A replay is a consumer that goes on from there.
    let (code, _, error) = gateway.cli(&["consumers", "seek", "tutor", &since]);
    assert_eq!(code, 0, "{error}");
    let mut socket = WebSocket::connect(gateway.client.address(), "/api/subscribe?consumer=tutor").await;
    for expected in ["3", "4"] {
        assert_eq!(socket.message_of("event").await["event"]["originalid"], expected);
    }
}

/// A command that goes on until it is killed, and what it prints.
struct Command {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Command {
    fn start(gateway: &TestGateway, arguments: &[&str]) -> Self {
        let mut child = gateway.cli_command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        std::thread::spawn(move || printed.map_while(Result::ok).for_each(|line| sink.lock().unwrap().push(line)));
        Self { child, lines }
    }

    /// The line of this number, from 0.
    async fn line(&self, number: usize) -> String {
        wait_for("a line", || self.lines.lock().unwrap().get(number).cloned()).await
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn commands_emit_read_and_acknowledge() {
    let gateway = setup().start().await;
    let emitted = |arguments: &[&str]| {
        let (code, data, error) = gateway.cli(&[&["emit", "training", "started", "--key", KEY], arguments].concat());
        assert_eq!(code, 0, "{error}");
        data
    };
    assert!(emitted(&["--subject", "ada", "--id", "1"]).starts_with("accepted  training.started  "));
    assert!(emitted(&["--subject", "ada", "--id", "1"]).starts_with("duplicate  training.started  "));
    let subscriber = Command::start(&gateway, &["subscribe", "--consumer", "tutor", "--key", KEY]);
    assert!(subscriber.line(0).await.ends_with("  training.started  ada"));

    emitted(&["--subject", "bob"]);

    assert!(subscriber.line(1).await.ends_with("  training.started  bob"));
    gateway
        .until("both are acknowledged", async || {
            (gateway.json("/admin/consumers/tutor").await["position"] == 2).then_some(())
        })
        .await;
    let (code, data, _) = gateway.cli(&["consumers"]);
    assert!(code == 0 && data.contains("tutor"), "{data}");
    let (code, _, error) = gateway.cli(&["emit", "training", "started", "--key", "wrong"]);
    assert_eq!(code, 1);
    assert!(error.contains("answered 401") && error.contains("GATEWAY_API_KEY"), "{error}");
    let (code, _, error) = gateway.cli(&["subscribe", "--key", "wrong"]);
    assert!(code == 1 && error.contains("answered 401"), "{error}");
}

#[tokio::test]
async fn a_program_gets_events_from_listen_and_from_subscribe() {
    let gateway = setup().start().await;
    let program = RemoteAgent::start().await;
    let port = program.address.port().to_string();
    let listening = Command::start(&gateway, &["listen", &port, "--channel", "dummy", "--path", "/hook"]);
    gateway
        .until("somebody listens", async || (gateway.json("/admin/subscribers").await["active"] == 1).then_some(()))
        .await;

    emit(&gateway, "started", "1", "ada").await;
    gateway.post("dummy", "hello").await.expect_accepted();

    assert!(listening.line(0).await.contains("dummy.received"), "the other channel is not asked for");
    let received = program.received();
    assert_eq!((received.len(), received[0].path.as_str(), &received[0].body[..]), (1, "/hook", &b"hello"[..]));
    let url = format!("http://{}/events", program.address);
    let arguments = ["subscribe", "--consumer", "tutor", "--forward", &url, "--key", KEY];
    let subscriber = Command::start(&gateway, &arguments);
    assert!(subscriber.line(0).await.contains("training.started  ada  200"));
    let received = program.received();
    assert_eq!(
        (received[1].path.as_str(), &received[1].headers["ce-type"]),
        ("/events", &"training.started".parse().unwrap())
    );
}
