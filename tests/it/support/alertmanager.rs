//! A real Alertmanager.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Client;
use super::sender::{Sender, program};

/// A running Alertmanager that sends to a gateway. Killed when dropped.
pub(crate) struct Alertmanager {
    sender: Sender,
    pub(crate) client: Client,
    _dir: TempDir,
}

/// How it groups and repeats.
#[derive(Clone, Copy)]
pub(crate) struct Notifying {
    pub(crate) group_interval: &'static str,
    pub(crate) repeat_interval: &'static str,
    /// The most alerts of a notification; 0 for all of the group.
    pub(crate) max_alerts: u32,
}

impl Default for Notifying {
    fn default() -> Self {
        Self { group_interval: "1s", repeat_interval: "1h", max_alerts: 0 }
    }
}

impl Alertmanager {
    /// The token that it sends.
    pub(crate) const TOKEN: &str = "kettle-token";

    /// `None`, and a line that says why, if it is not here.
    pub(crate) fn program() -> Option<PathBuf> {
        program("alertmanager", "prometheus-alertmanager")
    }

    /// Its command line, which comes with it.
    pub(crate) fn amtool() -> Option<PathBuf> {
        program("alertmanager", "amtool")
    }

    /// Starts one that is alone.
    pub(crate) fn start(program: &Path, gateway: SocketAddr, how: Notifying) -> Self {
        Self::start_as(program, gateway, how, "alone", &["--cluster.listen-address=".to_owned()])
    }

    /// Two that know nothing of each other, as `one` and `two`: both send everything.
    pub(crate) fn start_strangers(program: &Path, gateway: SocketAddr, how: Notifying) -> [Self; 2] {
        ["one", "two"]
            .map(|name| Self::start_as(program, gateway, how, name, &["--cluster.listen-address=".to_owned()]))
    }

    /// Two that know of each other, as `one` and `two`: what one has sent, the other does not send.
    pub(crate) fn start_pair(program: &Path, gateway: SocketAddr, how: Notifying) -> [Self; 2] {
        // They have to know the port of each other before they listen.
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let [one, two] = [free(), free()];
        [("one", one, two), ("two", two, one)].map(|(name, own, other)| {
            let cluster = [
                format!("--cluster.listen-address={own}"),
                format!("--cluster.peer={other}"),
                "--cluster.peer-timeout=200ms".to_owned(),
            ];
            Self::start_as(program, gateway, how, name, &cluster)
        })
    }

    fn start_as(program: &Path, gateway: SocketAddr, how: Notifying, name: &str, cluster: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let Notifying { group_interval, repeat_interval, max_alerts } = how;
        let config = json!({
            "route": {
                "receiver": "gateway", "group_by": ["alertname"],
                "group_wait": "100ms", "group_interval": group_interval, "repeat_interval": repeat_interval,
            },
            "receivers": [{"name": "gateway", "webhook_configs": [{
                "url": format!("http://{gateway}/webhooks/alertmanager"),
                "send_resolved": true, "max_alerts": max_alerts,
                "http_config": {"authorization": {"credentials": Self::TOKEN}},
            }]}],
        });
        // JSON is YAML.
        fs::write(dir.path().join("alertmanager.yml"), config.to_string()).unwrap();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", dir.path().join("alertmanager.yml").display()))
            .arg(format!("--storage.path={}", dir.path().join("data").display()))
            .arg(format!("--web.external-url=http://{name}.example"))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(cluster)
            // An unpacked Alertmanager finds its templates relative to the folder of the package.
            .current_dir(program.ancestors().nth(3).unwrap());
        let sender = Sender::start(command);
        Self { client: Client::new(sender.address), sender, _dir: dir }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.sender.address
    }

    /// Has it take alerts, as Prometheus does.
    pub(crate) async fn post(&self, alerts: Value) {
        let headers = [("content-type", "application/json")];
        self.client.post("/api/v2/alerts", &headers, alerts.to_string()).await.expect_status(200);
    }

    /// The fingerprints of its alerts.
    pub(crate) async fn fingerprints(&self) -> BTreeSet<String> {
        let alerts = self.client.get("/api/v2/alerts").await.expect_status(200).json();
        alerts.as_array().unwrap().iter().map(|alert| alert["fingerprint"].as_str().unwrap().to_owned()).collect()
    }
}
