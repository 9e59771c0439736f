//! Secrets that the verification of a plugin can never use, such as a text where its provider gives out a key.
//!
//! The manifest of the plugin says what it verifies with, so this is checked once the plugin is loaded: at the start of the gateway
//! and by `gateway check`. A plugin that comes later leaves its channel waiting instead.

use super::problem::ConfigProblem;
use crate::ingest::ChannelSettings;
use crate::verify::Recipe;

/// Whether the secrets of `channel` depend on the verification of its plugin, rather than on one in the configuration.
fn depends_on_plugin(channel: &ChannelSettings) -> bool {
    channel.verification.is_none() && !channel.secrets.is_empty()
}

/// The secrets of `channel` that no alternative of `recipe`, the verification of its plugin, can use. Never shows a secret.
pub fn unfit_secrets(channel: &ChannelSettings, recipe: &Recipe) -> Vec<ConfigProblem> {
    if !depends_on_plugin(channel) || recipe.is_open() {
        return Vec::new();
    }
    let problem = |(index, expected): (usize, String)| {
        let (name, count) = (&channel.name, channel.secrets.len());
        let place = if count > 1 { format!("[{index}]") } else { String::new() };
        ConfigProblem {
            key: format!("channels.{name}.secret{place}"),
            expected: format!("a secret that fits the verification of plugin `{}` ({expected})", channel.plugin),
            found: Some("another one".to_owned()),
            hint: Some("copy the secret from the provider as it is shown there".to_owned()),
        }
    };
    let refused = channel.secrets.iter().enumerate();
    let refused = refused.filter_map(|(index, secret)| Some((index, recipe.accepts_secret(secret).err()?)));
    refused.map(problem).collect()
}
