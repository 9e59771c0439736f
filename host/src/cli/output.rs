use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::failure::Failure;

/// Prints data: a text that ends with a line break.
pub(super) fn text(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Prints data as it is.
pub(super) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::Unread),
        Err(error) => Err(anyhow::Error::from(error).context("cannot write to stdout").into()),
    }
}

/// Prints data for machines, over several lines. Also this may be shown on a terminal.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    text(&format!("{}\n", escaped(&format!("{value:#}"))))
}

/// JSON that says the same in characters that a terminal only shows. Outside of strings there are none but line breaks.
pub(super) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            c if c != '\n' && is_command(c) => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text
}

/// Tells a person something that is no data.
pub(super) fn note(text: &str) {
    // When stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says on stderr what went wrong; the exit code of the command.
pub(super) fn report(failure: &Failure) -> ExitCode {
    match failure {
        Failure::Config(problems) => {
            note(&format!("error: {problems}"));
            ExitCode::from(2)
        }
        Failure::Call(problem) => {
            note(&format!("error: {problem}"));
            ExitCode::from(2)
        }
        Failure::Failed(error) => {
            note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
        Failure::Told => ExitCode::FAILURE,
        Failure::Unread => ExitCode::SUCCESS,
    }
}

/// Tells how far long work has come, on one line of a terminal and nowhere else.
pub(super) struct Progress {
    what: &'static str,
    last: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    const EVERY: Duration = Duration::from_millis(200);

    /// `what` stands before the number.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, last: io::stderr().is_terminal().then(Instant::now), is_shown: false }
    }

    /// It is at this number.
    pub(super) fn at(&mut self, number: impl Display) {
        if self.last.is_some_and(|last| last.elapsed() >= Self::EVERY) {
            (self.last, self.is_shown) = (Some(Instant::now()), true);
            let _ = write!(io::stderr().lock(), "\r{} {number}", self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}

/// Text from elsewhere without what a terminal would take for commands; line breaks only where `lines` allows them.
pub(super) fn clean(text: &str, lines: bool) -> String {
    let keep = |c: char| if c == '\n' || c == '\t' { lines } else { !is_command(c) };
    text.chars().map(|c| if keep(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Whether a terminal does something else with it than to show it: control characters, and those that turn the order of
/// others around.
fn is_command(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_command_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\r\u{202e}c", false), "a\u{fffd}[31mb\u{fffd}\u{fffd}c");
        assert_eq!(clean("a\n\tb\u{7}", true), "a\n\tb\u{fffd}");
        assert_eq!(clean("a\nb", false), "a\u{fffd}b");
    }

    #[test]
    fn json_says_the_same_without_commanding_the_terminal() {
        let value = serde_json::json!({"subject": "a\u{1b}[31m\n\u{9b}31m\u{202e}b\u{7f}é😀"});

        let text = escaped(&format!("{value:#}"));

        assert_eq!(text, "{\n  \"subject\": \"a\\u001b[31m\\n\\u009b31m\\u202eb\\u007fé😀\"\n}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
