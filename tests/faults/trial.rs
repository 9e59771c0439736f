//! One trial: the senders, the agent, and the gateways between them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::journal::{Bodies, Journal};
use crate::recorder::{Answer, Record, Recorder};
use crate::support::{Ended, Setup, TestGateway, built_in};
use crate::verdict::{Evidence, Row, Verdict};

/// The longest time without progress while waiting.
const PATIENCE: Duration = Duration::from_secs(60);

/// The number of events that are read back at the end and compared byte by byte.
const READ_AGAIN: usize = 500;

/// Both sides of a gateway, its senders and its agent. They outlive it.
pub(crate) struct Trial {
    pub(crate) journal: Arc<Journal>,
    pub(crate) agent: Recorder,
    /// The times from a start until the gateway serves.
    pub(crate) recoveries: Vec<Duration>,
}

impl Trial {
    /// With an agent that accepts every event.
    pub(crate) async fn new(bodies: Bodies) -> Self {
        let journal = Arc::new(Journal::new(bodies));
        let agent = Recorder::start(&journal).await;
        Self { journal, agent, recoveries: Vec::new() }
    }

    /// With an agent that behaves by `policy`.
    pub(crate) async fn answering(policy: impl Fn(&Record) -> Answer + Send + Sync + 'static) -> Self {
        let journal = Arc::new(Journal::new(Bodies::Of(600)));
        let agent = Recorder::answering(&journal, policy).await;
        Self { journal, agent, recoveries: Vec::new() }
    }

    /// A gateway that routes all events to the recording agent and stores the ids of requests.
    pub(crate) fn setup(&self) -> Setup {
        self.setup_with("")
    }

    /// As [`setup`](Self::setup); `agent` has more keys of the agent.
    pub(crate) fn setup_with(&self, agent: &str) -> Setup {
        let address = self.agent.address;
        plugins()
            .config(&format!(
                r#"
                [agents.recorder]
                plugin = "http"
                config = {{ url = "http://{address}/events" }}
                allow_hosts = ["{address}"]
                {agent}
                [[routes]]
                agents = ["recorder"]
                [channels.dummy]
                keep_headers = ["x-delivery-id"]
                "#
            ))
            .env("GATEWAY__LOG__LEVEL", "info")
    }

    pub(crate) async fn kill(&self, gateway: TestGateway) -> Setup {
        let setup = gateway.kill();
        self.agent.next_run(false).await;
        setup
    }

    /// Waits until the gateway ends by itself.
    pub(crate) async fn ended(&self, gateway: TestGateway) -> Ended {
        let ended = gateway.ended().await;
        self.agent.next_run(false).await;
        ended
    }

    /// Stops the gateway by a signal.
    pub(crate) async fn stop(&self, gateway: TestGateway) -> Setup {
        let (code, setup) = gateway.stop().await;
        assert_eq!(code, Some(0), "the gateway was asked to stop");
        self.agent.next_run(true).await;
        setup
    }

    /// Starts the gateway after a fault, and measures the time.
    pub(crate) async fn recover(&mut self, setup: Setup) -> TestGateway {
        let began = Instant::now();
        let gateway = setup.start().await;
        self.recoveries.push(began.elapsed());
        gateway
    }

    /// Waits until no event is pending, and returns the verdict.
    pub(crate) async fn judge(&self, gateway: &TestGateway) -> Verdict {
        self.settled(gateway).await;
        self.judge_now(gateway, true).await
    }

    /// The verdict by deliveries only, for a log with retention in which no event is pending.
    pub(crate) fn judge_deliveries(&self) -> Verdict {
        let arrivals = self.agent.records().into_iter().map(|record| record.arrival).collect();
        let sent = self.journal.sent();
        Verdict::of(&Evidence { sent, arrivals, clean: self.agent.clean(), ..Evidence::default() })
    }

    /// The verdict at this moment. `all_kept` means that retention has removed no event.
    pub(crate) async fn judge_now(&self, gateway: &TestGateway, all_kept: bool) -> Verdict {
        let records = self.agent.records();
        let rows = all_events(gateway).await;
        if all_kept {
            let positions: Vec<_> = rows.iter().rev().map(|row| row["seq"].as_u64().unwrap()).collect();
            assert_eq!(positions, (1..=rows.len() as u64).collect::<Vec<_>>(), "positions have gaps");
        }
        let sent = self.journal.sent();
        let known: HashSet<&str> = records.iter().map(|record| record.arrival.event.as_str()).collect();
        let step = rows.len().div_ceil(READ_AGAIN).max(1);
        let rows = stream::iter(rows.iter().enumerate()).map(async |(index, row)| {
            let event = row["id"].as_str().unwrap();
            let unknown = !known.contains(event);
            let id = if unknown || index % step == 0 { Some(self.read(gateway, row).await) } else { None };
            Row { event: event.to_owned(), status: row["status"].as_str().unwrap().to_owned(), id }
        });
        let rows = rows.buffer_unordered(8).collect().await;
        let arrivals = records.into_iter().map(|record| record.arrival).collect();
        Verdict::of(&Evidence { sent, arrivals, rows, clean: self.agent.clean(), all_kept })
    }

    /// Compares the event with its request byte by byte, and returns the id of the request.
    async fn read(&self, gateway: &TestGateway, row: &Value) -> String {
        let event = gateway.json(&format!("/admin/events/{}", row["id"].as_str().unwrap())).await;
        assert_eq!((&event["id"], &event["seq"]), (&row["id"], &row["seq"]));
        let id = event["headers"][0][1].as_str().unwrap();
        assert!(event["data"].as_str() == Some(&self.journal.body(id)), "{} has not the body of {id}", row["id"]);
        id.to_owned()
    }

    /// Waits until no event is pending.
    pub(crate) async fn settled(&self, gateway: &TestGateway) {
        let mut last = (Instant::now(), u64::MAX);
        loop {
            let stats = gateway.json("/admin/stats").await;
            let pending = stats["events"]["pending"].as_u64().unwrap();
            if pending == 0 {
                return;
            }
            if pending != last.1 {
                last = (Instant::now(), pending);
            }
            assert!(
                last.0.elapsed() < PATIENCE,
                "{pending} events stay pending; the gateway's log:\n{}",
                gateway.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A setup with the plugins of the scenarios.
pub(crate) fn plugins() -> Setup {
    Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP)
}

/// Moves the event log to `dir`. Compiled plugins stay, so that a start does not compile them again.
pub(crate) fn with_log_in(setup: Setup, dir: &Path) -> Setup {
    let compiled = setup.path().join("compiled");
    setup
        .env("GATEWAY__EVENTLOG__DIR", dir.to_str().unwrap())
        .env("GATEWAY__PLUGINS__CACHE_DIR", compiled.to_str().unwrap())
}

/// All rows of the list of events, newest first.
pub(crate) async fn all_events(gateway: &TestGateway) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut path = "/admin/events?limit=500".to_owned();
    loop {
        let page = gateway.json(&path).await;
        rows.extend(page["events"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { return rows };
        path = format!("/admin/events?limit=500&cursor={next}");
    }
}

/// A value of `/metrics`; 0 if it is missing.
pub(crate) async fn metric(gateway: &TestGateway, name: &str) -> u64 {
    let metrics = gateway.metrics().await;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

/// A random time up to `most`.
pub(crate) fn random(most: Duration) -> Duration {
    most.mul_f64(f64::from(getrandom::u32().unwrap()) / f64::from(u32::MAX))
}
