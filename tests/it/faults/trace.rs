use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Setup, TestGateway, wait_for};

/// What `strace` writes down about a gateway, in a folder that the gateway does not watch.
pub(super) struct Trace {
    dir: TempDir,
}

/// A system call, with the lines of the trace in which it began and ended. Their order is that of the events: a thread
/// that enters or leaves a call is held until it is written down.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    /// The first argument when it is a file descriptor, with what it stands for.
    pub(super) file: String,
    /// All arguments and the result.
    pub(super) text: String,
    pub(super) began: usize,
    pub(super) ended: usize,
}

impl Trace {
    /// The error says why nothing can be traced here.
    pub(super) fn new() -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        let tried = Command::new("strace").args(["-f", "-o"]).arg(dir.path().join("tried")).arg("true").output();
        match tried {
            Ok(output) if output.status.success() => Ok(Self { dir }),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("trace")
    }

    /// Starts a gateway whose calls with these names are traced; `more` are other arguments.
    pub(super) async fn start(&self, setup: Setup, calls: &str, more: &[&str]) -> TestGateway {
        let file = self.file();
        let calls = format!("trace={calls}");
        // With `-D` the child is the gateway itself, so that it can be stopped as always.
        let mut arguments = vec!["-D", "-f", "-y", "--seccomp-bpf", "-e", &calls, "-o", file.to_str().unwrap()];
        arguments.extend(more);
        setup.start_under("strace", &arguments).await
    }

    /// The calls of the gateway with this process id, after it has ended.
    pub(super) async fn calls(&self, pid: u32) -> Vec<Call> {
        let end = [&*pid.to_string(), "+++"];
        let is_end = |line: &str| line.split_whitespace().take(2).eq(end);
        let text = wait_for("the end of the trace", || {
            Some(fs::read_to_string(self.file()).unwrap()).filter(|text| text.lines().any(is_end))
        })
        .await;
        parse(&text)
    }
}

fn parse(text: &str) -> Vec<Call> {
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

#[test]
fn a_divided_call_is_put_together() {
    let trace = "\
        10 fdatasync(21</data/db> <unfinished ...>\n\
        9  recvfrom(5<socket:[7]>, \"POST /\"..., 99, 0, NULL, NULL) = 42\n\
        10 <... fdatasync resumed>) = -1 EIO (Input/output error) (INJECTED)\n\
        9  +++ exited with 0 +++\n";

    let calls = parse(trace);

    let shown: Vec<_> =
        calls.iter().map(|call| (call.name.as_str(), call.file.as_str(), call.began, call.ended)).collect();
    assert_eq!(shown, [("recvfrom", "5<socket:[7]>", 1, 1), ("fdatasync", "21</data/db>", 0, 2)]);
    assert!(calls[1].text.ends_with(") = -1 EIO (Input/output error) (INJECTED)"), "{}", calls[1].text);
}
