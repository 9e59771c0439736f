//! Plugins are added, replaced and removed, and misbehave, without an effect on others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{Setup, TO_STUB, TestGateway, built_in, guest};

/// The number of swaps of a plugin under load.
const SWAPS: usize = 200;

#[tokio::test]
async fn a_dropped_file_serves_and_a_removed_one_does_not() {
    let gateway = Setup::new().start().await;
    gateway.post("echo", "{}").await.expect_problem(404, "unknown_channel");

    gateway.replace_plugin("echo", &guest::ECHO);
    gateway.plugin_until("echo", |row| row["state"] == "serving").await;
    gateway.post("echo", "{}").await.expect_status(200);

    gateway.remove_plugin("echo");
    gateway.until("the plugin to retire", async || gateway.plugin("echo").await.is_none().then_some(())).await;
    gateway.post("echo", "{}").await.expect_problem(404, "unknown_channel");
}

/// During 200 swaps every response is from the old or the new version.
#[tokio::test(flavor = "multi_thread")]
async fn swapping_a_plugin_under_load_fails_no_request() {
    let gateway = Setup::new().plugin(guest::ECHO).plugin(built_in::STUB).config(TO_STUB).start().await;
    let swapping = Arc::new(AtomicBool::new(true));
    let answered = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let (client, swapping, answered) = (gateway.client.clone(), Arc::clone(&swapping), Arc::clone(&answered));
            let send = async move {
                while swapping.load(Ordering::Relaxed) {
                    let reply = client.post("/webhooks/echo", &[], "{}").await.expect_status(200).json();
                    match reply["version"].as_str() {
                        Some("1") => answered[0].fetch_add(1, Ordering::Relaxed),
                        Some("2") => answered[1].fetch_add(1, Ordering::Relaxed),
                        _ => panic!("neither version answered {reply}"),
                    };
                }
            };
            #[expect(clippy::disallowed_methods, reason = "it is awaited below")]
            tokio::spawn(send)
        })
        .collect();

    for round in 1..=SWAPS {
        let next = if round % 2 == 1 { guest::ECHO_TWO } else { guest::ECHO };
        gateway.replace_plugin("echo", &next);
        gateway.plugin_until("echo", |row| row["generation"] == round + 1).await;
    }

    swapping.store(false, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    let [one, two] = [&answered[0], &answered[1]].map(|count| count.load(Ordering::Relaxed));
    assert!(one > 0 && two > 0, "both versions must have served: {one}, {two}");
    assert!(gateway.plugin("echo").await.unwrap()["error"].is_null());
}

/// A file that does not load is reported with the reason, and the previous generation still serves.
#[tokio::test]
async fn a_bad_file_is_reported_and_the_last_good_version_serves() {
    let gateway = Setup::new().plugin(guest::ECHO).start().await;
    let whole = guest::ECHO_TWO.bytes();
    let wat = |text: &str| wat::parse_str(text).unwrap();
    let exports = |name: &str| format!("(component (instance $i) (export \"{name}\" (instance $i)))");
    let cases = [
        (b"nonsense".to_vec(), "not WebAssembly"),
        (wat("(module)"), "core module"),
        (whole[..whole.len() / 2].to_vec(), "does not compile"),
        (wat("(component)"), "exports none of"),
        (wat(&exports("gateway:plugin/channel@0.2.0")), "serves 0.1.3"),
        (
            wat(
                "(component (import \"wasi:http/types@0.2.0\" (instance)) (instance $i) (export \"gateway:plugin/channel@0.1.0\" (instance $i)))",
            ),
            "http.send",
        ),
        (wat(&exports("gateway:plugin/channel@0.1.0")), "differ from"),
        (guest::BAD_MANIFEST.bytes(), "manifest"),
        (guest::SPIN_DESCRIBE.bytes(), "`describe` failed"),
    ];

    for (bytes, reason) in cases {
        gateway.write_plugin("echo.wasm", &bytes);
        let row =
            gateway.plugin_until("echo", |row| row["error"].as_str().is_some_and(|error| error.contains(reason))).await;
        assert_eq!(row["state"], "serving", "{reason}");
        assert_eq!(row["generation"], 1, "{reason}");
        let reply = gateway.post("echo", "{}").await.expect_status(200).json();
        assert_eq!(reply["version"], "1", "{reason}");
    }

    gateway.logged(&["Plugin rejected", "core module"]).await;
    gateway.logged(&["plugins/echo.wasm"]).await;
    let ready = gateway.json("/health/ready").await;
    assert!(ready.to_string().contains("plugin:echo"), "{ready}");
    gateway.write_plugin("echo.wasm", &whole);
    gateway.plugin_until("echo", |row| row["generation"] == 2 && row["error"].is_null()).await;
}

#[tokio::test]
async fn a_file_with_a_bad_name_is_refused_with_a_message() {
    let gateway = Setup::new().start().await;

    gateway.write_plugin("Not_A_Name.wasm", &guest::ECHO.bytes());

    let row = gateway.plugin_until("Not_A_Name", |_| true).await;
    assert_eq!(row["state"], "failed");
    assert!(row["error"].as_str().unwrap().contains("not a plugin name"), "{row}");
}

/// No state leaks from one call to the next unless the operator allows reuse.
#[tokio::test]
async fn instances_are_fresh_unless_reuse_is_configured() {
    let fresh = Setup::new().plugin(guest::ECHO).start().await;
    let reused = Setup::new()
        .plugin(guest::ECHO)
        .config("\n[plugins.overrides.echo]\nreuse = { max_calls = 3, max_memory = \"32MiB\" }\n")
        .start()
        .await;
    let calls = async |gateway: &TestGateway| {
        let mut calls = Vec::new();
        for _ in 0..4 {
            calls.push(gateway.post("echo", "{}").await.json()["instance"].as_u64().unwrap());
        }
        calls
    };

    assert_eq!(calls(&fresh).await, [1, 1, 1, 1]);
    assert_eq!(calls(&reused).await, [1, 2, 3, 1]);
}

/// A plugin's own response reaches the caller.
#[tokio::test]
async fn a_plugin_can_send_its_own_response_or_rejection() {
    let gateway = Setup::new().plugin(guest::RESPONDER).plugin(guest::REJECTING).start().await;

    let own = gateway.client.post("/webhooks/responder?status=201", &[], "{}").await;
    let teapot = gateway.client.post("/webhooks/rejecting?status=418", &[], "{}").await;
    let odd = gateway.client.post("/webhooks/rejecting?status=600", &[], "{}").await;

    assert_eq!(own.status, 201);
    assert!(!own.headers.contains_key("connection"), "{:?}", own.headers);
    teapot.expect_problem(418, "rejected");
    odd.expect_problem(422, "rejected");
}

/// A restart loads compiled code from the cache.
#[tokio::test]
async fn a_restart_does_not_compile_again() {
    let gateway = Setup::new().plugin(guest::ECHO).start().await;
    let cache = gateway.path().join("data/compiled");
    let compiled = || {
        let entries = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "cwasm")).collect::<Vec<_>>()
    };
    let entry = compiled().remove(0);
    let inode = |path: &std::path::Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let before = inode(&entry);

    let gateway = gateway.kill().start().await;

    gateway.post("echo", "{}").await.expect_status(200);
    assert_eq!(inode(&entry), before, "the cached file was written again");
    assert_eq!(compiled(), [entry]);
}
