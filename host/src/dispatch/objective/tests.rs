//! Traces of attempts, and what is told of them.

use super::*;

const HOUR: u64 = 3600;
const FAILED: Option<FailureClass> = Some(FailureClass::Connect);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An agent that is attempted, and what was told of it.
struct Trace {
    objective: Objective,
    start: Instant,
    /// Seconds since the start.
    at: u64,
    told: Vec<(u64, Turn)>,
}

impl Trace {
    fn new(settings: ObjectiveSettings) -> Self {
        let start = Instant::now();
        Self { objective: Objective::new(settings, start), start, at: 0, told: Vec::new() }
    }

    fn now(&self) -> Instant {
        self.start + seconds(self.at)
    }

    /// Makes an attempt each second for a time, of which `failing` in 100 fail, evenly.
    fn run(&mut self, time: u64, failing: u64) -> &mut Self {
        for number in 0..time {
            let fails = (number + 1) * failing / 100 > number * failing / 100;
            self.objective.add(if fails { FAILED } else { None }, self.now());
            self.pass(1);
        }
        self
    }

    /// Lets time pass without attempts.
    fn pass(&mut self, time: u64) -> &mut Self {
        let end = self.at + time;
        while self.at < end {
            self.at = (self.at + 60).min(end);
            let now = self.now();
            self.told.extend(self.objective.judge(now).map(|turn| (self.at, turn)));
        }
        self
    }

    fn told(&mut self) -> Vec<Turn> {
        std::mem::take(&mut self.told).into_iter().map(|(_, turn)| turn).collect()
    }
}

#[test]
fn the_windows_of_an_objective_over_a_month_are_those_of_the_workbook() {
    for (window, expected) in [
        (seconds(30 * 24 * HOUR), ["5m", "30m", "1h", "6h", "72h", "720h"]),
        (seconds(24 * HOUR), ["10s", "1m", "2m", "12m", "2h24m", "24h"]),
        (seconds(60), ["1s", "1s", "1s", "1s", "6s", "1m"]),
    ] {
        let settings = ObjectiveSettings { window, ..ObjectiveSettings::default() };
        assert_eq!(settings.windows().map(duration_text), expected);
    }
}

/// After three hours without a failure.
#[test]
fn the_faster_the_budget_goes_the_sooner_and_the_more_urgently_it_is_told() {
    for (failing, expected, between) in [
        (100, vec![Turn::Burns(Urgency::Fast)], 15..=18),
        (50, vec![Turn::Burns(Urgency::Fast)], 30..=36),
        (10, vec![Turn::Burns(Urgency::Medium)], 400..=440),
        (3, vec![Turn::Burns(Urgency::Slow)], 2600..=2900),
        (1, vec![], 0..=0),
        (0, vec![], 0..=0),
    ] {
        let mut trace = Trace::new(ObjectiveSettings::default());
        trace.run(3 * HOUR, 0);
        trace.run(HOUR, failing);

        let first = trace.told.first().map_or(0, |(at, _)| at - 3 * HOUR);
        let (told, urgent) = (trace.told(), expected.len());
        assert_eq!(told[..urgent.min(told.len())], expected, "{failing}");
        assert_eq!(told.len(), urgent, "{failing} {told:?}");
        assert!(between.contains(&first), "{failing} after {first} s");
    }
}

#[test]
fn a_burn_that_becomes_more_urgent_is_told_again_and_one_that_becomes_less_so_is_not() {
    let mut trace = Trace::new(ObjectiveSettings::default());
    trace.run(3 * HOUR, 0).run(1800, 10);
    assert_eq!(trace.told(), [Turn::Burns(Urgency::Medium)]);
    trace.run(60, 100);
    assert_eq!(trace.told(), [Turn::Burns(Urgency::Fast)]);
    trace.run(1800, 10);
    assert_eq!(trace.told(), []);
}

/// An agent that comes and goes is one burn: it ends when the budget lasted for a 120th of the window.
#[test]
fn a_burn_does_not_flap() {
    let mut trace = Trace::new(ObjectiveSettings::default());
    trace.run(HOUR, 0);
    for _ in 0..60 {
        trace.run(30, 100).run(30, 0);
    }
    assert_eq!(trace.told(), [Turn::Burns(Urgency::Fast)]);

    let stopped = trace.at;
    trace.run(HOUR, 0);

    assert!(
        matches!(trace.told[..], [(at, Turn::Ended(_))] if (660..=720).contains(&(at - stopped))),
        "{:?}",
        trace.told
    );
}

