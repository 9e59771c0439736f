//! `gateway check --live`: would a webhook be accepted? None is sent.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use serde_json::{Value, json};

use crate::support::{Setup, TestGateway, built_in, guest};

/// The exit code, and the report on each channel.
fn checked(gateway: &TestGateway, environment: &[(&str, Option<&str>)]) -> (i32, Vec<Value>) {
    let mut command = gateway.cli_command(&["check", "--live", "--format", "json"]);
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().unwrap();
    let reported: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), reported["channels"].as_array().unwrap().clone())
}

fn with_github() -> Setup {
    Setup::new()
        .packed_plugin(built_in::GITHUB)
        .config("\n[channels.github]\nsecret = { env = \"GITHUB_WEBHOOK_SECRET\" }\noptional = true\n")
}

/// The secret of the gateway decides, and trying it leaves nothing behind.
#[tokio::test]
async fn a_webhook_is_tried_with_the_secret_of_the_command() {
    let gateway = with_github().env("GITHUB_WEBHOOK_SECRET", "mysecret").start().await;

    let (code, channels) = checked(&gateway, &[]);
    assert_eq!((code, &channels[0]["accepted"]), (0, &json!(true)), "{channels:?}");
    assert_eq!(channels[0]["paths"], json!(["/webhooks/github"]));
    assert_eq!(channels[0]["verified"], json!(["hmac"]));
    assert_eq!(channels[0]["events"].as_array().unwrap().len(), 1, "{channels:?}");

    let (code, channels) = checked(&gateway, &[("GITHUB_WEBHOOK_SECRET", Some("another"))]);
    assert_eq!((code, &channels[0]["accepted"]), (1, &json!(false)));
    let detail = channels[0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("/webhooks/github: 401 "), "{detail}");
    assert!(detail.ends_with("; does this command use the gateway's secret?"), "{detail}");

    let (code, channels) = checked(&gateway, &[("GITHUB_WEBHOOK_SECRET", None)]);
    let expected = "cannot sign for channel `github`: environment variable `GITHUB_WEBHOOK_SECRET` is not set";
    assert_eq!((code, &channels[0]["detail"]), (1, &json!(expected)));

    assert!(gateway.list("events").await.is_empty(), "nothing is stored");
    assert!(!gateway.metrics().await.contains("gateway_signature_failures_total{"), "nothing is counted");
}

/// A waiting channel is reported with the reason, also in the table.
#[tokio::test]
async fn a_channel_that_waits_or_fails_would_not_accept() {
    let gateway = with_github()
        .plugin(built_in::DUMMY)
        .plugin(guest::TRAP)
        .config("\n[channels.dummy]\n[channels.trap]\n[channels.absent]\n")
        .start()
        .await;

    let (code, channels) = checked(&gateway, &[("GITHUB_WEBHOOK_SECRET", Some("mysecret"))]);

    assert_eq!(code, 1);
    let rows: Vec<_> = channels
        .iter()
        .map(|channel| {
            let text = |name: &str| channel[name].as_str().unwrap().to_owned();
            (text("channel"), channel["accepted"].as_bool().unwrap(), text("detail"))
        })
        .collect();
    let [absent, dummy, github, trap] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((&*absent.0, absent.1), ("absent", false));
    assert_eq!(absent.2, "waiting: no serving plugin `absent` in the plugin folder");
    assert_eq!((&*dummy.0, dummy.1, &*dummy.2), ("dummy", true, "dummy.received"));
    assert_eq!((&*github.0, github.1), ("github", false));
    let waits = "waiting: `channels.github.secret`: environment variable `GITHUB_WEBHOOK_SECRET` is not set";
    assert_eq!(github.2, waits);
    assert_eq!((&*trap.0, trap.1), ("trap", false));
    assert!(trap.2.starts_with("/webhooks/trap: 502 the plugin failed"), "{}", trap.2);

    let (code, table, _) = gateway.cli(&["check", "--live"]);
    assert_eq!(code, 1);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("CHANNEL  ACCEPTED  PATHS"), "{table}");
    assert!(lines[2].starts_with("dummy    yes       /webhooks/dummy"), "{table}");
}

