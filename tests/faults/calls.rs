//! Parses the output of `strace`.

use std::collections::BTreeMap;

/// A system call, with the lines of the trace at which it began and ended. The lines are in the order of the events, because
/// `strace` stops a thread that enters or leaves a call until it has written the line.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// The first argument: a file descriptor and its file, if the call has one.
    pub(crate) file: String,
    /// All arguments and the result.
    pub(crate) text: String,
    pub(crate) began: usize,
    pub(crate) ended: usize,
}

/// Parses the output of `strace -f`.
pub(crate) fn parse(text: &str) -> Vec<Call> {
    let mut unfinished = BTreeMap::new();
    let mut calls = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (thread, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(begin) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, (number, begin));
            continue;
        }
        let (began, text) = match rest.strip_prefix("<... ") {
            Some(resumed) => {
                let (began, begin) = unfinished.remove(thread).unwrap();
                (began, format!("{begin}{}", resumed.split_once("resumed>").unwrap().1))
            }
            None => (number, rest.to_owned()),
        };
        let (name, arguments) = text.split_once('(').unwrap();
        let file = arguments.split([',', ')']).next().unwrap().trim_end();
        calls.push(Call { name: name.to_owned(), file: file.to_owned(), began, ended: number, text });
    }
    calls
}

impl Call {
    /// Whether the call writes the response that an event was accepted.
    pub(crate) fn is_acknowledgement(&self) -> bool {
        self.text.contains("\"HTTP/1.1 202 ")
    }
}
