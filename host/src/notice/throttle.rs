//! At most one notice of a kind about a thing within a time. Pure: time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

pub(super) struct Throttle {
    every: Duration,
    told: HashMap<(&'static str, String), Told>,
}

struct Told {
    at: Instant,
    left_out: u64,
}

impl Throttle {
    /// Things that are remembered. With more, all that are old enough to be told again are forgotten, or else everything.
    const MOST: usize = 1024;

    pub(super) fn new(every: Duration) -> Self {
        Self { every, told: HashMap::new() }
    }

    /// Whether a notice may be told now, and how many like it were left out since the last one.
    pub(super) fn admit(&mut self, kind: &'static str, subject: &str, now: Instant) -> Option<u64> {
        let every = self.every;
        let is_recent = |told: &Told| now.saturating_duration_since(told.at) < every;
        if self.told.len() >= Self::MOST {
            self.told.retain(|_, told| is_recent(told));
        }
        if self.told.len() >= Self::MOST {
            self.told.clear();
        }
        let key = (kind, subject.to_owned());
        match self.told.get_mut(&key) {
            Some(told) if is_recent(told) => {
                told.left_out += 1;
                None
            }
            before => {
                let left_out = before.map_or(0, |told| told.left_out);
                self.told.insert(key, Told { at: now, left_out: 0 });
                Some(left_out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_told_of_once_within_the_time_and_what_was_left_out_is_counted() {
        let (mut throttle, start) = (Throttle::new(Duration::from_secs(60)), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);

        assert_eq!(throttle.admit("a", "x", start), Some(0));
        assert_eq!(throttle.admit("a", "x", after(1)), None);
        assert_eq!(throttle.admit("a", "x", after(59)), None);
        assert_eq!(throttle.admit("a", "y", after(59)), Some(0), "another thing");
        assert_eq!(throttle.admit("b", "x", after(59)), Some(0), "another kind");
        assert_eq!(throttle.admit("a", "x", after(60)), Some(2));
        assert_eq!(throttle.admit("a", "x", after(120)), Some(0));
    }

    #[test]
    fn the_memory_is_bounded() {
        let (mut throttle, now) = (Throttle::new(Duration::from_secs(60)), Instant::now());
        for number in 0..3 * Throttle::MOST {
            throttle.admit("a", &number.to_string(), now);
        }
        assert!(throttle.told.len() <= Throttle::MOST);
    }
}
