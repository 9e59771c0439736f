//! The objective of an agent: which share of its attempts is to deliver, how fast the rest of it is used up, and until when it lasts.
//!
//! What an objective of 99 % leaves to failures is its budget. A burn rate of 1 uses the budget up in exactly the window of the
//! objective, one of 14.4 in a fourteenth of it. An agent burns when the rate of a [`Tier`] is reached in a long window, so that it
//! matters, and in a short one, so that it is still so: the alerts of the SRE workbook (chapter 5), whose windows are those of an
//! objective over 30 days, here as parts of any. Pure: time is an argument. Deliberately absent: what was before the start.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::failure_class::FailureClass;
use super::window::{Counts, Window};
use crate::event::{Timestamp, duration_text};

/// Which share of the attempts is to deliver.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectiveSettings {
    /// More than 0.0 and less than 1.0.
    pub success: f64,
    /// The time over which it is to hold.
    pub window: Duration,
    /// Failed attempts without which an agent does not burn: one of few is no alarm.
    pub failures: u32,
}

impl Default for ObjectiveSettings {
    fn default() -> Self {
        Self { success: 0.99, window: Duration::from_secs(24 * 3600), failures: 5 }
    }
}

impl ObjectiveSettings {
    /// The lengths of the windows in which attempts are counted, the objective's own as the last one.
    pub(super) fn windows(&self) -> [Duration; PARTS.len()] {
        PARTS.map(|part| Duration::from_secs((self.window.as_secs_f64() / f64::from(part)).round().max(1.0) as u64))
    }

    /// How many times faster than allowed the budget is used up. `None` without attempts.
    fn burn_rate(&self, counts: &Counts) -> Option<f64> {
        counts.failed_share().map(|failed| rounded(failed / (1.0 - self.success)))
    }
}

/// The windows, as parts of the objective's. In an objective over 30 days: 5m, 30m, 1h, 6h, 3d, 30d.
const PARTS: [u32; 6] = [8640, 1440, 720, 120, 10, 1];
/// The window that says what is so now, unless the agent burns, and in which a burn must be over to end.
const LATELY: usize = 3;
const WHOLE: usize = 5;

/// How urgent a burn is, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// A fiftieth of the budget went in a 720th of the window.
    Fast,
    /// A twentieth in a 120th.
    Medium,
    /// A tenth in a tenth.
    Slow,
}

/// A burn rate and the numbers of the windows in which it must be reached.
struct Tier {
    urgency: Urgency,
    rate: f64,
    long: usize,
    short: usize,
}

const TIERS: [Tier; 3] = [
    Tier { urgency: Urgency::Fast, rate: 14.4, long: 2, short: 0 },
    Tier { urgency: Urgency::Medium, rate: 6.0, long: 3, short: 1 },
    Tier { urgency: Urgency::Slow, rate: 1.0, long: 4, short: 3 },
];

/// The objective of one agent and the attempts that count for it.
#[derive(Debug)]
pub(super) struct Objective {
    settings: ObjectiveSettings,
    windows: [Window; PARTS.len()],
    burning: Option<Burning>,
}

/// A time in which an agent burns.
#[derive(Clone, Copy, Debug)]
struct Burning {
    since: Instant,
    /// The most urgent one so far.
    urgency: Urgency,
}

/// A change that people are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It began to burn, or became more urgent.
    Burns(Urgency),
    /// It has burned for this long, and does no more.
    Ended(Duration),
}

/// The objective of an agent, and how it stands.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves")]
pub struct ObjectiveStatus {
    pub success: f64,
    pub window: String,
    /// The first attempt that counts. None before the start of the gateway does.
    pub since: Option<Timestamp>,
    pub attempts: u32,
    pub failed: u32,
    /// In windows up to that of the objective.
    pub burn_rates: Vec<BurnRate>,
    /// The share of the budget that is left, 0.0 to 1.0.
    pub budget_remaining: f64,
    pub burning: Option<BurnStatus>,
    /// When the budget is used up if it goes on like this. `None` if it lasts.
    pub gone_in_ms: Option<u64>,
    /// The same for people, and why.
    pub forecast: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves")]
pub struct BurnRate {
    pub window: String,
    /// How many times faster than allowed the budget is used up. `None` without attempts.
    pub rate: Option<f64>,
    pub attempts: u32,
    pub failed: u32,
}

#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names speak for themselves")]
pub struct BurnStatus {
    pub urgency: Urgency,
    pub since: Timestamp,
    /// What fails most; `None` if nothing was attempted lately.
    pub class: Option<FailureClass>,
}

impl Objective {
    pub(super) fn new(settings: ObjectiveSettings, now: Instant) -> Self {
        let windows = settings.windows().map(|length| Window::new(length, now));
        Self { settings, windows, burning: None }
    }

    /// Changes its settings. What was counted stays, unless the windows are others.
    pub(super) fn reconfigure(&mut self, settings: ObjectiveSettings, now: Instant) {
        if settings.window == self.settings.window {
            self.settings = settings;
        } else {
            *self = Self::new(settings, now);
        }
    }

    /// Counts an attempt; `failure` is `None` for one that delivered.
    pub(super) fn add(&mut self, failure: Option<FailureClass>, now: Instant) {
        self.windows.iter_mut().for_each(|window| window.add(failure, now));
    }

    pub(super) const fn is_burning(&self) -> bool {
        self.burning.is_some()
    }

