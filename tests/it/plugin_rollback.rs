//! A new version of a plugin that is worse than the one before does not stay in service.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;

use crate::support::{Guest, Setup, TO_STUB, TestGateway, built_in, guest};

/// The file of a plugin with one sample in it, of which `expected` is expected.
fn packed(gateway: &TestGateway, plugin: Guest, expected: &str) -> Vec<u8> {
    let folder = gateway.path().join("packed");
    let samples = folder.join("samples");
    fs::create_dir_all(&samples).unwrap();
    fs::write(samples.join("one.json"), "{}").unwrap();
    fs::write(samples.join("one.expected.json"), expected).unwrap();
    let file = folder.join("echo.wasm");
    fs::copy(plugin.path(), &file).unwrap();
    let (code, _, error) = gateway.cli(&["plugin", "pack", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{error}");
    fs::read(file).unwrap()
}

async fn version(gateway: &TestGateway) -> Value {
    gateway.post("echo", "{}").await.expect_status(200).json()["version"].clone()
}

const GOOD: &str = r#"{"receipt": {"events": [{"kind": "echo"}]}}"#;
const BAD: &str = r#"{"receipt": {"events": [{"kind": "other"}]}}"#;

/// A file that does not pass the samples in it never serves, also not after a restart. Another file ends that.
#[tokio::test]
async fn a_file_that_fails_its_samples_does_not_replace_a_serving_one() {
    let gateway = Setup::new().plugin(guest::ECHO).start().await;
    let bad = packed(&gateway, guest::ECHO_TWO, BAD);

    gateway.install_plugin("echo", &bad);
    let row = gateway.plugin_until("echo", |row| !row["refused"].is_null()).await;

    let error = row["error"].as_str().unwrap();
    assert!(
        error.starts_with(
            "it does not pass its samples: `one`: receipt.events[0].kind: expected \"other\", found \"echo\"\n"
        ),
        "{error}"
    );
    assert_eq!(
        (&row["state"], &row["generation"], &row["rolled_back_from"]),
        (&"serving".into(), &1.into(), &Value::Null)
    );
    assert_eq!(version(&gateway).await, "1");
    assert!(!gateway.metrics().await.contains("gateway_plugin_calls_total{plugin=\"echo\",outcome=\"ok\"} 2"));

    let gateway = gateway.kill().start().await;
    assert_eq!(version(&gateway).await, "1", "the version before serves in its place");
    gateway.logged(&["WARN", "The version before serves: it does not pass its samples: `one`"]).await;

    gateway.install_plugin("echo", &packed(&gateway, guest::ECHO_TWO, GOOD));
    gateway.plugin_until("echo", |row| row["refused"].is_null() && row["error"].is_null()).await;
    assert_eq!(version(&gateway).await, "2");

    let setup = gateway.kill();
    fs::write(setup.plugins().join("echo.wasm"), bad).unwrap();
    let gateway =
        setup.config("\n[plugins.overrides.other]\n").env("GATEWAY__PLUGINS__CHECK_SAMPLES", "false").start().await;
    assert_eq!(version(&gateway).await, "2", "without the check it serves");
    assert!(gateway.plugin("echo").await.unwrap()["error"].is_null());
}

/// While a version that traps takes the place of a good one under load, every request is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_traps_is_rolled_back_and_costs_no_request() {
    let gateway = Setup::new().plugin(guest::ECHO).plugin(built_in::STUB).config(TO_STUB).start().await;
    let sending = Arc::new(AtomicBool::new(true));
    let [answered, refused] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let (client, sending) = (gateway.client.clone(), Arc::clone(&sending));
            let (answered, refused) = (Arc::clone(&answered), Arc::clone(&refused));
            let send = async move {
                while sending.load(Ordering::Relaxed) {
                    let reply = client.post("/webhooks/echo", &[], "{}").await;
                    let count = if reply.status == 200 { &answered } else { &refused };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            };
            #[expect(clippy::disallowed_methods, reason = "it is awaited below")]
            tokio::spawn(send)
        })
        .collect();

    gateway.replace_plugin("echo", &guest::TRAP);
    let row = gateway.plugin_until("echo", |row| !row["rolled_back_from"].is_null()).await;
    let before = answered.load(Ordering::Relaxed);
    gateway.until("more answers", async || (answered.load(Ordering::Relaxed) > before + 50).then_some(())).await;
    sending.store(false, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }

    assert_eq!(refused.load(Ordering::Relaxed), 0, "of {} requests", answered.load(Ordering::Relaxed));
    assert_eq!(
        (&row["state"], &row["generation"], &row["rolled_back_from"]),
        (&"serving".into(), &3.into(), &"1.0.0".into())
    );
    let error = row["error"].as_str().unwrap();
    assert!(error.contains("it was rolled back because 11 of its first"), "{error}");
    gateway.logged(&["ERROR", "Plugin rolled back, because 11 of its first"]).await;
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_plugin_rollbacks_total{plugin=\"echo\",cause=\"calls\"} 1\n"), "{metrics}");
    assert!(metrics.contains("gateway_plugin_fallbacks_total{plugin=\"echo\"}"), "{metrics}");

    let gateway = gateway.kill().start().await;
    assert_eq!(version(&gateway).await, "1", "a rollback survives a restart");
    assert_eq!(gateway.plugin("echo").await.unwrap()["rolled_back_from"], "1.0.0");
    let (_, table, _) = gateway.cli(&["plugins"]);
    assert!(table.contains("ROLLED BACK FROM  REFUSED"), "{table}");

    gateway.replace_plugin("echo", &guest::ECHO_TWO);
    gateway.plugin_until("echo", |row| row["refused"].is_null() && row["error"].is_null()).await;
    assert_eq!(version(&gateway).await, "2");
}

