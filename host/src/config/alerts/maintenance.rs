//! `[[alerts.silences]]` and `[[alerts.maintenance]]`: both are windows, the ones until a time, the others once or every week.

use super::matchers::matchers;
use super::rule_name::rule_name;
use crate::alert::{Maintenance, Schedule, ScheduleError, Window};
use crate::config::problem::quoted;
use crate::config::section::Section;

/// Before everything.
const EVER: &str = "1970-01-01T00:00:00Z";

/// The windows, silences first.
pub(super) fn maintenance(alerts: &Section<'_>) -> Maintenance {
    // What suppresses an alert is told by its name.
    let mut taken = Vec::new();
    let mut window = |section: &Section<'_>, schedule: fn(&Section<'_>) -> Option<Schedule>| {
        let (name, matchers, schedule) =
            (rule_name(section, &mut taken), matchers(section, "matchers"), schedule(section));
        Window::new(name?, matchers?, schedule?).ok()
    };
    let silences: Vec<_> = alerts.list("silences").iter().filter_map(|section| window(section, silence)).collect();
    let windows = alerts.list("maintenance");
    let windows = windows.iter().filter_map(|section| window(section, once_or_weekly));
    Maintenance::new(silences.into_iter().chain(windows).collect())
}

fn silence(section: &Section<'_>) -> Option<Schedule> {
    let from = section.text("from").unwrap_or_else(|| EVER.to_owned());
    let until = needed(section, "until", "\"2027-01-31T08:00:00Z\"");
    known(section, Schedule::once(&from, &until?))
}

fn once_or_weekly(section: &Section<'_>) -> Option<Schedule> {
    let days = section.texts("days");
    let timezone = section.text("timezone");
    let is_weekly = section.has("days");
    let (from, until) = if is_weekly {
        (needed(section, "from", "\"22:00\""), needed(section, "until", "\"04:00\""))
    } else {
        let example = "\"2027-01-31T22:00:00Z\"";
        (needed(section, "from", example), needed(section, "until", example))
    };
    if is_weekly {
        let days: Vec<_> = days?.into_iter().map(|(day, _)| day).collect();
        return known(section, Schedule::weekly(&days, &from?, &until?, timezone.as_deref().unwrap_or("UTC")));
    }
    if section.has("timezone") {
        let hint = "a time with a date has an offset, such as `2027-01-31T22:00:00+01:00`";
        section.place("timezone").problem_with_hint("no `timezone` without `days`", "one", hint);
    }
    known(section, Schedule::once(&from?, &until?))
}

fn needed(section: &Section<'_>, name: &str, example: &str) -> Option<String> {
    let place = section.place(name);
    if !section.has(name) {
        place.problem_with_hint("a time", "nothing", place.example(example));
    }
    section.text(name)
}

fn known(section: &Section<'_>, schedule: Result<Schedule, ScheduleError>) -> Option<Schedule> {
    schedule.map_err(|error| section.place(error.key).problem(error.expected, quoted(&error.found))).ok()
}
