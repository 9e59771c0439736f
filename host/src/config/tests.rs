//! Problems, defaults and overrides of the configuration.

mod access;
mod alerts;
mod channels;
mod destinations;
mod plugins;
mod shipped;
mod sites;
mod subscriptions;

use std::path::Path;
use std::time::Duration;

use super::asked::Environment;
use super::{Config, read};

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
}

fn config_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    read(text, Path::new("/etc/gateway"), environment(variables))
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn config(text: &str) -> Config {
    config_with(text, &[]).unwrap()
}

/// Compares the problems of `text`, as they are shown.
#[track_caller]
fn check_problems(text: &str, expected: &[&str]) {
    assert_eq!(config_with(text, &[]).err().unwrap_or_default(), expected, "{text}");
}

#[test]
fn every_problem_is_reported_at_once() {
    check_problems(
        r#"
            htp = {}
            [http]
            listen = 8080
            lisen = "127.0.0.1:1"
            max_body = "5 fish"
            max_connections = 0
            [plugins]
            auto_mount = "yes"
            [plugins.limits]
            time = 5
            memory = "2GiB"
            [channels.Git]
            [channels.a]
            optionl = true
            [[routes]]
            agents = ["stub"]
        "#,
        &[
            "http.listen: expected `ip:port`, found `8080`",
            "http.max_connections: expected a whole number, at least 1, found `0`",
            "http.max_body: expected a size such as `512KiB`, `25MiB` or `1GiB`, found `5 fish`",
            "plugins.limits.memory: expected a size from `64KiB` to `1GiB`, found `2GiB`",
            "plugins.limits.time: expected a duration with a unit, found `5`",
            "channels.Git: expected a name of 1 to 63 of `a-z`, `0-9` and `-`, not starting with `-`, found `Git`",
            "routes[0].agents[0]: expected the name of an agent, found `stub`",
            "plugins.auto_mount: expected `true` or `false`, found `yes`",
            "channels.a.optionl: expected a key of `channels.a`, found `optionl`",
            "htp: expected the name of a table, found `htp`",
            "http.lisen: expected a key of `http`, found `lisen`",
        ],
    );
}

#[test]
fn values_are_what_their_keys_ask_for() {
    for (text, expected) in [
        ("[http]\nlisten = 'localhost:80'", "http.listen: expected `ip:port`, found `localhost:80`"),
        ("[http]\nmax_body = 1048576", "http.max_body: expected a size with a unit, found `1048576`"),
        ("[http]\nmax_body = '1048576'", "http.max_body: expected a size with a unit, found `1048576`"),
        (
            "[http]\nmax_buffered = '1MiB'",
            "http.max_body: expected a size of at most `http.max_buffered`, which holds the bodies of all requests, found `25MiB`",
        ),
        ("[http]\nbody_timeout = '0s'", "http.body_timeout: expected a duration, at least `1ms`, found `0s`"),
        (
            "[http]\nbody_timeout = '-5s'",
            "http.body_timeout: expected a duration such as `500ms`, `5s`, `10m`, `72h` or `30d`, found `-5s`",
        ),
        (
            "[http]\nbody_timeout = '7w'",
            "http.body_timeout: expected a duration such as `500ms`, `5s`, `10m`, `72h` or `30d`, found `7w`",
        ),
        ("[http]\nbody_timeout = '5'", "http.body_timeout: expected a duration with a unit, found `5`"),
        ("http = 5", "http: expected a table, found `5`"),
        ("routes = 5", "routes: expected a list of tables, found `5`"),
        ("[eventlog]\nengine = 'sledd'", "eventlog.engine: expected `sled` or `memory`, found `sledd`"),
        (
            "[eventlog]\nqueue_bytes = '1MiB'",
            "eventlog.queue_bytes: expected a size above `http.max_body` (`25MiB`): a larger body could never be stored, found `1MiB`",
        ),
        ("[eventlog]\ncapacity = 10", "eventlog.capacity: expected a key of `eventlog`, found `capacity`"),
        ("[eventlog]\ndir = ''", "eventlog.dir: expected a path, found an empty text"),
        ("[plugins]\ninstances = '5'", "plugins.instances: expected a whole number from 1 to 10000, found `5`"),
        (
            "[plugins.overrides.x]\ncpu = '1ms'",
            "plugins.overrides.x.cpu: expected a duration, at least `10ms`, found `1ms`",
        ),
        ("[log]\nlevel = 'a=b=c'", "log.level: expected a level or a list of them by module, found `a=b=c`"),
        ("[log]\nformat = 'xml'", "log.format: expected `text` or `json`, found `xml`"),
        (
            "[agents.a.retry]\nfirst_wait = '10m'",
            "agents.a.retry.first_wait: expected a duration of at most `max_wait` (`5m`), found `10m`",
        ),
        ("[agents.a]\nplugin = 'A'", "agents.a.plugin: expected the name of a plugin, found `A`"),
        ("[agents.a]\nconfig = 5", "agents.a.config: expected a table, found `5`"),
    ] {
        check_problems(text, &[expected]);
    }
}

#[test]
fn syntax_errors_have_a_line_and_a_column_and_show_nothing() {
    check_problems("[http]\nlisten = \"127.0.0.1:1\n", &["line 2, column 22: invalid basic string, expected `\"`"]);
    check_problems(
        "[admin]\ntoken = 'hunter2\n[http]\nlisten",
        &[
            "line 2, column 17: invalid literal string, expected `'`",
            "line 4, column 7: key with no value, expected `=`",
        ],
    );
}

