//! The `gateway.toml` of the repository: valid, complete, and true to the defaults.

use std::collections::BTreeSet;
use std::path::Path;

use super::{config, config_with, environment};
use crate::config::binding::json;
use crate::config::raw::Raw;
use crate::config::schema::{schema, with_everything_on};
use crate::config::{Config, LogFormat, check, restart_keys};
use crate::eventlog::EngineKind;
use crate::plugin::{CallLimits, Reuse};
use crate::{alert, http, web};

const SHIPPED: &str = include_str!("../../../../gateway.toml");
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway.schema.json");

const SECRETS: &[(&str, &str)] = &[
    ("GATEWAY_ADMIN_TOKEN", "t"),
    ("CI_TOKEN", "s"),
    ("SHOP_TOKEN", "s"),
    ("ALERTMANAGER_WEBHOOK_SECRET", "s"),
    ("DISCORD_PUBLIC_KEY", "s"),
    ("GENERIC_WEBHOOK_SECRET", "s"),
    ("GITHUB_WEBHOOK_SECRET", "s"),
    ("GITLAB_WEBHOOK_SECRET", "s"),
    ("GRAFANA_WEBHOOK_SECRET", "s"),
    ("JIRA_WEBHOOK_SECRET", "s"),
    ("LINEAR_WEBHOOK_SECRET", "s"),
    ("PAGERDUTY_WEBHOOK_SECRET", "s"),
    ("SENTRY_CLIENT_SECRET", "s"),
    ("SLACK_SIGNING_SECRET", "s"),
    ("STANDARD_WEBHOOKS_SECRET", "s"),
    ("STRIPE_WEBHOOK_SECRET", "s"),
    ("TELEGRAM_SECRET_TOKEN", "s"),
    ("HOOK_SECRET", "s"),
    ("HOOK_SECRET_OLD", "s"),
    ("HOOK_TOKEN", "s"),
    ("TRIAGE_TOKEN", "s"),
    ("TRIAGE_KEY", "s"),
];

#[test]
fn the_shipped_file_works_as_it_is() {
    let config = config(SHIPPED);

    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.plugins.dir, Path::new("/etc/gateway/plugins"));
    assert_eq!(config.plugins.cache_dir, Path::new("/etc/gateway/data/compiled"));
    assert_eq!(config.log.format, LogFormat::Text);
    let channels: Vec<_> = config.ingest.channels.iter().map(|channel| channel.name.as_str()).collect();
    assert_eq!(channels, ["alertmanager", "dummy", "github", "grafana"]);
    let [alertmanager, _, github, grafana] = config.ingest.channels.as_slice() else { panic!("four channels") };
    assert_eq!(alertmanager.paths, ["/webhooks/alertmanager", "/webhook/prometheus"]);
    assert_eq!(grafana.paths, ["/webhooks/grafana", "/webhook/grafana"]);
    assert!(github.secrets.is_empty());
    assert_eq!(github.missing_secret.as_deref(), Some("environment variable `GITHUB_WEBHOOK_SECRET` is not set"));
    assert_eq!(github.paths, ["/webhooks/github"]);
    assert_eq!(config.dispatch.routes.len(), 1);
    assert_eq!(config.dispatch.routes[0].agents[0].as_str(), "stub");
}

/// Keys whose description ends with `(restart)`, and those of `[eventlog]` outside of `retention`, are the ones that differ.
#[test]
fn the_shipped_file_says_what_needs_a_restart() {
    let mut marked = BTreeSet::new();
    let (mut table, mut is_marked) = (String::new(), false);
    for line in SHIPPED.lines() {
        let code = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
        if let Some(comment) = line.strip_prefix("# ") {
            is_marked = comment.ends_with("(restart)");
        } else if let Some(name) = code.strip_prefix('[') {
            table = name.trim_matches(['[', ']']).to_owned();
            if is_marked {
                marked.insert(table.clone());
            }
        } else if let Some((key, _)) = code.split_once(" = ") {
            if (is_marked && table != "http.tls") || table == "eventlog" {
                marked.insert(format!("{table}.{key}"));
            }
        } else {
            is_marked = false;
        }
    }
    let other = config(
        "[http]\nlisten = '127.0.0.1:9'\nmax_connections = 9\ntls = { certificate = 'c', key = 'k' }\n\
         [admin]\nlisten = '127.0.0.1:10'\n[web]\nlisten = '127.0.0.1:11'\n\
         [eventlog]\ndir = 'd'\ncache = '9MiB'\nballast = '9MiB'\nmin_free = '99MiB'\ndedup_window = '9h'\ndedup_max = 9\n\
         states_max = 9\nheld_max = 9\nbatch_events = 9\nbatch_bytes = '9MiB'\nqueue = 9\nqueue_bytes = '99MiB'\n\
         [dispatch]\nheld_bytes = '9MiB'\n\
         [plugins]\ndir = 'p'\ncache_dir = 'c'\ncache_max = '9MiB'\ncompile_memory = '99MiB'\ncompile_time = '9s'\n\
         debounce = '9ms'\nmax_file = '9MiB'\ninstances = 9\n\
         [notices]\nevery = '9s'\nqueue = 9\n\
         [log]\nformat = 'json'",
    );
    let default = config("");
    let in_memory = config("[eventlog]\nengine = 'memory'");
    let keys = restart_keys(&default, &other).into_iter().chain(restart_keys(&default, &in_memory));

    assert_eq!(keys.map(str::to_owned).collect::<BTreeSet<_>>(), marked);
}

