use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::calls::{Call, parse};
use crate::suite::Skipped;
use crate::support::{Ended, Setup, TestGateway, wait_for};

/// What `strace` writes down about a gateway, in a folder that the gateway does not watch.
pub(crate) struct Trace {
    dir: TempDir,
}

impl Trace {
    /// The error says why nothing can be traced here.
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

    /// Starts a gateway whose calls with these names are traced; `more` are other arguments.
    pub(crate) async fn start(&self, setup: Setup, calls: &str, more: &[&str]) -> TestGateway {
        let started = self.try_start(setup, calls, &[&["--seccomp-bpf"], more].concat()).await;
        started.unwrap_or_else(|ended| panic!("the gateway ended:\n{}", ended.log))
    }

    /// Starts a gateway in which the thread that is the first to make the `number`th of these calls is killed before it
    /// makes it, and the whole process with it. Waits until it serves or ends.
    pub(crate) async fn start_to_crash(&self, setup: Setup, call: &str, number: u32) -> Result<TestGateway, Ended> {
        // Not `--seccomp-bpf`: with it strace 6.1 sends a signal at the first call or never.
        let inject = format!("inject={call}:signal=KILL:when={number}");
        self.try_start(setup, call, &["-e", &inject]).await
    }

    async fn try_start(&self, setup: Setup, calls: &str, more: &[&str]) -> Result<TestGateway, Ended> {
        let file = self.file();
        let calls = format!("trace={calls}");
        // With `-D` the child is the gateway itself, so that it can be stopped as always.
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

/// Each 202, in the order in which they were written, with the last part of the request that it answers.
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
