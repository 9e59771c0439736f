//! Refuses plugin files that would open a channel.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::event::{ChannelName, PluginName};
use crate::plugin::{Manifest, SwapPolicy};

use super::settings::Settings;

/// Refuses a plugin file that asks for less verification than the one it replaces, where a channel has a secret:
/// swapping a file must not open a door.
#[derive(Debug)]
pub struct DowngradeCheck {
    locked: ArcSwap<Locked>,
}

/// Plugins, each with a channel that has a secret and relies on the verification of the manifest.
type Locked = Vec<(PluginName, ChannelName)>;

impl DowngradeCheck {
    /// Covers the channels that have a secret and rely on the verification of the manifest.
    pub fn new(settings: &Settings) -> Self {
        Self { locked: ArcSwap::from_pointee(locked(settings)) }
    }

    /// Covers the channels of other settings.
    pub fn replace(&self, settings: &Settings) {
        self.locked.store(Arc::new(locked(settings)));
    }
}

fn locked(settings: &Settings) -> Locked {
    let locked =
        settings.channels.iter().filter(|channel| !channel.secrets.is_empty() && channel.verification.is_none());
    locked.map(|channel| (channel.plugin.clone(), channel.name.clone())).collect()
}

impl SwapPolicy for DowngradeCheck {
    fn admit(&self, plugin: &PluginName, serving: Option<&Manifest>, next: &Manifest) -> Result<(), String> {
        let Some(serving) = serving.filter(|serving| next.recipe.is_weaker_than(&serving.recipe)) else {
            return Ok(());
        };
        let locked = self.locked.load();
        let Some((_, channel)) = locked.iter().find(|(locked, _)| locked == plugin) else { return Ok(()) };
        let asked = if next.recipe.is_open() { "no verification" } else { "a weaker verification" };
        Err(format!(
            "version {} asks for {asked} than version {}, and channel `{channel}` has a secret\n\
             hint: set `channels.{channel}.verification`, or remove the file first if this is meant",
            next.version, serving.version
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = r#"{"name": "n", "version": "2.0.0", "summary": "s"}"#;
    const SIGNED: &str = r#"{"name": "n", "version": "1.0.0", "summary": "s", "verification": [
        {"scheme": "hmac", "algorithm": "sha256", "header": "x-signature", "encoding": "hex", "signed": ["body"]}]}"#;

    #[test]
    fn a_channel_with_a_secret_is_not_opened_by_a_swap() {
        let manifest = |text| Manifest::parse(text).unwrap();
        let plugin: PluginName = "github".parse().unwrap();
        let locked =
            DowngradeCheck { locked: ArcSwap::from_pointee(vec![(plugin.clone(), "github".parse().unwrap())]) };
        let unlocked = DowngradeCheck { locked: ArcSwap::default() };

        assert!(locked.admit(&plugin, Some(&manifest(SIGNED)), &manifest(OPEN)).is_err());
        assert!(locked.admit(&plugin, Some(&manifest(OPEN)), &manifest(SIGNED)).is_ok());
        assert!(locked.admit(&plugin, Some(&manifest(SIGNED)), &manifest(SIGNED)).is_ok());
        assert!(locked.admit(&plugin, None, &manifest(OPEN)).is_ok());
        assert!(unlocked.admit(&plugin, Some(&manifest(SIGNED)), &manifest(OPEN)).is_ok());
    }
}
