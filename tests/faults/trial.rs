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

/// How long nothing may change while something is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Events that are read once more at the end, byte by byte, besides what the agent has seen of them.
const READ_AGAIN: usize = 500;

/// Both sides of a gateway: who sends to it, and the agent that it delivers to. They outlive it.
pub(crate) struct Trial {
    pub(crate) journal: Arc<Journal>,
    pub(crate) agent: Recorder,
    /// From the start of a gateway to its serving.
    pub(crate) recoveries: Vec<Duration>,
}

impl Trial {
    /// An agent that takes everything.
    pub(crate) async fn new(bodies: Bodies) -> Self {
        let journal = Arc::new(Journal::new(bodies));
        let agent = Recorder::start(&journal).await;
        Self { journal, agent, recoveries: Vec::new() }
    }

    /// An agent that does what `policy` says.
    pub(crate) async fn answering(policy: impl Fn(&Record) -> Answer + Send + Sync + 'static) -> Self {
        let journal = Arc::new(Journal::new(Bodies::Of(600)));
        let agent = Recorder::answering(&journal, policy).await;
        Self { journal, agent, recoveries: Vec::new() }
    }

    /// A gateway that stores everything, delivers it to the recording agent, and keeps the id of the request.
    pub(crate) fn setup(&self) -> Setup {
        self.setup_with("")
    }

    /// The same; `agent` are more keys of the agent.
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

    /// Kills the gateway.
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

    /// Asks the gateway to stop.
    pub(crate) async fn stop(&self, gateway: TestGateway) -> Setup {
        let (code, setup) = gateway.stop().await;
        assert_eq!(code, Some(0), "the gateway was asked to stop");
        self.agent.next_run(true).await;
        setup
    }

    /// Starts the gateway after a fault, and takes the time.
    pub(crate) async fn recover(&mut self, setup: Setup) -> TestGateway {
        let began = Instant::now();
        let gateway = setup.start().await;
        self.recoveries.push(began.elapsed());
        gateway
    }

    /// Waits until nothing is pending any more, and judges.
    pub(crate) async fn judge(&self, gateway: &TestGateway) -> Verdict {
        self.settled(gateway).await;
        self.judge_now(gateway, true).await
    }

    /// Judges by what the agent has, when nothing is pending and the log keeps only some of it.
    pub(crate) fn judge_deliveries(&self) -> Verdict {
        let arrivals = self.agent.records().into_iter().map(|record| record.arrival).collect();
        let sent = self.journal.sent();
        Verdict::of(&Evidence { sent, arrivals, clean: self.agent.clean(), ..Evidence::default() })
    }

    /// Judges what there is. `all_kept`: no event has been removed by retention.
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

    /// The id of the request that brought this event, after its bytes were looked at.
    async fn read(&self, gateway: &TestGateway, row: &Value) -> String {
        let event = gateway.json(&format!("/admin/events/{}", row["id"].as_str().unwrap())).await;
        assert_eq!((&event["id"], &event["seq"]), (&row["id"], &row["seq"]));
        let id = event["headers"][0][1].as_str().unwrap();
        assert!(event["data"].as_str() == Some(&self.journal.body(id)), "{} has not the body of {id}", row["id"]);
        id.to_owned()
    }

    /// Waits until nothing is pending any more.
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

/// A gateway's folder with the plugins that the scenarios use.
pub(crate) fn plugins() -> Setup {
    Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP)
}

/// The event log goes into `dir`; compiled plugins stay, so that not every start compiles them.
pub(crate) fn with_log_in(setup: Setup, dir: &Path) -> Setup {
    let compiled = setup.path().join("compiled");
    setup
        .env("GATEWAY__EVENTLOG__DIR", dir.to_str().unwrap())
        .env("GATEWAY__PLUGINS__CACHE_DIR", compiled.to_str().unwrap())
}

/// Every row of the list of events, newest first.
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

/// A figure of `/metrics`; 0 while it is not there.
pub(crate) async fn figure(gateway: &TestGateway, name: &str) -> u64 {
    let metrics = gateway.metrics().await;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

/// A moment that nobody can foresee.
pub(crate) fn random(most: Duration) -> Duration {
    most.mul_f64(f64::from(getrandom::u32().unwrap()) / f64::from(u32::MAX))
}
