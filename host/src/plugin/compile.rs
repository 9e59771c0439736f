//! Compiles plugins in a process of their own.
//!
//! A file can be made so that a compiler works on it for hours or takes all memory, and wasmtime counts that as no
//! vulnerability. So the host starts its own program again to compile one file: with a bound on memory, processor time and
//! time, at a low priority, without the gateway's environment, and with no open file but its three streams. What goes wrong
//! there costs that file, and the memory that a compiler takes is given back to the system with the process.

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
use super::priority::spare_cores;

/// The command of the gateway's program that compiles what comes on its stdin.
pub const COMMAND: &str = "compile-plugin";

/// What tells the compiler how many threads it may have.
const THREADS: &str = "RAYON_NUM_THREADS";

/// Bytes of what a failing child says that are passed on.
const MAX_WORDS: u64 = 2048;

/// Time on the clock, as a multiple of the time on processors: the compiler gives way to everything else.
const PATIENCE: u32 = 4;

/// Machine code is at most this part of the memory of its compiler: the rest is what compiling takes.
const CODE_SHARE: u64 = 4;

/// What compiling one plugin may take, and which program does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileSettings {
    /// A gateway of the same build as this one: as a rule the program of this process.
    pub program: PathBuf,
    /// Bytes of memory.
    pub memory: u64,
    /// Time on all processors together; on the clock it may be [`PATIENCE`] times as long.
    pub time: Duration,
}

impl Default for CompileSettings {
    fn default() -> Self {
        Self { program: own_program(), memory: 1 << 30, time: Duration::from_secs(60) }
    }
}

/// The program that runs this process: on Linux also when its file was replaced or removed since.
fn own_program() -> PathBuf {
    if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe().unwrap_or_default() }
}

/// Starts one process for each plugin that is compiled.
pub(super) struct Compiler {
    settings: CompileSettings,
    /// What the child must say that it compiles for.
    engine: u64,
}

/// What came from a child until it closed its stdout.
enum Said {
    /// It compiles for another engine.
    Stranger,
    /// What it made of the component.
    Reply(Vec<u8>),
}

impl Compiler {
    pub(super) fn new(settings: CompileSettings, engine: u64) -> Self {
        Self { settings, engine }
    }

    /// The machine code of a component. Blocks for as long as compiling takes.
    pub(super) fn compile(&self, component: &[u8]) -> Result<Vec<u8>, LoadError> {
        let mut child = self.start().map_err(|error| self.not_started(&error))?;
        let (said, is_late) = match self.attend(&mut child, component) {
            Ok(attended) => attended,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(LoadError::Compiler(format!("the compiler cannot be attended: {error}")));
            }
        };
        // It has nothing more to say, whether it ended or was cut off.
        let _ = child.kill();
        let status = child.wait().map_err(|error| self.not_started(&error))?;
        let words = child.stderr.take().map(last_words).unwrap_or_default();
        if is_late || status.signal() == Some(Signal::XCPU.as_raw()) {
            let time = format!("{:?}", self.settings.time);
            return Err(LoadError::CompileLimit { limit: "compile-time", key: "compile_time", most: time });
        }
        match said {
            Said::Stranger => Err(LoadError::Compiler(format!(
                "`{}` is not the gateway that runs here\nhint: when the program was replaced, restart the gateway",
                self.settings.program.display()
            ))),
            Said::Reply(reply) => self.judge(status, reply, &words),
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

    /// Hands the component over and listens until the child has said everything; kills it when its time is over, and tells
    /// whether that was so.
    fn attend(&self, child: &mut Child, component: &[u8]) -> io::Result<(Said, bool)> {
        let pid = Pid::from_child(child);
        let missing = || io::Error::other("its streams are missing");
        let (mut stdin, mut stdout) =
            (child.stdin.take().ok_or_else(missing)?, child.stdout.take().ok_or_else(missing)?);
        let most = self.settings.memory / CODE_SHARE;
        let time = self.settings.time * PATIENCE;
        thread::scope(|scope| {
            let (attended, ended) = sync_channel::<()>(0);
            let watchdog =
                thread::Builder::new().name("compile-deadline".to_owned()).spawn_scoped(scope, move || {
                    let is_late = ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
                    if is_late {
                        // Nobody waits for the child before this thread has ended, so the number is still the child's.
                        let _ = kill_process(pid, Signal::KILL);
                    }
                    is_late
                })?;
            let mut hello = [0; size_of::<u64>()];
            let said = match stdout.read_exact(&mut hello) {
                Ok(()) if u64::from_le_bytes(hello) != self.engine => Said::Stranger,
                greeted => {
                    if greeted.is_ok() {
                        // A child that does not take all of it says why, or how it ended does.
                        let _ = stdin.write_all(component);
                    }
                    drop(stdin);
                    let mut reply = Vec::new();
                    let _ = stdout.take(most + 1).read_to_end(&mut reply);
                    Said::Reply(reply)
                }
            };
            drop(attended);
            let is_late = watchdog.join().unwrap_or(false);
            Ok((said, is_late))
        })
    }

    fn judge(&self, status: ExitStatus, mut reply: Vec<u8>, words: &str) -> Result<Vec<u8>, LoadError> {
        let too_much = || LoadError::CompileLimit {
            limit: "compile-memory",
            key: "compile_memory",
            most: bytesize::ByteSize(self.settings.memory).to_string(),
        };
        if reply.len() as u64 > self.settings.memory / CODE_SHARE {
            return Err(too_much());
        }
        match status.signal().and_then(Signal::from_named_raw) {
            // The way in which Rust ends a process that gets no memory.
            Some(Signal::ABORT) if words.contains("memory allocation") => return Err(too_much()),
            Some(Signal::KILL | Signal::TERM | Signal::INT) => {
                return Err(LoadError::Compiler(format!(
                    "the compiler was ended from outside ({status}), as happens where memory is short\nhint: `touch` the plugin file to try again"
                )));
            }
            _ if !status.success() => return Err(LoadError::Compile(format!("{status}: {words}"))),
            _ => {}
        }
        match reply.pop() {
            Some(child::CODE) => Ok(reply),
            Some(child::PROBLEM) => Err(LoadError::Compile(String::from_utf8_lossy(&reply).into_owned())),
            _ => Err(LoadError::Compiler("the compiler ended without a word".to_owned())),
        }
    }
}

/// What a child that has ended wrote to its stderr. It is held to what a pipe takes, so this never waits.
fn last_words(stderr: ChildStderr) -> String {
    let mut words = Vec::new();
    let _ = stderr.take(MAX_WORDS).read_to_end(&mut words);
    String::from_utf8_lossy(&words).trim().replace('\n', " ")
}
