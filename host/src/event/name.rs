//! Names of channels, agents and plugins.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The text is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name: expected 1 to 63 of `a-z`, `0-9` and `-`, not starting with `-`")]
pub struct NameError(String);

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-')
}

/// The prefix of an agent that represents a channel.
const CHANNEL: char = '@';

fn is_agent_name(text: &str) -> bool {
    is_name(text.strip_prefix(CHANNEL).unwrap_or(text))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident if $is_name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $is_name(text) { Ok(Self(text.into())) } else { Err(NameError(text.to_owned())) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// Name of a channel: its table in `gateway.toml`, or the file stem of a plugin that was mounted automatically.
    ChannelName if is_name
}
name! {
    /// Name of an agent: its table in `gateway.toml`, or `@` and the name of a channel, which delivers answers to its
    /// source.
    AgentName if is_agent_name
}
name! {
    /// Name of a plugin: its file stem in the plugin folder.
    PluginName if is_name
}

impl ChannelName {
    /// The built-in channel of notices.
    pub const GATEWAY: &'static str = "gateway";

    /// The channel of what is told of alerts.
    pub const ALERTS: &'static str = "alerts";

    /// The channel of what happens to the backends of sites.
    pub const WEB: &'static str = "web";

    /// Channels of the gateway itself: no table has such a name, and a route must name them.
    pub const BUILT_IN: [&'static str; 3] = [Self::GATEWAY, Self::ALERTS, Self::WEB];

    /// Whether it is a channel of the gateway itself.
    pub fn is_built_in(&self) -> bool {
        Self::BUILT_IN.contains(&self.as_str())
    }
}

impl AgentName {
    /// The agent that represents `channel`.
    pub fn of_channel(channel: &ChannelName) -> Self {
        Self(format!("{CHANNEL}{channel}").into())
    }

    /// The name of the channel that the agent represents, if any.
    pub fn channel(&self) -> Option<&str> {
        self.0.strip_prefix(CHANNEL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_letters_digits_and_hyphens() {
        let long = "a".repeat(64);
        for (text, good) in [
            ("github", true),
            ("0-day", true),
            (&long[..63], true),
            (&long, false),
            ("", false),
            ("-x", false),
            ("Git", false),
            ("a/b", false),
            ("a.b", false),
        ] {
            assert_eq!(text.parse::<PluginName>().is_ok(), good, "{text}");
            assert_eq!(format!("@{text}").parse::<AgentName>().is_ok(), good, "@{text}");
        }
        assert!("@slack".parse::<ChannelName>().is_err());
        assert_eq!(AgentName::of_channel(&"slack".parse().unwrap()).channel(), Some("slack"));
    }
}
