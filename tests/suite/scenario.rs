//! A scenario: what it does, how it runs, and how it can end.

use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::table::{Ending, Row};

/// A way to break the gateway, and what must hold all the same.
pub(crate) struct Scenario<R> {
    pub(crate) name: &'static str,
    /// What is done and what is promised.
    pub(crate) claim: &'static str,
    /// Rounds of the short form, and of the long one.
    pub(crate) rounds: [u32; 2],
    pub(crate) run: fn(Scale) -> Run<R>,
}

pub(crate) type Run<R> = Pin<Box<dyn Future<Output = Outcome<R>>>>;

/// The result of a scenario; the error says why it cannot run here.
pub(crate) type Outcome<R> = Result<R, Skipped>;

/// Why a scenario cannot run here.
#[derive(Debug)]
pub(crate) struct Skipped(pub(crate) String);

/// How much of a scenario is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) name: &'static str,
    pub(crate) rounds: u32,
    pub(crate) long: bool,
}

impl Scale {
    /// `short` or `long`, depending on the form.
    pub(crate) fn either<T>(self, short: T, long: T) -> T {
        if self.long { long } else { short }
    }

    /// Reports the progress, at most every ten seconds.
    pub(crate) fn progress(self, round: u32) {
        static LAST: Mutex<Option<Instant>> = Mutex::new(None);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() > Duration::from_secs(10)) {
            eprintln!("  {} round {round} of {}", self.name, self.rounds);
            *last = Some(Instant::now());
        }
    }
}

impl<R: Row> Scenario<R> {
    /// Runs it in its own runtime, so that no task outlives it. A panic is an ending like others.
    pub(crate) fn run(&self, long: bool, rounds: Option<u32>) -> Ending<R> {
        let scale = Scale { name: self.name, rounds: rounds.unwrap_or(self.rounds[usize::from(long)]), long };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ended = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on((self.run)(scale))));
        runtime.shutdown_timeout(Duration::from_secs(5));
        // Also one of a task that nobody waits for.
        let panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (panic, ended) {
            (None, Ok(Ok(report))) => Ending::Done(report),
            (None, Ok(Err(Skipped(reason)))) => Ending::Skipped(reason),
            (panic, _) => Ending::Broken(panic.unwrap_or_default()),
        }
    }
}

/// The message and the place of the first panic of a scenario.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Keeps panic messages for the table.
pub(crate) fn keep_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let mut kept = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            *kept = Some(info.to_string());
        }
        drop(kept);
        print(info);
    }));
}

/// A figure of `/proc/PID/status`, such as `VmRSS:`, in bytes.
pub(crate) fn memory(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    value.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
