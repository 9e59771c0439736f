//! A limit of log lines: callers who can make requests fail must not fill the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Lets a few lines a second through.
pub(crate) struct LogThrottle {
    began: Instant,
    /// The second in the upper half, the lines of that second in the lower.
    lines: AtomicU64,
}

impl LogThrottle {
    const LINES_PER_SECOND: u64 = 10;

    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), lines: AtomicU64::new(0) }
    }

    /// Whether a line may be written now.
    pub(crate) fn allows(&self) -> bool {
        self.allows_at(self.began.elapsed())
    }

    fn allows_at(&self, elapsed: Duration) -> bool {
        let second = elapsed.as_secs() << 32;
        let next = |lines: u64| Some(if lines >> 32 == second >> 32 { lines.saturating_add(1) } else { second + 1 });
        let before = self.lines.try_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(u64::MAX);
        before >> 32 != second >> 32 || before & u64::from(u32::MAX) < Self::LINES_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_failures_writes_few_lines() {
        let throttle = LogThrottle::new();
        let allowed = |at: u64| (0..100).filter(|_| throttle.allows_at(Duration::from_secs(at))).count();

        assert_eq!(allowed(0), 10);
        assert_eq!(allowed(0), 0);
        assert_eq!(allowed(1), 10);
    }
}