#[test]
fn one_of_few_attempts_is_no_alarm() {
    for (failures, expected) in [(4, vec![]), (5, vec![Turn::Burns(Urgency::Fast)])] {
        let mut trace = Trace::new(ObjectiveSettings::default());
        trace.run(failures, 100);
        assert_eq!(trace.objective.gone_in(trace.now()).is_some(), !expected.is_empty(), "{failures}");
        assert_eq!(trace.told(), expected, "{failures}");
    }
}

/// An agent of which nothing is heard has not recovered, unless nothing of its failures counts any longer.
#[test]
fn silence_is_no_recovery() {
    let mut trace = Trace::new(ObjectiveSettings::default());
    trace.run(10, 100);
    assert_eq!(trace.told().len(), 1);
    trace.pass(20 * HOUR);
    assert_eq!(trace.told(), []);
    assert!(trace.objective.is_burning());

    trace.run(1, 0);
    assert!(matches!(trace.told()[..], [Turn::Ended(_)]), "a single answer after so long");

    let mut trace = Trace::new(ObjectiveSettings::default());
    trace.run(10, 100).pass(24 * HOUR);
    assert!(matches!(trace.told()[..], [Turn::Burns(Urgency::Fast), Turn::Ended(_)]));
}

/// 100 times the allowed rate uses up a day's budget in a hundredth of a day: 14m24s, of which 1m12s are over.
#[test]
fn the_forecast_is_what_remains_divided_by_the_rate() {
    let mut trace = Trace::new(ObjectiveSettings::default());
    trace.run(72, 100);

    let status = trace.objective.status(trace.now(), Timestamp::from_millis(1_700_000_000_000));

    assert_eq!((status.budget_remaining, status.gone_in_ms), (0.917, Some(792_000)));
    let expected = "budget is gone in 13m at this rate: 72 of 72 attempts failed in the last 2m, mostly connect";
    assert_eq!(status.forecast.as_deref(), Some(expected));
    assert_eq!((status.attempts, status.failed, status.success, &*status.window), (72, 72, 0.99, "24h"));
    assert_eq!(status.since, Some(Timestamp::from_millis(1_700_000_000_000 - 72_000)));
    let burning = status.burning.unwrap();
    assert_eq!((burning.urgency, burning.class), (Urgency::Fast, Some(FailureClass::Connect)));
    let rates: Vec<_> = status.burn_rates.iter().map(|rate| (&*rate.window, rate.rate.unwrap())).collect();
    assert_eq!(rates, ["10s", "1m", "2m", "12m", "2h24m", "24h"].map(|window| (window, 100.0)));

    trace.run(1000, 100);
    let status = trace.objective.status(trace.now(), Timestamp::now());
    assert_eq!((status.budget_remaining, status.gone_in_ms), (0.0, Some(0)));
    assert!(status.forecast.unwrap().starts_with("budget is gone: 1"), "it does not go on for longer");
}

#[test]
fn a_budget_that_lasts_has_no_forecast() {
    let mut trace = Trace::new(ObjectiveSettings::default());
    let status = trace.objective.status(trace.now(), Timestamp::now());
    assert_eq!((status.budget_remaining, status.since, status.gone_in_ms), (1.0, None, None));
    trace.run(HOUR, 0).run(1000, 100).run(HOUR, 0);

    let status = trace.objective.status(trace.now(), Timestamp::now());
    // An hour is over since, and 1000 seconds are more than the 864 that a day allows.
    assert_eq!((status.budget_remaining, status.gone_in_ms), (0.0, None));
}

#[test]
fn other_settings_begin_anew_only_if_the_windows_are_others() {
    let mut trace = Trace::new(ObjectiveSettings::default());
    trace.run(10, 50);
    let now = trace.now();
    let remaining = trace.objective.remaining(now);
    trace.objective.reconfigure(ObjectiveSettings { success: 0.5, ..ObjectiveSettings::default() }, now);
    assert!(trace.objective.remaining(now) > remaining, "the same failures are less of a larger budget");
    trace.objective.reconfigure(ObjectiveSettings { window: seconds(HOUR), ..ObjectiveSettings::default() }, now);
    assert_eq!(trace.objective.remaining(now), 1.0);
}

#[test]
fn what_is_left_is_told_in_one_unit() {
    for (left, expected) in [(0, "1s"), (119, "1m59s"), (120, "2m"), (899, "14m"), (7199, "1h59m"), (9000, "2h")] {
        assert_eq!(shown(seconds(left)), expected);
    }
}
