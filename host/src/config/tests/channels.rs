//! Channels.

use std::time::Duration;

use super::{check_problems, config, config_with};
use crate::coding::Coding;
use crate::plugin::OnUnknown;

#[test]
fn channels_have_paths_of_their_own() {
    for (text, expected) in [
        (
            "[channels.a]\n[channels.b]\npath = '/webhooks/a/'",
            "channels.b.path: expected a unique path, found `/webhooks/a`, already used by channel `a`",
        ),
        (
            "[channels.a]\n[channels.b]\npath = '/webhooks/a/x'",
            "channels.b.path: expected a unique path, found `/webhooks/a/x`, below `/webhooks/a` of channel `a`",
        ),
        (
            "[channels.a]\n[channels.b]\npath = '/webhooks'",
            "channels.b.path: expected a unique path, found `/webhooks`, above `/webhooks/a` of channel `a`",
        ),
        (
            "[channels.a]\npaths = ['/x', '/x']",
            "channels.a.paths[1]: expected a unique path, found `/x`, already used by this channel",
        ),
        (
            "[channels.a]\npath = '/admin/x'",
            "channels.a.path: expected a path outside `/admin`, which is reserved, found `/admin/x`",
        ),
        (
            "[channels.a]\npath = '/healthy'\npaths = ['/y']",
            "channels.a.path: expected either `path` or `paths`, found both",
        ),
        ("[channels.a]\npath = 'x'", "channels.a.path: expected a path such as `/webhooks/github`, found `x`"),
        ("[channels.a]\npath = '/'", "channels.a.path: expected a path such as `/webhooks/github`, found `/`"),
        (
            "[channels.a]\npath = '/a/../b'",
            "channels.a.path: expected a path such as `/webhooks/github`, found `/a/../b`",
        ),
        ("[channels.a]\npaths = []", "channels.a.paths: expected at least one path, found an empty list"),
    ] {
        check_problems(text, &[expected]);
    }
    let free = config("[channels.a]\n[channels.ab]\n[channels.c]\npaths = ['/healthy', '/x']");
    assert_eq!(free.ingest.channels[2].paths, ["/healthy", "/x"]);
}

