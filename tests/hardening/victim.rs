//! The gateway under attack, and its measurements.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::door::Door;
use crate::github::SECRET;
use crate::suite::memory;
use crate::support::{Authority, Client, KEY, Setup, TO_STUB, TestGateway, built_in};

/// Clock ticks per second of CPU time, on every Linux.
const TICKS: u64 = 100;

/// A gateway with the open channel `dummy` and the verified channel `github`. It has no routes, so that only the front door
/// is measured.
pub(crate) struct Victim {
    pub(crate) gateway: TestGateway,
    pub(crate) door: Door,
    client: Client,
    resident: u64,
}

impl Victim {
    /// `http` has keys and values of `[http]`.
    pub(crate) async fn start(http: &[(&str, &str)]) -> Self {
        let mut setup = setup();
        for (key, value) in http {
            setup = setup.env(&format!("GATEWAY__HTTP__{}", key.to_uppercase()), value);
        }
        Self::of(setup, None).await
    }

    /// With two more channels: `generic`, which parses every format, and `encoded`, which accepts every content coding.
    pub(crate) async fn start_with_readers() -> Self {
        let readers = r#"
            [channels.generic]
            verification = "none"
            allow_from = ["127.0.0.1"]

            [channels.encoded]
            plugin = "dummy"
            encodings = ["gzip", "deflate", "zstd", "br"]
            max_body = "1MiB"
            "#;
        Self::of(setup().plugin(built_in::GENERIC).config(readers), None).await
    }

    /// With everything that `openapi.json` describes: a route from every channel to an agent, the subscriber `edge` with all consumers,
    /// and the channel `orders`, to which it may emit.
    pub(crate) async fn start_as_described() -> Self {
        let bus = "[consumers.audit]\n[channels.orders]\nemit = true\ncallers = [\"edge\"]\n";
        let setup = with_subscriber(setup().plugin(built_in::STUB).config(TO_STUB), "consumers = [\"*\"]", "");
        Self::of(setup.config(bus), None).await
    }

    /// With the subscriber `edge`, which may have any number of connections; `keys` has more keys of `[subscribe]`.
    pub(crate) async fn start_with_subscriber(keys: &str) -> Self {
        Self::of(crowd(keys).env("GATEWAY__HTTP__HEADER_TIMEOUT", "2s"), None).await
    }

    /// The same over TLS.
    pub(crate) async fn start_tls_with_subscriber() -> Self {
        Self::of_tls(crowd("")).await
    }

    /// Over TLS.
    pub(crate) async fn start_tls() -> Self {
        Self::of_tls(setup()).await
    }

    async fn of_tls(setup: Setup) -> Self {
        let authority = Authority::new();
        let setup = setup.config("\n[http.tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n");
        authority.issue("127.0.0.1").write(setup.path());
        Self::of(setup, Some(Arc::new(authority))).await
    }

    /// Kills the gateway with SIGKILL and starts it again at the same address.
    pub(crate) async fn restart(self) -> Self {
        let Door { address, authority } = self.door;
        Self::of(self.gateway.kill().env("GATEWAY__HTTP__LISTEN", &address.to_string()), authority).await
    }

    async fn of(setup: Setup, authority: Option<Arc<Authority>>) -> Self {
        let gateway = setup.start().await;
        let door = Door { address: gateway.client.address(), authority };
        let victim = Self { client: door.client(), door, gateway, resident: 0 };
        // A plugin that takes long to compile may start to serve after the first request.
        let serves = async || {
            // A crowd may be in the way.
            let reply = victim.client.try_send("GET", "/admin/plugins", &[], Vec::new()).await.ok()?;
            reply.json()["plugins"].as_array().unwrap().iter().all(|row| row["state"] == "serving").then_some(())
        };
        victim.gateway.until("all plugins to serve", serves).await;
        victim
    }

    /// Starts to measure memory.
    pub(crate) fn watch_memory(&mut self) {
        let pid = self.gateway.pid();
        // 5 resets the peak.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        self.resident = memory(pid, "VmRSS:");
    }

