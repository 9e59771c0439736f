//! Data on stdout, everything else on stderr, and nothing that commands the terminal.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use serde_json::Value;

use super::failure::Failure;

/// Prints text, which ends with a line break.
pub(super) fn text(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Prints bytes unchanged.
pub(super) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::Closed),
        Err(error) => Err(anyhow::Error::from(error).context("cannot write to stdout").into()),
    }
}

/// Prints indented JSON, safe for a terminal.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    text(&format!("{}\n", escaped(&format!("{value:#}"))))
}

/// The same JSON with control characters escaped. Outside of strings JSON has none but line breaks.
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

/// Prints a remark on stderr.
pub(super) fn note(text: &str) {
    // A closed stderr is not a failure of the command.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a failure on stderr and returns the exit code.
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
        Failure::Reported => ExitCode::FAILURE,
        Failure::Closed => ExitCode::SUCCESS,
    }
}

/// Text from elsewhere without control characters; line breaks and tabs stay with `lines`, and are spaces otherwise.
pub(super) fn clean(text: &str, lines: bool) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' if lines => c,
        '\n' | '\t' => ' ',
        c if is_command(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Text of several lines beside a label: those after the first begin with `width` spaces.
pub(super) fn beside(width: usize, text: &str) -> String {
    clean(text, true).replace('\n', &format!("\n{:width$}", ""))
}

/// Whether a terminal acts on the character instead of showing it: control characters and bidirectional overrides.
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
        assert_eq!(clean("a\nb\tc", false), "a b c");
        assert_eq!(beside(4, "a\n  b\u{7}\nc"), "a\n      b\u{fffd}\n    c");
    }

    #[test]
    fn escaped_json_is_equal_and_cannot_command_the_terminal() {
        let value = serde_json::json!({"subject": "a\u{1b}[31m\n\u{9b}31m\u{202e}b\u{7f}é😀"});

        let text = escaped(&format!("{value:#}"));

        assert_eq!(text, "{\n  \"subject\": \"a\\u001b[31m\\n\\u009b31m\\u202eb\\u007fé😀\"\n}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
