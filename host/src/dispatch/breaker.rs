//! The circuit breaker of an agent.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::failure_class::FailureClass;

/// A shorter `Retry-After` says nothing.
const LEAST_ASKED: Duration = Duration::from_secs(1);

/// When the breaker opens, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Consecutive failed attempts that open the breaker. 0 means never.
    pub failures: u32,
    /// How long it stays open the first time; `None`: as long as suits what failed.
    pub first_open: Option<Duration>,
    /// The longest time that it stays open, unless the agent asks for more. The time doubles with every failed probe.
    pub max_open: Duration,
    /// Successful probes in a row that close it; at least 1.
    pub probes: u32,
}

/// How long a breaker stays open the first time after such a failure, if nobody says otherwise.
const fn first_pause(class: FailureClass) -> Duration {
    match class {
        // What restarts is back soon, and a probe that does not get through costs nobody anything.
        FailureClass::Dns | FailureClass::Connect | FailureClass::Tls => Duration::from_secs(1),
        // It is overloaded or hangs, and each probe is one more request that it has to carry for as long.
        FailureClass::Timeout => Duration::from_secs(15),
        FailureClass::Throttled
        | FailureClass::Refused
        | FailureClass::Faulty
        | FailureClass::Plugin
        | FailureClass::Other => Duration::from_secs(5),
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, first_open: None, max_open: Duration::from_secs(300), probes: 1 }
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
    Failed { class: FailureClass, after: Option<Duration> },
    /// Nothing: the agent was not asked, or the plugin failed by itself.
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
    /// Probes that failed since it opened.
    failed_probes: u32,
    /// What failed last.
    class: FailureClass,
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
        let class = FailureClass::Other;
        Self { settings, state: Phase::Closed, failures: 0, failed_probes: 0, class, epoch: 0 }
    }

    /// Changes its settings. An open breaker keeps its pause.
    pub(super) fn reconfigure(&mut self, settings: BreakerSettings) {
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
            (Phase::Closed, AgentVerdict::Failed { class, after }) => {
                self.failures = self.failures.saturating_add(1);
                self.class = class;
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
                (self.failures, self.failed_probes) = (0, 0);
                self.change(Phase::Closed)
            }
            (Phase::HalfOpen { .. }, AgentVerdict::Failed { class, after }) => {
                self.failures = self.failures.saturating_add(1);
                self.failed_probes = self.failed_probes.saturating_add(1);
                self.class = class;
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
        (self.failures, self.failed_probes) = (0, 0);
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

    /// Whether the attempt that starts now is a probe of an agent to which nothing got through.
    pub(super) const fn is_to_knock(&self) -> bool {
        matches!(self.state, Phase::HalfOpen { .. }) && self.class.is_before_request()
    }

    fn open(&mut self, after: Option<Duration>, now: Instant) -> bool {
        let first = self.settings.first_open.unwrap_or(first_pause(self.class));
        let doubled = first.saturating_mul(2_u32.saturating_pow(self.failed_probes)).min(self.settings.max_open);
        let pause = match after.filter(|after| *after >= LEAST_ASKED) {
            Some(after) if self.settings.first_open.is_none() => after,
            after => doubled.max(after.unwrap_or_default().min(self.settings.max_open)),
        };
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

    const FAILED: AgentVerdict = failed(FailureClass::Faulty, None);

    const fn failed(class: FailureClass, after: Option<u64>) -> AgentVerdict {
        let after = match after {
            Some(after) => Some(Duration::from_secs(after)),
            None => None,
        };
        AgentVerdict::Failed { class, after }
    }

    fn breaker() -> Breaker {
        let (first_open, max_open) = (Some(Duration::from_secs(5)), Duration::from_secs(15));
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
        attempt(&mut breaker, now, failed(FailureClass::Throttled, Some(7)));
        assert_eq!(breaker.open_until(), Some(now + Duration::from_secs(7)), "the agent asked for a longer one");
    }

    /// The pauses, in seconds, after failures of one class.
    fn pauses(settings: &BreakerSettings, verdict: AgentVerdict) -> Vec<u64> {
        let (mut breaker, start) = (Breaker::new(BreakerSettings { failures: 1, ..settings.clone() }), Instant::now());
        let mut now = start;
        let mut pause = || {
            attempt(&mut breaker, now, verdict);
            let until = breaker.open_until().unwrap();
            let pause = until - now;
            now = until;
            pause.as_secs()
        };
        (0..8).map(|_| pause()).collect()
    }

    #[test]
    fn what_failed_decides_when_the_agent_is_probed() {
        use FailureClass::{Connect, Dns, Faulty, Other, Refused, Throttled, Timeout, Tls};
        for (class, after, expected) in [
            // It may be back any moment, and who knocks does no harm.
            (Dns, None, [1, 2, 4, 8, 16, 32, 64, 128]),
            (Connect, None, [1, 2, 4, 8, 16, 32, 64, 128]),
            (Tls, None, [1, 2, 4, 8, 16, 32, 64, 128]),
            // It has too much to do.
            (Timeout, None, [15, 30, 60, 120, 240, 300, 300, 300]),
            // It knows best: neither earlier nor later.
            (Throttled, Some(7), [7; 8]),
            (Throttled, Some(900), [900; 8]),
            (Faulty, Some(2), [2; 8]),
            // It says nothing of use.
            (Throttled, Some(0), [5, 10, 20, 40, 80, 160, 300, 300]),
            (Throttled, None, [5, 10, 20, 40, 80, 160, 300, 300]),
            (Refused, None, [5, 10, 20, 40, 80, 160, 300, 300]),
            (Faulty, None, [5, 10, 20, 40, 80, 160, 300, 300]),
            (Other, None, [5, 10, 20, 40, 80, 160, 300, 300]),
        ] {
            assert_eq!(pauses(&BreakerSettings::default(), failed(class, after)), expected, "{class:?} {after:?}");
        }
    }

    /// Such as 5 failures, 30 seconds and 3 probes.
    #[test]
    fn a_pause_that_is_configured_is_the_same_whatever_failed() {
        let configured = BreakerSettings { first_open: Some(Duration::from_secs(30)), ..BreakerSettings::default() };
        for class in FailureClass::ALL {
            let doubled = [30, 60, 120, 240, 300, 300, 300, 300];
            assert_eq!(pauses(&configured, failed(class, None)), doubled, "{class:?}");
            assert_eq!(pauses(&configured, failed(class, Some(7))), doubled, "{class:?}");
            let asked = [100, 100, 120, 240, 300, 300, 300, 300];
            assert_eq!(pauses(&configured, failed(class, Some(100))), asked, "{class:?}");
            assert_eq!(pauses(&configured, failed(class, Some(900))), [300; 8], "{class:?}");
        }
    }

    #[test]
    fn only_a_probe_of_an_agent_to_which_nothing_got_through_knocks() {
        for (class, knocks) in [(FailureClass::Connect, true), (FailureClass::Timeout, false)] {
            let (mut breaker, start) = (breaker(), Instant::now());
            attempt(&mut breaker, start, failed(class, None));
            assert!(!breaker.is_to_knock(), "an attempt is no probe");
            attempt(&mut breaker, start, failed(class, None));
            assert!(breaker.allows(start + Duration::from_secs(5)));
            assert_eq!(breaker.is_to_knock(), knocks, "{class:?}");
        }
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
