//! What a consumer is set to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::window::WindowLimits;
use crate::event::{EventPatterns, Pattern, PatternError};
use crate::subscribe::start::{Since, SinceError};
use crate::subscribe::whole::whole;

/// The settings of a consumer, in the configuration, the admin API and the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsumerSpec {
    /// Where it begins when it is made: [`Since`] as text.
    pub start: String,
    /// Patterns; none means everything.
    pub channels: Vec<String>,
    pub kinds: Vec<String>,
    pub subjects: Vec<String>,
    /// Events after its position that it may have at once.
    #[serde(deserialize_with = "whole")]
    pub window: usize,
    /// How long it may take to acknowledge an event.
    #[serde(deserialize_with = "whole")]
    pub ack_timeout_ms: u64,
    /// After as many attempts an event is parked.
    #[serde(deserialize_with = "whole")]
    pub max_attempts: u32,
    /// Parked events; with as many, the next one is tried on, and holds its consumer up.
    #[serde(deserialize_with = "whole")]
    pub parked_max: usize,
    /// How old the events become at least that it has not settled, whatever the age of retention; 0 is no hold.
    #[serde(deserialize_with = "whole")]
    pub hold_ms: u64,
    /// It is deleted after nobody has used it for so long; 0 is never. Not for what the configuration has.
    #[serde(deserialize_with = "whole")]
    pub idle_expiry_ms: u64,
}

/// What is wrong with a specification.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    #[error("`start`: {0}")]
    Start(#[from] SinceError),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("`{key}`: expected {expected}")]
    Range { key: &'static str, expected: &'static str },
}

impl Default for ConsumerSpec {
    fn default() -> Self {
        Self {
            start: "latest".to_owned(),
            channels: Vec::new(),
            kinds: Vec::new(),
            subjects: Vec::new(),
            window: 256,
            ack_timeout_ms: 60_000,
            max_attempts: 10,
            parked_max: 10_000,
            hold_ms: 0,
            idle_expiry_ms: 0,
        }
    }
}

impl ConsumerSpec {
    /// The largest window: its settled events are in one record.
    pub const MAX_WINDOW: usize = 2000;

    /// The longest hold, and the longest time without a use.
    pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

    /// Checks every member.
    ///
    /// # Errors
    /// The first one that is wrong.
    pub fn check(&self) -> Result<(), SpecError> {
        self.since()?;
        self.patterns()?;
        let range = |key, is_in: bool, expected| if is_in { Ok(()) } else { Err(SpecError::Range { key, expected }) };
        range("window", (1..=Self::MAX_WINDOW).contains(&self.window), "1 to 2000")?;
        range("ack_timeout_ms", (100..=86_400_000).contains(&self.ack_timeout_ms), "100 to 86400000")?;
        let is_short = |millis| Duration::from_millis(millis) <= Self::LONGEST;
        range("hold_ms", is_short(self.hold_ms), "at most 31622400000")?;
        let expires = self.idle_expiry_ms > 0;
        let is_in = !expires || (self.idle_expiry_ms >= 1000 && is_short(self.idle_expiry_ms));
        range("idle_expiry_ms", is_in, "0, or 1000 to 31622400000")?;
        range("max_attempts", self.max_attempts > 0, "at least 1")
    }

    pub(in crate::subscribe) fn since(&self) -> Result<Since, SpecError> {
        Ok(self.start.parse()?)
    }

    pub(super) fn patterns(&self) -> Result<EventPatterns, SpecError> {
        let all = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect::<Result<Vec<_>, _>>();
        Ok(EventPatterns { channels: all(&self.channels)?, kinds: all(&self.kinds)?, subjects: all(&self.subjects)? })
    }

    pub(super) fn hold(&self) -> Option<Duration> {
        (self.hold_ms > 0).then_some(Duration::from_millis(self.hold_ms))
    }

    pub(super) fn idle_expiry(&self) -> Option<Duration> {
        (self.idle_expiry_ms > 0).then_some(Duration::from_millis(self.idle_expiry_ms))
    }

    pub(super) fn limits(&self) -> WindowLimits {
        let ack_timeout = Duration::from_millis(self.ack_timeout_ms);
        WindowLimits { size: self.window, ack_timeout, max_attempts: self.max_attempts, parked_max: self.parked_max }
    }
}
