//! The process that compiles one plugin.

use std::fs;
use std::io::{self, Read, Write};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::super::engine;
use super::super::error::PluginError;
use crate::priority::give_way;

/// The last byte of a reply with machine code.
pub(super) const CODE: u8 = b'C';
/// The last byte of a reply with the compiler's error.
pub(super) const PROBLEM: u8 = b'P';

/// Limits this process, then compiles the component on stdin and writes the machine code to stdout.
///
/// It first writes the fingerprint of its engine, so that its parent notices a program of another build. `memory` is in
/// bytes, `seconds` are processor time.
///
/// # Errors
/// When the process cannot be limited, or its streams or its compiler fail. An error in the component is a reply.
pub fn compile_stdin(memory: u64, seconds: u64) -> Result<(), PluginError> {
    restrict(memory, seconds).map_err(PluginError::Process)?;
    let engine = engine::for_compiling()?;
    let mut stdout = io::stdout().lock();
    let mut say = |bytes: &[u8]| stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(PluginError::Process);
    say(&engine::fingerprint(&engine).to_le_bytes())?;
    let mut component = Vec::new();
    io::stdin().lock().read_to_end(&mut component).map_err(PluginError::Process)?;
    match engine.precompile_component(&component) {
        Ok(code) => say(&code).and_then(|()| say(&[CODE])),
        Err(error) => say(format!("{error:#}").as_bytes()).and_then(|()| say(&[PROBLEM])),
    }
}

fn restrict(memory: u64, seconds: u64) -> io::Result<()> {
    // Writable memory; reserved address space does not count.
    lower(Resource::Data, memory, memory)?;
    // Only the signal of the lower limit, SIGXCPU, names the reason.
    lower(Resource::Cpu, seconds, seconds + 1)?;
    lower(Resource::Core, 0, 0)?;
    lower(Resource::Fsize, 0, 0)?;
    give_way()?;
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // When memory is short, the kernel kills this process before the gateway. Not every container allows the setting.
        let _ = fs::write("/proc/self/oom_score_adj", "1000");
    }
    Ok(())
}

/// Sets a limit unless it is lower already.
fn lower(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    Ok(setrlimit(resource, Rlimit { current: Some(current.min(most)), maximum: Some(maximum.min(most)) })?)
}
