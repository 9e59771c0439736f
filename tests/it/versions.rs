//! Plugins built against another version of the contract.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::support::{RemoteAgent, Setup, built_in, guest};

/// A plugin of the first released version is served.
#[tokio::test]
async fn a_plugin_of_the_first_version_serves() {
    let gateway = Setup::new().plugin(guest::OLDEST).start().await;

    let id = gateway.client.post("/webhooks/oldest/a", &[("x-subject", "s")], "{}").await.expect_accepted();

    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!((event["kind"].as_str(), event["subject"].as_str()), (Some("oldest.old"), Some("s")));
    assert_eq!(event["attributes"]["path"], "/a");
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
        let missing = format!("`gateway:plugin/{interface}@0.1.99` has `{function}`, which this gateway (0.1.2)");
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
        if depth == 0 {
            item.clear();
        } else if ends {
            let line = std::mem::take(&mut item).split_whitespace().collect::<Vec<_>>().join(" ");
            blocks.get_mut(&name).unwrap().insert(line);
        }
    }
    blocks
}
