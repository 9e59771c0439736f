//! Which channel a path belongs to.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::channel::Channel;
use super::settings::{ChannelSettings, PREFIX, Settings};
use crate::caller::{AllowList, HostName};
use crate::event::ChannelName;
use crate::plugin::{CallLimits, PluginHost};

/// A channel that serves a path.
pub struct Mount {
    pub channel: Arc<Channel>,
    /// The path below the mount point; starts with `/`.
    pub rest: String,
}

/// The table of paths.
pub(super) struct Mounts {
    configured: BTreeMap<ChannelName, Arc<Channel>>,
    /// Longest first, so that the first match is the closest.
    paths: Vec<(String, Arc<Channel>)>,
    plugins: PluginHost,
    auto_limits: Option<CallLimits>,
    /// Channels without a table in the configuration, made when they are first needed. As many as there are plugin files.
    automatic: RwLock<BTreeMap<ChannelName, Arc<Channel>>>,
}

/// The table in force.
pub(super) struct MountTable {
    current: ArcSwap<Mounts>,
    replaced: watch::Sender<()>,
}

impl MountTable {
    pub(super) fn new(mounts: Mounts) -> Self {
        Self { current: ArcSwap::from_pointee(mounts), replaced: watch::Sender::new(()) }
    }

    pub(super) fn load(&self) -> Arc<Mounts> {
        self.current.load_full()
    }

    pub(super) fn replace(&self, mounts: Mounts) {
        self.current.store(Arc::new(mounts));
        self.replaced.send_replace(());
    }

    /// Changes whenever the table was replaced.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.replaced.subscribe()
    }
}

impl Mounts {
    /// No paths.
    pub(super) fn none(plugins: PluginHost) -> Self {
        Self {
            configured: BTreeMap::new(),
            paths: Vec::new(),
            plugins,
            auto_limits: None,
            automatic: RwLock::default(),
        }
    }

    /// The table of other settings. Channels whose settings are the same go on.
    pub(super) fn with(&self, settings: Settings) -> Self {
        let plugins = self.plugins.clone();
        let auto_limits = settings.auto_mount.then_some(settings.auto_limits);
        let channel = |settings: ChannelSettings| {
            let before = self.configured.get(&settings.name);
            if let Some(same) = before.filter(|before| before.settings == settings) {
                return Arc::clone(same);
            }
            let state = plugins.state(&format!("channels/{}", settings.name), settings.state);
            let channel = Channel::new(settings, state, false);
            Arc::new(match before {
                Some(before) => channel.instead_of(before),
                None => channel,
            })
        };
        let channels = settings.channels.into_iter().map(channel);
        let configured: BTreeMap<_, _> = channels.map(|channel| (channel.settings.name.clone(), channel)).collect();
        let mut paths: Vec<_> = configured
            .values()
            .flat_map(|channel| channel.settings.paths.iter().map(|path| (path.clone(), Arc::clone(channel))))
            .collect();
        paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self { configured, paths, plugins, auto_limits, automatic: RwLock::default() }
    }

    pub(super) fn find(&self, path: &str) -> Option<Mount> {
        let configured = self.paths.iter().find_map(|(prefix, channel)| Some((below(path, prefix)?, channel)));
        if let Some((rest, channel)) = configured {
            return Some(Mount { channel: Arc::clone(channel), rest });
        }
        let name = path.strip_prefix(PREFIX)?.split('/').next()?;
        let rest = below(path, &path[..PREFIX.len() + name.len()])?;
        let channel = self.automatic(&name.parse().ok()?)?;
        Some(Mount { channel, rest })
    }

    /// The channels of the configuration, by name.
    pub(super) fn configured(&self) -> &BTreeMap<ChannelName, Arc<Channel>> {
        &self.configured
    }

    /// The host names in allow lists.
    pub(super) fn host_names(&self) -> Vec<Arc<HostName>> {
        let lists = self.configured.values().filter_map(|channel| channel.access().from.as_ref());
        lists.flat_map(AllowList::names).cloned().collect()
    }

    /// Every channel, by name.
    pub(super) fn channels(&self) -> Vec<Arc<Channel>> {
        let mut channels = self.configured.clone();
        for generation in self.plugins.serving_channels() {
            let name = generation.plugin.as_str().parse().ok();
            if let Some(channel) = name.and_then(|name| self.automatic(&name)) {
                channels.insert(channel.settings.name.clone(), channel);
            }
        }
        channels.into_values().collect()
    }

    /// The channel of a serving plugin that no configured channel is named after.
    fn automatic(&self, name: &ChannelName) -> Option<Arc<Channel>> {
        let limits = self.auto_limits.as_ref().filter(|_| !name.is_built_in())?;
        if self.configured.contains_key(name)
            || self.configured.values().any(|own| own.settings.plugin.as_str() == name.as_str())
        {
            return None;
        }
        self.plugins.serving(name.as_str())?;
        let known = self.automatic.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        Some(known.unwrap_or_else(|| {
            let mut automatic = self.automatic.write().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Channel::new(ChannelSettings::automatic(name, limits), None, true));
            Arc::clone(automatic.entry(name.clone()).or_insert_with(new))
        }))
    }
}

/// The rest of `path` below `prefix`, which ends at a segment; `/` when nothing is left.
fn below(path: &str, prefix: &str) -> Option<String> {
    match path.strip_prefix(prefix)? {
        "" => Some("/".to_owned()),
        rest if rest.starts_with('/') => Some(rest.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_ends_at_a_segment() {
        for (path, expected) in [
            ("/webhooks/github", Some("/")),
            ("/webhooks/github/", Some("/")),
            ("/webhooks/github/a/b", Some("/a/b")),
            ("/webhooks/github2", None),
            ("/webhooks", None),
        ] {
            assert_eq!(below(path, "/webhooks/github").as_deref(), expected, "{path}");
        }
    }
}
