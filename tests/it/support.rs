//! A gateway in a temporary folder, and the requests and checks of tests.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![expect(clippy::print_stderr, reason = "the test runner shows it for a failed test")]

mod agent;
mod alertmanager;
mod bomb;
mod client;
mod component;
mod event_stream;
mod packages;
mod prometheus;
mod sender;
pub(crate) mod site;
mod slow_agent;
mod template;
mod tls;
pub(crate) mod websocket;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use self::agent::{Delivered, RemoteAgent};
pub(crate) use self::alertmanager::{Alertmanager, Notifying};
pub(crate) use self::bomb::Bomb;
pub(crate) use self::client::{Client, Reply, github_signature};
pub(crate) use self::component::{Guest, built_in, channel_of, guest};
pub(crate) use self::event_stream::EventStream;
pub(crate) use self::packages::{npm_packages, pypi_packages};
pub(crate) use self::prometheus::Prometheus;
pub(crate) use self::site::Backend;
pub(crate) use self::slow_agent::SlowAgent;
pub(crate) use self::template::Template;
pub(crate) use self::tls::{Authority, Identity};
pub(crate) use self::websocket as ws;
pub(crate) use self::websocket::{Frame, KEY, WebSocket};
pub(crate) use self::wire::{Message, Wire};

/// The longest time to wait for a condition.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_gateway");

/// The start of every test's configuration; a test adds tables.
const CONFIG: &str = r#"
[http]
listen = "127.0.0.1:0"

[eventlog]
dir = "data"

[plugins]
dir = "plugins"

[skills]
dir = "skills"

[log]
level = "debug"
"#;

/// A route from all channels to the agent `stub`.
pub(crate) const TO_STUB: &str = r#"
[agents.stub]

[[routes]]
agents = ["stub"]
"#;

/// A gateway that is not running yet.
pub(crate) struct Setup {
    dir: TempDir,
    config: String,
    environment: BTreeMap<String, String>,
}

/// A gateway that ended by itself.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
    pub(crate) setup: Setup,
}

/// A running gateway. Killed when dropped.
pub(crate) struct TestGateway {
    setup: Setup,
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    pub(crate) client: Client,
}

impl Setup {
    /// An empty folder with a configuration that serves on a free port.
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// As [`new`](Self::new), on another file system.
    pub(crate) fn within(parent: &Path) -> Self {
        let dir = tempfile::tempdir_in(parent).unwrap();
        fs::create_dir(dir.path().join("plugins")).unwrap();
        Self { dir, config: CONFIG.to_owned(), environment: BTreeMap::new() }
    }

    /// Puts a plugin into the folder under its own name.
    pub(crate) fn plugin(self, plugin: Guest) -> Self {
        let name = plugin.name();
        self.plugin_as(&name, plugin)
    }

    /// Puts a plugin into the folder under another name.
    pub(crate) fn plugin_as(self, name: &str, plugin: Guest) -> Self {
        fs::copy(plugin.path(), self.plugins().join(format!("{name}.wasm"))).unwrap();
        self
    }

    /// Puts a plugin into the folder with its own samples, as `cargo xtask build` does.
    pub(crate) fn packed_plugin(self, plugin: Guest) -> Self {
        let name = plugin.name();
        let setup = self.plugin(plugin);
        let (file, samples) = (format!("plugins/{name}.wasm"), plugin.samples());
        let pack = ["plugin", "pack", &file, "--samples", samples.to_str().unwrap()];
        let output = setup.command(&pack).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        setup
    }

    /// Copies the file of a plugin into the folder.
    pub(crate) fn plugin_file(self, file: &Path) -> Self {
        fs::copy(file, self.plugins().join(file.file_name().unwrap())).unwrap();
        self
    }

