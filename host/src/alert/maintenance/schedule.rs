//! When a maintenance window is open: once, or on days of the week.

use jiff::civil::{Date, Time, Weekday};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

use crate::event::Timestamp;

const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// The times from a begin until just before an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Times);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Times {
    Once { from: Timestamp, until: Timestamp },
    Weekly(Weekly),
}

/// On each of some days from one time on the clock of a zone to another. An `until` that is not later than `from` is one of the
/// next day.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Weekly {
    days: Vec<Weekday>,
    from: Time,
    until: Time,
    zone: TimeZone,
}

/// A key of a schedule has a value that it cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: expected {expected}, found `{found}`")]
pub struct ScheduleError {
    pub key: &'static str,
    pub expected: &'static str,
    pub found: String,
}

impl Schedule {
    /// From one moment until another, both as in RFC 3339.
    pub fn once(from: &str, until: &str) -> Result<Self, ScheduleError> {
        let from = moment("from", from)?;
        let end = moment("until", until)?;
        if end <= from {
            return Err(ScheduleError::new("until", "a time after `from`", until));
        }
        Ok(Self(Times::Once { from, until: end }))
    }

    /// On days such as `sat` or `saturday` from a time such as `22:00` until one such as `04:00`, which may be on the day after.
    ///
    /// The zone is an offset such as `+01:00`, `UTC`, or a name such as `Europe/Berlin` that the system has a file for. A time that
    /// the clocks of a zone skip is the one after the gap; one that they show twice is the first of both.
    pub fn weekly(days: &[impl AsRef<str>], from: &str, until: &str, timezone: &str) -> Result<Self, ScheduleError> {
        if days.is_empty() {
            return Err(ScheduleError::new("days", "at least one day of the week", "[]"));
        }
        let until = if until == "24:00" { Time::midnight() } else { time("until", until)? };
        Ok(Self(Times::Weekly(Weekly {
            days: days.iter().map(|day| weekday(day.as_ref())).collect::<Result<_, _>>()?,
            from: time("from", from)?,
            until,
            zone: zone(timezone)?,
        })))
    }

    pub fn is_active(&self, now: Timestamp) -> bool {
        self.around(now).into_iter().any(|(from, until)| from <= now && now < until)
    }

    /// When it begins or ends next. `None` if it never does again.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.around(now).into_iter().flat_map(|(from, until)| [from, until]).filter(|time| *time > now).min()
    }

    /// The begins and ends that may be the last ones before a moment, and those that may be the first ones after it.
    fn around(&self, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        match &self.0 {
            Times::Once { from, until } => vec![(*from, *until)],
            Times::Weekly(weekly) => weekly.around(now).unwrap_or_default(),
        }
    }
}

impl Weekly {
    /// From the day before, whose end may be today, to the same day in two weeks, if the clocks skip all of it in the next one.
    /// `None` beyond all calendars.
    fn around(&self, now: Timestamp) -> Option<Vec<(Timestamp, Timestamp)>> {
        let today = self.zone.to_datetime(jiff::Timestamp::from_millisecond(now.as_millis()).ok()?).date();
        let days = today.yesterday().ok()?.series(jiff::Span::new().days(1)).take(16);
        Some(days.filter(|day| self.days.contains(&day.weekday())).filter_map(|day| self.on(day)).collect())
    }

    fn on(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        let last = if self.until > self.from { day } else { day.tomorrow().ok()? };
        let (from, until) = (self.moment(day, self.from)?, self.moment(last, self.until)?);
        // Not where the clocks skip the whole of it.
        (from < until).then_some((from, until))
    }

    fn moment(&self, day: Date, time: Time) -> Option<Timestamp> {
        let moment = self.zone.to_timestamp(day.to_datetime(time)).ok()?;
        Some(Timestamp::from_millis(moment.as_millisecond()))
    }
}

impl ScheduleError {
    fn new(key: &'static str, expected: &'static str, found: &str) -> Self {
        Self { key, expected, found: found.to_owned() }
    }
}