/// What the version before takes and the new one refuses counts as a failure. What both refuse does not.
#[tokio::test]
async fn a_refusal_counts_only_if_the_version_before_would_take_the_request() {
    let gateway = Setup::new().plugin_as("echo", guest::REJECTING).start().await;
    gateway.install_plugin("echo", &packed(&gateway, guest::REJECTING, r#"{"rejection": {"status": 418}}"#));
    gateway.plugin_until("echo", |row| row["generation"] == 2).await;
    for _ in 0..25 {
        gateway.post("echo", "{}").await.expect_status(418);
    }
    assert_eq!(gateway.plugin("echo").await.unwrap()["generation"], 2);

    gateway.replace_plugin("echo", &guest::ECHO);
    gateway.plugin_until("echo", |row| row["generation"] == 3).await;
    gateway.replace_plugin("echo", &guest::REJECTING);
    gateway.plugin_until("echo", |row| row["generation"] == 4).await;
    for _ in 0..11 {
        assert_eq!(version(&gateway).await, "1");
    }
    gateway.plugin_until("echo", |row| row["rolled_back_from"] == "1.0.0").await;
}

/// An agent's version that traps is rolled back, and its deliveries are delivered by the version before.
#[tokio::test]
async fn an_agent_that_traps_is_rolled_back_and_loses_no_delivery() {
    let agent = "\n[agents.stub]\nretry = { attempts = 20, first_wait = \"10ms\" }\nbreaker = { failures = 100 }\n[[routes]]\nagents = [\"stub\"]\n";
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(agent);
    let gateway = setup.env("GATEWAY__PLUGINS__ROLLBACK_CALLS", "4").start().await;
    gateway.replace_plugin("stub", &guest::FLAKY_AGENT);
    gateway.plugin_until("stub", |row| row["generation"] == 2).await;

    let reply = gateway.client.post("/webhooks/dummy?subject=trap", &[], "{}").await;

    let id = reply.expect_accepted();
    gateway.plugin_until("stub", |row| row["rolled_back_from"] == "1.0.0").await;
    let event = gateway.event_until(&id, "delivered").await;
    assert!(event["deliveries"][0]["attempts"].as_array().unwrap().len() >= 4, "{event:#}");
}

/// An operator takes the version before back, once: what was before that one is not kept.
#[tokio::test]
async fn an_operator_rolls_back_with_a_command() {
    let gateway = Setup::new().plugin(guest::ECHO).start().await;
    let roll_back = |name: &str| gateway.cli(&["plugin", "rollback", name]);
    let (code, _, error) = roll_back("echo");
    assert_eq!(code, 1);
    assert!(error.contains("there is no version of `echo` before the serving one"), "{error}");
    gateway.replace_plugin("echo", &guest::ECHO_TWO);
    gateway.plugin_until("echo", |row| row["generation"] == 2).await;
    assert_eq!(version(&gateway).await, "2");

    let (code, data, error) = roll_back("echo");

    assert_eq!(code, 0, "{error}");
    assert!(data.starts_with("echo rolled back from version 2.0.0 to 1.0.0 ("), "{data}");
    assert_eq!(version(&gateway).await, "1");
    let row = gateway.plugin("echo").await.unwrap();
    assert_eq!((&row["rolled_back_from"], &row["generation"]), (&"2.0.0".into(), &3.into()));
    assert!(gateway.json("/health/ready").await.to_string().contains("rolled back by an operator"));
    assert_eq!(roll_back("echo").0, 1);
    let (code, _, error) = roll_back("other");
    assert_eq!(code, 1);
    assert!(error.contains("no plugin `other` serves"), "{error}");

    gateway.replace_plugin("echo", &guest::ECHO_TWO);
    gateway.logged(&["Plugin rejected", "version 2.0.0 is refused: it was rolled back by an operator"]).await;
    assert_eq!(version(&gateway).await, "1", "the same file again changes nothing");
    gateway.remove_plugin("echo");
    gateway.until("the plugin to retire", async || gateway.plugin("echo").await.is_none().then_some(())).await;
    gateway.replace_plugin("echo", &guest::ECHO_TWO);
    gateway.plugin_until("echo", |row| row["error"].is_null()).await;
    assert_eq!(version(&gateway).await, "2", "removed and added again, it serves");

    let setup = gateway.kill();
    let output = setup.command(&["plugin", "rollback", "echo"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("only a running one can roll back a plugin"), "{error}");
}

/// A reload applies limits to the version before as well, which has no file in the plugin folder, and switches the check off.
#[tokio::test]
async fn a_reload_reaches_the_version_before_and_the_check_of_samples() {
    const UNWATCHED: &str = "\n[reload]\nwatch = false\n";
    let mut gateway = Setup::new().plugin(guest::ECHO).config(UNWATCHED).start().await;
    let bad = packed(&gateway, guest::ECHO_TWO, BAD);
    gateway.install_plugin("echo", &bad);
    gateway.plugin_until("echo", |row| !row["refused"].is_null()).await;
    let instance = async |gateway: &TestGateway| gateway.post("echo", "{}").await.expect_status(200).json();
    assert_eq!(instance(&gateway).await["instance"], 1);
    assert_eq!(instance(&gateway).await["instance"], 1);

    let reused = "\n[plugins.overrides.echo]\nreuse = { max_calls = 100 }\n";
    gateway.reconfigure(UNWATCHED, &format!("{UNWATCHED}{reused}"));
    gateway.reload().await.expect_status(200);
    gateway.plugin_until("echo", |row| row["generation"] == 2).await;
    assert_eq!(instance(&gateway).await["instance"], 1);
    let second = instance(&gateway).await;
    assert_eq!((&second["instance"], &second["version"]), (&2.into(), &"1".into()));
    assert!(!gateway.plugin("echo").await.unwrap()["refused"].is_null());

    gateway.reconfigure(reused, "");
    gateway.reconfigure("[plugins]\n", "[plugins]\ncheck_samples = false\n");
    gateway.reload().await.expect_status(200);
    gateway.plugin_until("echo", |row| row["refused"].is_null() && row["error"].is_null()).await;
    assert_eq!(version(&gateway).await, "2");
}
