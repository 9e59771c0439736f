//! The waits between the tries of a background task.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Waits between tries, each twice as long as the one before, up to a limit. A try that succeeds begins anew with another value.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Backoff {
    /// The first wait.
    pub const FIRST: Duration = Duration::from_millis(100);
    /// The longest one.
    pub const LONGEST: Duration = Duration::from_secs(10);

    /// Waits; whether there is another try, because `stop` was not cancelled meanwhile.
    pub async fn wait(&mut self, stop: &CancellationToken) -> bool {
        stop.run_until_cancelled(tokio::time::sleep(self.next())).await.is_some()
    }

    fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = wait.saturating_mul(2).min(Self::LONGEST);
        wait
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self(Self::FIRST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::default();

        let waits: Vec<_> = (0..9).map(|_| backoff.next().as_millis()).collect();

        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[tokio::test]
    async fn a_stop_ends_a_wait() {
        let (stop, mut backoff) = (CancellationToken::new(), Backoff(Duration::MAX));
        stop.cancel();

        assert!(!backoff.wait(&stop).await);
    }
}
