//! A real Alertmanager as the sender, alone and as a pair: each alert and each resolution is one event, however often it is
//! repeated, and one that comes back is another.
//!
//! `.ci/run` unpacks the Debian package into `target/tools`. If it is missing, the test is skipped with a message.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{BINARY, Client, Delivered, RemoteAgent, Setup, TO_STUB, TestGateway, built_in};

const CHANNEL: &str = r#"
[channels.alertmanager]
secret = { env = "ALERTMANAGER_WEBHOOK_SECRET" }
optional = true
"#;

/// A running Alertmanager. Killed when dropped.
struct Alertmanager {
    child: Child,
    client: Client,
    _dir: TempDir,
}

/// The program, from the unpacked package or installed.
fn program() -> Option<PathBuf> {
    let tools = Path::new(BINARY).ancestors().nth(2).unwrap().join("tools/alertmanager/usr/bin");
    let installed = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&installed).chain([tools]).map(|dir| dir.join("prometheus-alertmanager"));
    found.into_iter().find(|path| path.is_file())
}

impl Alertmanager {
    /// Starts it with a webhook to `gateway`, and a repetition of all alerts every second.
    fn start(program: &Path, gateway: SocketAddr) -> Self {
        Self::start_with(program, gateway, "1s", &["--cluster.listen-address="])
    }

    /// Two that know of each other, as `one` and `two`: what one has sent, the other does not send.
    fn start_pair(program: &Path, gateway: SocketAddr) -> [Self; 2] {
        // They have to know the port of each other before they listen.
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let [one, two] = [free(), free()];
        [("one", one, two), ("two", two, one)].map(|(name, own, other)| {
            let own = [format!("--web.external-url=http://{name}.example"), format!("--cluster.listen-address={own}")];
            let arguments = [&own[0], &own[1], &format!("--cluster.peer={other}"), "--cluster.peer-timeout=200ms"];
            Self::start_with(program, gateway, "1h", &arguments)
        })
    }

