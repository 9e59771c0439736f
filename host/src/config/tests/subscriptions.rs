//! `[subscribe]`, `[subscribers.NAME]`, `[consumers.NAME]` and channels with `emit`.

use super::{check_problems, config, config_with};

const CALLERS: &str =
    "[callers.a]\nkind = 'bearer'\nsecret = { env = 'A' }\n[callers.b]\nkind = 'bearer'\nsecret = { env = 'A' }\n";

#[test]
fn problems_name_what_was_expected() {
    for (text, expected) in [
        (
            "[subscribers.a]",
            &["subscribers.a.callers: expected the callers that it authenticates as, found nothing"][..],
        ),
        ("[subscribe]\nping = '30s'", &["subscribe.timeout: expected a time longer than `ping`, found a shorter one"]),
        ("[subscribe]\nprefix = '/'", &["subscribe.prefix: expected a path below `/`, found `/` itself"]),
        (
            "[subscribe]\norigins = ['app.example.com']",
            &["subscribe.origins[0]: expected an origin such as `https://app.example.com`, found `app.example.com`"],
        ),
        ("[subscribe.mcp]\npath = 'mcp'", &["subscribe.mcp.path: expected a path that starts with `/`, found `mcp`"]),
        (
            "[[subscribe.paths]]\npath = '/mcp'",
            &["subscribe.mcp.path: expected a path of its own, found `/mcp`, which is one of `subscribe.paths`"],
        ),
        ("[[subscribe.paths]]", &["subscribe.paths[0].path: expected a path that starts with `/`, found nothing"]),
        (
            "[consumers.a]\nstart = 'now'\nwindow = 0",
            &[
                "consumers.a.start: expected `latest`, `earliest`, a cursor or a time, found `now`",
                "consumers.a.window: expected a whole number from 1 to 2000, found `0`",
            ],
        ),
        ("[channels.a]\nemit = true", &["channels.a.callers: expected the callers that may emit, found nothing"]),
    ] {
        check_problems(text, expected);
    }
}

#[test]
fn a_consumer_that_subscribers_with_different_rights_hold_is_warned_of() {
    let warnings = |second: &str| {
        let text = format!(
            "{CALLERS}[consumers.audit]\n[subscribers.one]\ncallers = ['a']\nconsumers = ['audit']\n\
             [subscribers.two]\ncallers = ['b']\nconsumers = ['*']\n{second}"
        );
        config_with(&text, &[("A", "secret-secret")]).unwrap().warnings
    };
    let about =
        |warnings: &[String]| warnings.iter().filter(|warning| warning.starts_with("consumers.audit: ")).count();

    assert_eq!(about(&warnings("")), 0);
    assert_eq!(about(&warnings("kinds = ['orders.*']")), 1);
}

#[test]
fn a_hold_that_is_shorter_than_retention_is_warned_of() {
    for (retention, hold, warning) in [
        ("1h", "24h", None),
        ("24h", "24h", Some("consumers.a.hold: changes nothing, `eventlog.retention.max_age` is `24h`")),
        ("0s", "24h", Some("consumers.a.hold: changes nothing, `eventlog.retention.max_age` is no limit")),
        ("24h", "0s", None),
    ] {
        let text = format!("[eventlog.retention]\nmax_age = '{retention}'\n[consumers.a]\nhold = '{hold}'");
        let config = config(&text);
        let warnings = config.warnings.iter().filter(|warning| warning.starts_with("consumers."));
        assert_eq!(warnings.map(String::as_str).collect::<Vec<_>>(), Vec::from_iter(warning));
    }
}

#[test]
fn nothing_is_on_by_default() {
    let subscriptions = config("").subscriptions;
    assert!(!subscriptions.is_on());
    assert_eq!((subscriptions.prefix.as_str(), subscriptions.limits.connections), ("/api", 1000));
    assert_eq!(subscriptions.mcp.path, "/mcp");
}

#[test]
fn a_channel_may_not_be_in_the_way_of_mcp() {
    for (path, is_in_the_way) in [("/mcp", true), ("/mcp/hook", true), ("/mcpx", false), ("/hooks/mcp", false)] {
        let text = format!("{CALLERS}[subscribers.one]\ncallers = ['a']\n[channels.c]\npaths = ['{path}']\n");

        let problems = config_with(&text, &[("A", "secret-secret")]).err().unwrap_or_default().concat();

        assert_eq!(
            problems.contains("subscribe.mcp.path: expected a path that no channel has"),
            is_in_the_way,
            "{path}"
        );
    }
    let channel = "[channels.c]\npaths = ['/mcp']\n";
    assert_eq!(config(channel).ingest.channels.len(), 1, "without subscribers nothing is there");
}
