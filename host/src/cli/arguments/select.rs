//! Which events a command is about.

use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

use super::super::request::Selection;
use crate::event::{ChannelName, Timestamp};

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ReceivedArguments {
    /// Received since this time (2026-01-31T12:00:00Z) or this long ago (15m)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Received before this time or this long ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

impl ReceivedArguments {
    pub(super) fn with(self, SelectArguments { channel, kind }: SelectArguments) -> Selection {
        Selection { channel, kind, subject: None, since: self.since, until: self.until }
    }
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct SelectArguments {
    /// Filter by channel
    #[arg(long)]
    pub(in crate::cli) channel: Option<ChannelName>,
    /// Filter by kind; a trailing `*` matches any suffix
    #[arg(long)]
    pub(in crate::cli) kind: Option<String>,
}

pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    moment_before(text, Timestamp::now())
}

/// Parses a time, or a duration before `now`.
fn moment_before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let ago = text.parse::<SignedDuration>().ok().and_then(|ago| Duration::try_from(ago).ok());
    match ago {
        Some(ago) => Ok(now.before(ago)),
        None => text
            .parse()
            .map_err(|_| "expected a time such as `2026-01-31T12:00:00Z`, or a duration such as `15m`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        for (text, expected) in [
            ("15m", Some(1_699_999_100_000)),
            ("1h30m", Some(1_699_994_600_000)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(moment_before(text, now).ok().map(Timestamp::as_millis), expected, "{text}");
        }
    }
}