    /// The peak growth of the gateway's memory since then.
    pub(crate) fn memory_grown(&self) -> u64 {
        memory(self.gateway.pid(), "VmHWM:").saturating_sub(self.resident)
    }

    /// The number of events in the log.
    pub(crate) async fn stored(&self) -> u64 {
        let stats = self.json("/admin/stats").await;
        stats["events"].as_object().unwrap().values().filter_map(Value::as_u64).sum()
    }

    /// The number of events of each subject.
    pub(crate) async fn subjects(&self) -> BTreeMap<String, usize> {
        let mut subjects = BTreeMap::new();
        for event in self.json("/admin/events?limit=500").await["events"].as_array().unwrap() {
            *subjects.entry(event["subject"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        subjects
    }

    /// A value of `/metrics`, 0 if it is missing; `None` while the gateway refuses connections.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let reply = self.client.try_send("GET", "/metrics", &[], Vec::new()).await.ok()?;
        let metrics = String::from_utf8(reply.body.to_vec()).ok().filter(|_| reply.status == 200)?;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Some(value.map_or(0.0, |value| value.parse().unwrap()))
    }

    /// Waits until the gateway is almost idle, as it must be after every attack.
    pub(crate) async fn calms_down(&self) {
        const INTERVAL: Duration = Duration::from_millis(200);
        self.gateway
            .until("an idle gateway", async || {
                let before = self.cpu_time();
                tokio::time::sleep(INTERVAL).await;
                (self.cpu_time() - before < INTERVAL / 2).then_some(())
            })
            .await;
    }

    /// The CPU time of the process so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.gateway.pid())).unwrap();
        // The name in parentheses may have spaces; user and system time are the 12th and 13th field after it.
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
        let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / TICKS)
    }

    async fn json(&self, path: &str) -> Value {
        self.client.get(path).await.expect_status(200).json()
    }

    /// The connections of subscribers.
    pub(crate) async fn subscribers(&self) -> u64 {
        self.json("/admin/subscribers").await["active"].as_u64().unwrap()
    }

    /// How many connections of subscribers the gateway has ended for this reason.
    pub(crate) async fn closed(&self, reason: &str) -> f64 {
        let name = format!("gateway_subscriber_closed_total{{reason=\"{reason}\"}}");
        self.gateway.until("the metrics", async || self.metric(&name).await).await
    }

    /// The size of the event log's folder in bytes.
    pub(crate) fn disk(&self) -> u64 {
        size(&self.gateway.path().join("data"))
    }
}

/// A gateway that lets thousands of connections of the subscriber `edge` in; `keys` has more keys of `[subscribe]`.
fn crowd(keys: &str) -> Setup {
    let mut setup = with_subscriber(setup(), "", keys);
    for key in ["MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_ADDRESS"] {
        setup = setup.env(&format!("GATEWAY__HTTP__{key}"), "20000");
    }
    setup
}

/// The setup that all of these gateways share.
fn setup() -> Setup {
    Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::GITHUB)
        .config("\n[channels.dummy]\n[channels.github]\nsecret = { env = \"HARDENING_SECRET\" }\n")
        .env("HARDENING_SECRET", SECRET)
        .env("GATEWAY__LOG__LEVEL", "info")
}

/// With the subscriber `edge`; `rights` has more keys of it, `keys` more of `[subscribe]`.
fn with_subscriber(setup: Setup, rights: &str, keys: &str) -> Setup {
    let subscriber = format!(
        r#"
        [callers.edge]
        kind = "bearer"
        secret = {{ env = "EDGE_KEY" }}

        [subscribers.edge]
        callers = ["edge"]
        {rights}

        [subscribe]
        attempts = {{ rate = "10000/s", burst = 10000 }}
        max_connections = 20000
        max_connections_per_subscriber = 20000
        {keys}
        "#
    );
    setup.config(&subscriber).env("EDGE_KEY", KEY)
}

fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { size(&path) } else { fs::metadata(path).map_or(0, |file| file.len()) }).sum()
}
