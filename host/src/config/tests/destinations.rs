//! Agents, grants and routes.

use std::time::Duration;

use super::{check_problems, config, config_with};
use crate::dispatch::Mode;
use crate::egress::CredentialKind;
use crate::event::OnTimeout;

#[test]
fn agents_reach_what_they_are_granted() {
    let text = r#"
        [agents.a]
        plugin = "http"
        timeout = "3s"
        allow_hosts = ["127.0.0.1:9000", { host = "x.internal", port = 8080, scheme = "http", path = "/v1", methods = ["POST"], private = true }]
        [agents.a.credentials.api]
        kind = "header"
        header = "X-Api-Key"
        secret = { env = "KEY" }
        hosts = ["127.0.0.1:9000", "elsewhere.example"]
    "#;
    let config = config_with(text, &[("KEY", "k")]).unwrap();

    let agent = &config.dispatch.agents[0];
    assert_eq!(agent.limits.time, Duration::from_secs(3));
    assert_eq!(agent.limits.concurrency, 16);
    assert_eq!(agent.egress.grants[0], "127.0.0.1:9000".parse().unwrap());
    let table = &agent.egress.grants[1];
    assert_eq!(
        (table.port, table.scheme.as_deref(), table.path.as_deref(), table.private),
        (Some(8080), Some("http"), Some("/v1"), true)
    );
    assert_eq!(agent.egress.credentials["api"].kind, CredentialKind::Header("x-api-key".parse().unwrap()));
    assert_eq!(
        config.warnings[0],
        "agents.a.credentials.api.hosts: `elsewhere.example` is not in `allow_hosts` of `a`"
    );
}

#[test]
fn a_signing_credential_takes_several_secrets() {
    let text = |kind: &str| {
        format!(
            "[agents.a]\nplugin = 'http'\nallow_hosts = ['a']\n[agents.a.credentials.key]\nkind = '{kind}'\n\
             secret = [{{ env = 'NEW' }}, {{ env = 'OLD' }}]\nhosts = ['a']"
        )
    };
    let secrets = [("NEW", "whsec_bmV3"), ("OLD", "whsec_b2xk")];

    let config = config_with(&text("standard-webhooks"), &secrets).unwrap();

    let credential = &config.dispatch.agents[0].egress.credentials["key"];
    assert_eq!((credential.secret.expose(), credential.further.len()), (&b"whsec_bmV3"[..], 1));
    let problems = config_with(&text("bearer"), &secrets).unwrap_err().join("\n");
    assert!(
        problems.contains("key.secret: expected a single secret with this `kind`, found a list of them"),
        "{problems}"
    );
}

#[test]
fn invalid_grants_and_credentials_are_reported() {
    for (text, expected) in [
        ("allow_hosts = 'a'", "agents.a.allow_hosts: expected a list, found `a`"),
        (
            "allow_hosts = ['*.example.com']",
            "agents.a.allow_hosts[0]: expected `host`, `host:port` or `scheme://host:port`, found `*.example.com`",
        ),
        (
            "allow_hosts = ['u:hunter2@example.com']",
            "agents.a.allow_hosts[0]: expected `host`, `host:port` or `scheme://host:port`, found a text with `@`",
        ),
        ("allow_hosts = [{ port = 1 }]", "agents.a.allow_hosts[0].host: expected `host`, found nothing"),
        (
            "allow_hosts = [{ host = 'a', prt = 1 }]",
            "agents.a.allow_hosts[0].prt: expected `host`, `port`, `scheme`, `path`, `methods` or `private`, found `prt`",
        ),
        (
            "allow_hosts = [{ host = 'a', port = 0 }]",
            "agents.a.allow_hosts[0].port: expected a port from 1 to 65535, found `0`",
        ),
        (
            "allow_hosts = [{ host = 'a', methods = ['post'] }]",
            "agents.a.allow_hosts[0].methods[0]: expected a method such as `POST`, found `post`",
        ),
    ] {
        check_problems(&format!("[agents.a]\n{text}"), &[expected]);
    }
    for (text, expected) in [
        ("kind = 'bearer'\nhosts = ['h']", "secret: expected a secret, found nothing"),
        (
            "secret = { env = 'S' }\nhosts = ['h']",
            "kind: expected `bearer`, `basic`, `header` or `standard-webhooks`, found nothing",
        ),
        (
            "kind = 'bearer'\nsecret = { env = 'S' }",
            "hosts: expected the hosts that may receive the credential, found nothing",
        ),
        (
            "kind = 'header'\nsecret = { env = 'S' }\nhosts = ['h']",
            "header: expected the name of the header, found nothing",
        ),
        (
            "kind = 'basic'\nsecret = { env = 'S' }\nhosts = ['h']",
            "secret: expected a secret of the form `user:password`, found one without `:`",
        ),
        (
            "kind = 'bearer'\nheader = 'x'\nsecret = { env = 'S' }\nhosts = ['h']",
            "header: expected no `header` with this `kind`, found one",
        ),
        (
            "kind = 'bearer'\nsecret = 'hunter2'\nhosts = ['h']",
            "secret: expected `{ env = \"...\" }` or `{ file = \"...\" }`, found plain text",
        ),
    ] {
        let text = format!("[agents.a]\nallow_hosts = ['h']\n[agents.a.credentials.c]\n{text}");
        let problems = config_with(&text, &[("S", "s")]).unwrap_err();
        assert_eq!(problems, [format!("agents.a.credentials.c.{expected}")], "{text}");
    }
}