/// Other requirements on senders are reported, because the command cannot prove them in their place.
#[tokio::test]
async fn keys_and_addresses_that_senders_need_are_reported() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .config(
            r#"
            [callers.ci]
            kind = "bearer"
            secret = { env = "CI_KEY" }
            [channels.dummy]
            callers = ["ci"]
            allow_from = ["192.0.2.0/24"]
            "#,
        )
        .env("CI_KEY", "hush-hush")
        .start()
        .await;

    let (code, channels) = checked(&gateway, &[]);

    assert_eq!((code, &channels[0]["accepted"]), (0, &json!(true)), "{channels:?}");
    assert_eq!(channels[0]["asks"], json!(["an address of `allow_from`", "the key or certificate of `ci`"]));
}

/// If only the provider can sign, the result is unknown, which is not a failure.
#[tokio::test]
async fn what_only_the_provider_can_sign_is_unknown() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .config(
            r#"
            [channels.dummy]
            secret = { env = "PUBLIC_KEY" }
            [[channels.dummy.verification]]
            scheme = "ed25519"
            header = "x-signature"
            signed = ["body"]
            "#,
        )
        .env("PUBLIC_KEY", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        .start()
        .await;

    let (code, channels) = checked(&gateway, &[]);

    assert_eq!((code, &channels[0]["accepted"]), (0, &Value::Null), "{channels:?}");
    let (_, table, _) = gateway.cli(&["check", "--live"]);
    assert!(table.contains("dummy    unknown   /webhooks/dummy"), "{table}");
}

/// The gateway reports the configuration that it runs with, not the current file.
#[tokio::test]
async fn a_change_that_the_gateway_has_not_read_is_reported() {
    let gateway = Setup::new().plugin(built_in::DUMMY).config("\n[channels.dummy]\n").start().await;
    let command = || gateway.cli_command(&["check", "--live", "--format", "json"]);
    let report = |mut command: std::process::Command, keys: &str| {
        let config = gateway.path().join("running.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text + keys).unwrap();
        let output = command.output().unwrap();
        let reported: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), reported["channels"].clone())
    };

    let (code, channels) = report(command(), "path = \"/elsewhere\"\n");
    let expected = "other paths in the configuration: `gateway reload` applies them";
    assert_eq!((code, &channels[0]["detail"]), (Some(1), &json!(expected)));

    let (code, channels) = report(command(), "[channels.new]\nplugin = \"dummy\"\n");
    let expected = "unknown to the running gateway: `gateway reload` has it read its configuration again";
    assert_eq!((code, &channels[1]["channel"], &channels[1]["detail"]), (Some(1), &json!("new"), &json!(expected)));
}

#[test]
fn without_a_gateway_the_check_says_that_none_is_running() {
    let setup = Setup::new().config("\n[channels.dummy]\n");
    let output = setup.command(&["check", "--live"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("error: no gateway is running at http://"), "{error}");
    assert!(error.ends_with("hint: start it with `gateway serve`\n"), "{error}");
}

/// The admin API accepts the description of a webhook; an invalid member is reported by its name.
#[tokio::test]
async fn a_description_that_makes_no_sense_is_refused() {
    let gateway = Setup::new().plugin(built_in::DUMMY).config("\n[channels.dummy]\n").start().await;
    let path = "/admin/channels/dummy/try";
    for (body, detail) in [
        ("{", "EOF while parsing an object at line 1 column 1"),
        (r#"{"method": "a b", "path": "/"}"#, "`method` is not valid in a request"),
        (r#"{"method": "POST", "path": "/", "headers": [["a b", "c"]]}"#, "`headers` is not valid in a request"),
        (r#"{"method": "POST", "path": "/", "body_base64": "="}"#, "`body_base64` is not valid in a request"),
    ] {
        let problem = gateway.client.post(path, &[], body).await.expect_status(400).json();
        assert_eq!((&problem["code"], &problem["detail"]), (&json!("malformed"), &json!(detail)));
    }
    let elsewhere = r#"{"method": "POST", "path": "/webhooks/other"}"#;
    let told = gateway.client.post(path, &[], elsewhere).await.expect_status(200).json();
    assert_eq!((&told["status"], &told["code"]), (&json!(404), &json!("unknown_channel")));
}