    /// Adds tables to the configuration.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self
    }

    /// Removes tables that were added to the configuration.
    pub(crate) fn without(mut self, toml: &str) -> Self {
        assert!(self.config.contains(toml));
        self.config = self.config.replace(toml, "");
        self
    }

    /// The channel `github` with the secret `mysecret`, whose events go to the agent `stub`.
    pub(crate) fn github(self) -> Self {
        self.plugin(built_in::GITHUB)
            .plugin(built_in::STUB)
            .config(TO_STUB)
            .config("\n[channels.github]\nsecret = { env = \"GITHUB_WEBHOOK_SECRET\" }\n")
            .env("GITHUB_WEBHOOK_SECRET", "mysecret")
    }

    /// The channel `dummy` and the agent `remote`, which sends to `agent` over HTTP; `keys` has more keys of it.
    pub(crate) fn remote(self, agent: &RemoteAgent, keys: &str) -> Self {
        let address = agent.address;
        self.plugin(built_in::DUMMY).plugin(built_in::HTTP).config(&format!(
            r#"
            [agents.remote]
            plugin = "http"
            config = {{ url = "http://{address}/events" }}
            allow_hosts = ["{address}"]
            {keys}
            "#
        ))
    }

    /// Puts a file into the folder.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Sets a variable of the gateway's environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The plugin folder.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.dir.path().join("plugins")
    }

    /// The command line `gateway ARGS` in this folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let config = self.dir.path().join("gateway.toml");
        fs::write(&config, &self.config).unwrap();
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--config").arg(config).envs(&self.environment).current_dir(self.dir.path());
        command
    }

    /// Starts the gateway and waits until it serves.
    pub(crate) async fn start(self) -> TestGateway {
        let serve = self.command(&["serve"]);
        TestGateway::spawn(self, serve).await
    }

    /// Starts the gateway and waits until it serves or ends.
    pub(crate) async fn try_start(self) -> Result<TestGateway, Ended> {
        let serve = self.command(&["serve"]);
        TestGateway::try_spawn(self, serve, Stdio::null()).await
    }

    /// Passes `socket` to the gateway as a service manager does, and waits until the gateway serves on it or ends.
    pub(crate) async fn try_start_on(self, socket: &TcpListener) -> Result<TestGateway, Ended> {
        const HAND_OVER: &str =
            "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=gateway.socket exec \"$@\"";
        let serve = self.command(&["serve"]);
        let mut command = Command::new("sh");
        command.args(["-c", HAND_OVER, "sh"]).arg(serve.get_program()).args(serve.get_args());
        command.envs(&self.environment).current_dir(self.dir.path());
        TestGateway::try_spawn(self, command, OwnedFd::from(socket.try_clone().unwrap()).into()).await
    }

    /// Starts this copy of the gateway's binary and waits until it serves.
    pub(crate) async fn start_program(self, program: &Path) -> TestGateway {
        let serve = self.command(&["serve"]);
        let mut command = Command::new(program);
        command.args(serve.get_args()).envs(&self.environment).current_dir(self.dir.path());
        TestGateway::spawn(self, command).await
    }

    /// Starts the gateway under another program, such as `strace`, and waits until it serves.
    pub(crate) async fn start_under(self, program: &str, arguments: &[&str]) -> TestGateway {
        let command = self.command_under(program, arguments);
        TestGateway::spawn(self, command).await
    }

    /// As [`start_under`](Self::start_under), but waits until it serves or ends.
    pub(crate) async fn try_start_under(self, program: &str, arguments: &[&str]) -> Result<TestGateway, Ended> {
        let command = self.command_under(program, arguments);
        TestGateway::try_spawn(self, command, Stdio::null()).await
    }

    fn command_under(&self, program: &str, arguments: &[&str]) -> Command {
        let serve = self.command(&["serve"]);
        let mut command = Command::new(program);
        command.args(arguments).arg(serve.get_program()).args(serve.get_args());
        command.envs(&self.environment).current_dir(self.dir.path());
        command
    }
}

impl TestGateway {
    async fn spawn(setup: Setup, command: Command) -> Self {
        let started = Self::try_spawn(setup, command, Stdio::null()).await;
        started.unwrap_or_else(|ended| panic!("the gateway ended:\n{}", ended.log))
    }