#[test]
fn a_channel_narrows_its_plugin() {
    let config = config(
        "[channels.a]\nplugin = 'github'\nmethods = ['POST']\nmax_body = '1MiB'\nencodings = ['gzip', 'br']\nkeep_headers = ['User-Agent']\n\
         required = true\nconfig = { ignore = ['x'], depth = 2, since = 2020-01-01 }\n[plugins.overrides.github]\ntime = '1s'",
    );

    let channel = &config.ingest.channels[0];
    assert_eq!(channel.plugin.as_str(), "github");
    assert_eq!(channel.methods.as_deref(), Some([::http::Method::POST].as_slice()));
    assert_eq!(channel.max_body, Some(1 << 20));
    assert_eq!(channel.encodings, [Coding::Gzip, Coding::Br]);
    assert_eq!(channel.keep_headers, ["user-agent"]);
    assert!(channel.required);
    assert_eq!(serde_json::to_string(&channel.config).unwrap(), r#"{"depth":2,"ignore":["x"],"since":"2020-01-01"}"#);
    assert_eq!(channel.limits.time, Duration::from_secs(1));
    assert_eq!(config.plugins.rules.limits.time, Duration::from_secs(10));

    check_problems(
        "[channels.a]\nmethods = ['post']",
        &["channels.a.methods[0]: expected `GET`, `POST` or `PUT`, found `post`"],
    );
    check_problems(
        "[channels.a]\nencodings = ['compress']",
        &["channels.a.encodings[0]: expected `gzip`, `deflate`, `zstd` or `br`, found `compress`"],
    );
    check_problems(
        "[channels.a]\nkeep_headers = ['a b']",
        &["channels.a.keep_headers[0]: expected the name of a header, found `a b`"],
    );
    check_problems(
        "[channels.a]\nmax_body = '30MiB'",
        &["channels.a.max_body: expected a size of at most `http.max_body`, found `30MiB`"],
    );
}

#[test]
fn a_channel_says_which_bodies_it_takes_and_keeps() {
    let config = config(
        "[channels.a]\ncontent_types = ['application/JSON', 'text/*']\non_unknown = 'keep'\n[channels.b]\n\
         [plugins.overrides.a]\nmax_events = 7",
    );

    let [a, b] = config.ingest.channels.as_slice() else { panic!("two channels") };
    assert_eq!(a.content_types.as_deref().unwrap(), ["application/json", "text/*"]);
    assert_eq!((a.on_unknown, a.limits.max_events), (Some(OnUnknown::Keep), 7));
    assert_eq!((&b.content_types, b.on_unknown, b.limits.max_events), (&None, None, 10_000));

    for (text, expected) in [
        (
            "content_types = []",
            "channels.a.content_types: expected at least one media type, or `*/*` for any, found an empty list",
        ),
        (
            "content_types = ['application/json; charset=utf-8']",
            "channels.a.content_types[0]: expected a media type without parameters, such as `text/csv`, `text/*` or `*/*`, found `application/json; charset=utf-8`",
        ),
        ("on_unknown = 'drop'", "channels.a.on_unknown: expected `keep` or `refuse`, found `drop`"),
    ] {
        check_problems(&format!("[channels.a]\n{text}"), &[expected]);
    }
    check_problems(
        "[plugins.limits]\nmax_events = 0",
        &["plugins.limits.max_events: expected a whole number from 1 to 100000, found `0`"],
    );
}

#[test]
fn verification_is_replaced_or_switched_off() {
    let open = config("[channels.a]\nverification = 'none'");
    assert!(open.ingest.channels[0].verification.as_ref().unwrap().is_open());

    let table = "[[channels.a.verification]]\nscheme = 'token'\nin = 'bearer'\n";
    let closed = config_with(&format!("{table}[channels.a]\nsecret = {{ env = 'S' }}"), &[("S", "s")]).unwrap();
    assert!(!closed.ingest.channels[0].verification.as_ref().unwrap().is_open());
    assert_eq!(closed.ingest.channels[0].secrets.len(), 1);

    check_problems(table, &["channels.a.secret: expected a secret for its `verification`, found nothing"]);
    check_problems(
        "[channels.a]\nverification = []",
        &["channels.a.verification: expected `none` or a list of tables, found an empty list"],
    );
    check_problems(
        "[[channels.a.verification]]\nscheme = 'tokn'",
        &[
            "channels.a.verification[0]: expected a verification scheme, found an invalid one: unknown variant `tokn`, expected one of `hmac`, `ed25519`, `token`, `standard-webhooks`, `jwt`",
        ],
    );
    let unfit = "[[channels.a.verification]]\nscheme = 'standard-webhooks'\n[channels.a]\nsecret = { env = 'S' }";
    let problems = config_with(unfit, &[("S", "hunter2")]).unwrap_err();
    assert!(
        problems[0].starts_with("channels.a.secret: expected a secret that fits its `verification` ("),
        "{problems:?}"
    );
    assert!(!problems[0].contains("hunter2"));
}

#[test]
fn an_optional_secret_may_be_missing() {
    let text = "[channels.a]\nsecret = [{ env = 'NEW' }, { env = 'OLD' }]";
    check_problems(
        text,
        &[
            "channels.a.secret[0]: expected a secret, found nothing: environment variable `NEW` is not set",
            "channels.a.secret[1]: expected a secret, found nothing: environment variable `OLD` is not set",
        ],
    );

    let text = format!("{text}\noptional = true");
    let waiting = config(&text);
    let reason = waiting.ingest.channels[0].missing_secret.as_deref();
    assert_eq!(reason, Some("environment variable `NEW` is not set"));

    let rotating = config_with(&text, &[("OLD", "s")]).unwrap();
    assert_eq!(rotating.ingest.channels[0].missing_secret, None);
    assert_eq!(rotating.ingest.channels[0].secrets.len(), 1);
    assert_eq!(rotating.warnings[0], "channels.a.secret[0]: environment variable `NEW` is not set");
}
