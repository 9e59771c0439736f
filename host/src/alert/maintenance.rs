//! Maintenance windows: times that are known before, in which nobody hears of some signals.

mod schedule;

pub use self::schedule::{Schedule, ScheduleError};
use super::matcher::{MatcherError, Matchers};
use crate::event::Timestamp;

/// Some signals, and when they are under maintenance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    name: String,
    matchers: Matchers,
    schedule: Schedule,
}

/// All windows, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintenance(Vec<Window>);

impl Window {
    /// It needs a matcher.
    pub fn new(name: String, matchers: Matchers, schedule: Schedule) -> Result<Self, MatcherError> {
        Ok(Self { name, matchers: matchers.present()?, schedule })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn matchers(&self) -> &Matchers {
        &self.matchers
    }

    pub(super) const fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}

impl Maintenance {
    pub fn new(windows: Vec<Window>) -> Self {
        Self(windows)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Window> {
        self.0.iter()
    }

    /// The first window that labels are in now; `label` finds the value of a label by its name.
    pub fn active<'l>(&self, label: impl Fn(&str) -> Option<&'l str> + Copy, now: Timestamp) -> Option<&Window> {
        self.0.iter().find(|window| window.matchers.matches(label) && window.schedule.is_active(now))
    }

    /// The windows that never come again.
    pub fn over(&self, now: Timestamp) -> impl Iterator<Item = &Window> {
        let is_over = move |schedule: &Schedule| !schedule.is_active(now) && schedule.next_change(now).is_none();
        self.0.iter().filter(move |window| is_over(&window.schedule))
    }

    /// When the next window begins or ends. Another one may go on there, or begin.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.iter().filter_map(|window| window.schedule.next_change(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_for_the_signals_that_it_names() {
        let window = |name: &str, matchers: &str, from, until| {
            let schedule = Schedule::once(from, until).unwrap();
            Window::new(name.to_owned(), matchers.parse().unwrap(), schedule).unwrap()
        };
        let maintenance = Maintenance::new(vec![
            window("upgrade", "cluster=a", "2026-01-31T22:00:00Z", "2026-01-31T23:00:00Z"),
            window("move", r#"cluster=~"a|b""#, "2026-01-31T22:30:00Z", "2026-02-01T00:00:00Z"),
        ]);
        let check = |cluster: &str, now: &str, expected: Option<&str>| {
            let label = |name: &str| (name == "cluster").then_some(cluster);
            let window = maintenance.active(label, now.parse().unwrap());
            assert_eq!(window.map(Window::name), expected, "{cluster} at {now}");
        };

        check("a", "2026-01-31T22:30:00Z", Some("upgrade"));
        check("b", "2026-01-31T22:30:00Z", Some("move"));
        check("a", "2026-01-31T23:00:00Z", Some("move"));
        check("c", "2026-01-31T22:30:00Z", None);
        check("a", "2026-02-01T00:00:00Z", None);

        let next = |now: &str| maintenance.next_change(now.parse().unwrap()).map(|time| time.to_string());
        assert_eq!(next("2026-01-31T22:00:00Z").as_deref(), Some("2026-01-31T22:30:00.000Z"));
        assert_eq!(next("2026-01-31T22:30:00Z").as_deref(), Some("2026-01-31T23:00:00.000Z"));
        assert_eq!(next("2026-02-01T00:00:00Z"), None);

        let over = |now: &str| maintenance.over(now.parse().unwrap()).map(Window::name).collect::<Vec<_>>();
        assert_eq!(over("2026-01-31T22:59:59Z"), [""; 0]);
        assert_eq!(over("2026-01-31T23:00:00Z"), ["upgrade"]);
        assert_eq!(over("2026-02-01T00:00:00Z"), ["upgrade", "move"]);
    }

    #[test]
    fn a_window_needs_a_matcher() {
        let schedule = Schedule::once("2026-01-31T22:00:00Z", "2026-01-31T23:00:00Z").unwrap();
        assert_eq!(Window::new("all".to_owned(), Matchers::default(), schedule), Err(MatcherError::Missing));
    }
}
