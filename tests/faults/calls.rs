use std::collections::BTreeMap;

/// A system call, with the lines of the trace in which it began and ended. Their order is that of the events: a thread
/// that enters or leaves a call is held until it is written down.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// The first argument when it is a file descriptor, with what it stands for.
    pub(crate) file: String,
    /// All arguments and the result.
    pub(crate) text: String,
    pub(crate) began: usize,
    pub(crate) ended: usize,
}

/// The calls in what `strace -f` has written.
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
    /// Whether it writes the answer that an event was accepted.
    pub(crate) fn is_acknowledgement(&self) -> bool {
        self.text.contains("\"HTTP/1.1 202 ")
    }
}