    async fn try_spawn(setup: Setup, mut command: Command, stdin: Stdio) -> Result<Self, Ended> {
        let mut child = command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let output = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let sink = Arc::clone(&output);
        let reader = std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| sink.lock().unwrap().push(line));
        });
        let found = wait_for("the line with the address", || {
            let found = output.lock().unwrap().iter().find_map(|line| {
                let (_, url) = line.split_once("Serving on ")?;
                url.trim_end_matches('/').split_once("://")?.1.parse().ok()
            });
            match found {
                Some(address) => Some(Ok(address)),
                None => child.try_wait().unwrap().map(Err),
            }
        })
        .await;
        match found {
            Ok(address) => Ok(Self { setup, child, output, reader: Some(reader), client: Client::new(address) }),
            Err(status) => {
                reader.join().unwrap();
                let log = output.lock().unwrap().join("\n");
                Err(Ended { code: status.code(), log, setup })
            }
        }
    }

    /// Sends a `POST` to `/webhooks/{channel}`.
    pub(crate) async fn post(&self, channel: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.client.post(&format!("/webhooks/{channel}"), &[], body).await
    }

    /// The JSON response to a `GET` of `path`.
    pub(crate) async fn json(&self, path: &str) -> Value {
        self.client.get(path).await.expect_status(200).json()
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&self) -> String {
        String::from_utf8(self.client.get("/metrics").await.expect_status(200).body.to_vec()).unwrap()
    }

    /// The rows of an admin list, such as `plugins`.
    pub(crate) async fn list(&self, noun: &str) -> Vec<Value> {
        self.json(&format!("/admin/{noun}")).await[noun.split('?').next().unwrap()].as_array().unwrap().clone()
    }

    /// The row of `/admin/plugins` with this file stem.
    pub(crate) async fn plugin(&self, name: &str) -> Option<Value> {
        let file = format!("{name}.wasm");
        self.list("plugins").await.into_iter().find(|row| row["file"].as_str().unwrap().ends_with(&file))
    }

    /// Waits until the plugin's row satisfies `condition`, and returns it.
    pub(crate) async fn plugin_until(&self, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.until(&format!("plugin {name}"), async || self.plugin(name).await.filter(|row| condition(row))).await
    }

    /// Waits until the event has this status, and returns its detail.
    pub(crate) async fn event_until(&self, id: &str, status: &str) -> Value {
        let path = format!("/admin/events/{id}");
        self.until(&format!("event {id} is {status}"), async || {
            Some(self.json(&path).await).filter(|event| event["status"] == status)
        })
        .await
    }

    /// Waits until `poll` returns a value; panics with the gateway's log if it never does.
    pub(crate) async fn until<T>(&self, what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = poll().await {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "waited for {what}; the gateway's log:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Replaces the plugin of this name in one step.
    pub(crate) fn replace_plugin(&self, name: &str, plugin: &Guest) {
        self.install_plugin(name, &plugin.bytes());
    }

    /// As [`replace_plugin`](Self::replace_plugin), with the bytes of the component.
    pub(crate) fn install_plugin(&self, name: &str, bytes: &[u8]) {
        let new = self.setup.path().join("new.part");
        fs::write(&new, bytes).unwrap();
        fs::rename(new, self.setup.plugins().join(format!("{name}.wasm"))).unwrap();
    }

    /// Writes a file into the plugin folder as `cp` would.
    pub(crate) fn write_plugin(&self, file: &str, bytes: &[u8]) {
        fs::File::create(self.setup.plugins().join(file)).unwrap().write_all(bytes).unwrap();
    }

    /// Removes a plugin's file.
    pub(crate) fn remove_plugin(&self, name: &str) {
        fs::remove_file(self.setup.plugins().join(format!("{name}.wasm"))).unwrap();
    }

    /// The gateway's log so far. It comes through a pipe, so it may lag behind a response.
    pub(crate) fn log(&self) -> String {
        self.output.lock().unwrap().join("\n")
    }

    /// Waits until a line of the log contains all of `parts`.
    pub(crate) async fn logged(&self, parts: &[&str]) {
        let contains_all = |line: &str| parts.iter().all(|part| line.contains(part));
        self.until(&format!("a line of the log with {parts:?}"), async || {
            self.log().lines().any(contains_all).then_some(())
        })
        .await;
    }

    pub(crate) fn path(&self) -> &Path {
        self.setup.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs `gateway ARGS` with the configuration of the running gateway; returns exit code, stdout and stderr.
    pub(crate) fn cli(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.cli_command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// The command line `gateway ARGS` with the configuration of the running gateway.
    pub(crate) fn cli_command(&self, arguments: &[&str]) -> Command {
        let config = self.setup.path().join("running.toml");
        let listen = format!("listen = \"{}\"", self.client.address());
        fs::write(&config, self.setup.config.replace("listen = \"127.0.0.1:0\"", &listen)).unwrap();
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--config").arg(config).envs(&self.setup.environment);
        command.current_dir(self.setup.path());
        command
    }

    /// Kills the gateway and returns its folder.
    pub(crate) fn kill(mut self) -> Setup {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.setup, Setup::new())
    }

    /// Waits until the gateway ends by itself.
    pub(crate) async fn ended(mut self) -> Ended {
        let status = wait_for("the gateway to end", || self.child.try_wait().unwrap()).await;
        self.reader.take().unwrap().join().unwrap();
        let log = self.log();
        Ended { code: status.code(), log, setup: std::mem::replace(&mut self.setup, Setup::new()) }
    }

    /// Replaces a part of the configuration file, as an editor does. The gateway sees it when it looks or is asked to.
    pub(crate) fn reconfigure(&mut self, from: &str, to: &str) {
        assert!(self.setup.config.contains(from), "{from} is not in the configuration");
        self.setup.config = self.setup.config.replacen(from, to, 1);
        let new = self.setup.path().join("gateway.toml.part");
        fs::write(&new, &self.setup.config).unwrap();
        fs::rename(new, self.setup.path().join("gateway.toml")).unwrap();
    }

    /// Asks for a reload.
    pub(crate) async fn reload(&self) -> Reply {
        self.client.post("/admin/reload", &[], "").await
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Stops the gateway by a signal; returns its exit code and its folder.
    pub(crate) async fn stop(mut self) -> (Option<i32>, Setup) {
        self.terminate();
        let status = wait_for("the gateway to end", || self.child.try_wait().unwrap()).await;
        (status.code(), std::mem::replace(&mut self.setup, Setup::new()))
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("the gateway's last lines:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `poll` returns a value.
pub(crate) async fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
