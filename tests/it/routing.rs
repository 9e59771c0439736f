//! Routes: by content, as a fallback, and what is said of an event that none takes.

use serde_json::Value;

use crate::support::{RemoteAgent, Setup, built_in};

/// Urgent events and those of private repositories to `stub`.
const BY_CONTENT: &str = r#"
[channels.dummy]
[agents.stub]
[[routes]]
channels = ["dummy"]
where = { "data./severity" = ["critical", "page"], "data./repository/private" = { not = false } }
agents = ["stub"]
"#;

fn by_content() -> Setup {
    Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(BY_CONTENT)
}

/// A route sees the data of an event, and an event that no route takes says why, wherever one looks.
#[tokio::test]
async fn an_event_goes_where_its_content_says() {
    let gateway = by_content().start().await;

    let urgent = gateway.post("dummy", r#"{"severity": "page"}"#).await.expect_accepted();
    let calm = gateway.post("dummy", r#"{"severity": "info"}"#).await.expect_accepted();

    let delivered = gateway.event_until(&urgent, "delivered").await;
    assert_eq!((&delivered["deliveries"][0]["agent"], &delivered["unrouted"]), (&Value::from("stub"), &Value::Null));
    let unrouted = "no route takes it; the nearest is `routes[0]` to `stub`, which expects `data./severity` to be \"critical\" or \
                    \"page\", found \"info\"";
    assert_eq!(gateway.event_until(&calm, "accepted").await["unrouted"], unrouted);
    let (code, shown, _) = gateway.cli(&["events", "show", &calm]);
    assert_eq!(code, 0);
    assert!(shown.lines().any(|line| line == unrouted), "{shown}");
    let metrics = gateway.metrics().await;
    assert!(metrics.lines().any(|line| line == "gateway_events_unrouted_total{provider=\"dummy\"} 1"), "{metrics}");
    let route = &gateway.list("routes").await[0];
    assert_eq!(route["where"][0], "`data./repository/private` to be not false");
    assert_eq!(route["fallback"], false);

    let (code, said, _) = gateway.cli(&["routes", "test", "--event", &calm]);
    assert_eq!((code, said), (1, format!("dummy.received goes nowhere: {unrouted}\n")));
    let (code, said, _) = gateway.cli(&["routes", "test", "--event", &urgent]);
    assert_eq!((code, said.as_str()), (0, "dummy.received goes to `stub` by `routes[0]`\n"));
}

/// The routes of now decide what is said of an event of before, with a gateway and without.
#[tokio::test]
async fn an_event_of_before_is_judged_by_the_routes_of_now() {
    let catch_all = "\n[[routes]]\nagents = [\"stub\"]\nfallback = true\n";
    let gateway = by_content().start().await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    gateway.event_until(&id, "accepted").await;
    let (_, setup) = gateway.stop().await;

    let setup = setup.config(catch_all);
    let output = setup.command(&["events", "show", &id]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();

    let expected = "no route took it; `routes[1]` would now: `gateway events replay` delivers it";
    assert!(shown.lines().any(|line| line == expected), "{shown}");
    let gateway = setup.start().await;
    let (code, _, error) = gateway.cli(&["events", "replay", &id]);
    assert_eq!(code, 0, "{error}");
    gateway.event_until(&id, "delivered").await;
}

/// A reload replaces the conditions of a route like the rest of it.
#[tokio::test]
async fn a_reload_replaces_conditions() {
    let mut gateway = by_content().config("\n[reload]\nwatch = false\n").start().await;
    let before = gateway.post("dummy", r#"{"severity": "info"}"#).await.expect_accepted();
    gateway.event_until(&before, "accepted").await;

    gateway.reconfigure(r#"["critical", "page"]"#, r#""info""#);
    let reload = gateway.reload().await.expect_status(200).json();

    assert_eq!(reload["changed"][0], "routes");
    assert_eq!(gateway.list("routes").await[0]["where"][1], "`data./severity` to be \"info\"");
    let calm = gateway.post("dummy", r#"{"severity": "info", "number": 2}"#).await.expect_accepted();
    gateway.event_until(&calm, "delivered").await;
    let urgent = gateway.post("dummy", r#"{"severity": "page"}"#).await.expect_accepted();
    let unrouted = "no route takes it; the nearest is `routes[0]` to `stub`, which expects `data./severity` to be \"info\", \
                    found \"page\"";
    assert_eq!(gateway.event_until(&urgent, "accepted").await["unrouted"], unrouted);
    let shown = gateway.json(&format!("/admin/events/{before}")).await;
    assert_eq!(shown["unrouted"], "no route took it; `routes[0]` would now");
}

/// The catch-all route of the shipped file does not take a synchronous route's answer away.
#[tokio::test]
async fn a_fallback_leaves_a_synchronous_route_alone() {
    let agent = RemoteAgent::start().await;
    let shipped = include_str!("../../gateway.toml");
    let catch_all = &shipped[shipped.find("[[routes]]\n").unwrap()..];
    let catch_all = &catch_all[..catch_all.find("#[[routes]]").unwrap()];
    let route = "\n[[routes]]\nchannels = [\"dummy\"]\nagents = [\"remote\"]\nmode = \"sync\"\ntimeout = \"10s\"\n";
    let setup = Setup::new().remote(&agent, "").plugin(built_in::STUB).config("\n[agents.stub]\n");
    let gateway = setup.config(catch_all).config(route).start().await;

    gateway.post("dummy", "{}").await.expect_status(200);
    let other = gateway.client.post("/webhooks/elsewhere", &[], "{}").await;
    other.expect_status(404);

    let (code, said, _) = gateway.cli(&["routes", "test", "--kind", "dummy.received"]);
    assert_eq!(
        (code, said.as_str()),
        (0, "dummy.received goes to `remote` by `routes[1]`; the sender gets the answer\n")
    );
    let (code, said, _) = gateway.cli(&["routes", "test", "--kind", "received", "--channel", "other"]);
    assert_eq!((code, said.as_str()), (0, "other.received goes to `stub` by `routes[0]`\n"));
    let (code, said, _) = gateway.cli(&["routes", "test", "--kind", "gateway.delivery.dead"]);
    let why =
        "which expects `*` as the channel, found `gateway`, a built-in channel, which a route must name without `*`\n";
    assert!(code == 1 && said.ends_with(why), "{said}");
}

/// Routes are tried without a gateway: on a sample, or on what one describes.
#[test]
fn routes_are_tried_on_samples_and_descriptions() {
    let setup = Setup::new().packed_plugin(built_in::GITHUB).config(
        r#"
        [channels.github]
        secret = { env = "GITHUB_WEBHOOK_SECRET" }
        optional = true
        [agents.stub]
        [[routes]]
        channels = ["github"]
        kinds = ["github.issue_comment.*"]
        where = { subject = { pattern = "octo-org/*" }, "data./issue/number" = { min = 1 } }
        agents = ["stub"]
        [[routes]]
        channels = ["grafana"]
        where = { severity = "critical" }
        agents = ["stub"]
        "#,
    );
    let setup = setup.file("data.json", r#"{"issue": {"number": 0}}"#);
    let test = |arguments: &[&str]| {
        let output = setup.command(&[&["routes", "test"], arguments].concat()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout) + &text(output.stderr))
    };
    let described = ["--kind", "github.issue_comment.created", "--subject", "octo-org/x", "--data", "data.json"];

    for (arguments, code, expected) in [
        (&described[..], 1, "`data./issue/number` to be at least 1, found 0\n"),
        (
            &["--kind", "grafana.alert", "--attribute", "severity=critical"],
            0,
            "grafana.alert goes to `stub` by `routes[1]`\n",
        ),
        (&["--sample", "github/nothing"], 1, "has no sample `nothing` of a request: its samples are `"),
        (&["--sample", "github"], 1, "hint: `gateway send CHANNEL --list-samples` lists the samples of a channel\n"),
        (
            &["--kind", "Push"],
            1,
            "`Push` names no channel\nhint: write `--kind CHANNEL.KIND`, or add `--channel NAME`\n",
        ),
        (
            &["--kind", "grafana.alert", "--attribute", "severity=critical"],
            0,
            "warning: there is no channel `grafana`\n",
        ),
        (
            &["--kind", "gihub.issue_comment.created"],
            1,
            "warning: there is no channel `gihub`; did you mean `github`?\n",
        ),
        (&["--attribute", "a=b"], 2, "the following required arguments were not provided"),
    ] {
        let (found, said) = test(arguments);
        assert!(found == code && said.contains(expected), "{arguments:?}: {found} {said}");
    }

    let (code, said) = test(&["--sample", "github/issue_comment.created"]);
    assert!(
        code == 0 && said.starts_with("github.issue_comment.created (octo-org/kettle#8) goes to `stub` by `routes[0]`"),
        "{said}"
    );
    let (code, said) = test(&["--sample", "github/issue_comment.created", "--format", "json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["events"][0]["recipients"][0]["agent"]), (0, &Value::from("stub")), "{said}");
}
