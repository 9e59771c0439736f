//! Progress of long work, on one line of stderr if that is a terminal.

use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use bytesize::ByteSize;

/// The line, which is removed at the end.
pub(super) struct Progress {
    what: &'static str,
    last: Option<Instant>,
    is_shown: bool,
}

/// A reader that shows how much of its `total` bytes was read.
pub(super) struct Measured<R> {
    input: R,
    read: u64,
    total: u64,
    progress: Progress,
}

impl Progress {
    const EVERY: Duration = Duration::from_millis(200);

    /// `what` is printed before the number.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, last: io::stderr().is_terminal().then(Instant::now), is_shown: false }
    }

    /// Whether somebody sees it.
    pub(super) fn is_live(&self) -> bool {
        self.last.is_some()
    }

    /// Shows how many of `total` are done, if the last line is old enough.
    pub(super) fn at(&mut self, done: u64, total: u64) {
        self.show(|| format!("{done} of {total} ({} %)", percent(done, total)));
    }

    /// Shows how many are done, where nobody knows of how many.
    pub(super) fn count(&mut self, done: u64) {
        self.show(|| done.to_string());
    }

    /// The same in bytes.
    pub(super) fn bytes(&mut self, done: u64, total: u64) {
        self.show(|| format!("{} of {} ({} %)", ByteSize::b(done), ByteSize::b(total), percent(done, total)));
    }

    fn show(&mut self, text: impl FnOnce() -> String) {
        if self.last.is_some_and(|last| last.elapsed() >= Self::EVERY) {
            (self.last, self.is_shown) = (Some(Instant::now()), true);
            // What is left of a longer line is removed.
            let _ = write!(io::stderr().lock(), "\r{} {}\u{1b}[K", self.what, text());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}

impl<R> Measured<R> {
    /// `what` is printed before the number.
    pub(super) fn new(input: R, total: u64, what: &'static str) -> Self {
        Self { input, read: 0, total, progress: Progress::new(what) }
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.read += read as u64;
        self.progress.bytes(self.read, self.total);
        Ok(read)
    }
}

/// In whole percent. 100 only at the end, also where the total was an estimate.
pub(super) fn percent(done: u64, total: u64) -> u64 {
    match (done, total) {
        (done, total) if done == total => 100,
        (_, 0) => 0,
        (done, total) => (u128::from(done) * 100 / u128::from(total)).min(99) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_a_hundred_percent() {
        for (done, total, expected) in [
            (0, 0, 100),
            (0, 10, 0),
            (1, 3, 33),
            (999, 1000, 99),
            (1000, 1000, 100),
            (12, 10, 99),
            (u64::MAX - 1, u64::MAX, 99),
        ] {
            assert_eq!(percent(done, total), expected, "{done} of {total}");
        }
    }
}
