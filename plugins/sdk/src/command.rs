//! Commands to agents in people's texts: `/fix the leak`, `@triage look at this`.
//!
//! A command starts a line. Text in a quote (`> `), in code (fenced, indented by four, in backticks) or in an HTML comment,
//! which templates use for explanations, is ignored. A name has 1 to 63 letters, digits, `-` and `_`; the rest of the line
//! is the arguments. Only the first command of a text counts.
//!
//! The setting [`SETTING`] lists the valid names: with it, `/name` and `@name` are commands for these names. Without it, every
//! `/name` is a command and no `@name` is, because `@somebody thanks` is not one. Each plugin that finds commands has this
//! setting.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use crate::channel::Event;
use crate::json::Text;
use crate::{Host, Level};

/// The name of the setting: an array of names.
pub const SETTING: &str = "commands";

/// The most bytes of a name.
const MAX_NAME: usize = 63;
/// The most bytes of the arguments.
const MAX_ARGUMENTS: usize = 1024;
/// The bytes of a text that are scanned: more than any provider lets a person write.
const MAX_TEXT: usize = 128 * 1024;
/// The command's name for a mention of the agent's account, if neither the mention nor the settings give one.
const MENTION: &str = "mention";

/// A command to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The name in lower case, without `/` or `@`.
    pub name: String,
    /// The rest of the line; may be empty.
    pub arguments: String,
}

/// A person's text, as an event reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written<'a> {
    /// A new text.
    New(&'a str),
    /// An edited text.
    Edited {
        /// The text before the edit.
        before: &'a str,
        /// The text after the edit.
        text: &'a str,
    },
}

impl Command {
    /// A command that the provider recognised.
    pub fn new(name: &str, arguments: &str) -> Self {
        let arguments = arguments.trim();
        let arguments = arguments[..arguments.floor_char_boundary(MAX_ARGUMENTS)].replace(char::is_control, " ");
        Self { name: name.to_lowercase(), arguments: arguments.trim().to_owned() }
    }
}

impl Written<'_> {
    /// The first command of the text. `None` if the text before an edit had the same, because that one was sent already.
    pub fn command(&self, host: &Host) -> Option<Command> {
        match self {
            Written::New(text) => find(host, text),
            Written::Edited { before, text } => {
                find(host, text).filter(|command| find(host, before).as_ref() != Some(command))
            }
        }
    }
}

/// The first command of a text.
pub fn find(host: &Host, text: &str) -> Option<Command> {
    find_for(host, text, &[])
}

/// As [`find`], but a mention `<@ID>` of one of these accounts is a command too. Its name is the one in the mention
/// (`<@ID|name>`), else the first one of the setting, else `mention`.
pub fn find_for(host: &Host, text: &str, accounts: &[&str]) -> Option<Command> {
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    if !text.contains(['/', '@']) {
        return None;
    }
    // Most texts have no command, so the setting is only fetched for a line that looks like one.
    let names = OnceCell::new();
    let names = || names.get_or_init(|| config_texts(host, SETTING)).as_deref();
    let mut lines = Lines::new(text);
    while let Some((start, line)) = lines.next_outside() {
        let Some(call) = Call::at_start_of(line) else { continue };
        let found = match call {
            Call::Slash(name, rest) => {
                let counts = names().is_none_or(|names| is_among(names, name));
                counts.then(|| (name.to_owned(), rest))
            }
            Call::At(name, rest) => {
                let counts = names().is_some_and(|names| is_among(names, name));
                counts.then(|| (name.to_owned(), rest))
            }
            Call::Account { id, label, rest } => accounts.contains(&id).then(|| {
                let first = || names().and_then(|names| names.first()).cloned();
                (label.map(str::to_owned).or_else(first).unwrap_or_else(|| String::from(MENTION)), rest)
            }),
        };
        let Some((name, rest)) = found else { continue };
        if lines.skip_code_around(start) {
            continue;
        }
        return Some(Command::new(&name, rest));
    }
    None
}

/// The accounts that the setting `ignore_senders` lists, in any case and with or without `@`. What an agent does itself must not
/// trigger it again, so each plugin whose events name a sender has this setting.
#[derive(Debug)]
pub struct IgnoredSenders(Vec<String>);