#[test]
fn the_shipped_file_documents_the_defaults() {
    let documented = config_with(&with_everything_on(), SECRETS).unwrap();
    let defaults = config("");

    // Some keys of [http] show examples, not defaults.
    let http = |config: &Config| {
        let http::Settings { admin, tls, trusted_proxies, hosts, rate_limit, address_limit, sites, .. } =
            defaults.http.clone();
        let own = config.http.clone();
        let defaults = http::Settings { admin, tls, trusted_proxies, hosts, rate_limit, address_limit, sites, ..own };
        format!("{defaults:?}")
    };
    assert_eq!(http(&documented), http(&defaults));
    assert_eq!(documented.http.admin.listen, defaults.http.admin.listen);
    assert_eq!(documented.http.trusted_proxies.header, defaults.http.trusted_proxies.header);
    assert_eq!(documented.eventlog, defaults.eventlog);
    assert_eq!(documented.replay, defaults.replay);
    assert_eq!(documented.skills, defaults.skills);
    assert_eq!(documented.log, defaults.log);
    assert_eq!(documented.dispatch.held_bytes, defaults.dispatch.held_bytes);
    assert_eq!(documented.ingest.auto_mount, defaults.ingest.auto_mount);
    assert_eq!(documented.plugins.rules.limits, CallLimits::default());
    assert_eq!(defaults.plugins.rules.limits, CallLimits::default());
    let plugins = |config: &Config| {
        let plugins = &config.plugins;
        let folders = (plugins.dir.clone(), plugins.cache_dir.clone(), plugins.cache_max, plugins.compile.clone());
        let trust = (plugins.rules.trust.keys.clone(), plugins.rules.trust.require_signature);
        let swaps = (plugins.rules.check_samples, plugins.rules.check_time, plugins.rules.rollback);
        (folders, trust, swaps, plugins.debounce, plugins.max_file, plugins.instances)
    };
    assert_eq!(plugins(&documented), plugins(&defaults));
    assert!(defaults.plugins.rules.trust.pins.is_empty() && documented.plugins.rules.trust.pins.contains_key("github"));
    let reuse = Some(Reuse { max_calls: 1000, max_memory: 32 << 20 });
    assert_eq!(documented.plugins.rules.overrides["github"], CallLimits { reuse, ..CallLimits::default() });

    // Some keys of [alerts] show examples.
    let alert::Settings { channels, scope_label, severity, correlate, maintenance, inhibit, .. } =
        documented.alerts.clone();
    let examples =
        alert::Settings { channels, scope_label, severity, correlate, maintenance, inhibit, ..defaults.alerts };
    assert_eq!(documented.alerts, examples);

    let web::Settings { listen, sites, backends, .. } = documented.web.clone();
    let [backend] = backends.as_slice() else { panic!("one backend") };
    let mut default = web::BackendSettings::new(backend.name.clone(), backend.addresses.clone());
    default.health.path = backend.health.path.clone();
    assert_eq!(**backend, default);
    let route = &sites[0].routes[0];
    assert_eq!(
        (route.max_body, route.max_in_flight),
        (web::RouteSettings::MAX_BODY, web::RouteSettings::MAX_IN_FLIGHT)
    );
    assert_eq!(documented.web, web::Settings { listen, sites, backends, ..defaults.web });

    let channel = |name: &str| documented.ingest.channels.iter().find(|channel| channel.name.as_str() == name).unwrap();
    let [dummy, hook] = ["dummy", "hook"].map(channel);
    assert_eq!((&hook.poll, hook.state), (&dummy.poll, dummy.state));
    assert_eq!(hook.egress.max_response, dummy.egress.max_response);
    assert_eq!(hook.egress.connect_timeout, dummy.egress.connect_timeout);

    let [stub, triage] = documented.dispatch.agents.as_slice() else { panic!("two agents") };
    assert_eq!(triage.limits, stub.limits);
    assert_eq!(triage.retry, stub.retry);
    assert_eq!((triage.queue, triage.state), (stub.queue, stub.state));
    assert_eq!(triage.egress.max_response, stub.egress.max_response);
    assert_eq!(triage.egress.connect_timeout, stub.egress.connect_timeout);
}

