//! Rates with a burst.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A sustained rate, plus a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds between requests at the sustained rate; at least 1.
    interval: u64,
    /// The burst; at least 1.
    burst: u32,
}

/// The text is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a count and a unit, such as `100/s`, `600/m` or `1000/h`")]
pub struct NotARate;

impl Rate {
    /// The same rate with another burst.
    #[must_use]
    pub fn with_burst(self, burst: u32) -> Self {
        Self { burst: burst.max(1), ..self }
    }

    /// The burst.
    pub fn burst(self) -> u32 {
        self.burst
    }

    /// The time until an empty bucket is full.
    fn span(self) -> u64 {
        self.interval.saturating_mul(self.burst.into())
    }

    /// Takes one token from a bucket that will be full at `full_at`. Returns the new `full_at`, or `None` if the bucket is empty.
    ///
    /// This is the generic cell rate algorithm (ITU-T I.371): the state of the token bucket is a single point in time.
    pub(super) fn take(self, full_at: u64, now: u64) -> (Option<u64>, Standing) {
        let next = full_at.max(now).saturating_add(self.interval);
        let filled = next - now;
        let room = self.span().checked_sub(filled);
        let standing = |remaining, reset: u64, wait: u64| Standing {
            limit: self.burst,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            reset: Duration::from_nanos(reset),
            wait: Duration::from_nanos(wait),
        };
        match room {
            Some(room) => (Some(next), standing(room / self.interval, filled, 0)),
            None => (None, standing(0, filled - self.interval, filled - self.span())),
        }
    }
}

impl fmt::Display for Rate {
    /// In the largest unit with a whole count.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HOUR: u64 = 3600 * 1_000_000_000;
        let per_hour = (HOUR + self.interval / 2) / self.interval;
        match per_hour {
            count if count % 3600 == 0 => write!(f, "{}/s", count / 3600),
            count if count % 60 == 0 => write!(f, "{}/m", count / 60),
            count => write!(f, "{count}/h"),
        }
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    /// Parses `100/s`, `600/m` or `1000/h`. The burst is the number of requests in one second, at least one.
    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (count, unit) = text.split_once('/').ok_or(NotARate)?;
        let seconds: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(NotARate),
        };
        let digits = !count.is_empty() && count.bytes().all(|digit| digit.is_ascii_digit());
        let count = count.parse::<u32>().ok().filter(|count| digits && *count > 0).ok_or(NotARate)?;
        let interval = (seconds * 1_000_000_000 / u64::from(count)).max(1);
        let burst = u32::try_from(u64::from(count).div_ceil(seconds)).unwrap_or(u32::MAX);
        Ok(Self { interval, burst })
    }
}

/// The state of a rate after one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The burst.
    pub limit: u32,
    /// How many requests are allowed right now.
    pub remaining: u32,
    /// The time until the full burst is allowed.
    pub reset: Duration,
    /// The wait before a retry; zero if the request was allowed.
    pub wait: Duration,
}

impl Standing {
    /// Whether the request exceeded the rate.
    pub fn is_exceeded(&self) -> bool {
        !self.wait.is_zero()
    }
}

/// A rate and its used part, shared between threads.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    began: Instant,
    full_at: AtomicU64,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: Rate) -> Self {
        Self { rate, began: Instant::now(), full_at: AtomicU64::new(0) }
    }

    /// Counts one request, unless it exceeds the rate.
    pub fn take(&self) -> Standing {
        let now = since(self.began);
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let (next, standing) = self.rate.take(full_at, now);
            let Some(next) = next else { return standing };
            match self.full_at.compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return standing,
                Err(changed) => full_at = changed,
            }
        }
    }
}

/// Nanoseconds since `began`; 64 bits last for centuries.
pub(super) fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_rate_is_shown_as_it_is_written() {
        for text in ["1/s", "7/s", "100/s", "90/m", "1000/h", "1/h"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_rate_is_a_count_and_a_unit() {
        for (text, expected) in [
            ("100/s", Ok((SECOND / 100, 100))),
            ("600/m", Ok((SECOND / 10, 10))),
            ("1/h", Ok((3600 * SECOND, 1))),
            ("0/s", Err(NotARate)),
            ("+1/s", Err(NotARate)),
            ("100", Err(NotARate)),
            ("100/d", Err(NotARate)),
            ("/s", Err(NotARate)),
        ] {
            assert_eq!(text.parse::<Rate>().map(|rate| (rate.interval, rate.burst)), expected, "{text}");
        }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let rate = "10/s".parse::<Rate>().unwrap().with_burst(3);
        let mut full_at = 0;
        let mut take = |now| {
            let (next, standing) = rate.take(full_at, now);
            full_at = next.unwrap_or(full_at);
            (standing.remaining, standing.reset.as_millis(), standing.wait.as_millis())
        };

        assert_eq!(take(SECOND), (2, 100, 0));
        assert_eq!(take(SECOND), (1, 200, 0));
        assert_eq!(take(SECOND), (0, 300, 0));
        assert_eq!(take(SECOND), (0, 300, 100));
        assert_eq!(take(SECOND + SECOND / 20), (0, 250, 50));
        assert_eq!(take(SECOND + SECOND / 10), (0, 300, 0));
        assert_eq!(take(9 * SECOND), (2, 100, 0), "a pause fills it up, and no more than that");
    }

    #[test]
    fn concurrent_requests_share_one_bucket() {
        let bucket = Bucket::new("1/h".parse::<Rate>().unwrap().with_burst(100));
        let taken = std::thread::scope(|scope| {
            let takers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..100).filter(|_| !bucket.take().is_exceeded()).count())).collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).sum::<usize>()
        });
        assert_eq!(taken, 100);
    }
}