fn moment(key: &'static str, text: &str) -> Result<Timestamp, ScheduleError> {
    text.parse().map_err(|_| ScheduleError::new(key, "a time such as `2026-01-31T22:00:00Z`", text))
}

fn time(key: &'static str, text: &str) -> Result<Time, ScheduleError> {
    Time::strptime("%H:%M", text).map_err(|_| ScheduleError::new(key, "a time such as `22:00`", text))
}

fn zone(text: &str) -> Result<TimeZone, ScheduleError> {
    let expected = "`UTC`, an offset such as `+01:00`, or a zone that the system knows";
    DateTimeParser::new().parse_time_zone(text).map_err(|_| ScheduleError::new("timezone", expected, text))
}

fn weekday(text: &str) -> Result<Weekday, ScheduleError> {
    let day = DAYS.iter().find(|(name, _)| *name == text || name[..3] == *text);
    day.map(|(_, day)| *day).ok_or_else(|| ScheduleError::new("days", "a day such as `sat` or `saturday`", text))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The clocks of Central Europe, without a file of the system.
    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    /// The begins and ends from a moment on, told one after the other. At each it is open or not, by turns.
    fn changes(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
        let mut now: Timestamp = from.parse().unwrap();
        let mut changes = Vec::new();
        for _ in 0..count {
            let was_active = schedule.is_active(now);
            let next = schedule.next_change(now).unwrap();
            assert_eq!(schedule.is_active(Timestamp::from_millis(next.as_millis() - 1)), was_active, "before {next}");
            assert_ne!(schedule.is_active(next), was_active, "at {next}");
            changes.push(next.to_string().replace(":00.000Z", "Z"));
            now = next;
        }
        changes
    }

    #[test]
    fn a_weekly_schedule_is_open_at_its_hours_on_its_days() {
        let check = |(days, from, until, zone): (&[&str], &str, &str, &str), now: &str, expected: &[&str]| {
            let schedule = Schedule::weekly(days, from, until, zone).unwrap();
            assert_eq!(changes(&schedule, now, expected.len()), expected, "{days:?} {from} {until} {zone}");
        };

        // 2026-01-31 is a Saturday.
        let night = (&["sat", "sunday"][..], "22:00", "04:00", "UTC");
        check(
            night,
            "2026-01-30T12:00:00Z",
            &["2026-01-31T22:00Z", "2026-02-01T04:00Z", "2026-02-01T22:00Z", "2026-02-02T04:00Z", "2026-02-07T22:00Z"],
        );
        check(night, "2026-02-01T22:00:00Z", &["2026-02-02T04:00Z", "2026-02-07T22:00Z"]);
        check(
            (&["sat"], "09:00", "17:30", "+01:00"),
            "2026-01-31T09:00:00Z",
            &["2026-01-31T16:30Z", "2026-02-07T08:00Z"],
        );
        // Saturday there is still Friday here, and the reverse.
        check(
            (&["sat"], "00:00", "01:00", "+10:00"),
            "2026-01-29T00:00:00Z",
            &["2026-01-30T14:00Z", "2026-01-30T15:00Z"],
        );
        check(
            (&["sat"], "23:00", "01:00", "-10:00"),
            "2026-01-29T00:00:00Z",
            &["2026-02-01T09:00Z", "2026-02-01T11:00Z"],
        );
        // A whole day.
        check((&["wed"], "00:00", "24:00", "UTC"), "2026-01-31T00:00:00Z", &["2026-02-04T00:00Z", "2026-02-05T00:00Z"]);
        check((&["wed"], "12:00", "12:00", "UTC"), "2026-01-31T00:00:00Z", &["2026-02-04T12:00Z", "2026-02-05T12:00Z"]);
        check((&["wed"], "12:00", "00:00", "UTC"), "2026-01-31T00:00:00Z", &["2026-02-04T12:00Z", "2026-02-05T00:00Z"]);
    }

    #[test]
    fn a_weekly_schedule_follows_the_clocks_of_its_zone() {
        let check = |day: &str, from: &str, until: &str, now: &str, expected: &[&str]| {
            let schedule = Schedule::weekly(&[day], from, until, BERLIN).unwrap();
            assert_eq!(changes(&schedule, now, expected.len()), expected, "{day} {from} {until}");
        };

        // Clocks go forward on 2026-03-29 at 02:00, and back on 2026-10-25 at 03:00.
        check("sat", "22:00", "04:00", "2026-03-28T12:00:00Z", &["2026-03-28T21:00Z", "2026-03-29T02:00Z"]);
        check("sat", "22:00", "04:00", "2026-10-24T12:00:00Z", &["2026-10-24T20:00Z", "2026-10-25T03:00Z"]);
        check("sun", "02:30", "03:45", "2026-03-28T12:00:00Z", &["2026-03-29T01:30Z", "2026-03-29T01:45Z"]);
        check("sun", "02:30", "03:30", "2026-10-24T12:00:00Z", &["2026-10-25T00:30Z", "2026-10-25T02:30Z"]);
        // Nothing is left of it on that day: 02:45 is moved to 03:45.
        check("sun", "02:45", "03:15", "2026-03-28T12:00:00Z", &["2026-04-05T00:45Z", "2026-04-05T01:15Z"]);
    }

    #[test]
    fn a_zone_may_have_a_name_where_the_system_knows_it() {
        if !Path::new("/usr/share/zoneinfo/Europe/Berlin").exists() {
            println!("skipped: there is no `/usr/share/zoneinfo`, install `tzdata`");
            return;
        }
        let schedule = Schedule::weekly(&["sat"], "22:00", "04:00", "Europe/Berlin").unwrap();
        assert_eq!(changes(&schedule, "2026-03-28T12:00:00Z", 2), ["2026-03-28T21:00Z", "2026-03-29T02:00Z"]);
    }

    #[test]
    fn a_schedule_that_overlaps_itself_stays_open() {
        let schedule = Schedule::weekly(&["sat", "sun"], "00:00", "24:00", "UTC").unwrap();
        let midnight: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
        assert!(schedule.is_active(midnight) && schedule.is_active(Timestamp::from_millis(midnight.as_millis() - 1)));
    }

    #[test]
    fn a_moment_beyond_all_calendars_is_in_no_schedule() {
        let schedule = Schedule::weekly(&["sat"], "00:00", "24:00", "UTC").unwrap();
        for millis in [i64::MIN, i64::MAX] {
            let now = Timestamp::from_millis(millis);
            assert_eq!((schedule.is_active(now), schedule.next_change(now)), (false, None), "{millis}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_what_was_expected() {
        let check = |schedule: Result<Schedule, ScheduleError>, expected: &str| {
            assert_eq!(schedule.unwrap_err().to_string(), expected);
        };
        let weekly = |day, from, until, zone| Schedule::weekly(&[day], from, until, zone);

        check(
            weekly("funday", "22:00", "04:00", "UTC"),
            "days: expected a day such as `sat` or `saturday`, found `funday`",
        );
        check(weekly("é", "22:00", "04:00", "UTC"), "days: expected a day such as `sat` or `saturday`, found `é`");
        check(weekly("sat", "24:00", "04:00", "UTC"), "from: expected a time such as `22:00`, found `24:00`");
        check(weekly("sat", "22:00", "4", "UTC"), "until: expected a time such as `22:00`, found `4`");
        check(
            weekly("sat", "22:00", "04:00", "Mars/Olympus"),
            "timezone: expected `UTC`, an offset such as `+01:00`, or a zone that the system knows, found `Mars/Olympus`",
        );
        check(
            Schedule::weekly(&[""; 0], "22:00", "04:00", "UTC"),
            "days: expected at least one day of the week, found `[]`",
        );
        check(
            Schedule::once("2026-01-31 22:00", "2026-01-31T23:00:00Z"),
            "from: expected a time such as `2026-01-31T22:00:00Z`, found `2026-01-31 22:00`",
        );
        check(
            Schedule::once("2026-01-31T22:00:00Z", "2026-01-31T23:00:00+01:00"),
            "until: expected a time after `from`, found `2026-01-31T23:00:00+01:00`",
        );
    }
}
