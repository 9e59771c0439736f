//! Deliveries spread over time.

use std::time::Duration;

use tokio::time::Instant;

/// Spreads deliveries over time: a number per second, in small portions.
///
/// A portion may be larger than what is due, and is paid for by the wait before the next one. Time in which nothing was
/// taken is not made up for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throttle {
    rate: u32,
    free_at: Instant,
}

impl Throttle {
    const PORTIONS: u32 = 10;
    const MAX_PORTION: u32 = 64;

    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self { rate: rate.max(1), free_at: now }
    }

    /// The size of the next portion.
    pub(super) fn portion(&self) -> usize {
        (self.rate / Self::PORTIONS).clamp(1, Self::MAX_PORTION) as usize
    }

    /// When the next portion may be taken.
    pub(super) const fn free_at(&self) -> Instant {
        self.free_at
    }

    /// Notes that `count` were taken.
    pub(super) fn take(&mut self, count: usize, now: Instant) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let cost = Duration::from_secs(1).saturating_mul(count) / self.rate;
        self.free_at = self.free_at.max(now) + cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_keep_the_rate_and_idle_time_is_not_made_up_for() {
        let start = Instant::now();
        for (rate, portion, taken, expected) in [
            (1, 1, 1, Duration::from_secs(1)),
            (100, 10, 10, Duration::from_millis(100)),
            (10_000, 64, 64, Duration::from_micros(6_400)),
            (5, 1, 3, Duration::from_millis(600)),
        ] {
            let mut throttle = Throttle::new(rate, start);
            assert_eq!((throttle.portion(), throttle.free_at()), (portion, start));

            throttle.take(taken, start);
            assert_eq!(throttle.free_at() - start, expected, "{rate}");
            throttle.take(taken, start);
            assert_eq!(throttle.free_at() - start, 2 * expected, "{rate}");

            let later = start + Duration::from_secs(60);
            throttle.take(taken, later);
            assert_eq!(throttle.free_at() - later, expected, "{rate}");
        }
    }
}
