//! Compiles plugins in a separate process.
//!
//! A file can be crafted so that a compiler runs for hours or uses all memory, and wasmtime does not treat that as a
//! vulnerability. So the host starts its own program again for each file: with limits on memory, processor time and
//! wall-clock time, at a low priority, without the gateway's environment, and with no open files but its three streams.
//! A failure there affects only that file, and the compiler's memory is returned when the process ends.

pub(super) mod child;

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::error::LoadError;
use crate::priority::spare_cores;

/// The command of the gateway that compiles the component on its stdin.
pub const COMMAND: &str = "compile-plugin";

/// The variable for the compiler's number of threads.
const THREADS: &str = "RAYON_NUM_THREADS";

/// Bytes of a failing child's stderr that are reported.
const MAX_WORDS: u64 = 2048;

/// Wall-clock time as a multiple of processor time: the compiler has a low priority.
const PATIENCE: u32 = 4;

/// Machine code may be at most this part of the compiler's memory.
const CODE_SHARE: u64 = 4;

/// The limits for compiling one plugin, and the program that does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileSettings {
    /// A gateway of the same build: usually the program of this process.
    pub program: PathBuf,
    /// Bytes of memory.
    pub memory: u64,
    /// Processor time, all cores together. Wall-clock time may be [`PATIENCE`] times as long.
    pub time: Duration,
}

impl Default for CompileSettings {
    fn default() -> Self {
        Self { program: own_program(), memory: 1 << 30, time: Duration::from_secs(60) }
    }
}

/// The program of this process; on Linux also after its file was replaced or removed.
fn own_program() -> PathBuf {
    if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe().unwrap_or_default() }
}

/// Starts one process per plugin.
pub(super) struct Compiler {
    settings: CompileSettings,
    /// The fingerprint that the child must report.
    engine: u64,
}

/// What a child wrote to its stdout.
enum ChildOutput {
    /// The fingerprint of another engine.
    OtherEngine,
    /// The reply for the component.
    Reply(Vec<u8>),
}

impl Compiler {
    pub(super) fn new(settings: CompileSettings, engine: u64) -> Self {
        Self { settings, engine }
    }

    /// The machine code of a component. Blocks until compiling ends.
    pub(super) fn compile(&self, component: &[u8]) -> Result<Vec<u8>, LoadError> {
        let mut child = self.start().map_err(|error| self.not_started(&error))?;
        let (output, is_late) = match self.exchange(&mut child, component) {
            Ok(exchanged) => exchanged,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(LoadError::Compiler(format!("cannot communicate with the compiler: {error}")));
            }
        };
        // Its output is complete, or was cut off.
        let _ = child.kill();
        let status = child.wait().map_err(|error| self.not_started(&error))?;
        let words = child.stderr.take().map(last_words).unwrap_or_default();
        if is_late || status.signal() == Some(Signal::XCPU.as_raw()) {
            let time = format!("{:?}", self.settings.time);
            return Err(LoadError::CompileLimit { limit: "compile-time", key: "compile_time", most: time });
        }
        match output {
            ChildOutput::OtherEngine => Err(LoadError::Compiler(format!(
                "`{}` is another build of the gateway than the running one\nhint: if the program was replaced, restart the gateway",
                self.settings.program.display()
            ))),
            ChildOutput::Reply(reply) => self.read_reply(status, reply, &words),
        }
    }

    fn start(&self) -> io::Result<Child> {
        let seconds = self.settings.time.as_secs().max(1);
        Command::new(&self.settings.program)
            .arg0("gateway")
            .args([COMMAND, &self.settings.memory.to_string(), &seconds.to_string()])
            .env_clear()
            .env(THREADS, spare_cores().to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    fn not_started(&self, error: &io::Error) -> LoadError {
        let program = self.settings.program.display();
        LoadError::Compiler(format!(
            "the compiler cannot be started: `{program}`: {error}\nhint: `touch` the plugin file to try again"
        ))
    }

    /// Sends the component and reads the child's output to its end. Kills the child when its time is over, and returns whether
    /// it did.
    fn exchange(&self, child: &mut Child, component: &[u8]) -> io::Result<(ChildOutput, bool)> {
        let pid = Pid::from_child(child);
        let missing = || io::Error::other("its streams are missing");
        let (mut stdin, mut stdout) =
            (child.stdin.take().ok_or_else(missing)?, child.stdout.take().ok_or_else(missing)?);
        let most = self.settings.memory / CODE_SHARE;
        let time = self.settings.time * PATIENCE;
        thread::scope(|scope| {
            let (done, ended) = sync_channel::<()>(0);
            let watchdog =
                thread::Builder::new().name("compile-deadline".to_owned()).spawn_scoped(scope, move || {
                    let is_late = ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
                    if is_late {
                        // The child is waited for only after this thread has ended, so the id is still the child's.
                        let _ = kill_process(pid, Signal::KILL);
                    }
                    is_late
                })?;
            let mut hello = [0; size_of::<u64>()];
            let output = match stdout.read_exact(&mut hello) {
                Ok(()) if u64::from_le_bytes(hello) != self.engine => ChildOutput::OtherEngine,
                greeted => {
                    if greeted.is_ok() {
                        // If the child does not read all of it, its reply or its exit status says why.
                        let _ = stdin.write_all(component);
                    }
                    drop(stdin);
                    let mut reply = Vec::new();
                    let _ = stdout.take(most + 1).read_to_end(&mut reply);
                    ChildOutput::Reply(reply)
                }
            };
            drop(done);
            let is_late = watchdog.join().unwrap_or(false);
            Ok((output, is_late))
        })
    }

    fn read_reply(&self, status: ExitStatus, mut reply: Vec<u8>, words: &str) -> Result<Vec<u8>, LoadError> {
        let too_much = || LoadError::CompileLimit {
            limit: "compile-memory",
            key: "compile_memory",
            most: bytesize::ByteSize(self.settings.memory).to_string(),
        };
        if reply.len() as u64 > self.settings.memory / CODE_SHARE {
            return Err(too_much());
        }
        match status.signal().and_then(Signal::from_named_raw) {
            // Rust aborts a process when an allocation fails.
            Some(Signal::ABORT) if words.contains("memory allocation") => return Err(too_much()),
            Some(Signal::KILL | Signal::TERM | Signal::INT) => {
                return Err(LoadError::Compiler(format!(
                    "the compiler was killed from outside ({status}), as happens when memory is short\nhint: `touch` the plugin file to try again"
                )));
            }
            _ if !status.success() => return Err(LoadError::Compile(format!("{status}: {words}"))),
            _ => {}
        }
        match reply.pop() {
            Some(child::CODE) => Ok(reply),
            Some(child::PROBLEM) => Err(LoadError::Compile(String::from_utf8_lossy(&reply).into_owned())),
            _ => Err(LoadError::Compiler("the compiler ended without a reply".to_owned())),
        }
    }
}

/// What an ended child wrote to stderr. Never waits: it is at most what the pipe holds.
fn last_words(stderr: ChildStderr) -> String {
    let mut words = Vec::new();
    let _ = stderr.take(MAX_WORDS).read_to_end(&mut words);
    String::from_utf8_lossy(&words).trim().replace('\n', " ")
}
