//! Who uses a consumer, and since when nobody does.

use std::time::Duration;

use crate::event::Timestamp;

/// The uses of a consumer. What is written of them is a little older than what is known, because not each of them is worth a write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// Those who wait for events.
    users: usize,
    last: Timestamp,
}

impl Usage {
    /// That of a consumer which was used last then, as far as it is written. Whoever could not come while the gateway was away has
    /// a little time to come back.
    pub(super) fn since(written: Option<Timestamp>, expiry: Option<Duration>, now: Timestamp) -> Self {
        let last = match (written, expiry) {
            (Some(written), Some(expiry)) => written.max(now.before(expiry)).after(step(expiry)).min(now),
            _ => now,
        };
        Self { users: 0, last }
    }

    pub(super) fn begins(&mut self) {
        self.users += 1;
    }

    pub(super) fn ends(&mut self) {
        self.users -= 1;
    }

    pub(super) fn used(&mut self, now: Timestamp) {
        self.last = now;
    }

    /// The last use, for the record.
    pub(super) fn last(self, now: Timestamp) -> Timestamp {
        if self.users > 0 { now } else { self.last }
    }

    pub(super) fn is_over(self, expiry: Duration, now: Timestamp) -> bool {
        self.users == 0 && now.since(self.last) >= expiry
    }
}

/// How much later a use has to be than the one that is written to be written as well.
pub(super) fn step(expiry: Duration) -> Duration {
    expiry / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_restart_makes_no_consumer_expire_early_and_leaves_time_to_come_back() {
        let now = Timestamp::now();
        for (written, left) in [
            (Some(now), HOUR),
            (Some(now.before(HOUR / 2)), HOUR * 5 / 8),
            (Some(now.before(100 * HOUR)), HOUR / 8),
            (None, HOUR),
        ] {
            let usage = Usage::since(written, Some(HOUR), now);
            let [before, then] = [left - HOUR / 100, left].map(|wait| usage.is_over(HOUR, now.after(wait)));
            assert_eq!((before, then), (false, true), "{written:?}");
        }
    }
}
