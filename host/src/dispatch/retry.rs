//! When failed attempts are retried.

use std::num::NonZeroU32;
use std::time::Duration;

/// When a failed attempt is retried.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrySettings {
    /// Attempts including the first. After the last failed one the delivery is dead.
    pub attempts: NonZeroU32,
    /// The wait after the first failed attempt.
    pub first_wait: Duration,
    /// The longest wait, unless the agent asks for more.
    pub max_wait: Duration,
    /// The random part of a wait, 0.0 to 1.0.
    pub jitter: f64,
    /// The longest wait that the agent can ask for.
    pub max_retry_after: Duration,
    /// The age at which a failing delivery is dead.
    pub max_age: Duration,
}

/// The code of an attempt that took too long.
pub(super) const TIMEOUT: &str = "timeout";
/// The code of an agent that asks for fewer requests.
const THROTTLED: &str = "throttled";

/// Why a failed delivery is not retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exhausted {
    #[error("given up after {0} attempts")]
    Attempts(NonZeroU32),
    #[error("given up, it is too old for another attempt (`max_age`)")]
    Age,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: NonZeroU32::new(10).expect("10 is not 0"),
            first_wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(300),
            jitter: 0.5,
            max_retry_after: Duration::from_secs(3600),
            max_age: Duration::from_secs(24 * 3600),
        }
    }
}

impl RetrySettings {
    /// The wait after failed attempt number `attempt` of a delivery of this `age`.
    ///
    /// `asked` is the agent's `Retry-After`. It counts if it is longer than the own wait. After a timeout or an answer of
    /// too many requests the own wait is that of the next attempt, because the agent is overloaded. `chance` is 0.0 to 1.0.
    pub(super) fn next(
        &self,
        attempt: NonZeroU32,
        code: &str,
        asked: Option<Duration>,
        age: Duration,
        chance: f64,
    ) -> Result<Duration, Exhausted> {
        if attempt >= self.attempts {
            return Err(Exhausted::Attempts(self.attempts));
        }
        let step = attempt.saturating_add(u32::from([TIMEOUT, THROTTLED].contains(&code)));
        let own = backoff(step, self.first_wait, self.max_wait, self.jitter * chance.clamp(0.0, 1.0));
        let wait = own.max(asked.unwrap_or_default().min(self.max_retry_after));
        if age.saturating_add(wait) > self.max_age { Err(Exhausted::Age) } else { Ok(wait) }
    }

    /// The longest possible wait.
    pub(super) fn longest_wait(&self) -> Duration {
        self.max_wait.max(self.max_retry_after)
    }
}

/// The wait after failed attempt number `attempt`, doubling from `base` up to `cap`.
///
/// It is reduced by the fraction `less`, 0.0 to 1.0.
fn backoff(attempt: NonZeroU32, base: Duration, cap: Duration, less: f64) -> Duration {
    let doubled = base.saturating_mul(2_u32.saturating_pow(attempt.get() - 1)).min(cap);
    doubled.mul_f64(1.0 - less)
}

/// A random number from 0.0 to 1.0, so that agents that failed together are not retried together.
pub(super) fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn waits_double_up_to_the_cap_and_chance_shortens_them() {
        let [base, cap] = [Duration::from_secs(1), Duration::from_secs(300)];
        for (attempt, less, seconds) in
            [(1, 0.0, 1.0), (1, 0.5, 0.5), (3, 0.0, 4.0), (3, 0.25, 3.0), (20, 0.0, 300.0), (99, 0.5, 150.0)]
        {
            assert_eq!(backoff(number(attempt), base, cap, less), Duration::from_secs_f64(seconds), "{attempt} {less}");
        }
    }

    #[test]
    fn an_agent_may_ask_for_a_longer_wait_but_not_for_ever() {
        let retry = RetrySettings::default();
        let wait =
            |asked: Option<u64>| retry.next(number(1), "status", asked.map(Duration::from_secs), Duration::ZERO, 0.0);

        assert_eq!(wait(None), Ok(Duration::from_secs(1)));
        assert_eq!(wait(Some(20)), Ok(Duration::from_secs(20)));
        assert_eq!(wait(Some(0)), Ok(Duration::from_secs(1)));
        assert_eq!(wait(Some(99_999_999)), Ok(Duration::from_secs(3600)));
    }

    #[test]
    fn an_agent_with_too_much_to_do_is_left_alone_for_longer() {
        let retry = RetrySettings::default();
        for (code, seconds) in [("status", 1), ("connect", 1), ("timeout", 2), ("throttled", 2)] {
            let wait = retry.next(number(1), code, None, Duration::ZERO, 0.0);
            assert_eq!(wait, Ok(Duration::from_secs(seconds)), "{code}");
        }
    }

    #[test]
    fn there_is_an_end_by_number_and_by_age() {
        let retry = RetrySettings { attempts: number(3), max_age: Duration::from_secs(60), ..RetrySettings::default() };
        let next = |attempt: u32, age: u64| retry.next(number(attempt), "status", None, Duration::from_secs(age), 0.0);

        assert_eq!(next(2, 0), Ok(Duration::from_secs(2)));
        assert_eq!(next(3, 0), Err(Exhausted::Attempts(number(3))));
        assert_eq!(next(2, 58), Ok(Duration::from_secs(2)));
        assert_eq!(next(2, 59), Err(Exhausted::Age));
    }
}
