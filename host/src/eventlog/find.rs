//! Finding one event by what people call it.

use std::time::Duration;

use super::{EventLog, EventLogError, Order, Query, Range, ScanLimits, Selection, Stored};
use crate::event::{EventName, Seq, Timestamp};

/// How much later than events after it an event can have been received: requests overtake each other on the way to the log.
const DISORDER: Duration = Duration::from_secs(60);

/// Ids that are compared with a name at most. So many events of one millisecond, or of a time as long as a short beginning
/// leaves open, have several that begin so.
const MOST: usize = 10_000;

/// What a name has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The event, with its payload.
    One(Box<Stored>),
    /// No event is called so.
    None,
    /// Several ids begin so.
    Several,
}

impl EventLog {
    /// Finds an event. The beginning of an id costs reads of the log around the time in it.
    ///
    /// # Errors
    /// Those of [`EventLog::event`].
    pub fn find(&self, name: &EventName) -> Result<Found, EventLogError> {
        let found = match name {
            EventName::Id(id) => self.event(*id)?,
            EventName::Position(seq) => self.event(*seq)?,
            EventName::Latest => {
                match self.scan(&Query::default(), Range::down_from(None), ScanLimits::items(1))?.items.pop() {
                    Some(stored) => self.event(stored.event.seq)?,
                    None => None,
                }
            }
            EventName::Prefix(prefix) => {
                let (first, last) = prefix.bounds();
                let (since, until) = (first.received_at(), last.received_at().after(Duration::from_millis(1)));
                let is_meant = |stored: &Stored| (first..=last).contains(&stored.event.id);
                let mut meant =
                    self.received(since, until)?.into_iter().filter(is_meant).map(|stored| stored.event.seq);
                match (meant.next(), meant.next()) {
                    (Some(only), None) => self.event(only)?,
                    (None, _) => None,
                    _ => return Ok(Found::Several),
                }
            }
        };
        Ok(found.map_or(Found::None, |stored| Found::One(Box::new(stored))))
    }

    /// About how many events were received after `time`.
    ///
    /// # Errors
    /// Those of [`EventLog::event`].
    pub fn received_since(&self, time: Timestamp) -> Result<u64, EventLogError> {
        Ok((self.head().0 + 1).saturating_sub(self.first_after(time)?.0))
    }

    /// About the first position whose event was received after `time`: events are nearly in the order of their times.
    fn first_after(&self, time: Timestamp) -> Result<Seq, EventLogError> {
        let (mut low, mut high) = (1, self.head().0 + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let range = Range { last: Seq(high), ..Range::up_from(Seq(middle)) };
            let next = self.scan(&Query::default(), range, ScanLimits::items(1))?.items.pop();
            match next.filter(|stored| stored.event.time <= time) {
                Some(before) => low = before.event.seq.0 + 1,
                None => high = middle,
            }
        }
        Ok(Seq(low))
    }

    /// The events that were received from `since` to `until`, at most so many.
    fn received(&self, since: Timestamp, until: Timestamp) -> Result<Vec<Stored>, EventLogError> {
        let events = Selection { since: Some(since), until: Some(until), ..Selection::default() };
        let query = Query { events, ..Query::default() };
        let first = self.first_after(since.before(DISORDER))?;
        let last = self.first_after(until.after(DISORDER))?;
        let mut range = Range { first, last, order: Order::OldestFirst };
        let mut found = Vec::new();
        loop {
            let page = self.scan(&query, range, ScanLimits::items(ScanLimits::PAGE))?;
            found.extend(page.items);
            match page.next.filter(|_| found.len() < MOST) {
                Some(next) => range.first = next,
                None => return Ok(found),
            }
        }
    }
}
