//! What the gateway notices of its own parts by looking at them: plugins that cannot be loaded, channels that are silent, and agents
//! that fail more than they may; and backends of sites that are down.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use crate::dispatch::Dispatch;
use crate::event::{ChannelName, Timestamp};
use crate::eventlog::EventLog;
use crate::ingest::Ingest;
use crate::notice::{Notice, Source};
use crate::plugin::PluginHost;
use crate::web::Web;

/// Tells of agents that fail more than their objectives allow, and of those that no longer do.
pub(super) fn burning_agents(dispatch: Dispatch) -> Source {
    Box::new(move |_| dispatch.look())
}

/// Tells once of each load of a plugin that failed.
pub(super) fn failed_plugins(plugins: PluginHost) -> Source {
    let mut told: HashMap<String, Timestamp> = HashMap::new();
    Box::new(move |_| {
        let listed = plugins.list();
        told.retain(|file, _| listed.iter().any(|plugin| plugin.file == *file));
        let mut notices = Vec::new();
        for plugin in listed {
            let (Some(error), Some(at)) = (&plugin.error, plugin.failed_at) else { continue };
            if told.insert(plugin.file.clone(), at) == Some(at) {
                continue;
            }
            let subject = plugin.name.clone().unwrap_or_else(|| plugin.file.clone());
            let data = json!({
                "file": plugin.file, "error": error, "failed_at": at, "serving_generation": plugin.generation,
            });
            notices.push(Notice::new("plugin.failed", subject, data));
        }
        notices
    })
}

/// Tells once of each time in which nothing came from a channel for `silent_after`.
pub(super) fn silent_channels(ingest: Ingest, log: EventLog) -> Source {
    let started = Timestamp::now();
    let mut told: HashMap<ChannelName, Timestamp> = HashMap::new();
    Box::new(move |now| {
        let limits = ingest.silence_limits();
        if limits.is_empty() {
            return Vec::new();
        }
        let snapshot = log.snapshot();
        let mut notices = Vec::new();
        for (channel, limit) in limits {
            let last = snapshot.channels.get(channel.as_str()).and_then(|counts| counts.last_event_at);
            // A gateway that was down has not listened.
            let since = last.map_or(started, |last| last.max(started));
            if now.since(since) < limit || told.insert(channel.clone(), since) == Some(since) {
                continue;
            }
            let data = json!({
                "channel": channel, "last_event_at": last, "silent_after_seconds": limit.as_secs(),
            });
            notices.push(Notice::new("channel.silent", channel, data));
        }
        notices
    })
}

/// What was told of a backend. One is taken to be up before anything is known of it.
#[derive(Default)]
struct Told {
    is_down: bool,
    /// When it was last told to be down, and up again.
    down_at: Option<Timestamp>,
    up_at: Option<Timestamp>,
}

/// Tells of backends that are down, and up again. Of one that changes more often than `every`, the state that it is in after that time is
/// told, so that what was told last is true.
pub(super) fn changed_backends(web: Web, every: Duration) -> Source {
    let mut told: HashMap<String, Told> = HashMap::new();
    Box::new(move |now| {
        let backends = web.backends();
        told.retain(|name, _| backends.iter().any(|backend| backend.name == *name));
        let mut notices = Vec::new();
        for backend in backends.into_iter().filter(|backend| backend.state != "unknown") {
            let is_down = backend.state == "down";
            let told = told.entry(backend.name.clone()).or_default();
            let (kind, last) =
                if is_down { ("backend.down", &mut told.down_at) } else { ("backend.up", &mut told.up_at) };
            if told.is_down == is_down || last.is_some_and(|last| now.since(last) < every) {
                continue;
            }
            *last = Some(now);
            told.is_down = is_down;
            let addresses: Vec<_> = backend
                .addresses
                .iter()
                .map(|address| json!({ "address": address.address, "state": address.state, "error": address.error }))
                .collect();
            let data = json!({ "backend": backend.name, "addresses": addresses });
            notices.push(Notice::new(kind, backend.name, data).told_by(ChannelName::WEB));
        }
        notices
    })
}
