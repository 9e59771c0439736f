//! Turns the raw configuration into a valid one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::limits::PluginLimits;
use super::problem::{ConfigProblem, quoted};
use super::raw::Raw;
use super::secret::{is_header_text, required_secret};
use super::section::Section;
use super::settings::{Config, LogFormat, LogSettings, ReloadSettings};
use super::source::Source;
use super::value::show_size;
use super::{access, agents, alerts, channels, plugins, routes, schemas, sites, subscriptions};
use crate::eventlog::{EngineKind, RetentionLimits};
use crate::http::AdminSettings;
use crate::{dispatch, eventlog, http, ingest, notice, replay, skill};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The default of `eventlog.retention.max_events` for events in memory.
const MEMORY_EVENTS: u64 = 100_000;

/// Checks `raw`.
pub(super) fn check(raw: Raw) -> Result<Config, Vec<ConfigProblem>> {
    let config = assemble(&raw);
    let (warnings, source) = raw.finish()?;
    Ok(Config { warnings, source, ..config })
}

/// Reads all settings. Missing and invalid values become defaults; `raw` collects the problems.
pub(super) fn assemble(raw: &Raw) -> Config {
    let root = Section::root(raw);
    let mut http = http_settings(&root);
    let (eventlog, dir) = eventlog_settings(&root.section("eventlog"), http.max_body);
    let plugins = plugins::plugin_settings(&root.section("plugins"), &dir);
    let limits = PluginLimits(&plugins.rules);
    let callers = access::callers(&root);
    let mut channels = channels::channels(&root, &limits, &callers, http.max_body);
    let alerts = alerts::alerts(&root.section("alerts"), &mut channels);
    let mut agents = agents::agents(&root, &limits, &callers);
    let subscriptions = subscriptions::subscriptions(&root, &callers, &channels, &agents, &eventlog.retention);
    let routes = routes::routes(&root, &channels, &agents);
    agents.extend(agents::responders(&root, &channels, &routes));
    let web = sites::web(&root, &callers, &http, &sites::taken_paths(&channels, &agents, &subscriptions));
    http.sites = web.listen;
    let auto_mount = root.section("plugins").flag("auto_mount").unwrap_or(true);
    Config {
        source: Source::default(),
        reload: reload_settings(&root.section("reload")),
        ingest: ingest::Settings { channels, auto_mount, auto_limits: plugins.rules.limits.clone() },
        dispatch: dispatch::Settings {
            agents,
            routes,
            held_bytes: root.section("dispatch").size("held_bytes", MIB..).unwrap_or(32 << 20),
        },
        replay: replay_settings(&root.section("dispatch")),
        notices: notice_settings(&root.section("notices")),
        skills: skill_settings(&root.section("skills")),
        schemas: schemas::schemas(&root, &subscriptions.prefix),
        subscriptions,
        alerts,
        web,
        log: log_settings(&root.section("log")),
        http,
        eventlog,
        plugins,
        warnings: Vec::new(),
    }
}

