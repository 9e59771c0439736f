//! What a call may use.

use std::time::Duration;

/// The limits of one call. A call that exceeds one is stopped; others are not affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Bytes of linear memory of all memories together.
    pub memory: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Processor time, in steps of one tick.
    pub cpu: Duration,
    /// Wall-clock time, including waits for a permit and for the network. An agent has its own.
    pub time: Duration,
    /// Calls in flight per channel or agent.
    pub concurrency: usize,
    /// Calls that wait per channel or agent. More are refused at once.
    pub queue: usize,
    /// Bytes that one host call or the result may pass to the host.
    pub output: usize,
    /// Events that one request or poll may bring.
    pub max_events: usize,
    /// Lines that one call may log, including stdout and stderr.
    pub log_lines: u32,
    /// Lines that all calls of the plugin together may log per second, on average.
    pub log_rate: u32,
    /// Streams, pollables and similar resources that a call may hold at once.
    pub resources: usize,
    /// `None` means a fresh instance for every call.
    pub reuse: Option<Reuse>,
}

/// When an instance may serve more than one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// Calls after which the instance is dropped.
    pub max_calls: u32,
    /// Bytes of linear memory above which the instance is dropped.
    pub max_memory: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            table_elements: 20_000,
            cpu: Duration::from_secs(1),
            time: Duration::from_secs(10),
            concurrency: 64,
            queue: 1024,
            output: 32 << 20,
            max_events: 10_000,
            log_lines: 100,
            log_rate: 200,
            resources: 256,
            reuse: None,
        }
    }
}
