//! Hostile plugins, each with the limit that stops it (BOX1 of the sandbox scenarios).

use std::time::{Duration, Instant};

use crate::support::{Setup, built_in, channel_of, guest};

/// BOX1: each hostile plugin costs its own call, with an answer that says so, and its neighbour serves on.
#[tokio::test]
async fn a_hostile_plugin_costs_its_own_calls_only() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(guest::TRAP)
        .plugin(guest::SPIN)
        .plugin(guest::HOG)
        .plugin(guest::RECURSE)
        .plugin(guest::FLOOD)
        .plugin(guest::SLEEPER)
        .plugin(guest::HOARDER)
        .config("\n[plugins.limits]\ncpu = \"200ms\"\ntime = \"3s\"\n")
        .start()
        .await;
    let calls = [
        ("trap", "trap", None),
        ("spin", "spin", Some("cpu")),
        ("hog", "hog", Some("memory")),
        ("recurse", "recurse", Some("stack")),
        ("flood", "flood?bytes=40000000", Some("output")),
        ("flood", "flood", Some("memory")),
        ("table", "table", Some("table")),
        ("sleeper", "sleeper", Some("time")),
        ("hoarder", "hoarder", Some("resources")),
    ];

    // No Rust compiles to what grows a table.
    gateway.write_plugin("table.wasm", &channel_of(include_str!("../guests/table.wat")));
    gateway.plugin_until("table", |row| row["state"] == "serving").await;

    for (plugin, path, limit) in calls {
        let start = Instant::now();
        gateway.client.post(&format!("/webhooks/{path}"), &[], "{}").await.expect_problem(502, "plugin_failed");
        assert!(start.elapsed().as_secs() < 10, "{path} took {:?}", start.elapsed());
        gateway.post("dummy", "{}").await.expect_accepted();
        let metrics = gateway.metrics().await;
        let line = match limit {
            Some(limit) => format!("gateway_plugin_limit_hits_total{{plugin=\"{plugin}\",limit=\"{limit}\"}} 1"),
            None => format!("gateway_plugin_traps_total{{plugin=\"{plugin}\"}} 1"),
        };
        assert!(metrics.contains(&line), "{line} is missing in\n{metrics}");
    }
    assert_eq!(gateway.plugin("trap").await.unwrap()["traps"], 1);
    gateway.logged(&["wasm trap", "channel=trap"]).await;
}

/// What a plugin says is a line of the log, up to a limit, and cannot steer a terminal.
#[tokio::test]
async fn a_talkative_plugin_cannot_flood_the_log() {
    let gateway = Setup::new().plugin(guest::LOGGER).start().await;

    gateway.client.post("/webhooks/logger?lines=5000", &[], "{}").await;

    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"gateway_plugin_limit_hits_total{plugin="logger",limit="log"} 1"#), "{metrics}");
    gateway.logged(&["Request answered", "/webhooks/logger"]).await;
    let lines = gateway.log().lines().filter(|line| line.contains("plugin=logger")).count();
    assert!(lines < 200, "{lines} lines");
}

/// BOX1: all calls of a plugin together say no more than its rate allows, however many there are.
#[tokio::test]
async fn many_calls_cannot_flood_the_log_either() {
    let gateway = Setup::new()
        .plugin(guest::LOGGER)
        .config("\n[plugins.overrides.logger]\nlog_lines = 10\nlog_rate = 20\n")
        .start()
        .await;
    let start = Instant::now();

    for _ in 0..50 {
        gateway.client.post("/webhooks/logger?lines=1", &[], "{}").await.expect_accepted();
    }

    let seconds = start.elapsed().as_secs_f64();
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"gateway_plugin_limit_hits_total{plugin="logger",limit="log_rate"}"#), "{metrics}");
    let lines = gateway.log().lines().filter(|line| line.contains("line 0 ") && line.contains("plugin=logger")).count();
    assert!((lines as f64) < 22.0 + seconds * 20.0, "{lines} lines in {seconds} s");
}

/// BOX1: a caller that goes away in the middle of a call takes the call with it, and its place is free again.
#[tokio::test]
async fn a_call_ends_with_its_caller() {
    let gateway = Setup::new()
        .plugin(guest::SLEEPER)
        .config("\n[plugins.overrides.sleeper]\nconcurrency = 1\nqueue = 0\ntime = \"1h\"\n")
        .start()
        .await;
    let wait = gateway.client.post("/webhooks/sleeper", &[], "{}");
    tokio::time::timeout(Duration::from_millis(300), wait).await.unwrap_err();

    gateway
        .until("the permit of the abandoned call", async || {
            let reply = gateway.client.post("/webhooks/sleeper?millis=1", &[], "{}").await;
            (reply.status == 202).then_some(())
        })
        .await;
}