#[test]
fn the_admin_api_needs_a_token_beyond_this_machine() {
    let needs =
        |key: &str| format!("admin.token: expected a token, because `{key}` is not a loopback address, found nothing");
    check_problems("[http]\nlisten = '0.0.0.0:80'", &[&needs("http.listen")]);
    check_problems("[admin]\nlisten = '[::]:80'", &[&needs("admin.listen")]);
    config("[http]\nlisten = '0.0.0.0:80'\n[admin]\nlisten = '127.0.0.1:81'");

    let public = "[http]\nlisten = '0.0.0.0:80'\n[admin]\ntoken = { env = 'T' }";
    assert!(config_with(public, &[("T", "hunter2")]).unwrap().http.admin.token.is_some());
    assert_eq!(
        config_with(public, &[("T", "hunter2\n")]).unwrap_err(),
        ["admin.token: expected a secret of visible ASCII characters, found other characters"]
    );
    assert_eq!(config("[admin]\nlisten = '127.0.0.1:8080'").http.admin.listen, None);
}

#[test]
fn variables_override_keys() {
    let text = "[channels.my-hook]\n[agents.a]\n[[routes]]\nagents = ['a']";
    let config = config_with(
        text,
        &[
            ("GATEWAY__HTTP__LISTEN", "127.0.0.1:9"),
            ("GATEWAY__HTTP__MAX_CONNECTIONS", "7"),
            ("GATEWAY__EVENTLOG__DIR", "5"),
            ("GATEWAY__PLUGINS__AUTO_MOUNT", "false"),
            ("GATEWAY__PLUGINS__LIMITS__TIME", "\"7s\""),
            ("GATEWAY__CHANNELS__MY_HOOK__MAX_BODY", "1MiB"),
            ("GATEWAY__CHANNELS__MY_HOOK__METHODS", "['PUT']"),
            ("GATEWAY__ADMIN__TOKEN", "{ env = 'T' }"),
            ("GATEWAY__ROUTES__0__CHANNELS", "my-hook"),
            ("GATEWAYS", "no concern of this"),
            ("T", "t"),
        ],
    )
    .unwrap();

    assert_eq!(config.http.listen.to_string(), "127.0.0.1:9");
    assert_eq!(config.http.max_connections, 7);
    assert_eq!(config.plugins.cache_dir, Path::new("/etc/gateway/5/compiled"));
    assert!(!config.ingest.auto_mount);
    assert_eq!(config.plugins.rules.limits.time, Duration::from_secs(7));
    assert_eq!(config.ingest.channels[0].max_body, Some(1 << 20));
    assert_eq!(config.ingest.channels[0].methods.as_deref(), Some([::http::Method::PUT].as_slice()));
    assert!(config.http.admin.token.is_some());
    assert_eq!(config.dispatch.routes[0].channels[0].as_str(), "my-hook");
}

#[test]
fn a_key_that_was_removed_names_its_successor() {
    let problems = read("[eventlog]\ncapacity = 10", Path::new("."), environment(&[])).unwrap_err();

    assert_eq!(problems[0].hint.as_deref(), Some("use `eventlog.retention.max_events` instead of `eventlog.capacity`"));
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value, expected) in [
        (
            "GATEWAY__HTTP__LISTEN",
            "80",
            "GATEWAY__HTTP__LISTEN: expected `ip:port`, found `80`; set `GATEWAY__HTTP__LISTEN=127.0.0.1:80`",
        ),
        (
            "GATEWAY__HTTP__MAX_BODY",
            "",
            "GATEWAY__HTTP__MAX_BODY: expected a size such as `512KiB`, `25MiB` or `1GiB`, found an empty text; the units are `B`, `KiB`, `MiB`, `GiB` and, in steps of 1000, `kB`, `MB`, `GB`",
        ),
        (
            "GATEWAY__HTTP__LISEN",
            "x",
            "GATEWAY__HTTP__LISEN: expected a variable that names a key, such as `GATEWAY__HTTP__LISTEN`, found `GATEWAY__HTTP__LISEN`; did you mean `GATEWAY__HTTP__LISTEN`?",
        ),
        (
            "GATEWAY__EVENTLOG__CAPACITY",
            "10",
            "GATEWAY__EVENTLOG__CAPACITY: expected a variable that names a key, such as `GATEWAY__HTTP__LISTEN`, found `GATEWAY__EVENTLOG__CAPACITY`; use `GATEWAY__EVENTLOG__RETENTION__MAX_EVENTS` instead",
        ),
        (
            "GATEWAY__ADMIN__TOKEN",
            "hunter2",
            "GATEWAY__ADMIN__TOKEN: expected `{ env = \"...\" }` or `{ file = \"...\" }`, found plain text; secrets do not belong in the configuration: set `GATEWAY__ADMIN__TOKEN={ env = \"GATEWAY_ADMIN_TOKEN\" }`",
        ),
    ] {
        let problems = read("", Path::new("."), environment(&[(name, value)])).unwrap_err();
        let shown: Vec<_> =
            problems.iter().map(|problem| format!("{problem}; {}", problem.hint.as_deref().unwrap())).collect();
        assert_eq!(shown, [expected], "{name}");
    }
}
