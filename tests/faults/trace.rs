//! Runs a gateway under `strace`, to inspect its system calls or to crash it at one of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::calls::{Call, parse};
use crate::suite::Skipped;
use crate::support::{Ended, Setup, TestGateway, wait_for};

/// The trace of a gateway, in a folder that the gateway does not watch.
pub(crate) struct Trace {
    dir: TempDir,
}

impl Trace {
    /// The error is the reason why `strace` cannot run here.
    pub(crate) fn new() -> Result<Self, Skipped> {
        let dir = tempfile::tempdir().unwrap();
        let tried = Command::new("strace").args(["-f", "-o"]).arg(dir.path().join("tried")).arg("true").output();
        match tried {
            Ok(output) if output.status.success() => Ok(Self { dir }),
            Ok(output) => {
                Err(Skipped(format!("strace cannot trace here: {}", String::from_utf8_lossy(&output.stderr))))
            }
            Err(error) => Err(Skipped(format!("needs strace: {error}"))),
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("trace")
    }

    /// Starts a gateway and traces these system calls; `more` has further arguments for `strace`.
    pub(crate) async fn start(&self, setup: Setup, calls: &str, more: &[&str]) -> TestGateway {
        let started = self.try_start(setup, calls, &[&["--seccomp-bpf"], more].concat()).await;
        started.unwrap_or_else(|ended| panic!("the gateway ended:\n{}", ended.log))
    }

    /// Starts a gateway that is killed before a thread makes its `number`th of these calls; the first thread to get there
    /// counts. Waits until the gateway serves or ends.
    pub(crate) async fn start_to_crash(&self, setup: Setup, call: &str, number: u32) -> Result<TestGateway, Ended> {
        // Without `--seccomp-bpf`: with it, strace 6.1 sends a signal at the first call or never.
        let inject = format!("inject={call}:signal=KILL:when={number}");
        self.try_start(setup, call, &["-e", &inject]).await
    }

    async fn try_start(&self, setup: Setup, calls: &str, more: &[&str]) -> Result<TestGateway, Ended> {
        let file = self.file();
        let calls = format!("trace={calls}");
        // With `-D` the child process is the gateway itself, so that it can be stopped as usual.
        let mut arguments = vec!["-D", "-f", "-y", "-e", &calls, "-o", file.to_str().unwrap()];
        arguments.extend(more);
        setup.try_start_under("strace", &arguments).await
    }

    /// The calls of the gateway with this process id, after it has ended.
    pub(crate) async fn calls(&self, pid: u32) -> Vec<Call> {
        let end = [&*pid.to_string(), "+++"];
        let is_end = |line: &str| line.split_whitespace().take(2).eq(end);
        let text = wait_for("the end of the trace", || {
            Some(fs::read_to_string(self.file()).unwrap()).filter(|text| text.lines().any(is_end))
        })
        .await;
        parse(&text)
    }
}

/// Whether the call makes a commit durable: it syncs a segment of the log's journal.
pub(crate) fn is_commit(call: &Call) -> bool {
    call.name == "fdatasync" && call.file.ends_with(".segment>")
}

/// Each 202 in the order of writing, with the last part of its request.
pub(crate) fn answers(calls: &[Call]) -> Vec<(&Call, &Call)> {
    let mut requests = BTreeMap::new();
    let mut answers = Vec::new();
    for call in calls {
        if call.name == "recvfrom" && !call.text.contains(" = -1 ") && !call.text.ends_with(" = 0") {
            requests.insert(&call.file, call);
        } else if call.is_acknowledgement() {
            answers.push((requests[&call.file], call));
        }
    }
    answers.sort_by_key(|(_, answer)| answer.began);
    answers
}
