//! Times of alerts, and their bounds.

use std::time::Duration;

use crate::config::section::Section;

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A time that is not zero.
pub(super) fn time(section: &Section<'_>, name: &str, default: Duration) -> Duration {
    section.duration(name, SHORTEST..=LONGEST).unwrap_or(default)
}

/// A time; zero stands for never.
pub(super) fn time_or_never(section: &Section<'_>, name: &str, default: Option<Duration>) -> Option<Duration> {
    section.duration(name, Duration::ZERO..=LONGEST).map_or(default, Some).filter(|time| !time.is_zero())
}