impl IgnoredSenders {
    /// Reads the setting.
    pub fn read(host: &Host) -> Self {
        Self(config_texts(host, "ignore_senders").unwrap_or_default())
    }

    /// Whether none is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of these accounts is listed. Pass all names of all accounts that can have caused the event; an empty one is no
    /// account.
    pub fn contain(&self, senders: &[&str]) -> bool {
        let is_listed =
            |sender: &&str| self.0.iter().any(|known| known.trim_start_matches('@').eq_ignore_ascii_case(sender));
        senders.iter().filter(|sender| !sender.is_empty()).any(is_listed)
    }
}

/// Whether one of these accounts is among the [`IgnoredSenders`].
pub fn is_ignored(host: &Host, senders: &[&str]) -> bool {
    IgnoredSenders::read(host).contain(senders)
}

impl Event {
    /// Adds the attributes `command` and, unless they are empty, `commandargs`.
    pub fn with_command(self, command: Option<Command>) -> Self {
        let Some(command) = command else { return self };
        let event = self.with_fact("command", Some(&command.name));
        if command.arguments.is_empty() {
            return event;
        }
        event.with_attribute("commandargs", command.arguments)
    }
}

/// A setting that is an array of strings; `None` if it is missing. A number counts as its digits, because ids look like
/// numbers. An invalid setting counts as empty.
fn config_texts(host: &Host, key: &str) -> Option<Vec<String>> {
    let json = host.config(key)?;
    let texts: Vec<Text<'_>> = serde_json::from_str(&json).unwrap_or_else(|error| {
        host.log(Level::Error, &format!("`{key}` is not an array of strings, using an empty one: {error}"));
        Vec::new()
    });
    let known: Vec<String> = texts.iter().filter_map(Text::get).map(str::to_owned).collect();
    if known.len() < texts.len() {
        host.log(Level::Error, &format!("`{key}` has elements that are not strings, ignoring these"));
    }
    Some(known)
}

fn is_among(names: &[String], name: &str) -> bool {
    names.iter().any(|known| known.trim_start_matches(['/', '@']).eq_ignore_ascii_case(name))
}

/// The three forms of a command at the start of a line.
enum Call<'a> {
    Slash(&'a str, &'a str),
    At(&'a str, &'a str),
    Account { id: &'a str, label: Option<&'a str>, rest: &'a str },
}

impl<'a> Call<'a> {
    fn at_start_of(line: &'a str) -> Option<Self> {
        if let Some(rest) = line.strip_prefix('/') {
            let (name, rest) = name(rest)?;
            return ends(rest).then_some(Self::Slash(name, rest));
        }
        if let Some(rest) = line.strip_prefix('@') {
            let (name, rest) = name(rest)?;
            let rest = after_mention(rest);
            return ends(rest).then_some(Self::At(name, rest));
        }
        let (mention, rest) = line.strip_prefix("<@")?.split_once('>')?;
        let (id, label) = match mention.split_once('|') {
            Some((id, label)) => (id, name(label).filter(|(_, rest)| rest.is_empty()).map(|(name, _)| name)),
            None => (mention, None),
        };
        // Older Discord clients put a `!` before the id of a user with a nickname.
        Some(Self::Account { id: id.trim_start_matches('!'), label, rest: after_mention(rest) })
    }
}

fn name(text: &str) -> Option<(&str, &str)> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let length = text.bytes().take_while(|byte| is_inner(*byte)).count();
    let is_name = (1..=MAX_NAME).contains(&length) && text.as_bytes()[0].is_ascii_alphanumeric();
    is_name.then(|| text.split_at(length))
}

/// Skips the comma or colon that often follows a mention.
fn after_mention(rest: &str) -> &str {
    rest.strip_prefix([',', ':']).unwrap_or(rest)
}

/// Whether a name ends here: `/usr/bin` and `@team/members` are not commands.
fn ends(rest: &str) -> bool {
    rest.chars().next().is_none_or(char::is_whitespace)
}

