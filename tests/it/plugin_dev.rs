//! `gateway plugin dev`: a save is built, tried out and served.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use crate::support::{Setup, TestGateway, guest, wait_for};

/// A command that runs, and what it printed so far.
struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Running {
    fn start(gateway: &TestGateway, arguments: &[&str]) -> Self {
        let mut child = gateway.cli_command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || output.map_while(Result::ok).for_each(|line| sink.lock().unwrap().push(line)));
        Self { child, lines }
    }

    /// Waits until it has printed a line that starts with `start` for the `nth` time.
    async fn printed(&self, start: &str, nth: usize) {
        let what = format!("`{start}` for the {nth}. time");
        let count = || self.lines.lock().unwrap().iter().filter(|line| line.starts_with(start)).count();
        wait_for(&what, || (count() >= nth).then_some(())).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_save_is_built_tried_out_and_served() {
    let gateway = Setup::new()
        .file("hello/samples/one.json", "{}")
        .file("hello/samples/one.expected.json", r#"{"receipt": {"response": {"status": 200}}}"#)
        .start()
        .await;
    let dir = gateway.path().join("hello");
    let save = |guest: &crate::support::Guest| {
        fs::write(dir.join("new"), guest.bytes()).unwrap();
        fs::rename(dir.join("new"), dir.join("source.bin")).unwrap();
    };
    save(&guest::ECHO);

    let mut dev = Running::start(&gateway, &["plugin", "dev", "hello", "--build", "cp source.bin hello.wasm"]);
    gateway.plugin_until("hello", |row| row["generation"] == 1).await;
    assert_eq!(gateway.post("hello", "{}").await.json()["version"], "1");
    dev.printed("installed as ", 1).await;

    // Another version is served.
    save(&guest::ECHO_TWO);
    gateway.plugin_until("hello", |row| row["generation"] == 2).await;
    assert_eq!(gateway.post("hello", "{}").await.json()["version"], "2");
    dev.printed("installed as ", 2).await;

    // One that fails its sample is not.
    save(&guest::TRAP);
    dev.printed("not installed", 1).await;
    dev.printed("          the plugin trapped: ", 1).await;

    // A build that fails is told, and the next save goes on.
    fs::remove_file(dir.join("source.bin")).unwrap();
    dev.printed("failed: `cp source.bin hello.wasm` failed: exit status: 1", 1).await;
    assert_eq!(gateway.plugin("hello").await.unwrap()["generation"], 2);
    save(&guest::ECHO);
    gateway.plugin_until("hello", |row| row["generation"] == 3).await;
    dev.printed("installed as ", 3).await;

    // Ctrl-C ends it.
    let pid = rustix::process::Pid::from_child(&dev.child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = wait_for("the command to end", || dev.child.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(0));
}
