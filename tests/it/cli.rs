//! The command line: output, errors and exit codes.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod help;

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{BINARY, Setup, TO_STUB, built_in};

/// Runs `gateway ARGS` outside of any folder with a configuration.
fn gateway(arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(dir.path()).stdin(Stdio::null());
    command.env_remove("GATEWAY_CONFIG").env_remove("GITHUB_WEBHOOK_SECRET").env_remove("GRAFANA_WEBHOOK_SECRET");
    command.output().unwrap()
}

/// The exit code, stdout and stderr.
fn outcome(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn all_problems_of_a_configuration_are_reported_at_once() {
    let setup = Setup::new().config(
        r#"
        [htp]
        [plugins.limits]
        time = 5
        memory = "2GiB"
        [channels.github]
        secret = "hunter2"
        optionl = true
        [channels.grafana]
        secret = { env = "GRAFANA_WEBHOOK_SECRET" }
        [[routes]]
        agents = ["stub"]
        "#,
    );
    let output = setup.command(&["check"]).env_remove("GRAFANA_WEBHOOK_SECRET").output().unwrap();

    let (code, data, error) = outcome(output);

    assert_eq!((code, data.as_str()), (2, ""));
    let file = setup.path().join("gateway.toml").display().to_string();
    assert_eq!(
        error.replace(&file, "gateway.toml"),
        r#"error: `gateway.toml` has 7 problems
  plugins.limits.memory: expected a size from `64KiB` to `1GiB`, found `2GiB`
  plugins.limits.time: expected a duration with a unit, found `5`
  channels.github.secret: expected `{ env = "..." }` or `{ file = "..." }`, found plain text
  channels.grafana.secret: expected a secret, found nothing: environment variable `GRAFANA_WEBHOOK_SECRET` is not set
  routes[0].agents[0]: expected the name of an agent, found `stub`
  channels.github.optionl: expected a key of `channels.github`, found `optionl`
  htp: expected the name of a table, found `htp`
hint: write `time = "5s"`
hint: secrets do not belong in the configuration: write `secret = { env = "GITHUB_WEBHOOK_SECRET" }`
hint: set `GRAFANA_WEBHOOK_SECRET`, or set `optional = true` to let channel `grafana` wait for it
hint: add `[agents.stub]`
hint: did you mean `optional` instead of `optionl`?
hint: did you mean `http` instead of `htp`?
"#
    );
}

#[test]
fn syntax_errors_name_the_line_without_showing_it() {
    let setup = Setup::new().config("\n[admin]\ntoken = \"hunter2\n");

    let (code, _, error) = outcome(setup.command(&["serve"]).output().unwrap());

    assert_eq!(code, 2);
    assert!(error.contains("column 17: invalid basic string"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn the_shipped_configuration_is_valid() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway.toml");

    let (code, data, error) = outcome(gateway(&["check", "--config", file]));

    assert_eq!(code, 0, "{error}");
    assert_eq!(data, format!("`{file}` is valid: 4 channels, 1 agent, 1 route\n"));
    // The plugins may not be built yet, and the port may be in use here.
    let is_ours = |line: &&str| !line.contains("does not exist") && !line.contains("is in use");
    let warnings: Vec<_> = error.lines().filter(is_ours).collect();
    assert_eq!(
        warnings,
        [
            "warning: channel `alertmanager` will wait: environment variable `ALERTMANAGER_WEBHOOK_SECRET` is not set",
            "warning: channel `github` will wait: environment variable `GITHUB_WEBHOOK_SECRET` is not set",
            "warning: channel `grafana` will wait: environment variable `GRAFANA_WEBHOOK_SECRET` is not set",
        ]
    );
}

#[test]
fn wrong_usage_exits_with_2_and_a_failure_with_1() {
    let (code, _, error) = outcome(gateway(&["events", "--limit", "0"]));
    assert_eq!(code, 2, "{error}");

    let (code, _, error) = outcome(gateway(&["serve"]));
    assert_eq!(code, 2);
    assert_eq!(
        error,
        "error: `gateway.toml` has 1 problem\n  the file does not exist\n\
         hint: pass it with `--config`, or run in its folder\n"
    );

    let setup = Setup::new();
    let output = setup.command(&["events", "show", "00000000-0000-0000-0000-000000000000"]).output().unwrap();
    let (code, data, error) = outcome(output);
    assert_eq!((code, data.as_str()), (1, ""), "{error}");
    assert!(error.ends_with("hint: `gateway events` lists them\n"), "{error}");
}

#[tokio::test]
async fn an_empty_list_says_what_to_do_and_prints_no_data() {
    let gateway = Setup::new().start().await;

    for (noun, expected) in [
        ("channels", "no channels: add `[channels.NAME]` to the configuration, or a channel plugin to its folder"),
        ("agents", "no agents: add `[agents.NAME]` to the configuration"),
        ("plugins", "no plugins: copy a `.wasm` file into the plugin folder"),
        ("routes", "no routes, so events are stored and not delivered: add `[[routes]]` to the configuration"),
        ("skills", "no skills: add a folder with a SKILL.md to the skill folder"),
        ("events", "no events found; `gateway send CHANNEL FILE` sends one"),
        ("deliveries", "no deliveries found"),
    ] {
        let (code, data, error) = gateway.cli(&[noun]);
        assert_eq!((code, data.as_str()), (0, ""), "{noun}: {error}");
        assert_eq!(error.lines().last(), Some(expected), "{noun}");
    }
}

/// Without a gateway the event log can be read; for everything else the command says that none is running.
#[test]
fn only_the_event_log_is_listed_without_a_running_gateway() {
    let setup = Setup::new().plugin(built_in::DUMMY);

    for (noun, expected) in
        [("events", "no events found; `gateway send CHANNEL FILE` sends one"), ("deliveries", "no deliveries found")]
    {
        let (code, data, error) = outcome(setup.command(&[noun]).output().unwrap());
        assert_eq!((code, data.as_str()), (0, ""), "{noun}: {error}");
        assert!(error.starts_with("no gateway is running at http://127.0.0.1:"), "{error}");
        assert_eq!(error.lines().last(), Some(expected), "{noun}");
    }
    for noun in ["channels", "agents", "plugins", "routes", "skills"] {
        let (code, data, error) = outcome(setup.command(&[noun]).output().unwrap());
        assert_eq!((code, data.as_str()), (1, ""), "{noun}: {error}");
        assert!(error.starts_with("error: no gateway is running at http://127.0.0.1:"), "{error}");
        assert!(error.ends_with("\nhint: start it with `gateway serve`\n"), "{error}");
    }
    assert!(!setup.path().join("data").exists(), "reading must not create a log or compile a plugin");
}

/// A request that `send` signs passes the verification of the channel.
#[tokio::test]
async fn send_signs_as_the_provider_does() {
    let gateway =
        Setup::new().github().file("ping.json", r#"{"zen":"Keep it logically awesome.","hook_id":1}"#).start().await;

    let send = ["send", "github", "ping.json", "-H", "X-GitHub-Event: ping", "-H", "X-GitHub-Delivery: d-1"];
    let (code, answer, error) = gateway.cli(&send);
    assert_eq!(code, 0, "{error}");
    assert!(serde_json::from_str::<Value>(&answer).is_ok(), "{answer}");

    let forged = [send.as_slice(), &["-H", "x-hub-signature-256: sha256=00"]].concat();
    let (code, _, error) = gateway.cli(&forged);
    assert_eq!((code, error.as_str()), (1, "401 Unauthorized\n"));

    let (code, _, error) = gateway.cli(&["send", "nope", "ping.json"]);
    assert_eq!(code, 1);
    assert!(error.starts_with("error: the gateway has no channel `nope`, expected `github`"), "{error}");
}

/// The same rows from the running gateway and, when it is gone, from its event log; stderr says which.
#[tokio::test]
async fn events_and_deliveries_are_the_same_with_and_without_a_running_gateway() {
    let gateway = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).start().await;
    let id = gateway.post("dummy", r#"{"test":true}"#).await.expect_accepted();
    gateway.event_until(&id, "delivered").await;
    let show = ["events", "show", id.as_str(), "--format", "json"];
    let lists: [&[&str]; 3] = [&["events", "--format", "json"], &["deliveries", "--format", "json"], &show];

    let online: Vec<_> = lists.iter().map(|list| gateway.cli(list)).collect();
    let (_, setup) = gateway.stop().await;

    for (list, (code, data, error)) in lists.into_iter().zip(online) {
        assert_eq!(code, 0, "{error}");
        assert!(error.starts_with("from the gateway at http://127.0.0.1:"), "{error}");
        let (code, offline, error) = outcome(setup.command(list).output().unwrap());
        assert_eq!(code, 0, "{error}");
        assert!(error.starts_with("no gateway is running at http://127.0.0.1:"), "{error}");
        assert_eq!(offline, data, "{list:?}");
    }
}

#[test]
fn a_plugin_file_is_checked_without_serving_it() {
    let setup = Setup::new().plugin(built_in::DUMMY).file("plugins/broken.wasm", "nonsense");

    let (code, data, error) =
        outcome(setup.command(&["plugin", "check", "plugins/dummy.wasm", "plugins/broken.wasm"]).output().unwrap());

    assert_eq!(code, 1);
    assert_eq!(error, "");
    let (dummy, broken) = data.split_once("plugins/broken.wasm: ").unwrap();
    assert!(dummy.starts_with("plugins/dummy.wasm: would serve\n  ok      name       dummy\n"), "{data}");
    for part in ["world      receiving-plugin 0.1.3\n", "resources  1 of 8 memories, ", "manifest   dummy 0.1.0: "] {
        assert!(dummy.contains(&format!("  ok      {part}")), "{part} is missing in\n{data}");
    }
    assert_eq!(
        broken,
        "would not serve\n  ok      name       broken\n  ok      size       8 B of at most 64.0 MiB\n  \
         failed  format     not a WebAssembly component: this is not WebAssembly\n"
    );

    let (code, data, error) = outcome(setup.command(&["plugin", "inspect", "plugins/dummy.wasm"]).output().unwrap());
    assert_eq!(code, 0, "{error}");
    assert!(data.contains("\nverified  no, anyone can post to it\n"), "{data}");
    assert!(data.contains("\nmemory    128.0 KiB at the start\n"), "{data}");
}

#[test]
fn the_needs_of_a_plugin_are_shown() {
    let setup = Setup::new().plugin(built_in::HTTP).plugin(built_in::GITHUB);
    let inspect = |file: &str| {
        let arguments = ["plugin", "inspect", file, "--format", "json"];
        let (code, data, error) = outcome(setup.command(&arguments).output().unwrap());
        assert_eq!(code, 0, "{error}");
        serde_json::from_str::<Value>(&data).unwrap()
    };

    let (http, github) = (inspect("plugins/http.wasm"), inspect("plugins/github.wasm"));

    assert_eq!(http["asks"]["network"], true);
    assert_eq!(http["asks"]["settings"], serde_json::json!(["url"]));
    assert_eq!(github["asks"]["network"], false);
    assert_eq!(github["asks"]["secret"], true);
    assert_eq!(github["digest"].as_str().unwrap().len(), 64);
    assert!(github["memory"].as_u64().unwrap() >= 1 << 16, "{github}");
}

/// All problems are reported at once, with hints for the language that the file was written in.
#[test]
fn a_check_reports_all_problems_and_what_to_do() {
    let setup = Setup::new();
    let write = |name: &str, wat: &str| {
        std::fs::write(setup.plugins().join(name), wat::parse_str(wat).unwrap()).unwrap();
    };
    let made_by = |mark: &str| format!("(@custom \"producers\" \"{mark}\")");
    write("core.wasm", &format!("(module {})", made_by("processed-by rustc")));
    write("golang.wasm", &format!("(module {})", made_by("Go cmd/compile")));
    write(
        "wants.wasm",
        r#"(component
            (import "wasi:http/types@0.2.0" (instance))
            (import "acme:own/thing@1.0.0" (instance))
            (instance $i) (export "gateway:plugin/channel@0.2.0" (instance $i)))"#,
    );
    write("program.wasm", r#"(component (instance $i) (export "wasi:cli/run@0.2.6" (instance $i)))"#);

    let check = |file: &str| {
        let (code, data, error) = outcome(setup.command(&["plugin", "check", file]).output().unwrap());
        assert_eq!((code, error.as_str()), (1, ""), "{data}");
        data
    };

    for (file, expected) in [
        ("plugins/core.wasm", &["hint: `gateway plugin build` makes a component"][..]),
        ("plugins/golang.wasm", &["hint: a Go build is wrapped with `wasm-tools component embed`"]),
        (
            "plugins/wants.wasm",
            &[
                "failed  world      it exports `gateway:plugin/channel@0.2.0`, and this gateway serves 0.1.3",
                "failed  imports    it imports `wasi:http/types@0.2.0`",
                "hint: send with `http.send`",
                "failed  imports    it imports `acme:own/thing@1.0.0`",
            ],
        ),
        ("plugins/program.wasm", &["hint: this is a program; make it a library"]),
        ("plugins/nothing.wasm", &["failed  size       it cannot be read: No such file or directory"]),
    ] {
        let data = check(file);
        for part in expected {
            assert!(data.contains(part), "{part} is missing in\n{data}");
        }
    }
}

#[test]
fn completions_are_a_script_of_the_shell() {
    let (code, script, error) = outcome(gateway(&["completions", "bash"]));

    assert_eq!((code, error.as_str()), (0, ""));
    assert!(script.starts_with("_clap_complete_gateway() {"), "{script}");
}
