//! The circuit breaker of an agent.

use std::time::{Duration, Instant};

use serde::Serialize;

/// When the breaker opens, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Consecutive failed attempts that open the breaker. 0 means never.
    pub failures: u32,
    /// How long it stays open the first time.
    pub first_open: Duration,
    /// The longest time that it stays open. The time doubles with every failed probe.
    pub max_open: Duration,
    /// Successful probes in a row that close it; at least 1.
    pub probes: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, first_open: Duration::from_secs(5), max_open: Duration::from_secs(300), probes: 1 }
    }
}

/// The state of a breaker. The numbers are those of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// Attempts start.
    Closed = 0,
    /// No attempt starts.
    Open = 1,
    /// A single attempt probes the agent.
    HalfOpen = 2,
}

/// What an attempt shows about the agent, independently of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AgentVerdict {
    /// It is available, whether it accepted or rejected the event.
    Answered,
    /// It is unavailable or unhealthy. `after` is its `Retry-After`.
    Failed { after: Option<Duration> },
    /// Nothing.
    Unknown,
}

/// Stops attempts to a failing agent, and probes it with increasing pauses.
///
/// Pure: time is an argument. It is not kept across restarts, which costs a few attempts.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    state: Phase,
    /// Consecutive failed attempts.
    failures: u32,
    /// How long it stays open the next time.
    open_for: Duration,
    /// Counts changes of state: the result of an attempt from an earlier epoch is ignored.
    epoch: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    /// `passed` probes in a row were successful.
    HalfOpen {
        probing: bool,
        passed: u32,
    },
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        let open_for = settings.first_open;
        Self { settings, state: Phase::Closed, failures: 0, open_for, epoch: 0 }
    }

    /// Changes its settings. An open breaker keeps its pause.
    pub(super) fn reconfigure(&mut self, settings: BreakerSettings) {
        self.open_for = self.open_for.clamp(settings.first_open, settings.max_open);
        self.settings = settings;
    }

    /// Whether an attempt may start now.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        if let Phase::Open { until } = self.state
            && until <= now
        {
            self.change(Phase::HalfOpen { probing: false, passed: 0 });
        }
        matches!(self.state, Phase::Closed | Phase::HalfOpen { probing: false, .. })
    }

    /// Registers the start of an attempt. Returns the epoch to report its result with.
    pub(super) fn started(&mut self) -> u64 {
        if let Phase::HalfOpen { probing, .. } = &mut self.state {
            *probing = true;
        }
        self.epoch
    }

    /// Registers the end of an attempt that started in `epoch`. Returns whether the state changed.
    pub(super) fn ended(&mut self, epoch: u64, verdict: AgentVerdict, now: Instant) -> bool {
        if epoch != self.epoch {
            return false;
        }
        match (self.state, verdict) {
            (Phase::Open { .. }, _) => false,
            (Phase::Closed, AgentVerdict::Unknown) => false,
            (Phase::Closed, AgentVerdict::Answered) => {
                self.failures = 0;
                false
            }
            (Phase::Closed, AgentVerdict::Failed { after }) => {
                self.failures = self.failures.saturating_add(1);
                if self.settings.failures == 0 || self.failures < self.settings.failures {
                    return false;
                }
                self.open(after, now)
            }
            (Phase::HalfOpen { passed, .. }, AgentVerdict::Unknown) => {
                self.state = Phase::HalfOpen { probing: false, passed };
                false
            }
            (Phase::HalfOpen { passed, .. }, AgentVerdict::Answered) if passed + 1 < self.settings.probes => {
                self.state = Phase::HalfOpen { probing: false, passed: passed + 1 };
                false
            }
            (Phase::HalfOpen { .. }, AgentVerdict::Answered) => {
                self.failures = 0;
                self.open_for = self.settings.first_open;
                self.change(Phase::Closed)
            }
            (Phase::HalfOpen { .. }, AgentVerdict::Failed { after }) => {
                self.failures = self.failures.saturating_add(1);
                self.open_for = (self.open_for * 2).min(self.settings.max_open);
                self.open(after, now)
            }
        }
    }

    /// Allows a probe now. Returns whether that changes anything.
    pub(super) fn probe_now(&mut self) -> bool {
        matches!(self.state, Phase::Open { .. }) && self.change(Phase::HalfOpen { probing: false, passed: 0 })
    }

    /// Closes it early, because the agent says that it is well. Returns whether it was not closed.
    pub(super) fn recovered(&mut self) -> bool {
        if self.state == Phase::Closed {
            return false;
        }
        (self.failures, self.open_for) = (0, self.settings.first_open);
        self.change(Phase::Closed)
    }

    /// When the next probe may start. `None` if the breaker is not open.
    pub(super) const fn open_until(&self) -> Option<Instant> {
        match self.state {
            Phase::Open { until } => Some(until),
            Phase::Closed | Phase::HalfOpen { .. } => None,
        }
    }

    pub(super) const fn state(&self) -> BreakerState {
        match self.state {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    fn open(&mut self, after: Option<Duration>, now: Instant) -> bool {
        let pause = self.open_for.max(after.unwrap_or_default().min(self.settings.max_open));
        self.change(Phase::Open { until: now + pause })
    }

    fn change(&mut self, state: Phase) -> bool {
        self.state = state;
        self.epoch += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: AgentVerdict = AgentVerdict::Failed { after: None };

    fn breaker() -> Breaker {
        let [first_open, max_open] = [Duration::from_secs(5), Duration::from_secs(15)];
        Breaker::new(BreakerSettings { failures: 2, first_open, max_open, probes: 1 })
    }

    /// Makes an attempt at `now` with this result.
    fn attempt(breaker: &mut Breaker, now: Instant, verdict: AgentVerdict) {
        assert!(breaker.allows(now), "{breaker:?}");
        let epoch = breaker.started();
        breaker.ended(epoch, verdict, now);
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_with_a_successful_probe() {
        let (mut breaker, start) = (breaker(), Instant::now());
        for verdict in [FAILED, AgentVerdict::Answered, FAILED, AgentVerdict::Unknown] {
            attempt(&mut breaker, start, verdict);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);

        attempt(&mut breaker, start, FAILED);

        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(!breaker.allows(start + Duration::from_millis(4999)));
        assert!(breaker.allows(start + Duration::from_secs(5)));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        let epoch = breaker.started();
        assert!(!breaker.allows(start + Duration::from_secs(5)), "one probe at a time");
        assert!(breaker.ended(epoch, AgentVerdict::Answered, start + Duration::from_secs(6)));
        assert_eq!((breaker.state(), breaker.failures()), (BreakerState::Closed, 0));
    }

    #[test]
    fn an_open_breaker_can_be_told_to_probe_now() {
        let (mut breaker, start) = (breaker(), Instant::now());
        assert!(!breaker.probe_now());
        attempt(&mut breaker, start, FAILED);
        attempt(&mut breaker, start, FAILED);
        assert!(!breaker.allows(start));

        assert!(breaker.probe_now());

        assert!(breaker.allows(start));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[test]
    fn the_pause_doubles_up_to_the_cap_and_begins_anew_after_success() {
        let (mut breaker, mut now) = (breaker(), Instant::now());
        attempt(&mut breaker, now, FAILED);
        for seconds in [5, 10, 15, 15] {
            attempt(&mut breaker, now, FAILED);
            assert_eq!(breaker.open_until(), Some(now + Duration::from_secs(seconds)));
            now += Duration::from_secs(seconds);
        }
        attempt(&mut breaker, now, AgentVerdict::Answered);
        attempt(&mut breaker, now, FAILED);
        attempt(&mut breaker, now, AgentVerdict::Failed { after: Some(Duration::from_secs(7)) });
        assert_eq!(breaker.open_until(), Some(now + Duration::from_secs(7)), "the agent asked for a longer one");
    }

    #[test]
    fn an_attempt_of_an_earlier_time_says_nothing() {
        let (mut breaker, start) = (breaker(), Instant::now());
        let late = breaker.started();
        attempt(&mut breaker, start, FAILED);
        attempt(&mut breaker, start, FAILED);

        assert!(!breaker.ended(late, AgentVerdict::Answered, start));
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn a_probe_that_found_nothing_out_is_followed_by_another() {
        let (mut breaker, start) = (breaker(), Instant::now());
        attempt(&mut breaker, start, FAILED);
        attempt(&mut breaker, start, FAILED);
        let later = start + Duration::from_secs(5);

        attempt(&mut breaker, later, AgentVerdict::Unknown);

        assert!(breaker.allows(later));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[test]
    fn it_closes_after_as_many_successful_probes_in_a_row_as_it_is_set_to() {
        let settings = BreakerSettings { failures: 1, probes: 2, ..BreakerSettings::default() };
        let (mut breaker, mut now) = (Breaker::new(settings), Instant::now());
        attempt(&mut breaker, now, FAILED);
        let state = |verdicts: &[AgentVerdict], breaker: &mut Breaker, now: &mut Instant| {
            *now += Duration::from_secs(300);
            verdicts.iter().for_each(|verdict| attempt(breaker, *now, *verdict));
            breaker.state()
        };

        assert_eq!(state(&[AgentVerdict::Answered], &mut breaker, &mut now), BreakerState::HalfOpen);
        assert_eq!(state(&[FAILED], &mut breaker, &mut now), BreakerState::Open);
        let probes = [AgentVerdict::Answered, AgentVerdict::Unknown, AgentVerdict::Answered];
        assert_eq!(state(&probes, &mut breaker, &mut now), BreakerState::Closed);
    }

    #[test]
    fn zero_failures_mean_that_it_never_opens() {
        let mut breaker = Breaker::new(BreakerSettings { failures: 0, ..BreakerSettings::default() });
        for _ in 0..100 {
            attempt(&mut breaker, Instant::now(), FAILED);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
