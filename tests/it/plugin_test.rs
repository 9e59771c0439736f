//! `gateway plugin test`: samples through the real host, and samples made of live requests.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Guest, Setup, TestGateway, built_in, guest, wait_for};

/// The exit code, stdout and stderr.
fn told(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A folder with the plugin and a sample `one`, of which `expected` is expected.
fn with_sample(plugin: Guest, expected: &str) -> Setup {
    Setup::new().plugin(plugin).file("samples/one.json", "{}").file("samples/one.expected.json", expected)
}

/// Runs `gateway plugin test` on the plugin of `with_sample`.
fn test(setup: &Setup, plugin: Guest, more: &[&str]) -> (i32, String, String) {
    let file = format!("plugins/{}.wasm", plugin.name());
    let arguments = [&["plugin", "test", &file, "--samples", "samples"], more].concat();
    told(setup.command(&arguments).output().unwrap())
}

/// What the plugins that come with the gateway are expected to do stands beside them.
#[test]
fn every_built_in_plugin_makes_of_its_samples_what_is_expected() {
    for plugin in built_in::all() {
        let setup = Setup::new().plugin(plugin);
        let samples = plugin.samples();
        let file = format!("plugins/{}.wasm", plugin.name());
        let arguments = ["plugin", "test", &file, "--samples", samples.to_str().unwrap(), "--format", "json"];

        let (code, data, error) = told(setup.command(&arguments).output().unwrap());

        assert_eq!((code, error.as_str()), (0, ""), "{data}");
        let json: Value = serde_json::from_str(&data).unwrap();
        let trials = json["plugins"][0]["samples"].as_array().unwrap();
        assert!(!trials.is_empty());
        for trial in trials {
            assert_eq!(trial["outcome"], "ok", "{trial:#}");
            assert!(trial["fresh_us"].as_f64().unwrap() > 0.0, "{trial:#}");
            assert!(trial["memory"].as_u64().unwrap() > 0, "{trial:#}");
            assert_eq!(trial["memory_growths"], 0, "{trial:#}");
        }
    }
}

#[test]
fn a_difference_is_told_member_by_member() {
    let expected = r#"{"receipt": {"events": [{"kind": "sent", "subject": null}, {}], "response": {"status": 200}}}"#;
    let setup = with_sample(built_in::DUMMY, expected);

    let (code, data, error) = test(&setup, built_in::DUMMY, &[]);

    assert_eq!((code, error.as_str()), (1, ""), "{data}");
    for part in [
        "plugins/dummy.wasm: channel plugin dummy 0.1.0\n  failed  one  ",
        "\n          receipt.events[0].kind: expected \"sent\", found \"received\"\n",
        "\n          receipt.events[1]: expected {}, found nothing\n",
        "\n          receipt.response: expected {\"status\":200}, found nothing\n",
        "\n0 ok, 1 failed\n",
    ] {
        assert!(data.contains(part), "{part} is missing in\n{data}");
    }
    assert!(!data.contains("subject"), "{data}");
}

/// A sample that is wrong is told like one that fails, and the others run.
#[test]
fn a_sample_is_refused_where_the_channel_would_refuse_it() {
    let setup = with_sample(built_in::DUMMY, r#"{"request": {"method": "GET"}}"#)
        .file("samples/typo.json", "{}")
        .file("samples/typo.expected.json", r#"{"receipts": {}}"#)
        .file("samples/set.json", "{}")
        .file("samples/set.expected.json", r#"{"config": {"url": "http://a"}}"#)
        .file("samples/agent.delivery.json", r#"{"event": {"type": "a.b"}}"#)
        .file("samples/good.json", "{}")
        .file("samples/good.expected.json", r#"{"receipt": {}}"#);

    let (code, data, _) = test(&setup, built_in::DUMMY, &[]);

    assert_eq!(code, 1, "{data}");
    for part in [
        "the channel refuses the request: the method is `GET`, expected POST or PUT",
        "unknown member `receipts`; expected `request`, `config`, `receipt`, `rejection`",
        "`config.url` is unknown; the plugin has no settings",
        "a sample of an agent, but this is a channel plugin",
        "  ok      good ",
        "\n1 ok, 4 failed\n",
    ] {
        assert!(data.contains(part), "{part} is missing in\n{data}");
    }
}

/// A plugin that traps or goes beyond a limit fails its sample as it would fail a request, and ends in time.
#[test]
fn a_plugin_that_traps_or_is_too_slow_fails_its_samples() {
    for (plugin, problem) in [
        (guest::TRAP, "the plugin trapped: "),
        (guest::SPIN, "the plugin was stopped by the limit `cpu`: "),
        (guest::HOG, "the plugin was stopped by the limit `memory`: "),
    ] {
        let setup = with_sample(plugin, r#"{"receipt": {}}"#)
            .config("\n[plugins.limits]\ncpu = \"200ms\"\nmemory = \"8MiB\"\n");

        let (code, data, error) = test(&setup, plugin, &[]);

        assert_eq!((code, error.as_str()), (1, ""), "{data}");
        assert!(data.contains(problem), "{problem} is missing in\n{data}");
    }
}

/// Without expectations what came is shown; accepted, it is expected from then on.
#[test]
fn what_came_can_be_accepted() {
    let setup = Setup::new().plugin(built_in::DUMMY).file("samples/one.txt", "hello");

    let (code, data, _) = test(&setup, built_in::DUMMY, &[]);
    assert_eq!(code, 0, "{data}");
    assert!(data.contains("\n  shown   one ") && data.contains(r#"{"receipt":{"events":[{"#), "{data}");

    let (code, data, _) = test(&setup, built_in::DUMMY, &["--accept"]);
    assert_eq!(code, 0, "{data}");
    let written: Value =
        serde_json::from_slice(&fs::read(setup.path().join("samples/one.expected.json")).unwrap()).unwrap();
    assert_eq!(written, json!({"receipt": {"events": [{"kind": "received", "attributes": {}}]}}));

    let (code, data, _) = test(&setup, built_in::DUMMY, &[]);
    assert!(code == 0 && data.contains("\n  ok      one "), "{data}");
}

/// A fresh instance for each call, whatever is configured; the time of a reused one beside it.
#[test]
fn samples_run_in_fresh_instances_where_reuse_is_configured() {
    let expected = r#"{"receipt": {"response": {"body": {"instance": 1}}}}"#;
    let reuse = "\n[plugins.overrides.echo]\nreuse = { max_calls = 100, max_memory = \"32MiB\" }\n";
    let setup = with_sample(guest::ECHO, expected).file("samples/two.json", "{}").config(reuse);
    fs::copy(setup.path().join("samples/one.expected.json"), setup.path().join("samples/two.expected.json")).unwrap();

    let (code, data, _) = test(&setup, guest::ECHO, &["--format", "json"]);

    let json: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(code, 0, "{json:#}");
    let second = &json["plugins"][0]["samples"][1];
    assert!(second["reused_us"].as_f64().unwrap() > 0.0, "{second:#}");
}

/// What an agent plugin sends is answered by the sample and never by the network.
#[test]
fn an_agent_reaches_only_what_the_sample_answers() {
    let delivery = r#"{
        "event": {"type": "dummy.received", "data": {}},
        "config": {"url": "http://127.0.0.1:9/"},
        "http": [
            {"request": {"method": "PUT"}, "response": {"status": 503}},
            {"response": {"status": 200}}
        ],
        "retry": {"code": "throttled"}
    }"#;
    let setup = Setup::new().plugin(built_in::HTTP).file("samples/posted.delivery.json", delivery).file(
        "samples/none.delivery.json",
        r#"{"event": {"type": "dummy.received"}, "config": {"url": "http://127.0.0.1:9/"}, "reject": {"code": "denied"}}"#,
    );

    let (code, data, _) = test(&setup, built_in::HTTP, &[]);

    assert_eq!(code, 1, "{data}");
    for part in [
        "http[0].request.method: expected \"PUT\", found \"POST\"\n",
        "http[1].request: expected \"a request\", found nothing\n",
        "retry.code: expected \"throttled\", found \"busy\"\n",
        "http[0].request: expected nothing, found {",
    ] {
        assert!(data.contains(part), "{part} is missing in\n{data}");
    }
}

/// Starts recording and waits until the gateway has the channel recorded.
async fn record(gateway: &TestGateway, more: &[&str]) -> Child {
    let arguments = [&["plugin", "test", "--record", "github", "--samples", "recorded"], more].concat();
    let mut command: Command = gateway.cli_command(&arguments);
    let before = gateway.log().matches("Recording requests").count();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let armed = async || (gateway.log().matches("Recording requests").count() > before).then_some(());
    gateway.until("the recording to begin", armed).await;
    child
}

/// A live request becomes a sample without its credential, and the sample passes.
#[tokio::test]
async fn live_requests_become_samples_without_credentials() {
    let gateway = Setup::new().github().file("ping.json", r#"{"zen":"Keep it simple.","hook_id":1}"#).start().await;
    let send = |delivery: &str| {
        let delivery = format!("X-GitHub-Delivery: {delivery}");
        let headers = ["-H", "X-GitHub-Event: ping", "-H", &delivery, "-H", "Cookie: hunter2"];
        let (code, _, error) = gateway.cli(&[&["send", "github", "ping.json"][..], &headers].concat());
        assert_eq!(code, 0, "{error}");
    };

    let child = record(&gateway, &["--count", "2"]).await;
    let (_, _, refused) = gateway.cli(&["plugin", "test", "--record", "github"]);
    assert!(refused.contains("answered 409: channel `github` is being recorded already"), "{refused}");
    send("d-1");
    send("d-2");
    let (code, data, error) = told(child.wait_with_output().unwrap());

    assert_eq!((code, data.as_str()), (0, "recorded/ping.json\nrecorded/ping-2.json\n"), "{error}");
    assert!(error.ends_with("recorded 2 of 2 samples in `recorded`\n"), "{error}");
    let read = |name: &str| fs::read_to_string(gateway.path().join("recorded").join(name)).unwrap();
    assert_eq!(read("ping.json"), r#"{"zen":"Keep it simple.","hook_id":1}"#);
    let headers = read("ping.headers");
    assert!(headers.contains("x-github-event: ping\n"), "{headers}");
    assert!(!headers.contains("signature") && !headers.contains("hunter2") && !headers.contains("host:"), "{headers}");
    let (code, data, error) = gateway.cli(&["plugin", "test", "plugins/github.wasm", "--samples", "recorded"]);
    assert!(code == 0 && data.ends_with("\n2 ok, 0 failed\n"), "{data}{error}");
    gateway.logged(&["Recording ended", "channel=github"]).await;
}

/// A recording ends with its caller, and then another one may begin.
#[tokio::test]
async fn a_recording_ends_when_its_caller_is_gone() {
    let gateway = Setup::new().github().start().await;

    let mut child = record(&gateway, &[]).await;
    child.kill().unwrap();
    child.wait().unwrap();

    gateway.logged(&["Recording ended", "channel=github"]).await;
    let mut child = record(&gateway, &[]).await;
    let (code, _) = gateway.stop().await;
    assert_eq!(code, Some(0));
    let status = wait_for("the recording to end with the gateway", || child.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(1));
}

/// Only operators record, and only what is there.
#[tokio::test]
async fn recording_is_for_operators() {
    let gateway =
        Setup::new().github().config("\n[admin]\ntoken = { env = \"ADMIN\" }\n").env("ADMIN", "sesame").start().await;

    gateway.client.post("/admin/channels/github/record", &[], "").await.expect_problem(401, "unauthorized");
    let bearer = [("authorization", "Bearer sesame")];
    let unknown = gateway.client.post("/admin/channels/nope/record", &bearer, "").await;
    unknown.expect_problem(404, "unknown_channel");
    let many = gateway.client.post("/admin/channels/github/record?count=101", &bearer, "").await;
    many.expect_problem(400, "invalid_parameter");
}

/// A request that was recorded with its signature is verified as its channel would.
#[test]
fn a_signed_request_is_verified_with_the_secret() {
    const BODY: &str = r#"{"zen": "Keep it logically awesome."}"#;
    let headers = |signature: &str| format!("x-github-event: ping\nx-hub-signature-256: {signature}\n");
    // HMAC-SHA256 of the body with `mysecret`.
    let good = "sha256=6ebe9dc90c12f779b6e1a1ad91f604b09704a0f0ee00c4e2b1ebe7a8630dc23d";
    let cases = [
        (headers(good), "mysecret", 0, "ok"),
        (headers(good), "another", 1, "not verified: the signature or token does not match"),
        ("x-github-event: ping\n".to_owned(), "mysecret", 1, "not verified: header `x-hub-signature-256` is missing"),
    ];
    for (headers, secret, code, told) in cases {
        let setup =
            Setup::new().plugin(built_in::GITHUB).file("samples/one.json", BODY).file("samples/one.headers", headers);
        let setup = setup.env("HOOK_SECRET", secret);

        let (found, data, error) = test(&setup, built_in::GITHUB, &["--secret", "env:HOOK_SECRET"]);

        assert!(found == code && data.contains(told), "{found}: {data}{error}");
    }
    let setup = with_sample(built_in::DUMMY, "{}").env("HOOK_SECRET", "mysecret");
    let (_, data, _) = test(&setup, built_in::DUMMY, &["--secret", "env:HOOK_SECRET"]);
    assert!(data.contains("its manifest has no `verification`"), "{data}");
    let (code, _, error) = test(&setup, built_in::DUMMY, &["--secret", "env:ABSENT_SECRET"]);
    assert!(code == 1 && error.contains("the variable `ABSENT_SECRET` is not set"), "{code}: {error}");
}
