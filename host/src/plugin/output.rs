//! Output of guests: log lines, stdout and stderr, bounded and without control characters.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::event::PluginName;

/// The target of guests' lines in the log.
pub(super) const TARGET: &str = module_path!();

/// Bytes of one line. The rest of a longer line is dropped.
pub(super) const MAX_LINE: usize = 4 << 10;

/// Last words in the error of a trap.
const KEPT_LINES: usize = 8;

/// The log budget of all calls of a plugin: `per_second` lines, with a burst of one second.
pub(super) struct LogRate {
    per_second: f64,
    left: Mutex<(f64, Instant)>,
}

impl LogRate {
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, left: Mutex::new((per_second, Instant::now())) }
    }

    /// Whether one more line may be written at `now`.
    fn take(&self, now: Instant) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (lines, since) = *left;
        let lines = (lines + now.saturating_duration_since(since).as_secs_f64() * self.per_second).min(self.per_second);
        let takes = lines >= 1.0;
        *left = (if takes { lines - 1.0 } else { lines }, now);
        takes
    }
}

/// Writes the lines of one instance to the log, within its limits.
pub(super) struct GuestLog {
    plugin: PluginName,
    allowance: u32,
    rate: Arc<LogRate>,
    state: Mutex<LogState>,
}

#[derive(Default)]
struct LogState {
    written: u32,
    dropped: Dropped,
    /// What may tell the reason of a trap: lines of stderr, and errors that the guest logged.
    last_words: VecDeque<String>,
}

impl LogState {
    fn keep(&mut self, line: &str) {
        if self.last_words.len() == KEPT_LINES {
            self.last_words.pop_front();
        }
        self.last_words.push_back(printable(line));
    }
}

/// Lines of a call that were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    /// By the limit of the call.
    pub(super) by_call: u32,
    /// By the rate of the plugin.
    pub(super) by_rate: u32,
}

impl GuestLog {
    pub(super) fn new(plugin: PluginName, allowance: u32, rate: Arc<LogRate>) -> Self {
        Self { plugin, allowance, rate, state: Mutex::default() }
    }

    /// Resets the limits for a new call.
    pub(super) fn renew(&self) {
        *self.lock() = LogState::default();
    }

    /// Writes one line under the plugin's name, within the limits.
    pub(super) fn write(&self, level: &str, message: &str) {
        {
            let mut state = self.lock();
            if level == "error" {
                state.keep(message);
            }
            if state.written == self.allowance {
                state.dropped.by_call = state.dropped.by_call.saturating_add(1);
                return;
            }
            if !self.rate.take(Instant::now()) {
                state.dropped.by_rate = state.dropped.by_rate.saturating_add(1);
                return;
            }
            state.written += 1;
        }
        let line = printable(message);
        let plugin = &self.plugin;
        match level {
            "debug" => tracing::debug!(%plugin, "{line}"),
            "warn" => tracing::warn!(%plugin, "{line}"),
            "error" => tracing::error!(%plugin, "{line}"),
            _ => tracing::info!(%plugin, "{line}"),
        }
    }

    pub(super) fn dropped(&self) -> Dropped {
        self.lock().dropped
    }

    /// The last lines of stderr and the last errors, which contain the reason of a panic.
    pub(super) fn last_words(&self) -> Option<String> {
        let state = self.lock();
        let lines: Vec<_> = state.last_words.iter().map(String::as_str).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    fn write_stream(&self, name: &'static str, line: &str) {
        if name == "stderr" {
            self.lock().keep(line);
        }
        self.write(if name == "stderr" { "warn" } else { "info" }, line);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The start of `text` on one line, without control characters.
fn printable(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .scan(0, |length, c| {
            *length += c.len_utf8();
            (*length <= MAX_LINE).then_some(c)
        })
        .collect();
    line.truncate(line.trim_end().len());
    line
}

/// A guest's stdout or stderr, split into lines.
pub(super) struct Stream {
    log: Arc<GuestLog>,
    name: &'static str,
    line: Vec<u8>,
}

impl Stream {
    pub(super) fn new(log: &Arc<GuestLog>, name: &'static str) -> Self {
        Self { log: Arc::clone(log), name, line: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line();
            } else if self.line.len() < MAX_LINE {
                self.line.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            self.log.write_stream(self.name, &String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.end_line();
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Self::new(&self.log, self.name))
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self::new(&self.log, self.name))
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_cannot_steer_a_terminal_or_fill_the_log() {
        assert_eq!(printable("a\u{1b}[31mred\r\nb"), "a [31mred  b");
        assert_eq!(printable(&"é".repeat(MAX_LINE)).len(), MAX_LINE);
    }

    #[test]
    fn the_last_words_are_the_latest_lines_of_stderr() {
        let log = Arc::new(GuestLog::new("trap".parse().unwrap(), 2, Arc::new(LogRate::new(10))));
        let mut stderr = Stream::new(&log, "stderr");

        for number in 0..20 {
            stderr.push(format!("line {number}\n").as_bytes());
        }

        assert!(log.last_words().unwrap().starts_with("line 12; line 13"));
        assert_eq!(log.dropped(), Dropped { by_call: 18, by_rate: 0 });
    }

    #[test]
    fn a_plugin_says_no_more_than_its_rate_allows() {
        let (rate, start) = (LogRate::new(10), Instant::now());
        let lines = |at: u64| (0..100).filter(|_| rate.take(start + Duration::from_millis(at))).count();

        assert_eq!(lines(0), 10);
        assert_eq!(lines(500), 5);
        assert_eq!(lines(60_000), 10);
    }
}
