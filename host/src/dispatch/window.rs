//! Attempts of a time that ends now, by what they came to. Pure: time is an argument.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use super::failure_class::FailureClass;

/// Parts of a window that are counted apart. What is counted lies between all but one of them and all.
const BUCKETS: usize = 24;

/// Attempts by what they came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    delivered: u32,
    failed: [u32; FailureClass::ALL.len()],
}

impl Counts {
    /// `failure` is `None` for an attempt that delivered.
    pub(super) fn add(&mut self, failure: Option<FailureClass>) {
        let count = match failure {
            None => &mut self.delivered,
            Some(class) => &mut self.failed[class as usize],
        };
        *count = count.saturating_add(1);
    }

    pub(super) fn attempts(&self) -> u32 {
        self.failures().saturating_add(self.delivered)
    }

    pub(super) fn failures(&self) -> u32 {
        self.failed.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The share of attempts that failed. `None` without attempts.
    pub(super) fn failed_share(&self) -> Option<f64> {
        (self.attempts() > 0).then(|| f64::from(self.failures()) / f64::from(self.attempts()))
    }

    /// The classes that occurred, the most frequent first.
    pub(super) fn classes(&self) -> Vec<(FailureClass, u32)> {
        let counted = FailureClass::ALL.into_iter().map(|class| (class, self.failed[class as usize]));
        let mut classes: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
        classes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        classes
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.delivered = self.delivered.saturating_add(other.delivered);
        for (count, more) in self.failed.iter_mut().zip(other.failed) {
            *count = count.saturating_add(more);
        }
    }
}

/// Counts of the last `length`, in a ring of buckets that are overwritten when their time comes again.
#[derive(Clone, Debug)]
pub(super) struct Window {
    length: Duration,
    /// Nanoseconds of a bucket.
    step: u64,
    start: Instant,
    buckets: [Bucket; BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Counts from 0 at the start of the window. A bucket without attempts may have any number.
    number: u64,
    /// When its first attempt ended; `None` if there was none.
    since: Option<Instant>,
    counts: Counts,
}

impl Window {
    pub(super) fn new(length: Duration, start: Instant) -> Self {
        let step = nanoseconds(length) / BUCKETS as u64;
        Self { length, step: step.max(1), start, buckets: [Bucket::default(); BUCKETS] }
    }

    pub(super) const fn length(&self) -> Duration {
        self.length
    }

    pub(super) fn add(&mut self, failure: Option<FailureClass>, now: Instant) {
        let number = self.number(now);
        let bucket = &mut self.buckets[(number % BUCKETS as u64) as usize];
        if bucket.number != number || bucket.since.is_none() {
            *bucket = Bucket { number, since: Some(now), counts: Counts::default() };
        }
        bucket.counts.add(failure);
    }

    pub(super) fn counts(&self, now: Instant) -> Counts {
        let mut sum = Counts::default();
        self.current(now).for_each(|bucket| sum += bucket.counts);
        sum
    }

    /// How long ago the first attempt that it counts was; at most its length.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let since = self.current(now).filter_map(|bucket| bucket.since).min();
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since).min(self.length))
    }

    fn current(&self, now: Instant) -> impl Iterator<Item = &Bucket> {
        let last = self.number(now);
        self.buckets.iter().filter(move |bucket| bucket.since.is_some() && last - bucket.number < BUCKETS as u64)
    }

    fn number(&self, now: Instant) -> u64 {
        nanoseconds(now.saturating_duration_since(self.start)) / self.step
    }
}

/// Up to 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(240);

    #[test]
    fn a_window_forgets_what_is_older_than_its_length() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::new(LENGTH, start);
        window.add(None, at(0));
        window.add(Some(FailureClass::Dns), at(9));
        window.add(Some(FailureClass::Tls), at(10));
        for (seconds, attempts, failures, age) in
            [(10, 3, 2, 10), (239, 3, 2, 239), (240, 1, 1, 230), (249, 1, 1, 239), (250, 0, 0, 0), (99_999, 0, 0, 0)]
        {
            let counts = window.counts(at(seconds));
            let age = Duration::from_secs(age);
            assert_eq!(
                (counts.attempts(), counts.failures(), window.age(at(seconds))),
                (attempts, failures, age),
                "{seconds}"
            );
        }

        // The same bucket, a turn later.
        window.add(None, at(99_999));
        assert_eq!((window.counts(at(99_999)).attempts(), window.counts(at(99_999)).failures()), (1, 0));
    }

    #[test]
    fn classes_are_named_by_how_often_they_occurred() {
        let mut counts = Counts::default();
        assert_eq!((counts.failed_share(), counts.classes()), (None, Vec::new()));
        for failure in [None, Some(FailureClass::Faulty), Some(FailureClass::Connect), Some(FailureClass::Faulty)] {
            counts.add(failure);
        }
        assert_eq!(counts.failed_share(), Some(0.75));
        assert_eq!(counts.classes(), [(FailureClass::Faulty, 2), (FailureClass::Connect, 1)]);
    }
}