/// Iterates over the lines of a text outside of quotes, code blocks and comments.
struct Lines<'a> {
    text: &'a str,
    /// Where the next line starts.
    next: usize,
    /// Where the paragraph of the last line starts; code in backticks ends with its paragraph.
    paragraph: usize,
    /// The end of the paragraph that was scanned last, so that each paragraph is scanned once.
    paragraph_end: usize,
    fence: Option<(u8, usize)>,
    in_comment: bool,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, next: 0, paragraph: 0, paragraph_end: 0, fence: None, in_comment: false }
    }

    /// The next line without its indentation, and where it starts.
    fn next_outside(&mut self) -> Option<(usize, &'a str)> {
        while self.next < self.text.len() {
            let start = self.next;
            let rest = &self.text[start..];
            let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            self.next += length;
            let line = rest[..length].trim_end();
            let inner = line.trim_start();
            if self.is_outside(line, inner) {
                return Some((start + line.len() - inner.len(), inner));
            }
        }
        None
    }

    fn is_outside(&mut self, line: &str, inner: &str) -> bool {
        if self.in_comment {
            self.in_comment = !inner.contains("-->");
            return false;
        }
        if let Some((mark, length)) = self.fence {
            let run = inner.bytes().take_while(|byte| *byte == mark).count();
            if run >= length && run == inner.len() {
                self.fence = None;
                self.paragraph = self.next;
            }
            return false;
        }
        if inner.is_empty() {
            self.paragraph = self.next;
            return false;
        }
        let columns = |width: usize, space: char| if space == '\t' { (width / 4 + 1) * 4 } else { width + 1 };
        if line[..line.len() - inner.len()].chars().fold(0, columns) >= 4 {
            return false;
        }
        if let Some(mark @ (b'`' | b'~')) = inner.bytes().next() {
            let run = inner.bytes().take_while(|byte| *byte == mark).count();
            // Backticks after backticks are code within the line.
            if run >= 3 && (mark == b'~' || !inner[run..].contains('`')) {
                self.fence = Some((mark, run));
                return false;
            }
        }
        if let Some(open) = inner.rfind("<!--") {
            self.in_comment = !inner[open..].contains("-->");
        }
        !inner.starts_with('>')
    }

    /// The end of the paragraph that contains `place`. Callers must not go back to an earlier place.
    fn end_of_paragraph(&mut self, place: usize) -> usize {
        if self.paragraph_end <= place {
            self.paragraph_end = self.text[place..].find("\n\n").map_or(self.text.len(), |end| place + end);
        }
        self.paragraph_end
    }

    /// Whether `place` is between backticks of its paragraph. If so, the iteration continues after them.
    fn skip_code_around(&mut self, place: usize) -> bool {
        let end = self.end_of_paragraph(place);
        let mut at = self.paragraph;
        while let Some(open) = run_of_backticks(&self.text[..place], at) {
            let mut close = run_of_backticks(&self.text[..end], open.end);
            while let Some(run) = close.clone().filter(|run| run.len() != open.len()) {
                close = run_of_backticks(&self.text[..end], run.end);
            }
            at = match close {
                Some(close) if close.start > place => {
                    self.next = close.end;
                    self.paragraph = close.end;
                    // The text after the closing backticks is not at the start of a line.
                    let rest = &self.text[close.end..];
                    self.next += rest.find('\n').map_or(rest.len(), |end| end + 1);
                    return true;
                }
                Some(close) => close.end,
                None => open.end,
            };
        }
        false
    }
}

/// The next run of backticks at or after `from`.
fn run_of_backticks(text: &str, from: usize) -> Option<Range<usize>> {
    let start = from + text.get(from..)?.find('`')?;
    let length = text.as_bytes()[start..].iter().take_while(|byte| **byte == b'`').count();
    Some(start..start + length)
}

/// Puts every code fence on a line of its own, as Markdown requires.
///
/// Chats open and close code blocks within a line, such as `` ```let a; ``` ``.
pub fn split_fences(text: &str) -> Cow<'_, str> {
    if text.contains("```") { Cow::Owned(text.replace("```", "\n```\n")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests;
