//! Memory that nobody uses any more: it goes back to the system.
//!
//! It owns the settings of the C library's allocator, and promises that the process keeps little of what a burst needed once
//! the burst is over. Two things would keep it for ever in glibc: once a large block was freed, the next ones come from heaps
//! that shrink only at their ends; and every thread may have a heap of its own. So large blocks stay outside of the heaps, there
//! are few heaps, and whenever the process rests, what is free inside of them is given back.
//! Deliberately absent: an allocator of our own; `host/decisions/0019-memory-that-comes-back.md` says why. Other C libraries are
//! left as they are.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// How often to look whether the process rests.
const CHECK: Duration = Duration::from_secs(1);

/// Waits for moments of rest, and gives free memory back in each.
pub async fn return_when_idle() {
    let mut checks = interval(CHECK);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rest = Rest::default();
    loop {
        checks.tick().await;
        if rest.is_due(allocator::processor_time())
            && let Err(error) = tokio::task::spawn_blocking(allocator::trim).await
        {
            tracing::warn!(%error, "Free memory was not given back");
        }
    }
}

/// Makes the allocator keep little. Call it before other threads are started.
pub fn keep_little() {
    if !allocator::configure() {
        tracing::debug!("The allocator keeps its defaults");
    }
}

/// Finds the moments in which giving back costs nobody anything. All times are processor time of the process.
#[derive(Debug, Default)]
struct Rest {
    /// At the last check.
    seen: Duration,
    /// When memory was last given back.
    returned: Duration,
    /// Checks since then.
    checks: u32,
}

impl Rest {
    /// A process that uses less between two checks rests.
    const IDLE: Duration = Duration::from_millis(20);
    /// With less work since the last time there is nothing worth giving back.
    const WORTH_IT: Duration = Duration::from_millis(100);
    /// A process that never rests gives back nevertheless, after so many checks.
    const AT_LAST: u32 = 600;

    fn is_due(&mut self, used: Duration) -> bool {
        let is_idle = used.saturating_sub(self.seen) < Self::IDLE;
        let has_worked = used.saturating_sub(self.returned) >= Self::WORTH_IT;
        (self.seen, self.checks) = (used, self.checks.saturating_add(1));
        let is_due = has_worked && (is_idle || self.checks >= Self::AT_LAST);
        if is_due {
            (self.returned, self.checks) = (used, 0);
        }
        is_due
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "no dependency has these functions of the C library")]
mod allocator {
    use std::ffi::c_int;
    use std::thread::available_parallelism;
    use std::time::Duration;

    /// Blocks from this size on are mapped one by one, and unmapped when they are freed.
    const LARGE: c_int = 1 << 20;

    /// What a heap keeps free at its end, so that ordinary work does not ask the system again and again.
    const SLACK: c_int = 4 << 20;

    /// The most heaps that threads share: one for each core, and these at least.
    const HEAPS: usize = 4;

    pub(super) fn configure() -> bool {
        let heaps = available_parallelism().map_or(HEAPS, |cores| cores.get().max(HEAPS));
        let heaps = c_int::try_from(heaps).unwrap_or(c_int::MAX);
        let settings = [(libc::M_MMAP_THRESHOLD, LARGE), (libc::M_TRIM_THRESHOLD, SLACK), (libc::M_ARENA_MAX, heaps)];
        // SAFETY: the function changes numbers of the allocator, and refuses those that it cannot use.
        let set = |(name, value)| unsafe { libc::mallopt(name, value) == 1 };
        settings.map(set) == [true; 3]
    }

    pub(super) fn trim() {
        // SAFETY: the function takes the allocator's own locks, and touches only what is free.
        unsafe { libc::malloc_trim(0) };
    }

    pub(super) fn processor_time() -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the function writes one such struct.
        unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod allocator {
    use std::time::Duration;

    pub(super) fn configure() -> bool {
        false
    }

    pub(super) fn trim() {}

    /// No work, so that nothing is ever due.
    pub(super) fn processor_time() -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checks at which memory is given back, when the process has used this many milliseconds before each.
    fn returned(used: impl IntoIterator<Item = u64>) -> Vec<usize> {
        let (mut rest, mut total) = (Rest::default(), 0);
        let due = used.into_iter().map(|more| {
            total += more;
            rest.is_due(Duration::from_millis(total))
        });
        let due: Vec<_> = due.collect();
        (0..due.len()).filter(|check| due[*check]).collect()
    }

    #[test]
    fn memory_goes_back_once_after_each_piece_of_work() {
        assert_eq!(returned([500, 0, 0, 0, 0]), [1]);
        assert_eq!(returned([500, 300, 19, 1, 50, 0, 0, 51, 0, 0]), [2, 8]);
        assert_eq!(returned([5; 100]), [19, 39, 59, 79, 99], "little by little it is work too");
        assert_eq!(returned([0; 1000]), [] as [usize; 0]);
    }

    #[test]
    fn a_process_that_never_rests_gives_back_at_last() {
        assert_eq!(returned([1000; 1300]), [599, 1199]);
    }

    #[test]
    fn the_work_of_this_process_is_measured() {
        let before = allocator::processor_time();
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while cfg!(target_env = "gnu") && allocator::processor_time() <= before {
            assert!(std::time::Instant::now() < deadline);
        }
    }
}
