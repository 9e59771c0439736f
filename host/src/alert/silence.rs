//! One silence: which signals nobody hears of, from when to when, who wants it, and why.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use super::matcher::{MatcherError, Matchers};
use crate::event::Timestamp;
use crate::eventlog::ValueChange;

/// The most bytes of the name of an author.
pub(super) const MAX_SILENCE_AUTHOR: usize = 256;

/// The most bytes of a comment.
pub(super) const MAX_SILENCE_COMMENT: usize = 4096;

/// Identity of a silence: a UUID, of version 4 where we make it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SilenceId(Uuid);

/// A silence as it is stored. It holds from `starts_at` until just before `ends_at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    pub id: SilenceId,
    pub matchers: Matchers,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub created_by: String,
    pub comment: String,
    pub updated_at: Timestamp,
}

/// A silence as somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceDraft {
    /// The silence to change; `None` for a new one.
    pub id: Option<SilenceId>,
    pub matchers: Matchers,
    /// `None` for now, and for the start of an active silence that is changed.
    pub starts_at: Option<Timestamp>,
    pub ends_at: Timestamp,
    pub created_by: String,
    pub comment: String,
}

/// In the order in which Alertmanager lists silences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    Active,
    Pending,
    Expired,
}

/// A silence cannot be made or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    #[error("silence `{0}` not found")]
    NotFound(SilenceId),
    #[error("expected at most {limit} silences, expired ones included (`max_silences`)")]
    TooMany { limit: usize },
    #[error(transparent)]
    Matchers(#[from] MatcherError),
    #[error("{field}: expected {expected}, found {found}")]
    Invalid { field: &'static str, expected: String, found: String },
}

impl SilenceId {
    pub const FIRST: Self = Self(Uuid::nil());
    pub const LAST: Self = Self(Uuid::max());

    /// An id of version 4 from these random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(Builder::from_random_bytes(random).into_uuid())
    }
}

impl Silence {
    pub fn state(&self, now: Timestamp) -> SilenceState {
        match now {
            now if now >= self.ends_at => SilenceState::Expired,
            now if now < self.starts_at => SilenceState::Pending,
            _ => SilenceState::Active,
        }
    }
}

impl SilenceDraft {
    /// Whether it can become a silence.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&self, now: Timestamp) -> Result<(), SilenceError> {
        self.clone().checked(SilenceId::FIRST, self.starts_at.unwrap_or(now), now).map(drop)
    }

    /// The silence that it asks for, with this id, from this start.
    pub(super) fn checked(self, id: SilenceId, starts_at: Timestamp, now: Timestamp) -> Result<Silence, SilenceError> {
        let invalid = |field, expected: String, found: String| Err(SilenceError::Invalid { field, expected, found });
        for (field, text, most) in
            [("created_by", &self.created_by, MAX_SILENCE_AUTHOR), ("comment", &self.comment, MAX_SILENCE_COMMENT)]
        {
            if text.trim().is_empty() {
                return invalid(field, "a text".to_owned(), "an empty one".to_owned());
            }
            if text.len() > most {
                return invalid(field, format!("at most {most} bytes"), text.len().to_string());
            }
        }
        if self.ends_at <= starts_at {
            return invalid("ends_at", format!("a time after the start, `{starts_at}`"), format!("`{}`", self.ends_at));
        }
        if self.ends_at <= now {
            return invalid("ends_at", "a time in the future".to_owned(), format!("`{}`", self.ends_at));
        }
        let silence = Silence {
            id,
            matchers: self.matchers.selective()?,
            starts_at,
            ends_at: self.ends_at,
            created_by: self.created_by,
            comment: self.comment,
            updated_at: now,
        };
        // Characters that JSON escapes take up to six times their bytes in the log.
        let stored = serde_json::to_vec(&silence).map_or(0, |json| json.len());
        if stored > ValueChange::MAX_VALUE {
            return invalid("silence", format!("at most {} bytes as JSON", ValueChange::MAX_VALUE), stored.to_string());
        }
        Ok(silence)
    }
}

impl SilenceState {
    pub const ALL: [Self; 3] = [Self::Active, Self::Pending, Self::Expired];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for SilenceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SilenceId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn draft() -> SilenceDraft {
        SilenceDraft {
            id: None,
            matchers: "alertname=DiskFull".parse().unwrap(),
            starts_at: None,
            ends_at: at(2000),
            created_by: "ada".to_owned(),
            comment: "a new disk".to_owned(),
        }
    }

    #[test]
    fn an_id_is_a_uuid_of_version_4() {
        assert_eq!(SilenceId::new([0xff; 16]).to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(SilenceId::new([0; 16]).to_string(), "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn a_silence_holds_from_its_start_until_just_before_its_end() {
        let silence = draft().checked(SilenceId::new([1; 16]), at(1000), at(500)).unwrap();
        for (now, expected) in [
            (999, SilenceState::Pending),
            (1000, SilenceState::Active),
            (1999, SilenceState::Active),
            (2000, SilenceState::Expired),
        ] {
            assert_eq!(silence.state(at(now)), expected, "{now}");
        }
        // One that was ended before it began.
        let ended = Silence { starts_at: at(800), ends_at: at(800), ..silence };
        assert_eq!(ended.state(at(800)), SilenceState::Expired);
    }

    #[test]
    fn what_a_silence_cannot_be_is_refused_with_what_was_expected() {
        let check = |change: fn(&mut SilenceDraft), expected: &str| {
            let mut draft = draft();
            change(&mut draft);
            let error = draft.checked(SilenceId::new([1; 16]), at(1000), at(1500)).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };

        check(|draft| draft.created_by = " ".to_owned(), "created_by: expected a text, found an empty one");
        check(|draft| draft.comment.clear(), "comment: expected a text, found an empty one");
        check(|draft| draft.comment = "a".repeat(4097), "comment: expected at most 4096 bytes, found 4097");
        check(
            |draft| draft.comment = "\u{1}".repeat(4096),
            "silence: expected at most 24576 bytes as JSON, found 24805",
        );
        check(
            |draft| draft.ends_at = at(1000),
            "ends_at: expected a time after the start, `1970-01-01T00:00:01.000Z`, found `1970-01-01T00:00:01.000Z`",
        );
        check(
            |draft| draft.ends_at = at(1500),
            "ends_at: expected a time in the future, found `1970-01-01T00:00:01.500Z`",
        );
        check(|draft| draft.matchers = Matchers::default(), "expected at least one matcher, found none");
        check(
            |draft| draft.matchers = "a=~\".*\"".parse().unwrap(),
            "expected at least one matcher that does not match the empty text, found `a=~\".*\"`",
        );
    }

    #[test]
    fn a_silence_reads_back_from_the_log_and_from_json() {
        let silence = draft().checked(SilenceId::new([1; 16]), at(1000), at(1500)).unwrap();

        let stored = postcard::to_stdvec(&silence).unwrap();
        assert_eq!(postcard::from_bytes::<Silence>(&stored).unwrap(), silence);
        let json = serde_json::to_string(&silence).unwrap();
        assert_eq!(serde_json::from_str::<Silence>(&json).unwrap(), silence);
    }
}
