//! What stdout can show: its width, its colours, and times as people read them.
//!
//! Whatever is not a terminal gets whole values: full ids, exact times, no colours.

use std::env;
use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::time::Duration;

use clap::ValueEnum;
use rustix::termios::tcgetwinsize;

use super::arguments::output::TableArguments;
use crate::event::Timestamp;

/// When text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    #[value(help = None)]
    Auto,
    #[value(help = None)]
    Always,
    #[value(help = None)]
    Never,
}

/// How a list is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Columns of the terminal that the list has to fit into. `None` if it may be as wide as it is.
    pub(super) width: Option<usize>,
    /// Whether nothing is cut.
    pub(super) is_whole: bool,
    /// Whether times are exact, in UTC.
    utc: bool,
    now: Timestamp,
}

/// What a state means to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Good,
    Open,
    Bad,
    Past,
}

static COLORED: OnceLock<bool> = OnceLock::new();

/// Decides once whether stdout is coloured.
pub(super) fn decide(when: ColorWhen) {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let auto =
        || io::stdout().is_terminal() && !is_set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb");
    let _ = COLORED.set(match when {
        ColorWhen::Auto => auto(),
        ColorWhen::Always => true,
        ColorWhen::Never => false,
    });
}

/// A state in its colour, if stdout has colours.
pub(super) fn painted(state: &str) -> String {
    if COLORED.get() == Some(&true) { in_color(state) } else { state.to_owned() }
}

fn in_color(state: &str) -> String {
    let code = match tone(state.trim_end()) {
        Some(Tone::Good) => 32,
        Some(Tone::Open) => 33,
        Some(Tone::Bad) => 31,
        Some(Tone::Past) => 2,
        None => return state.to_owned(),
    };
    format!("\u{1b}[{code}m{state}\u{1b}[0m")
}

fn tone(state: &str) -> Option<Tone> {
    match state {
        "serving" | "delivered" | "done" | "ok" | "yes" | "ready" | "intact" | "closed" | "resolved" => {
            Some(Tone::Good)
        }
        "pending" | "retrying" | "waiting" | "held" | "running" | "paused" | "half_open" | "half-open" | "unknown"
        | "in_progress" | "handled" | "acknowledged" => Some(Tone::Open),
        "dead" | "failed" | "failing" | "damaged" | "no" | "open" | "refused" | "firing" | "blocked"
        | "needs_human" => Some(Tone::Bad),
        "dropped" | "cancelled" | "replayed" | "expired" => Some(Tone::Past),
        _ => None,
    }
}

/// The columns of stdout; `None` if it is not a terminal.
pub(super) fn width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let columns = tcgetwinsize(&stdout).map_or(0, |size| usize::from(size.ws_col));
    Some(if columns == 0 { 80 } else { columns })
}

impl View {
    /// The view of stdout.
    pub(super) fn of(arguments: TableArguments) -> Self {
        let width = width().filter(|_| !arguments.wide);
        Self { width, is_whole: arguments.wide, utc: arguments.utc, now: Timestamp::now() }
    }

    /// Everything as it is.
    pub(super) fn whole() -> Self {
        Self { width: None, is_whole: false, utc: true, now: Timestamp::now() }
    }

    #[cfg(test)]
    pub(super) fn narrow(width: usize, now: Timestamp) -> Self {
        Self { width: Some(width), is_whole: false, utc: false, now }
    }

    /// Whether it has to fit into a terminal.
    pub(super) fn is_narrow(self) -> bool {
        self.width.is_some()
    }

    /// Each time in the text as this view shows it, and every other word as it is.
    pub(super) fn time(self, text: &str) -> String {
        text.split(' ').map(|word| self.word(word)).collect::<Vec<_>>().join(" ")
    }

    fn word(self, text: &str) -> String {
        let Some(time) = text.parse::<Timestamp>().ok().filter(|_| self.is_narrow()) else { return text.to_owned() };
        if self.utc {
            return text.split('.').next().map_or_else(String::new, |seconds| format!("{seconds}Z"));
        }
        match time.since(self.now) {
            wait if wait >= Duration::from_secs(1) => format!("in {}", rough(wait)),
            _ => ago(self.now.since(time)),
        }
    }
}

/// How long ago, in one unit.
pub(super) fn ago(passed: Duration) -> String {
    if passed < Duration::from_secs(1) { "now".to_owned() } else { format!("{} ago", rough(passed)) }
}

/// A duration in its largest unit.
pub(super) fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_in_a_terminal_and_exact_elsewhere() {
        let now: Timestamp = "2026-01-31T12:00:00.000Z".parse().unwrap();
        let narrow = View::narrow(80, now);
        for (text, expected) in [
            ("2026-01-31T11:59:59.500Z", "now"),
            ("2026-01-31T11:59:18.000Z", "42s ago"),
            ("2026-01-31T11:40:00.000Z", "20m ago"),
            ("2026-01-30T10:00:00.000Z", "26h ago"),
            ("2026-01-21T12:00:00.000Z", "10d ago"),
            ("2026-01-31T12:00:40.000Z", "in 40s"),
            ("2026-01-31T12:00:00.900Z", "now"),
            ("", ""),
        ] {
            assert_eq!(narrow.time(text), expected);
        }
        assert_eq!(View { utc: true, ..narrow }.time("2026-01-31T11:59:18.123Z"), "2026-01-31T11:59:18Z");
        assert_eq!(View::whole().time("2026-01-31T11:59:18.123Z"), "2026-01-31T11:59:18.123Z");
    }

    #[test]
    fn a_state_has_the_colour_of_what_it_means() {
        assert_eq!(in_color("dead "), "\u{1b}[31mdead \u{1b}[0m");
        assert_eq!(in_color("delivered"), "\u{1b}[32mdelivered\u{1b}[0m");
        assert_eq!(in_color("github.push"), "github.push");
    }
}
