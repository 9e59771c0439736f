//! The subscribers in `examples/`: while the gateway is killed and started again, they lose no event, and see none again that was
//! acknowledged.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![expect(clippy::print_stderr, reason = "the test runner shows why an example was left out")]

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;

use crate::examples::{build_folder, built, example};
use crate::support::{KEY, Setup, TestGateway, built_in};

#[tokio::test]
async fn the_python_subscriber_survives_a_kill_of_the_gateway() {
    let mut python = Command::new("python3");
    python.arg(example("subscribers/subscriber.py"));
    survives(python).await;
}

#[tokio::test]
async fn the_node_subscriber_survives_a_kill_of_the_gateway() {
    let mut node = Command::new("node");
    node.arg(example("subscribers/node.mjs"));
    survives(node).await;
}

#[tokio::test]
async fn the_page_survives_a_kill_of_the_gateway() {
    const FLAG: &str = "--experimental-websocket";
    let has_websocket = Command::new("node").args([FLAG, "--eval", "WebSocket"]).output();
    if !has_websocket.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: node with a WebSocket is not installed");
        return;
    }
    let mut node = Command::new("node");
    node.arg(FLAG).arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/it/fixtures/page.mjs"));
    survives(node).await;
}

#[tokio::test]
async fn the_go_subscriber_survives_a_kill_of_the_gateway() {
    let folder = build_folder("go-subscriber");
    let program = folder.join("subscriber");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(example("subscribers/subscriber.go"));
    go.env("GOCACHE", folder.join("cache")).env("GOTOOLCHAIN", "local").current_dir(&folder);
    if built(go) {
        survives(Command::new(program)).await;
    }
}

#[tokio::test]
async fn the_rust_subscriber_survives_a_kill_of_the_gateway() {
    let folder = build_folder("rust-subscriber");
    let cargo = |command: &str| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args([command, "--locked", "--manifest-path"]).arg(example("subscribers/rust/Cargo.toml"));
        cargo
    };
    // Not all of its packages are the gateway's.
    if !cargo("fetch").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: the packages of the Rust subscriber cannot be had");
        return;
    }
    let mut build = cargo("build");
    build.args(["--offline", "--target-dir"]).arg(&folder);
    if built(build) {
        survives(Command::new(folder.join("debug/subscriber"))).await;
    }
}

/// A subscriber that runs. Killed when dropped.
struct Subscriber {
    child: Child,
    /// What it printed.
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    dir: TempDir,
}

impl Subscriber {
    /// `None`, and a line that says why, where its language is not installed.
    fn start(mut command: Command, address: SocketAddr) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        command.arg("--out").arg(out(&dir)).stdout(Stdio::piped());
        command.env("GATEWAY_URL", format!("http://{address}")).env("GATEWAY_API_KEY", KEY);
        let Ok(mut child) = command.spawn() else {
            eprintln!("skipped: {} is not installed", command.get_program().display());
            return None;
        };
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            printed.map_while(Result::ok).for_each(|line| sink.lock().unwrap().push(line));
        });
        Some(Self { child, lines, reader: Some(reader), dir })
    }

    fn has_acknowledged(&self) -> bool {
        self.lines.lock().unwrap().iter().any(|line| line.starts_with("acked "))
    }

    /// Kills it; returns what it printed, and the ids in its file.
    fn stop(mut self) -> (Vec<String>, Vec<String>) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let processed = fs::read_to_string(out(&self.dir)).unwrap();
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        (lines, processed.lines().map(str::to_owned).collect())
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // It fails only when the subscriber has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn out(dir: &TempDir) -> PathBuf {
    dir.path().join("processed")
}

/// The configuration that the README of the subscribers shows.
pub(crate) fn configuration() -> String {
    let readme = fs::read_to_string(example("subscribers/README.md")).unwrap();
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Stores so many events; adds their ids.
pub(crate) async fn store(gateway: &TestGateway, count: usize, posted: &mut Vec<String>) {
    let json = [("content-type", "application/json")];
    // Line breaks of all kinds, in the payload and in its text.
    let bodies = ["{\r\n \"a\":\r1,\n\n\"b\": 2}", "\"a\u{2028}b\u{2029}c\u{85}d\\n\\n\""];
    for body in bodies.iter().cycle().take(count) {
        posted.push(gateway.client.post("/webhooks/dummy", &json, *body).await.expect_accepted());
    }
}

/// Kills the gateway while the subscriber reads, starts it again in the same place, and looks what the subscriber got.
async fn survives(command: Command) {
    let setup = Setup::new().plugin(built_in::DUMMY).config(&configuration()).env("GATEWAY_API_KEY", KEY);
    let gateway = setup.start().await;
    let address = gateway.client.address();
    let Some(subscriber) = Subscriber::start(command, address) else { return };
    let mut posted = Vec::new();
    store(&gateway, 20, &mut posted).await;
    gateway.until("an event is acknowledged", async || subscriber.has_acknowledged().then_some(())).await;
    store(&gateway, 60, &mut posted).await;

    let gateway = gateway.kill().env("GATEWAY__HTTP__LISTEN", &address.to_string()).start().await;
    store(&gateway, 20, &mut posted).await;
    gateway
        .until("everything is acknowledged", async || {
            (gateway.json("/admin/consumers/audit").await["lag"] == 0).then_some(())
        })
        .await;

    let (lines, processed) = subscriber.stop();
    let all = |ids: &[String]| ids.iter().cloned().collect::<HashSet<_>>();
    assert_eq!(all(&processed), all(&posted));
    let mut acknowledged = HashSet::new();
    for line in &lines {
        let id = line.rsplit(' ').next().unwrap();
        if line.starts_with("acked ") {
            acknowledged.insert(id);
        } else {
            assert!(line.starts_with("dummy.received - "), "{line}");
            assert!(!acknowledged.contains(id), "{id} came again after it was acknowledged");
        }
    }
}
