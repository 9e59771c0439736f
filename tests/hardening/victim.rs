use std::collections::BTreeMap;
use std::fs;

use crate::github::SECRET;
use crate::suite::memory;
use crate::support::{Setup, TestGateway, built_in};

/// A gateway with the channels `dummy`, where anybody may post, and `github`, whose requests are verified. Nothing is
/// routed, so that what happens at the front door is all that happens.
pub(crate) struct Victim {
    pub(crate) gateway: TestGateway,
    resident: u64,
}

impl Victim {
    /// Keys of `[http]` are `http`.
    pub(crate) async fn start(http: &[(&str, &str)]) -> Self {
        let mut setup = setup();
        for (key, value) in http {
            setup = setup.env(&format!("GATEWAY__HTTP__{}", key.to_uppercase()), value);
        }
        Self::of(setup).await
    }

    /// The same of any folder.
    pub(crate) async fn of(setup: Setup) -> Self {
        let gateway = setup.start().await;
        Self { gateway, resident: 0 }
    }

    /// From here on memory is watched.
    pub(crate) fn watch_memory(&mut self) {
        let pid = self.gateway.pid();
        // 5: the peak is forgotten.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        self.resident = memory(pid, "VmRSS:");
    }

    /// How much more the gateway had in memory at any moment since then.
    pub(crate) fn memory_grown(&self) -> u64 {
        memory(self.gateway.pid(), "VmHWM:").saturating_sub(self.resident)
    }

    /// How many events each subject has.
    pub(crate) async fn subjects(&self) -> BTreeMap<String, usize> {
        let mut subjects = BTreeMap::new();
        for event in self.gateway.list("events?limit=500").await {
            *subjects.entry(event["subject"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        subjects
    }

    /// A figure of `/metrics`; 0 while it is not there.
    pub(crate) async fn figure(&self, name: &str) -> f64 {
        let metrics = self.gateway.metrics().await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

/// The folder of such a gateway.
pub(crate) fn setup() -> Setup {
    Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::GITHUB)
        .config("\n[channels.dummy]\n[channels.github]\nsecret = { env = \"HARDENING_SECRET\" }\n")
        .env("HARDENING_SECRET", SECRET)
        .env("GATEWAY__LOG__LEVEL", "info")
}
