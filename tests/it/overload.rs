//! Overload: excess requests are refused before any work is done, and nothing else is affected.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::support::{Setup, SlowAgent, TestGateway, Wire, built_in};

/// Concurrent requests, far more than the log's queue holds.
const SENDERS: usize = 16;

/// A slow disk fills the log's queue. Further requests are refused before the plugin is called.
#[tokio::test]
async fn a_full_queue_of_the_log_costs_no_plugin_call() {
    const REFUSED: usize = 300;
    let strace = ["-D", "-f", "--seccomp-bpf", "-o", "/dev/null"];
    if !std::process::Command::new("strace").args(strace).arg("true").status().is_ok_and(|status| status.success()) {
        return eprintln!("skipped: a slow disk needs strace");
    }
    let slow = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=300000"];
    let setup = Setup::new().plugin(built_in::DUMMY).env("GATEWAY__EVENTLOG__QUEUE", "4");
    let gateway = setup.env("GATEWAY__LOG__LEVEL", "info").start_under("strace", &[&strace[..], &slow].concat()).await;
    let refused = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let (client, refused) = (gateway.client.clone(), Arc::clone(&refused));
        senders.spawn(async move {
            let mut accepted = 0;
            while refused.load(Ordering::Relaxed) < REFUSED {
                let reply = client.post("/webhooks/dummy", &[], "{}").await;
                if reply.status == 202 {
                    accepted += 1;
                    continue;
                }
                assert_eq!(reply.headers["retry-after"], "5");
                reply.expect_problem(503, "overloaded");
                refused.fetch_add(1, Ordering::Relaxed);
            }
            accepted
        });
    }

    let accepted = senders.join_all().await.into_iter().sum::<usize>();

    let refused = refused.load(Ordering::Relaxed);
    assert_eq!(metric(&gateway, "gateway_http_refused_total{reason=\"queue\"}").await, refused);
    assert_eq!(gateway.json("/admin/stats").await["events"]["accepted"], accepted);
    let calls = metric(&gateway, "gateway_plugin_calls_total{plugin=\"dummy\",outcome=\"ok\"}").await;
    assert!(calls >= accepted, "{calls} calls, {accepted} accepted");
    assert!(calls - accepted < refused / 2, "{calls} calls, {accepted} accepted, {refused} refused");
}

/// One slow agent must not block the events of others.
#[tokio::test]
async fn callers_that_wait_for_an_agent_do_not_block_others() {
    let agent = SlowAgent::start().await;
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP).config(&agent.configuration());
    let setup = setup.config(
        "[channels.dummy]\n[channels.other]\nplugin = \"dummy\"\n\
         [[routes]]\nchannels = [\"dummy\"]\nagents = [\"slow\"]\nmode = \"sync\"\ntimeout = \"10m\"\n",
    );
    let gateway = setup.env("GATEWAY__HTTP__MAX_REQUESTS", "1").start().await;
    let mut caller = Wire::connect(gateway.client.address()).await.unwrap();
    caller.send("POST /webhooks/dummy HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    let (mut attempt, _) = agent.attempt().await;

    gateway.post("other", "{}").await.expect_accepted();
    // The next caller does not wait either, because the queue of waiting callers is full.
    gateway.post("dummy", "{}").await.expect_accepted();

    attempt.say_ok().await;
    let answer = caller.receive().await.unwrap();
    assert_eq!((answer.status(), answer.body.as_str()), (200, "ok"), "{answer:?}");
}

/// Most shells allow 1,024 open files, and more to a process that raises its limit.
#[tokio::test]
async fn the_shell_does_not_limit_connections() {
    const CONNECTIONS: usize = 200;
    let setup = Setup::new().plugin(built_in::DUMMY);
    let gateway = setup.start_under("sh", &["-c", "ulimit -S -n 128; exec \"$@\"", "sh"]).await;
    let mut wires = Vec::new();

    for _ in 0..CONNECTIONS {
        let mut wire = Wire::connect(gateway.client.address()).await.unwrap();
        assert_eq!(wire.ask("GET", "/health", "").await.unwrap().status(), 200);
        wires.push(wire);
    }

    assert_eq!(wires.len(), CONNECTIONS);
}

/// Bursts wait in the queue. A request that would wait too long is refused, and accepted ones are served.
#[tokio::test]
async fn requests_beyond_the_limit_wait_for_their_turn() {
    const BURST: usize = 64;
    let setup = Setup::new().plugin(built_in::DUMMY).env("GATEWAY__HTTP__MAX_REQUESTS", "1");
    let gateway = setup.env("GATEWAY__HTTP__TURN_TIMEOUT", "10s").start().await;
    let mut senders = JoinSet::new();
    for _ in 0..BURST {
        let client = gateway.client.clone();
        senders.spawn(async move { client.post("/webhooks/dummy", &[], "{}").await.expect_accepted() });
    }

    let accepted = senders.join_all().await;

    assert_eq!(accepted.len(), BURST);
    assert_eq!(gateway.json("/admin/stats").await["events"]["accepted"], BURST);
}

async fn metric(gateway: &TestGateway, name: &str) -> usize {
    let metrics = gateway.metrics().await;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} is missing in\n{metrics}")).trim().parse().unwrap()
}
