//! A real Prometheus.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::sender::{Sender, program};

/// A running Prometheus, which evaluates rules over what one exporter says. Killed when dropped.
pub(crate) struct Prometheus {
    sender: Sender,
    program: PathBuf,
    dir: TempDir,
}

impl Prometheus {
    /// `None`, and a line that says why, if it is not here.
    pub(crate) fn program() -> Option<PathBuf> {
        program("prometheus", "prometheus")
    }

    /// Starts it with these rules. An alert that it does not renew ends four seconds later.
    pub(crate) fn start(program: &Path, exporter: SocketAddr, rules: &Value, alertmanagers: &[SocketAddr]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = json!({
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "exporter", "static_configs": [{"targets": [exporter]}]}],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": alertmanagers}]}]},
        });
        // JSON is YAML.
        fs::write(dir.path().join("prometheus.yml"), config.to_string()).unwrap();
        fs::write(dir.path().join("rules.yml"), json!({"groups": [{"name": "rules", "rules": rules}]}).to_string())
            .unwrap();
        let sender = run(program, dir.path());
        Self { sender, program: program.to_owned(), dir }
    }

    /// Kills it; what is returned starts it again.
    pub(crate) fn kill(self) -> impl FnOnce() -> Self {
        let Self { sender, program, dir } = self;
        drop(sender);
        move || Self { sender: run(&program, dir.path()), program, dir }
    }
}

fn run(program: &Path, dir: &Path) -> Sender {
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg("--web.listen-address=127.0.0.1:0")
        .arg("--rules.alert.resend-delay=1s");
    Sender::start(command)
}