    /// What there is to tell. A burn ends when lately, over a window that is longer than those in which it begins, something was
    /// attempted and the budget lasted; or when nothing is left that counts.
    pub(super) fn judge(&mut self, now: Instant) -> Option<Turn> {
        let tier = self.reached(now).map(|tier| tier.urgency);
        match (self.burning, tier) {
            (None, Some(urgency)) => {
                self.burning = Some(Burning { since: now, urgency });
                Some(Turn::Burns(urgency))
            }
            (Some(Burning { since, urgency: before }), Some(urgency)) if urgency < before => {
                self.burning = Some(Burning { since, urgency });
                Some(Turn::Burns(urgency))
            }
            (Some(Burning { since, .. }), None) if self.is_calm(now) => {
                self.burning = None;
                Some(Turn::Ended(now.saturating_duration_since(since)))
            }
            _ => None,
        }
    }

    /// The most urgent tier that is reached.
    fn reached(&self, now: Instant) -> Option<&'static Tier> {
        TIERS.iter().find(|tier| {
            let [long, short] = [tier.long, tier.short].map(|window| self.windows[window].counts(now));
            let is_reached = |counts| self.settings.burn_rate(counts).is_some_and(|rate| rate >= tier.rate);
            long.failures() >= self.settings.failures.max(1) && is_reached(&long) && is_reached(&short)
        })
    }

    fn is_calm(&self, now: Instant) -> bool {
        let lately = self.settings.burn_rate(&self.windows[LATELY].counts(now));
        lately.map_or_else(|| self.windows[WHOLE].counts(now).attempts() == 0, |rate| rate < 1.0)
    }

    /// The windows and their burn rates.
    pub(super) fn burn_rates(&self, now: Instant) -> [(Duration, Counts, Option<f64>); PARTS.len()] {
        std::array::from_fn(|number| {
            let window = &self.windows[number];
            let counts = window.counts(now);
            (window.length(), counts, self.settings.burn_rate(&counts))
        })
    }

    /// The share of the budget that is left, if until the end of the window as much is attempted as before.
    pub(super) fn remaining(&self, now: Instant) -> f64 {
        let whole = &self.windows[WHOLE];
        let rate = self.settings.burn_rate(&whole.counts(now)).unwrap_or(0.0);
        let spent = rate * whole.age(now).as_secs_f64() / whole.length().as_secs_f64();
        (1.0 - spent).max(0.0)
    }

    /// How long the budget lasts at the rate of now: what remains of it, divided by that rate. `None` if it lasts, and for so few
    /// failures that they are no alarm.
    pub(super) fn gone_in(&self, now: Instant) -> Option<Duration> {
        let lately = self.windows[self.telling(now)].counts(now);
        let rate = self.settings.burn_rate(&lately).filter(|rate| *rate > 1.0)?;
        let is_alarm = lately.failures() >= self.settings.failures.max(1);
        is_alarm.then(|| self.settings.window.mul_f64(self.remaining(now) / rate))
    }

    /// The number of the window that tells the rate of now.
    fn telling(&self, now: Instant) -> usize {
        self.reached(now).map_or(LATELY, |tier| tier.long)
    }

    /// `clock` is the time of the host's clock at `now`.
    pub(super) fn status(&self, now: Instant, clock: Timestamp) -> ObjectiveStatus {
        let whole = &self.windows[WHOLE];
        let counts = whole.counts(now);
        let telling = &self.windows[self.telling(now)];
        let lately = telling.counts(now);
        let class = lately.classes().first().map(|(class, _)| *class);
        let gone_in = self.gone_in(now);
        let rate = |(window, counts, rate): (Duration, Counts, Option<f64>)| BurnRate {
            window: duration_text(window),
            rate,
            attempts: counts.attempts(),
            failed: counts.failures(),
        };
        ObjectiveStatus {
            success: self.settings.success,
            window: duration_text(self.settings.window),
            since: (counts.attempts() > 0).then(|| clock.before(whole.age(now))),
            attempts: counts.attempts(),
            failed: counts.failures(),
            burn_rates: self.burn_rates(now).map(rate).into(),
            budget_remaining: rounded(self.remaining(now)),
            burning: self.burning.map(|Burning { since, urgency }| BurnStatus {
                urgency,
                since: clock.before(now.saturating_duration_since(since)),
                class,
            }),
            gone_in_ms: gone_in.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            forecast: gone_in.map(|left| forecast(left, &lately, telling.length())),
        }
    }
}

/// When the budget is gone, for people: what follows from what.
fn forecast(left: Duration, lately: &Counts, window: Duration) -> String {
    let gone = if left.is_zero() { "is gone".to_owned() } else { format!("is gone in {}", shown(left)) };
    let class = lately.classes().first().map_or_else(String::new, |(class, _)| format!(", mostly {}", class.name()));
    let (failures, attempts, window) = (lately.failures(), lately.attempts(), duration_text(window));
    let rate = if left.is_zero() { "" } else { " at this rate" };
    format!("budget {gone}{rate}: {failures} of {attempts} attempts failed in the last {window}{class}")
}

/// In seconds below two minutes, and in minutes below two hours.
fn shown(left: Duration) -> String {
    let seconds = left.as_secs().max(1);
    let step = match seconds {
        0..120 => 1,
        120..7200 => 60,
        _ => 3600,
    };
    duration_text(Duration::from_secs(seconds / step * step))
}

/// To three decimals, so that 1.0 - 0.99 is 0.01.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