#[test]
fn the_shipped_file_has_every_key() {
    let document = with_everything_on();
    let mut written = BTreeSet::new();
    collect("", &toml::Value::Table(document.parse().unwrap()), &mut written);
    let raw = Raw::parse(&document, Path::new("."), environment(SECRETS)).unwrap();
    check::assemble(&raw);

    let asked: BTreeSet<_> = raw.asked().keys.keys().map(|key| general(key)).collect();
    let missing: Vec<_> = asked.difference(&written).collect();

    assert_eq!(missing, Vec::<&String>::new(), "keys that gateway.toml does not show");
}

/// A key with `*` in place of the operator's names and numbers.
fn general(key: &str) -> String {
    let mut parts: Vec<_> = key.split('.').map(|part| part.split('[').next().unwrap()).collect();
    for (position, table) in [(1, "channels"), (1, "agents"), (1, "callers"), (2, "overrides"), (3, "credentials")] {
        if parts.get(position - 1) == Some(&table) && parts.len() > position {
            parts[position] = "*";
        }
    }
    parts.join(".")
}

fn collect(path: &str, value: &toml::Value, keys: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                keys.insert(general(&key));
                collect(&key, value, keys);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| collect(path, item, keys)),
        _ => {}
    }
}

#[test]
fn keys_that_are_left_out_have_their_defaults() {
    let memory = config("[eventlog]\nengine = 'memory'");

    assert_eq!(memory.eventlog.engine, EngineKind::Memory);
    assert_eq!(memory.eventlog.retention.max_events, Some(100_000));
    assert_eq!(config("").eventlog.retention.max_events, None);
    let unlimited = config("[eventlog]\nengine = 'memory'\nretention.max_events = 0");
    assert_eq!(unlimited.eventlog.retention.max_events, None);
    assert_eq!(memory.warnings, ["routes: no routes, so events are stored and not delivered"]);
}

/// The shipped file with `found` as the value of a key.
fn with_value(key: &str, found: toml::Value) -> toml::Table {
    let mut document: toml::Table = with_everything_on().parse().unwrap();
    let mut parts = key.split('.').peekable();
    let mut table = &mut document;
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            table.insert(part.to_owned(), found);
            break;
        }
        let inner = match part.split_once('[') {
            None => table.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new())),
            Some((name, index)) => &mut table[name][index.trim_end_matches(']').parse::<usize>().unwrap()],
        };
        table = inner.as_table_mut().unwrap();
    }
    document
}

#[test]
fn the_schema_is_that_of_the_code() {
    let committed = std::fs::read_to_string(SCHEMA).unwrap();
    let committed: serde_json::Value = serde_json::from_str(&committed).unwrap();

    assert!(committed == schema(), "the keys have changed: `gateway schema > gateway.schema.json`");
}

#[test]
fn the_schema_and_the_reader_agree() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let accepts = |document: toml::Table| validator.is_valid(&json(&toml::Value::Table(document)));
    let document = with_everything_on();
    let raw = Raw::parse(&document, Path::new("."), environment(SECRETS)).unwrap();
    check::assemble(&raw);
    assert_eq!(raw.notes().0, []);
    for text in [SHIPPED, &document] {
        let shipped = json(&toml::Value::Table(text.parse().unwrap()));
        let problems: Vec<_> = validator.iter_errors(&shipped).map(|error| error.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new());
    }

    let leaves = raw.asked().values;
    assert!(leaves.len() > 200, "{}", leaves.len());
    for key in leaves.keys() {
        // No key takes a list of lists.
        let nonsense = || toml::Value::Array(vec![toml::Value::Array(vec![true.into()])]);
        let read = Raw::of(with_value(key, nonsense()), Path::new("."), environment(SECRETS));
        check::assemble(&read);
        let is_refused = read.finish().is_err();
        assert_eq!((is_refused, accepts(with_value(key, nonsense()))), (true, false), "{key}");
    }
    for key in ["http.lisen", "channels.hook.pth", "routes[0].agent", "nothing"] {
        assert!(!accepts(with_value(key, true.into())), "{key}");
    }
}

#[test]
fn the_schema_has_bounds_choices_defaults_and_comments() {
    let schema = schema();
    let at = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));

    assert_eq!(*at("/properties/plugins/properties/instances/maximum"), 10_000);
    assert_eq!(*at("/properties/http/properties/max_body/default"), "25MiB");
    assert_eq!(*at("/properties/log/properties/format/enum"), serde_json::json!(["text", "json"]));
    assert_eq!(*at("/properties/skills/properties/max_file/description"), "Maximum size of a SKILL.md.");
    assert_eq!(*at("/properties/channels/additionalProperties/properties/optional/default"), false);
    let kind =
        at("/properties/agents/additionalProperties/properties/credentials/additionalProperties/properties/kind");
    assert_eq!(kind.get("default"), None, "{kind}");
}
