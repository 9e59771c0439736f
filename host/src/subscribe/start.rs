//! Where a subscription begins.

use std::str::FromStr;

use serde::Serialize;

use crate::event::{Seq, Timestamp};
use crate::eventlog::{
    Cursor, Epoch, EventLog, EventLogError, Query, Range, ScanLimits, Selection, SkipReason, Skipped,
};

/// What a subscriber asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Since {
    /// What comes from now on.
    #[default]
    Latest,
    /// The oldest event that is there.
    Earliest,
    /// What follows this position.
    After(Cursor),
    /// Events that were received at this moment or later.
    Time(Timestamp),
    /// What follows the position, but nothing that was received before the moment.
    Recent(Cursor, Timestamp),
}

/// A text that says no beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `latest`, `earliest`, a cursor, or a time such as `2026-01-31T12:00:00Z`")]
pub struct SinceError;

impl FromStr for Since {
    type Err = SinceError;

    fn from_str(text: &str) -> Result<Self, SinceError> {
        match text {
            "latest" => Ok(Self::Latest),
            "earliest" => Ok(Self::Earliest),
            _ => {
                let cursor = || text.parse().map(Self::After).ok();
                cursor().or_else(|| text.parse().map(Self::Time).ok()).ok_or(SinceError)
            }
        }
    }
}

/// Why there may be events that a subscriber is not told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GapReason {
    /// Retention removed them.
    Retention,
    /// They were lost to damage.
    Damage,
    /// The cursor is of another log, such as the one before a restore.
    Epoch,
    /// The cursor is beyond the newest event.
    Ahead,
    /// The subscriber did not want what is as old.
    Age,
}

impl From<SkipReason> for GapReason {
    fn from(reason: SkipReason) -> Self {
        match reason {
            SkipReason::Retention => Self::Retention,
            SkipReason::Damage => Self::Damage,
        }
    }
}

impl GapReason {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Damage => "damage",
            Self::Epoch => "epoch",
            Self::Ahead => "ahead",
            Self::Age => "age",
        }
    }
}

/// Positions that a subscriber asked for and that have no event. Whether one of them would have been for it is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The last position before.
    pub from: Cursor,
    /// The last position that is missing: the subscription goes on after it.
    pub cursor: Cursor,
    /// `None` if that cannot be told.
    pub missing_at_most: Option<u64>,
    pub reason: GapReason,
}

impl Gap {
    pub(super) fn of(epoch: Epoch, skipped: Skipped) -> Self {
        let at = |seq| Cursor { epoch, seq: Seq(seq) };
        Self {
            from: at(skipped.first.0.saturating_sub(1)),
            cursor: at(skipped.last.0),
            missing_at_most: Some(skipped.last.0 + 1 - skipped.first.0),
            reason: skipped.reason.into(),
        }
    }
}

/// The position after which a subscription begins, and what is missing before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    pub after: Seq,
    pub gap: Option<Gap>,
}

impl Since {
    /// Finds the beginning. Waits for the disk.
    ///
    /// # Errors
    /// Those of reads of the log.
    pub fn find(self, log: &EventLog) -> Result<Start, EventLogError> {
        let snapshot = log.snapshot();
        // `floor` is the first event that is there, or the one that comes next.
        let (head, oldest, epoch) = (snapshot.head, Seq(snapshot.floor.0.saturating_sub(1)), snapshot.epoch);
        let at = |seq| Cursor { epoch, seq };
        let whole = |after| Start { after, gap: None };
        Ok(match self {
            Self::Latest => whole(head),
            Self::Earliest => whole(oldest),
            Self::Time(time) => whole(before(log, time)?.unwrap_or(head)),
            Self::After(from) if from.epoch != epoch => {
                let gap = Gap { from, cursor: at(oldest), missing_at_most: None, reason: GapReason::Epoch };
                Start { after: oldest, gap: Some(gap) }
            }
            Self::After(from) if from.seq > head => {
                let gap = Gap { from, cursor: at(head), missing_at_most: Some(0), reason: GapReason::Ahead };
                Start { after: head, gap: Some(gap) }
            }
            Self::After(from) => whole(from.seq),
            Self::Recent(from, time) => {
                let (start, recent) = (Self::After(from).find(log)?, Self::Time(time).find(log)?);
                if recent.after <= start.after {
                    return Ok(start);
                }
                let missing_at_most = start.gap.is_none().then(|| recent.after.0 - start.after.0);
                let reason = start.gap.map_or(GapReason::Age, |gap| gap.reason);
                let gap = Gap { from, cursor: at(recent.after), missing_at_most, reason };
                Start { after: recent.after, gap: Some(gap) }
            }
        })
    }
}

/// The position before the first event that was received at `time` or later.
fn before(log: &EventLog, time: Timestamp) -> Result<Option<Seq>, EventLogError> {
    let query = Query { events: Selection { since: Some(time), ..Selection::default() }, ..Query::default() };
    let mut range = Range::up_from(Seq(1));
    loop {
        let page = log.scan(&query, range, ScanLimits::items(1))?;
        match (page.items.first(), page.next) {
            (Some(found), _) => return Ok(Some(Seq(found.event.seq.0 - 1))),
            (None, Some(next)) => range.first = next,
            (None, None) => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_word_a_cursor_or_a_time() {
        let cursor = "00abcdef01234567.7".parse().unwrap();
        let time = "2026-01-31T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("latest", Ok(Since::Latest)),
            ("earliest", Ok(Since::Earliest)),
            ("00abcdef01234567.7", Ok(Since::After(cursor))),
            ("2026-01-31T12:00:00Z", Ok(Since::Time(time))),
            ("7", Err(SinceError)),
            ("", Err(SinceError)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }
}
