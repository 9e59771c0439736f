use std::num::NonZeroU32;
use std::time::Duration;

use jiff::fmt::rfc2822;

use crate::event::Timestamp;

/// When a failed attempt is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// Attempts in all; after the last failed one the delivery is dead.
    pub attempts: NonZeroU32,
    /// The wait after the first failed attempt.
    pub first_wait: Duration,
    /// The longest wait, also when the agent asks for a longer one.
    pub max_wait: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: NonZeroU32::new(10).expect("10 is not 0"),
            first_wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(300),
        }
    }
}

impl RetrySettings {
    /// When to try again after failed attempt number `attempt`; none when there are no attempts left.
    ///
    /// `after` is the agent's `Retry-After`; it is obeyed up to `max_wait` when it is longer than the own wait.
    pub(super) fn next(
        &self,
        attempt: NonZeroU32,
        after: Option<&str>,
        now: Timestamp,
        jitter: f64,
    ) -> Option<Timestamp> {
        if attempt >= self.attempts {
            return None;
        }
        let asked = after.and_then(|text| retry_after(text, now)).unwrap_or_default();
        let wait = backoff(attempt, self.first_wait, self.max_wait, jitter).max(asked.min(self.max_wait));
        Some(now.after(wait))
    }
}

/// Waits after failed attempt number `attempt`, doubling from `base` up to `cap`.
///
/// The result lies between half and all of the doubled value (`jitter` is 0.0..=1.0) and is never above `cap`.
fn backoff(attempt: NonZeroU32, base: Duration, cap: Duration, jitter: f64) -> Duration {
    let doubled = base.saturating_mul(2_u32.saturating_pow(attempt.get() - 1)).min(cap);
    doubled.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

/// A number from 0.0 to 1.0: agents that failed together are not tried again together.
pub(super) fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

/// The wait that a `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::parse(text).ok()?.timestamp();
    Some(Timestamp::from_millis(date.as_millisecond()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn waits_double_up_to_the_cap_with_jitter_below() {
        let [base, cap] = [Duration::from_secs(1), Duration::from_secs(300)];
        for (attempt, jitter, seconds) in
            [(1, 1.0, 1.0), (1, 0.0, 0.5), (3, 1.0, 4.0), (3, 0.5, 3.0), (20, 1.0, 300.0), (99, 0.0, 150.0)]
        {
            assert_eq!(
                backoff(number(attempt), base, cap, jitter),
                Duration::from_secs_f64(seconds),
                "{attempt} {jitter}"
            );
        }
    }

    #[test]
    fn an_agent_may_ask_for_a_longer_wait_but_not_for_ever() {
        let retry = RetrySettings::default();
        let wait = |after: Option<&str>| retry.next(number(1), after, NOW, 1.0).unwrap().since(NOW);

        assert_eq!(wait(None), Duration::from_secs(1));
        assert_eq!(wait(Some("20")), Duration::from_secs(20));
        assert_eq!(wait(Some("0")), Duration::from_secs(1));
        assert_eq!(wait(Some("99999999")), Duration::from_secs(300));
        assert_eq!(wait(Some("Tue, 14 Nov 2023 22:14:20 GMT")), Duration::from_secs(60));
        assert_eq!(wait(Some("soon")), Duration::from_secs(1));
    }

    #[test]
    fn there_is_nothing_after_the_last_attempt() {
        let retry = RetrySettings { attempts: number(3), ..RetrySettings::default() };

        assert!(retry.next(number(2), None, NOW, 0.0).is_some());
        assert_eq!(retry.next(number(3), None, NOW, 0.0), None);
    }
}
