//! Plugins without WASI: what they import, how they say why they panicked, and how little memory a call takes.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;

use serde_json::{Value, json};

use crate::support::{Setup, TestGateway, built_in, guest};

/// A counter of a plugin in the text of `/metrics`; 0 if it is not there.
fn counted(metrics: &str, name: &str, plugin: &str) -> u64 {
    let start = format!("{name}{{plugin=\"{plugin}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&start)).map_or(0, |value| value.parse().unwrap())
}

const GROWTHS: &str = "gateway_plugin_memory_growths_total";

/// A gateway with the channel `generic`.
fn generic() -> Setup {
    Setup::new()
        .plugin(built_in::GENERIC)
        .config("\n[channels.generic]\nsecret = { env = \"GENERIC_TOKEN\" }\n")
        .env("GENERIC_TOKEN", "kettle-token")
}

async fn post_generic(gateway: &TestGateway, body: &str) {
    let headers = [("content-type", "application/json"), ("authorization", "Bearer kettle-token")];
    gateway.client.post("/webhooks/generic", &headers, body.to_owned()).await.expect_accepted();
}

/// What `a2a` waits with until a task is done.
const CLOCK: [&str; 2] = ["wasi:clocks/monotonic-clock", "wasi:io/poll"];

#[test]
fn what_is_shipped_imports_the_gateway_alone() {
    for plugin in built_in::all() {
        let setup = Setup::new().plugin(plugin);
        let file = format!("plugins/{}.wasm", plugin.name());

        let output = setup.command(&["plugin", "inspect", &file, "--format", "json"]).output().unwrap();

        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let imports = told["imports"].as_array().unwrap();
        let clock: &[&str] = if plugin.name() == "a2a" { &CLOCK } else { &[] };
        let own = |import: &Value| {
            let import = import.as_str().unwrap();
            let (interface, _version) = import.split_once('@').unwrap();
            interface.starts_with("gateway:plugin/") || clock.contains(&interface)
        };
        assert!(imports.iter().all(own), "{}: {imports:?}", plugin.name());
        // What a channel receives comes with the call, and a log in numbers needs no adapters. `types` has no functions.
        if told["kind"] == "channel" && !told["exports"].to_string().contains("/respond@") {
            let free = |import: &Value| ["types@", "log@"].iter().any(|name| import.to_string().contains(name));
            assert!(imports.iter().all(free), "{}: {imports:?}", plugin.name());
        }
        let memory = told["memory"].as_u64().unwrap();
        assert!(memory <= 128 << 10, "{}: {memory} bytes at the start", plugin.name());
    }
}

/// The operator reads the place and the message of a panic, and so does the author in `gateway plugin test`.
#[tokio::test]
async fn a_panic_is_logged_with_its_place() {
    let gateway = Setup::new().plugin(guest::TRAP).file("samples/one.json", "{}").start().await;

    gateway.post("trap", "{}").await.expect_problem(502, "plugin_failed");

    let place = "panicked at tests/guests/trap.rs:8:5: trapped on purpose";
    gateway.logged(&["ERROR", "plugin=trap", place]).await;
    gateway.logged(&["wasm trap", "channel=trap", place]).await;
    let (_, told, _) = gateway.cli(&["plugin", "test", "plugins/trap.wasm", "--samples", "samples"]);
    assert!(told.contains("the plugin trapped: ") && told.contains(place), "{told}");
}

/// What one call took, the next one takes again: a reused instance does not grow, however often it is called.
#[tokio::test]
async fn a_reused_instance_keeps_its_size() {
    let reuse = "reuse = { max_calls = 1000, max_memory = \"32MiB\" }\nconcurrency = 1\n";
    let gateway = generic()
        .plugin(guest::ECHO)
        .config(&format!("\n[channels.echo]\n[plugins.overrides.generic]\n{reuse}[plugins.overrides.echo]\n{reuse}"))
        .start()
        .await;
    let body = format!(r#"{{"text":"{}","numbers":[{}1]}}"#, "x".repeat(2000), "1,".repeat(500));

    let calls = 200;
    for _ in 0..calls {
        post_generic(&gateway, &body).await;
    }

    assert_eq!(counted(&gateway.metrics().await, GROWTHS, "generic"), 0);

    // Two of these do not fit into the first memory, so a call that leaves something behind its arguments makes the next one grow.
    let large = "x".repeat(35_000);
    let mut grown = Vec::new();
    for call in 1..=calls {
        assert_eq!(gateway.post("echo", large.as_str()).await.expect_status(200).json()["instance"], call);
        if call == 1 || call == calls {
            grown.push(counted(&gateway.metrics().await, GROWTHS, "echo"));
        }
    }
    assert_eq!(grown[0], grown[1]);
}

/// A request is at the place in memory where the one before it was, and has nothing of it.
#[tokio::test]
async fn a_reused_instance_knows_nothing_of_the_calls_before() {
    let config = r#"config = { kind = "/kind", subject = "header:x-note", attributes = { who = "/who", q = "query:q" } }
[plugins.overrides.generic]
reuse = { max_calls = 1000, max_memory = "32MiB" }
concurrency = 1
"#;
    let gateway = generic().config(config).start().await;
    let token = [("content-type", "application/json"), ("authorization", "Bearer kettle-token")];
    let noted = [token[0], token[1], ("x-note", "door-7")];

    for _ in 0..3 {
        let full = r#"{"kind": "opened", "who": "octo", "more": "0123456789"}"#;
        let full = gateway.client.post("/webhooks/generic?q=a", &noted, full).await.expect_accepted();
        let empty = gateway.client.post("/webhooks/generic", &token, "{}").await.expect_accepted();

        let facts = async |id: &str| {
            let event = gateway.json(&format!("/admin/events/{id}")).await;
            let attributes = &event["attributes"];
            [&event["kind"], &event["subject"], &attributes["who"], &attributes["q"], &event["data"]].map(Value::clone)
        };
        let data = json!({"kind": "opened", "who": "octo", "more": "0123456789"});
        assert_eq!(facts(&full).await, [json!("generic.opened"), json!("door-7"), json!("octo"), json!("a"), data]);
        assert_eq!(facts(&empty).await, [json!("generic.received"), json!(null), json!(null), json!(null), json!({})]);
    }
}

/// A body that does not fit into the first memory is served all the same, and counted.
#[tokio::test]
async fn memory_that_grows_is_counted() {
    let gateway = generic().start().await;
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(200_000));

    post_generic(&gateway, "{}").await;
    assert_eq!(counted(&gateway.metrics().await, GROWTHS, "generic"), 0);
    post_generic(&gateway, &large).await;

    assert!(counted(&gateway.metrics().await, GROWTHS, "generic") > 0);
}

/// The stack is small, and holds the deepest JSON that the parser takes: deeper JSON is refused, and nothing traps.
#[test]
fn the_deepest_json_fits_on_the_stack() {
    let nested = |open: &str, inner: &str, close: &str, depth: usize| {
        format!(r#"{{"deep":{}{inner}{}}}"#, open.repeat(depth), close.repeat(depth))
    };
    for plugin in built_in::all() {
        let mut setup = Setup::new().plugin(plugin);
        let samples = fs::read_dir(plugin.samples()).unwrap().map(|entry| entry.unwrap().path());
        let mut samples: Vec<_> = samples.filter(|path| path.to_str().unwrap().ends_with(".expected.json")).collect();
        samples.sort();
        let Some(sample) = samples.first() else { continue };
        let expected: Value = serde_json::from_str(&fs::read_to_string(sample).unwrap()).unwrap();
        let config = expected.get("config").map_or_else(|| "{}".to_owned(), Value::to_string);
        let headers = sample.to_str().unwrap().replace(".expected.json", ".headers");
        let headers = fs::read_to_string(headers).unwrap_or_default();
        for depth in [100, 126, 127, 1000, 50_000] {
            for (name, body) in
                [("arrays", nested("[", "1", "]", depth)), ("objects", nested(r#"{"a":"#, "1", "}", depth))]
            {
                let file = format!("samples/{name}-{depth}");
                setup = setup.file(&format!("{file}.json"), body).file(&format!("{file}.headers"), &headers);
                let settings = format!(r#"{{"config": {config}}}"#);
                setup = setup.file(&format!("{file}.expected.json"), settings);
            }
        }
        let file = format!("plugins/{}.wasm", plugin.name());
        let arguments = ["plugin", "test", &file, "--samples", "samples", "--runs", "1", "--format", "json"];

        let output = setup.command(&arguments).output().unwrap();

        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let trials = told["plugins"][0]["samples"].as_array().unwrap();
        assert_eq!(trials.len(), 10, "{told:#}");
        for trial in trials {
            assert_eq!(trial["problem"], Value::Null, "{}: {trial:#}", plugin.name());
        }
    }
}
