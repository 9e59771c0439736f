//! `gateway check`: what people get wrong, and what a start says of it.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{BINARY, Setup, built_in};

/// The exit code and stderr, without the folder of the configuration.
fn checked(setup: &Setup) -> (i32, String) {
    said(setup, setup.command(&["check"]).output().unwrap())
}

fn said(setup: &Setup, output: Output) -> (i32, String) {
    let error = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), error.replace(&format!("{}/", setup.path().display()), ""))
}

const MISTAKES: &str = r#"
[channels.dummy]
config = { level = 3 }
[channels.sender]
plugin = "http"
[agents.remote]
plugin = "http"
config = { url = "http://127.0.0.1:9000/secret", formt = "cloudevent", headers = "none" }
[agents.elsewhere]
plugin = "http"
config = { url = "https://agent.example:8443/secret" }
allow_hosts = ["agent.example"]
[agents.receiver]
plugin = "dummy"
[agents.hhtp]
[[routes]]
channels = ["dummy"]
agents = ["remote"]
mode = "sync"
timeout = "1s"
[[routes]]
channels = ["dummy"]
kinds = ["dummy.recieved", "dumy.received", "dummy.*", "dummy.unknown"]
agents = ["elsewhere"]
skills = ["triage"]
[[routes]]
kinds = ["dumy.received"]
agents = ["elsewhere"]
"#;

const FOUND: [&str; 6] = [
    "channels.dummy.config.level: expected a setting of the plugin `dummy`, found `level`",
    "channels.sender.plugin: expected a channel plugin, found `http`, which is an agent plugin",
    "agents.elsewhere.config.url: expected a URL of a host in `agents.elsewhere.allow_hosts`, found `https://agent.example:8443`",
    "agents.receiver.plugin: expected an agent plugin, found `dummy`, which is a channel plugin",
    "agents.remote.config.formt: expected a setting of the plugin `http`, found `formt`",
    "agents.remote.config.headers: expected a table (additional headers; use `credential` for secrets), found a text",
];

const WARNED: [&str; 5] = [
    "routes[0].mode: `sync` has no effect on events that `routes[1]` takes, too: their callers do not wait; \
     `fallback = true` on `routes[1]` leaves these events to it",
    "routes[1].kinds[0]: channel `dummy` has no kind `recieved`; did you mean `dummy.received`?",
    "routes[1].kinds[1]: `dumy.received` is no kind of `dummy`, the channels of the route; did you mean `dummy.received`?",
    "routes[1].skills: skill `triage` does not exist yet",
    "routes[2].kinds[0]: channel `dumy` does not exist yet; did you mean `dummy.received`?",
];

/// What can never work is an error, what may still come is a warning, and a start and a reload tell both and serve the rest.
#[tokio::test]
async fn mistakes_are_found_beside_the_plugins() {
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP).config(MISTAKES);

    let (code, error) = checked(&setup);

    let warned: Vec<_> = error.lines().filter_map(|line| line.strip_prefix("warning: ")).collect();
    let wait =
        "agent `hhtp` will wait: the plugin `plugins/hhtp.wasm` does not exist; did you mean `plugin = \"http\"`?";
    assert_eq!(warned, [&[wait], &WARNED[..]].concat());
    let problems: Vec<_> = error.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!((code, problems), (2, FOUND.to_vec()), "{error}");
    let hints: Vec<_> = error.lines().filter_map(|line| line.strip_prefix("hint: ")).collect();
    assert_eq!(
        hints,
        [
            "the plugin `dummy` has no settings",
            "`gateway plugins` lists the kind of each",
            "add \"agent.example:8443\" to `agents.elsewhere.allow_hosts`",
            "did you mean `format` instead of `formt`?",
        ]
    );

    let mut gateway = setup.start().await;
    for found in FOUND.iter().chain(&WARNED) {
        gateway.logged(&["Configuration: ", found]).await;
    }
    gateway.reconfigure("[agents.hhtp]\n", "");
    let reload = gateway.reload().await.expect_status(200).json();
    let warned: Vec<_> = reload["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    for found in FOUND.iter().chain(&WARNED) {
        assert!(warned.iter().any(|warned| warned.contains(found)), "{found}: {warned:?}");
    }
}

/// Who uses the port and the log is a warning, because it may be the gateway of this configuration.
#[tokio::test]
async fn what_is_in_use_is_named_with_its_process() {
    let gateway = Setup::new().start().await;

    let (code, _, error) = gateway.cli(&["check"]);

    let by = format!("in use by process {} (`", gateway.pid());
    let address = gateway.client.address();
    let dir = gateway.path().join("data");
    let expected = [format!("http.listen: `{address}` is {by}"), format!("eventlog.dir: `{}` is {by}", dir.display())];
    let warned: Vec<_> = error.lines().filter_map(|line| line.strip_prefix("warning: ")).collect();
    assert_eq!(code, 0, "{error}");
    for warning in &expected {
        assert!(warned.iter().any(|warned| warned.starts_with(warning)), "{error}");
    }
}

/// A folder that cannot be used is named, with the reason and the user.
#[test]
fn folders_that_cannot_be_used_are_errors() {
    let setup = Setup::new().file("plain", "").env("GATEWAY__EVENTLOG__DIR", "plain/data");
    let (code, error) = checked(&setup);
    assert_eq!(code, 2);
    let found = "eventlog.dir: expected a folder that the gateway can write to, found `plain/data`: it is not a folder";
    assert!(error.contains(found), "{error}");

    let setup = Setup::new();
    let all = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(setup.path(), all(0o755)).unwrap();
    fs::set_permissions(setup.plugins(), all(0o700)).unwrap();
    drop(setup.command(&[]));
    let program = setup.path().join("gateway");
    fs::copy(BINARY, &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(program)
        .args(["check", "--config", setup.path().join("gateway.toml").to_str().unwrap()])
        .output();
    let Some(output) = output.ok().filter(|output| !String::from_utf8_lossy(&output.stderr).contains("setpriv: "))
    else {
        eprintln!("skipped: only root can run a program as another user");
        return;
    };
    let (code, error) = said(&setup, output);
    assert_eq!(code, 2, "{error}");
    for found in [
        "plugins.dir: expected a folder that the gateway can read, found `plugins`: permission denied, running as nobody",
        "eventlog.dir: expected a folder that the gateway can write to, found `data`: permission denied, running as nobody",
    ] {
        assert!(error.contains(found), "{error}");
    }
}

/// The kinds that a built-in plugin declares cover the events of all its samples.
#[test]
fn built_in_plugins_declare_the_kinds_of_their_samples() {
    let mut declaring = Vec::new();
    for plugin in built_in::all() {
        let manifest = fs::read(plugin.samples().with_file_name("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let Some(kinds) = manifest["kinds"].as_array() else { continue };
        let covers = |kind: &str| {
            let mut declared = kinds.iter().map(|kind| kind.as_str().unwrap());
            declared.any(|declared| match declared.strip_suffix('*') {
                Some(start) => kind.starts_with(start),
                None => kind == declared,
            })
        };
        for entry in fs::read_dir(plugin.samples()).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_str().unwrap().ends_with(".expected.json") {
                continue;
            }
            let expected: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            for event in expected["receipt"]["events"].as_array().into_iter().flatten() {
                assert!(covers(event["kind"].as_str().unwrap()), "{}: {event}", path.display());
            }
        }
        declaring.push(plugin.name());
    }
    declaring.sort();
    assert_eq!(declaring, ["alertmanager", "dummy", "github", "grafana", "pagerduty"]);
}
