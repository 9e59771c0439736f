//! Which keys need a restart.

use super::settings::Config;
use crate::eventlog::EngineKind;

/// The keys whose values differ between the configuration that the process `started` with and the `next` one, and that only a
/// restart applies. Everything else can be changed while the gateway runs.
pub fn restart_keys(started: &Config, next: &Config) -> Vec<&'static str> {
    let mut keys = Vec::new();
    let mut compare = |key, is_same: bool| {
        if !is_same {
            keys.push(key);
        }
    };
    let (a, b) = (&started.http, &next.http);
    compare("http.listen", a.listen == b.listen);
    compare("http.max_connections", a.max_connections == b.max_connections);
    compare("http.tls", a.tls.is_some() == b.tls.is_some());
    compare("admin.listen", a.admin.listen == b.admin.listen);
    compare("web.listen", started.web.listen == next.web.listen);
    let (a, b) = (&started.eventlog, &next.eventlog);
    compare_engines(&a.engine, &b.engine, &mut compare);
    compare("eventlog.dedup_window", a.dedup_window == b.dedup_window);
    compare("eventlog.dedup_max", a.dedup_max == b.dedup_max);
    compare("eventlog.states_max", a.states_max == b.states_max);
    compare("eventlog.held_max", a.held_max == b.held_max);
    compare("eventlog.batch_events", a.batch_events == b.batch_events);
    compare("eventlog.batch_bytes", a.batch_bytes == b.batch_bytes);
    compare("eventlog.queue", a.queue == b.queue);
    compare("eventlog.queue_bytes", a.queue_bytes == b.queue_bytes);
    compare("dispatch.held_bytes", started.dispatch.held_bytes == next.dispatch.held_bytes);
    let (a, b) = (&started.plugins, &next.plugins);
    compare("plugins.dir", a.dir == b.dir);
    compare("plugins.cache_dir", a.cache_dir == b.cache_dir);
    compare("plugins.cache_max", a.cache_max == b.cache_max);
    compare("plugins.compile_memory", a.compile.memory == b.compile.memory);
    compare("plugins.compile_time", a.compile.time == b.compile.time);
    compare("plugins.debounce", a.debounce == b.debounce);
    compare("plugins.max_file", a.max_file == b.max_file);
    compare("plugins.instances", a.instances == b.instances);
    compare("notices.every", started.notices.every == next.notices.every);
    compare("notices.queue", started.notices.queue == next.notices.queue);
    compare("log.format", started.log.format == next.log.format);
    keys
}

fn compare_engines(before: &EngineKind, after: &EngineKind, compare: &mut impl FnMut(&'static str, bool)) {
    match (before, after) {
        (
            EngineKind::Sled { dir: a, cache_bytes: b, ballast_bytes: c, min_free: d },
            EngineKind::Sled { dir, cache_bytes, ballast_bytes, min_free },
        ) => {
            compare("eventlog.dir", a == dir);
            compare("eventlog.cache", b == cache_bytes);
            compare("eventlog.ballast", c == ballast_bytes);
            compare("eventlog.min_free", d == min_free);
        }
        _ => compare("eventlog.engine", before == after),
    }
}
