//! Plugins built against another version of the contract.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{RemoteAgent, Setup, Wire, built_in, guest};

/// A plugin of the first released version is served.
#[tokio::test]
async fn a_plugin_of_the_first_version_serves() {
    let gateway = Setup::new().plugin(guest::OLDEST).start().await;

    let id = gateway.client.post("/webhooks/oldest/a", &[("x-subject", "s")], "{}").await.expect_accepted();

    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!((event["kind"].as_str(), event["subject"].as_str()), (Some("oldest.old"), Some("s")));
    assert_eq!(event["attributes"]["path"], "/a");
}

/// A channel that fetches its request through host functions is served beside those whose call brings it along.
#[tokio::test]
async fn a_channel_of_an_older_patch_serves() {
    let gateway = Setup::new().plugin(guest::FORMER).start().await;

    let id = gateway.client.post("/webhooks/former", &[("x-subject", "s")], "hello").await.expect_accepted();

    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!((event["kind"].as_str(), event["subject"].as_str()), (Some("former.former"), Some("s")));
    assert_eq!(event["attributes"]["length"], "5");
}

/// The call brings the whole request along, and the settings with the defaults of the manifest.
#[tokio::test]
async fn a_plugin_that_also_serves_older_gateways_gets_the_request_with_the_call() {
    let gateway = Setup::new().plugin(guest::BOTH).config("\n[channels.both]\n").start().await;

    let headers = [("x-b", "2"), ("X-A", "1"), ("x-b", "3")];
    let id = gateway.client.post("/webhooks/both/a/b?c=%20d", &headers, "{\"e\":1}").await.expect_accepted();

    let event = gateway.json(&format!("/admin/events/{id}")).await;
    let data = event["data"].as_str().unwrap();
    let parts: Vec<_> = data.split('|').collect();
    assert_eq!((parts[0], parts[1], parts[2], parts[4]), ("POST", "/a/b", "c=%20d", "{\"e\":1}"));
    assert_eq!(parts[5], r#"{"list":"[\"é\"]"}"#);
    let lines: Vec<_> = parts[3].lines().filter(|line| line.starts_with("x-")).collect();
    assert_eq!(lines, ["x-b: 2", "x-b: 3", "x-a: 1"], "{data}");
}

/// However odd a setting, a header or a line of the log is, it stays one, and what is no text is replaced.
#[tokio::test]
async fn odd_settings_headers_and_lines_of_the_log_stay_what_they_are() {
    let config = r#"
[channels.both]
config = { text = "\",\n\u0001é\\" }
"#;
    let gateway = Setup::new().plugin(guest::BOTH).config(config).start().await;
    let mut wire = Wire::connect(gateway.client.address()).await.unwrap();

    let head = b"POST /webhooks/both HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nx-note: caf\xc3 \xe9: x-forged: yes\t!\r\n\r\n";
    wire.send_bytes(&[&head[..], b"{}"].concat()).await.unwrap();
    let answer = wire.receive().await.unwrap();

    assert_eq!(answer.status(), 202, "{answer:?}");
    let id = answer.json()["events"][0]["id"].as_str().unwrap().to_owned();
    let event = gateway.json(&format!("/admin/events/{id}")).await;
    let parts: Vec<_> = event["data"].as_str().unwrap().split('|').collect();
    assert!(parts[3].lines().any(|line| line == "x-note: caf\u{fffd} \u{fffd}: x-forged: yes\t!"), "{event:#}");
    let settings: Value = serde_json::from_str(parts[5]).unwrap();
    assert_eq!(settings, json!({"list": "[\"é\"]", "text": "\",\n\u{1}é\\"}));
    gateway.logged(&["INFO", "plugin=both", "odd  [3mé end"]).await;
}

/// An agent that was built before there was `http.notify` is served.
#[tokio::test]
async fn an_agent_of_an_older_patch_serves() {
    let agent = RemoteAgent::start().await;
    let address = agent.address;
    let config = format!(
        "[agents.older]\nplugin = \"older\"\nconfig = {{ url = \"http://{address}/\" }}\nallow_hosts = [\"{address}\"]\n\
         [[routes]]\nagents = [\"older\"]\n"
    );
    let gateway = Setup::new().plugin(built_in::DUMMY).plugin(guest::OLDER).config(&config).start().await;

    let id = gateway.post("dummy", "hello").await.expect_accepted();

    gateway.event_until(&id, "delivered").await;
    assert_eq!(agent.received()[0].body, "hello");
}

/// A plugin of a newer patch is served; only the call of a missing host function traps, with a message.
#[tokio::test]
async fn a_plugin_of_a_newer_patch_serves_without_what_is_missing() {
    let gateway = Setup::new().plugin(guest::NEWEST).start().await;

    gateway.post("newest", "{}").await.expect_accepted();

    for (path, interface, function) in [("translate", "host", "translate"), ("weather", "weather", "tomorrow")] {
        gateway.post(&format!("newest/{path}"), "{}").await.expect_problem(502, "plugin_failed");
        let missing = format!("`gateway:plugin/{interface}@0.1.99` has `{function}`, which this gateway (0.1.3)");
        gateway.logged(&[&missing]).await;
        gateway.post("newest", "{}").await.expect_accepted();
    }
}

/// Every function and type of every released version is in the current one, unchanged, and no world of it requires more exports
/// (`wit/README.md`, rules 1 and 2).
#[test]
fn the_current_contract_keeps_every_released_one() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("wit");
    let read = |path: &Path| blocks(&fs::read_to_string(path).unwrap());
    let current = read(&wit.join("plugin.wit"));
    let released: Vec<_> = fs::read_dir(wit.join("released")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!released.is_empty());
    assert!(current.contains_key("interface host") && current.contains_key("world agent-plugin"), "{current:#?}");

    for version in released {
        for (block, items) in read(&version.join("plugin.wit")) {
            let now = current.get(&block).unwrap_or_else(|| panic!("{}: `{block}` is missing", version.display()));
            let missing: Vec<_> = items.difference(now).collect();
            assert!(missing.is_empty(), "{}: `{block}` has lost or changed {missing:#?}", version.display());
            let exports = |items: &BTreeSet<String>| items.iter().filter(|item| item.starts_with("export ")).count();
            assert_eq!(exports(now), exports(&items), "{}: `{block}` requires more exports", version.display());
        }
    }
}

/// The interfaces and worlds of a WIT file with their items, each on one line and without comments.
fn blocks(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let (mut blocks, mut name, mut item, mut depth) = (BTreeMap::new(), String::new(), String::new(), 0);
    for c in code.chars() {
        let ends = match c {
            '{' => {
                depth += 1;
                if depth == 1 {
                    name = std::mem::take(&mut item).trim().to_owned();
                    blocks.insert(name.clone(), BTreeSet::new());
                    continue;
                }
                false
            }
            '}' => {
                depth -= 1;
                depth == 1
            }
            ';' => depth <= 1,
            _ => false,
        };
        item.push(c);
        if depth == 0 && ['}', ';'].contains(&c) {
            item.clear();
        } else if depth > 0 && ends {
            let line = std::mem::take(&mut item).split_whitespace().collect::<Vec<_>>().join(" ");
            blocks.get_mut(&name).unwrap().insert(line);
        }
    }
    blocks
}