#[test]
fn routes_name_agents_that_exist() {
    let agents = "[agents.a]\n[agents.b]\n[channels.c]\n";
    let route = |text: &str| format!("{agents}[[routes]]\n{text}");
    for (text, expected) in [
        ("channels = ['c']", "routes[0].agents: expected the names of agents, found nothing"),
        ("agents = []", "routes[0].agents: expected at least one agent, found an empty list"),
        ("agents = ['a', 'a']", "routes[0].agents[1]: expected each agent once, found `a`"),
        ("agents = ['x']", "routes[0].agents[0]: expected the name of an agent, found `x`"),
        ("agents = ['a']\nkinds = []", "routes[0].kinds: expected at least one pattern, found an empty list"),
        (
            "agents = ['a']\ntimeout = '1s'",
            "routes[0].timeout: expected no `timeout` without `mode = \"sync\"`, found one",
        ),
        (
            "agents = ['a']\nmode = 'sync'",
            "routes[0].timeout: expected the time a request waits for the agent, found nothing",
        ),
        (
            "agents = ['a', 'b']\nmode = 'sync'\ntimeout = '1s'",
            "routes[0].agents: expected exactly one agent with `mode = \"sync\"`, found `2`",
        ),
        ("agents = ['a']\nmode = 'later'", "routes[0].mode: expected `async` or `sync`, found `later`"),
        ("agent = ['a']\nagents = ['a']", "routes[0].agent: expected a key of `routes[0]`, found `agent`"),
    ] {
        check_problems(&route(text), &[expected]);
    }

    let typo = "[agents.a]\n[channels.github]\n[[routes]]\nchannels = ['gihub']\nagents = ['a']";
    assert_eq!(
        config(typo).warnings,
        ["routes[0].channels: channel `gihub` does not exist yet; did you mean `github`?"]
    );
    let config = config(&route(
        "channels = ['c', 'later', 'gh*']\nagents = ['a']\nmode = 'sync'\ntimeout = '1s'\non_timeout = 504",
    ));
    assert_eq!(config.warnings, ["routes[0].channels: channel `later` does not exist yet"]);
    let Mode::Sync(sync) = config.dispatch.routes[0].mode else { panic!("sync") };
    assert_eq!((sync.timeout, sync.on_timeout), (Duration::from_secs(1), OnTimeout::GatewayTimeout));
}

#[test]
fn conditions_of_routes_say_what_is_wrong_with_them() {
    let route = |condition: &str| format!("[agents.a]\n[[routes]]\nagents = ['a']\nwhere = {condition}");
    let many = |count: usize| vec!["1"; count].join(", ");
    let names = (0..33).map(|index| format!("a{index} = 1")).collect::<Vec<_>>().join(", ");
    let deep = "/a".repeat(17);
    let value = "a text, a number, `true`, `false`, a list of these, or a table";
    for (text, expected) in [
        ("'critical'", "where: expected a table, found `critical`".to_owned()),
        (
            "{ Severity = 'critical' }",
            "where.Severity: expected the name of an attribute, `subject`, or `data.` and a JSON pointer, found `Severity`"
                .to_owned(),
        ),
        (
            "{ a = { pattern = [] } }",
            "where.a.pattern: expected a pattern, or a list of patterns, found an empty list".to_owned(),
        ),
        (
            "{ type = 'a' }",
            "where.type: expected the name of an attribute, `subject`, or `data.` and a JSON pointer, found `type`"
                .to_owned(),
        ),
        ("{ data = { a = 1 } }", "where.data: expected a value in the data, found `data`".to_owned()),
        (
            "{ \"data.a/b\" = 1 }",
            "where.\"data.a/b\": expected a JSON pointer of at most 16 parts after `data.`, found `a/b`".to_owned(),
        ),
        (
            &format!("{{ \"data.{deep}\" = 1 }}"),
            format!("where.\"data.{deep}\": expected a JSON pointer of at most 16 parts after `data.`, found `{deep}`"),
        ),
        ("{ a = [] }", "where.a: expected at least one value, found an empty list".to_owned()),
        ("{ a = {} }", "where.a: expected `pattern`, `min`, `max` or `not`, found an empty table".to_owned()),
        ("{ a = { mn = 1 } }", "where.a.mn: expected `pattern`, `min`, `max` or `not`, found `mn`".to_owned()),
        ("{ a = { min = '1' } }", "where.a.min: expected a number, found `1`".to_owned()),
        ("{ a = { min = nan } }", "where.a.min: expected a number, found `nan`".to_owned()),
        ("{ a = { min = 2, max = 1 } }", "where.a.max: expected at least `min` (2), found `1`".to_owned()),
        ("{ a = { pattern = 'x[' } }", "where.a.pattern: expected a pattern, found `x[`".to_owned()),
        ("{ a = [1, 1979-05-27] }", format!("where.a[1]: expected {value}, found `1979-05-27`")),
        (&format!("{{ {names} }}"), "where: expected at most 32 conditions, found `33`".to_owned()),
        (&format!("{{ a = {{ not = [{}] }} }}", many(256)), "where.a: expected at most 256 values, found more".to_owned()),
    ] {
        check_problems(&route(text), &[&format!("routes[0].{expected}")]);
    }
}

#[test]
fn conditions_of_routes_are_read_as_they_are_meant() {
    let text = "[agents.a]\n[[routes]]\nagents = ['a']\nfallback = true\nwhere = { severity = ['critical', 5], subject = { \
                pattern = 'acme/*', not = 'acme/x' }, \"data./a~1b\" = { min = 1, max = 2.5 }, \"data./x\" = { not = true } }";
    let route = &config(text).dispatch.routes[0];

    let conditions: Vec<_> = route.conditions.iter().map(ToString::to_string).collect();
    assert!(route.fallback);
    assert_eq!(
        conditions,
        [
            "`data./a~1b` to be from 1 to 2.5",
            "`data./x` to be not true",
            "`severity` to be \"critical\" or 5",
            "`subject` to be not \"acme/x\" and like `acme/*`",
        ]
    );
}