    fn start_with(program: &Path, gateway: SocketAddr, repeat: &str, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = json!({
            "route": {
                "receiver": "gateway", "group_by": ["alertname"],
                "group_wait": "100ms", "group_interval": "1s", "repeat_interval": repeat,
            },
            "receivers": [{"name": "gateway", "webhook_configs": [{
                "url": format!("http://{gateway}/webhooks/alertmanager"), "send_resolved": true,
                "http_config": {"authorization": {"credentials": "kettle-token"}},
            }]}],
        });
        // JSON is YAML.
        fs::write(dir.path().join("alertmanager.yml"), config.to_string()).unwrap();
        let mut child = Command::new(program)
            .arg(format!("--config.file={}", dir.path().join("alertmanager.yml").display()))
            .arg(format!("--storage.path={}", dir.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(arguments)
            // An unpacked Alertmanager finds its templates relative to the folder of the package.
            .current_dir(program.ancestors().nth(3).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            let (_, address) = line.split_once(r#"msg="Listening on" address="#)?;
            address.trim().parse().ok()
        });
        // It must not block on a pipe that nobody reads.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, client: Client::new(address.expect("Alertmanager ended")), _dir: dir }
    }

    async fn post(&self, alerts: Value) {
        let headers = [("content-type", "application/json")];
        self.client.post("/api/v2/alerts", &headers, alerts.to_string()).await.expect_status(200);
    }

    /// The fingerprints of its alerts.
    async fn fingerprints(&self) -> BTreeSet<String> {
        let alerts = self.client.get("/api/v2/alerts").await.expect_status(200).json();
        alerts.as_array().unwrap().iter().map(|alert| alert["fingerprint"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `times` notifications got this status.
async fn answered(gateway: &TestGateway, status: u16, times: u64) {
    let row = format!("webhook_requests_total{{provider=\"alertmanager\",status=\"{status}\"}} ");
    gateway
        .until(&format!("{times} times {status}"), async || {
            let metrics = gateway.metrics().await;
            let count = metrics.lines().find_map(|line| line.strip_prefix(&row)?.parse::<u64>().ok());
            (count.unwrap_or_default() >= times).then_some(())
        })
        .await;
}

/// Waits for `count` events; returns kind and subject of each, oldest first.
async fn events(gateway: &TestGateway, count: usize) -> Vec<(String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let mut rows = gateway
        .until("the events", async || Some(gateway.list("events").await).filter(|rows| rows.len() >= count))
        .await;
    rows.reverse();
    rows.iter().map(|row| (text(row, "kind"), text(row, "subject"))).collect()
}

#[tokio::test]
async fn each_alert_of_a_real_alertmanager_is_one_event_and_its_end_another() {
    let Some(program) = program() else {
        eprintln!("skipped: prometheus-alertmanager is not here; `.ci/run` unpacks it into target/tools");
        return;
    };
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = Setup::new().plugin(built_in::ALERTMANAGER).plugin(built_in::STUB).config(TO_STUB).config(CHANNEL);
    let Ok(waiting) = setup.try_start_on(&socket).await else { panic!("the gateway ended") };
    let alertmanager = Alertmanager::start(&program, socket.local_addr().unwrap());
    let kettle = |name: &str| {
        let labels =
            json!({"alertname": "KettleHot", "instance": name, "severity": "critical", "text": "104 °C \"hot\""});
        json!({"labels": labels, "annotations": {"summary": "A kettle is hot"}, "startsAt": "2026-03-01T10:00:00Z"})
    };

    // While the channel waits for its secret, it asks Alertmanager to retry, and Alertmanager does.
    alertmanager.post(json!([kettle("one"), kettle("two")])).await;
    answered(&waiting, 503, 2).await;
    assert_eq!(waiting.list("events").await, [] as [Value; 0]);
    let (code, setup) = waiting.stop().await;
    assert_eq!(code, Some(0));
    let setup = setup.env("ALERTMANAGER_WEBHOOK_SECRET", "kettle-token");
    let Ok(gateway) = setup.try_start_on(&socket).await else { panic!("the gateway ended") };

    let firing = events(&gateway, 2).await;
    let fingerprints: BTreeSet<_> = firing.iter().map(|(_, subject)| subject.clone()).collect();
    assert_eq!(fingerprints, alertmanager.fingerprints().await);
    assert!(firing.iter().all(|(kind, _)| kind == "alertmanager.alert.firing"), "{firing:?}");

    // Repetitions are duplicates.
    answered(&gateway, 200, 2).await;
    assert_eq!(events(&gateway, 2).await, firing);

    // One alert is resolved; the notification has both.
    let mut ended = kettle("two");
    ended["endsAt"] = json!(jiff::Timestamp::now().to_string());
    alertmanager.post(json!([ended])).await;
    let all = events(&gateway, 3).await;
    assert_eq!((&all[..2], all[2].0.as_str()), (&firing[..], "alertmanager.alert.resolved"));
    let id = gateway.list("events").await[0]["id"].as_str().unwrap().to_owned();
    let event = gateway.event_until(&id, "delivered").await;
    assert_eq!(event["data"]["labels"], ended["labels"]);
    assert_eq!(event["data"]["group"]["status"], "firing");
    assert_eq!(event["attributes"]["fingerprint"], json!(all[2].1));

    // The resolved alert is not repeated any more, and repetitions of the other one are still duplicates.
    answered(&gateway, 200, 4).await;
    assert_eq!(events(&gateway, 3).await, all);
}

/// Plays Prometheus, which renews an alert while it fires: without a renewal it ends after four seconds.
async fn renew(alertmanagers: &[Alertmanager]) {
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let labels = json!({"alertname": "KettleHot", "severity": "critical"});
    let alert = json!([{"labels": labels, "startsAt": "2026-03-01T10:00:00Z", "endsAt": ends.to_string()}]);
    for alertmanager in alertmanagers {
        alertmanager.post(alert.clone()).await;
    }
}

/// Which statuses the agent was told, in order.
fn told(agent: &RemoteAgent) -> Vec<Value> {
    let status = |delivered: &Delivered| delivered.json()["event"]["data"]["status"].clone();
    agent.received().iter().map(status).collect()
}

/// Waits until the agent was told of `changes` changes at least, the last one to `state`, and nothing is held.
async fn told_last(gateway: &TestGateway, agent: &RemoteAgent, changes: usize, state: &str, renewed: &[Alertmanager]) {
    gateway
        .until(&format!("change {changes}, to {state}"), async || {
            renew(renewed).await;
            let is_quiet = gateway.json("/admin/stats").await["events"]["held"] == 0;
            let told = told(agent);
            (is_quiet && told.len() >= changes && told.last() == Some(&json!(state))).then_some(())
        })
        .await;
}

/// The state of an alert at the agent is that at Prometheus, whichever link is cut.
#[tokio::test]
async fn a_pair_that_is_cut_off_from_prometheus_ends_with_the_right_state() {
    let Some(program) = program() else {
        eprintln!("skipped: prometheus-alertmanager is not here; `.ci/run` unpacks it into target/tools");
        return;
    };
    let agent = RemoteAgent::start().await;
    let route = "\n[[routes]]\nchannels = [\"alertmanager\"]\nagents = [\"remote\"]\n";
    let gateway = Setup::new()
        .plugin(built_in::ALERTMANAGER)
        .remote(&agent, "")
        .config(CHANNEL)
        .config("late_window = \"2s\"\n")
        .config(route)
        .env("ALERTMANAGER_WEBHOOK_SECRET", "kettle-token")
        .start()
        .await;
    let pair = Alertmanager::start_pair(&program, gateway.client.address());

    told_last(&gateway, &agent, 1, "firing", &pair).await;
    // Both are cut off for longer than the alert lives. It returns with the start of before.
    told_last(&gateway, &agent, 2, "resolved", &[]).await;
    told_last(&gateway, &agent, 3, "firing", &pair).await;

    // One is cut off: it lets the alert end, while the other knows that it fires.
    gateway
        .until("the end of the alert at the second", async || {
            renew(&pair[..1]).await;
            pair[1].fingerprints().await.is_empty().then_some(())
        })
        .await;
    // It says so, and the other one contradicts.
    told_last(&gateway, &agent, 5, "firing", &pair[..1]).await;

    // It is over.
    told_last(&gateway, &agent, 6, "resolved", &[]).await;
    let told = told(&agent);
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "no change is told twice: {told:?}");
}