fn http_settings(root: &Section<'_>) -> http::Settings {
    let section = root.section("http");
    let listen = section.address("listen").unwrap_or_else(|| SocketAddr::from(http::Settings::LISTEN));
    let default = http::Settings::new(listen);
    let settings = http::Settings {
        listen,
        max_connections: section.count("max_connections", 1..).unwrap_or(default.max_connections),
        max_connections_per_address: section
            .count("max_connections_per_address", 1..)
            .unwrap_or(default.max_connections_per_address),
        max_requests: section.count("max_requests", 1..).unwrap_or(default.max_requests),
        max_waiting: section.count("max_waiting", 0..).unwrap_or(default.max_waiting),
        turn_timeout: section.duration("turn_timeout", Duration::ZERO..=10 * SECOND).unwrap_or(default.turn_timeout),
        max_buffered: section.size("max_buffered", MIB..).unwrap_or(default.max_buffered),
        max_body: section.size("max_body", KIB..=GIB).unwrap_or(default.max_body),
        max_header_bytes: section.size("max_header_bytes", 8 * KIB..=MIB).unwrap_or(default.max_header_bytes),
        header_timeout: section.duration("header_timeout", MILLISECOND..).unwrap_or(default.header_timeout),
        body_timeout: section.duration("body_timeout", MILLISECOND..).unwrap_or(default.body_timeout),
        idle_timeout: section.duration("idle_timeout", MILLISECOND..).unwrap_or(default.idle_timeout),
        retry_after: section.duration("retry_after", SECOND..).unwrap_or(default.retry_after),
        drain: section.duration("drain", Duration::ZERO..).unwrap_or(default.drain),
        shutdown_grace: section.duration("shutdown_grace", Duration::ZERO..).unwrap_or(default.shutdown_grace),
        tls: access::tls(&section),
        trusted_proxies: access::trusted_proxies(&section),
        proxy_protocol: access::proxy_protocol(&section),
        hosts: access::hosts(&section),
        rate_limit: access::rate(&section, "rate_limit"),
        address_limit: access::address_limit(&section),
        access_log: root.section("log").flag("access").unwrap_or(false),
        admin: admin_settings(&root.section("admin"), &section, listen),
        sites: None,
    };
    if settings.max_body > settings.max_buffered {
        section.place("max_body").problem_with_hint(
            "a size of at most `http.max_buffered`, which holds the bodies of all requests",
            show_size(settings.max_body as u64),
            format!("raise `max_buffered` above {}", show_size(settings.max_buffered as u64)),
        );
    }
    settings
}

fn admin_settings(section: &Section<'_>, http: &Section<'_>, public: SocketAddr) -> AdminSettings {
    let listen = section.address("listen");
    let token = required_secret(section, "token", "GATEWAY_ADMIN_TOKEN");
    if let Some((secret, place)) = &token
        && !is_header_text(secret)
    {
        place.problem_with_hint(
            "a secret of visible ASCII characters",
            "other characters",
            "is there a second line break at its end?",
        );
    }
    let (address, key) = match listen {
        Some(address) => (address, "admin.listen"),
        None => (public, "http.listen"),
    };
    if !address.ip().is_loopback() && !section.has("token") {
        section.place("token").problem_with_hint(
            format!("a token, because `{key}` is not a loopback address"),
            "nothing",
            "write `token = { env = \"GATEWAY_ADMIN_TOKEN\" }` or, to keep it on this machine, `listen = \"127.0.0.1:8081\"` in `[admin]`",
        );
    }
    // These keys mean that requests come from other machines, to the address of the admin API too.
    let for_others = ["trusted_proxies", "hosts"].into_iter().find(|key| http.has(key));
    if let Some(key) = for_others.filter(|_| address.ip().is_loopback() && listen.is_none() && !section.has("token")) {
        section.place("token").problem_with_hint(
            format!("a token, because `http.{key}` opens this address to others"),
            "nothing",
            "write `token = { env = \"GATEWAY_ADMIN_TOKEN\" }` or give the admin API an address of its own: `listen = \"127.0.0.1:8081\"` in `[admin]`",
        );
    }
    // Binding the same address twice would fail.
    let listen = listen.filter(|address| *address != public || address.port() == 0);
    AdminSettings { listen, token: token.map(|(secret, _)| secret) }
}

