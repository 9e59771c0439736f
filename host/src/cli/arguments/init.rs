//! `gateway init`.

use std::str::FromStr;

use clap::Args;

use crate::event::{ChannelName, PluginName};

#[derive(Debug, Args)]
pub(in crate::cli) struct InitArguments {
    /// Channel to receive webhooks with, as PLUGIN or NAME:PLUGIN; repeatable
    #[arg(long = "channel", value_name = "PLUGIN", value_parser = channel)]
    pub(in crate::cli) channels: Vec<NamedPlugin>,
    /// Agent to deliver events to, as PLUGIN or PLUGIN=URL; repeatable
    #[arg(long = "agent", value_name = "PLUGIN=URL")]
    pub(in crate::cli) agents: Vec<NamedPlugin>,
}

/// A channel or an agent, as `[NAME:]PLUGIN[=URL]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct NamedPlugin {
    /// Channels and agents are named alike.
    pub(in crate::cli) name: ChannelName,
    pub(in crate::cli) plugin: PluginName,
    pub(in crate::cli) url: Option<String>,
}

impl FromStr for NamedPlugin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (named, url) = text.split_once('=').map_or((text, None), |(named, url)| (named, Some(url.to_owned())));
        let (name, plugin) = named.split_once(':').unwrap_or((named, named));
        let expected = "expected a name of `a-z`, `0-9` and `-`";
        Ok(Self {
            name: name.parse().map_err(|_| expected.to_owned())?,
            plugin: plugin.parse().map_err(|_| expected.to_owned())?,
            url,
        })
    }
}

fn channel(text: &str) -> Result<NamedPlugin, String> {
    let named: NamedPlugin = text.parse()?;
    if named.url.is_some() { Err("expected a channel without a URL".to_owned()) } else { Ok(named) }
}