/// `max_body` is `http.max_body`.
pub(super) fn eventlog_settings(section: &Section<'_>, max_body: usize) -> (eventlog::Settings, PathBuf) {
    let is_memory = section.choice("engine", &[("sled", false), ("memory", true)]).unwrap_or(false);
    let dir = section.path("dir").unwrap_or_else(|| section.raw().resolve("data"));
    let cache_bytes = section.size("cache", MIB..).unwrap_or(32 << 20);
    let ballast_bytes = section.size("ballast", ..=GIB).unwrap_or(16 << 20);
    let min_free = section.size("min_free", ..).unwrap_or(64 << 20);
    let engine = if is_memory {
        EngineKind::Memory
    } else {
        EngineKind::Sled {
            dir: dir.clone(),
            cache_bytes: cache_bytes as u64,
            ballast_bytes: ballast_bytes as u64,
            min_free: min_free as u64,
        }
    };
    let mut default = eventlog::Settings::new(engine);
    if is_memory {
        default.retention.max_events = Some(MEMORY_EVENTS);
    }
    let settings = eventlog::Settings {
        dedup_window: section.duration("dedup_window", Duration::ZERO..).unwrap_or(default.dedup_window),
        dedup_max: section.count("dedup_max", 1..).unwrap_or(default.dedup_max),
        states_max: section.count("states_max", 1..).unwrap_or(default.states_max),
        held_max: section.count("held_max", 0..).unwrap_or(default.held_max),
        batch_events: section.count("batch_events", 1..).unwrap_or(default.batch_events),
        batch_bytes: section.size("batch_bytes", KIB..).unwrap_or(default.batch_bytes),
        queue: section.count("queue", 1..).unwrap_or(default.queue),
        queue_bytes: section.size("queue_bytes", KIB..).unwrap_or(default.queue_bytes),
        retention: retention(&section.section("retention"), default.retention),
        engine: default.engine,
    };
    if settings.queue_bytes <= max_body {
        section.place("queue_bytes").problem(
            format!(
                "a size above `http.max_body` ({}): a larger body could never be stored",
                show_size(max_body as u64)
            ),
            show_size(settings.queue_bytes as u64),
        );
    }
    (settings, dir)
}

/// `[eventlog.retention]`; 0 means no limit.
fn retention(section: &Section<'_>, default: RetentionLimits) -> RetentionLimits {
    let max_age = section.duration("max_age", Duration::ZERO..).map_or(default.max_age, Some);
    let max_events = section.count("max_events", 0..).map_or(default.max_events, Some);
    let max_bytes = section.size("max_bytes", ..).map(|size| size as u64).map_or(default.max_bytes, Some);
    RetentionLimits {
        max_age: max_age.filter(|max_age| !max_age.is_zero()),
        max_events: max_events.filter(|most| *most > 0),
        max_bytes: max_bytes.filter(|most| *most > 0),
    }
}

fn replay_settings(section: &Section<'_>) -> replay::Settings {
    let default = replay::Settings::default();
    let (max_rate, max_running) = (i64::from(replay::Settings::MAX_RATE), replay::Settings::MAX_RUNNING as i64);
    replay::Settings {
        rate: section.count("replay_rate", 1..=max_rate).unwrap_or(default.rate),
        open: section.count("replay_open", 1..).unwrap_or(default.open),
        running: section.count("replay_running", 1..=max_running).unwrap_or(default.running),
    }
}

fn notice_settings(section: &Section<'_>) -> notice::Settings {
    let default = notice::Settings::default();
    notice::Settings {
        every: section.duration("every", Duration::ZERO..).unwrap_or(default.every),
        queue: section.count("queue", 1..=100_000).unwrap_or(default.queue),
    }
}

fn skill_settings(section: &Section<'_>) -> skill::Settings {
    let default = skill::Settings::default();
    skill::Settings {
        dir: section.path("dir").unwrap_or_else(|| section.raw().resolve("skills")),
        max_file_bytes: section.size("max_file", KIB..=16 * MIB).unwrap_or(default.max_file_bytes),
        max_skills: section.count("max_skills", 1..=100_000).unwrap_or(default.max_skills),
    }
}

fn reload_settings(section: &Section<'_>) -> ReloadSettings {
    ReloadSettings {
        watch: section.flag("watch").unwrap_or(true),
        interval: section.duration("interval", 100 * MILLISECOND..=3600 * SECOND).unwrap_or(SECOND),
    }
}

fn log_settings(section: &Section<'_>) -> LogSettings {
    let level = section.text("level").unwrap_or_else(|| "info".to_owned());
    if level.is_empty() || EnvFilter::builder().parse(&level).is_err() {
        section.place("level").problem_with_hint(
            "a level or a list of them by module",
            quoted(&level),
            "the levels are `error`, `warn`, `info`, `debug` and `trace`; by module: `info,gateway::plugin=debug`",
        );
    }
    let format = section.choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    LogSettings { level, format: format.unwrap_or(LogFormat::Text) }
}
