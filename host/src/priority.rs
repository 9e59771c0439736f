//! Lowers the priority of threads whose work can wait: long calls, loading and compiling of plugins, and applying of the journal.
//!
//! A nice thread gets a small share of a busy core, but Linux lets a thread finish its turn while woken ones wait, up to the
//! next tick of some milliseconds, and a request is woken several times. One with shorter turns goes first more
//! often, so the turns of those that can wait are long.

use std::io;
use std::thread::available_parallelism;

/// Beside a busy thread of normal priority, a thread with this niceness gets a tenth of a core.
const NICE: i32 = 10;

/// Nanoseconds of a turn: the longest that Linux 6.12 and later take. Older versions ignore it.
#[cfg(target_os = "linux")]
const TURN: u64 = 100_000_000;

/// How many cores low-priority work may use: all but one. Niceness alone is not enough: the kernel threads that complete
/// a write to disk compete with the gateway as a whole.
pub(crate) fn spare_cores() -> usize {
    available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1))
}

/// Lowers the priority of the current thread and of the threads and processes that it starts.
pub(crate) fn give_way() -> io::Result<()> {
    // A sandbox may not allow turns; niceness is always allowed. On Linux both apply to the thread.
    take_long_turns().or_else(|_| Ok(rustix::process::nice(NICE).map(drop)?))
}

/// The same for a thread of the gateway, which goes on with the priority that it has if it cannot be lowered.
pub(crate) fn give_way_if_possible() {
    if let Err(error) = give_way() {
        let thread = std::thread::current();
        tracing::warn!(thread = thread.name(), %error, "Thread keeps the normal priority, and may delay requests");
    }
}

/// Sets niceness and turns.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no dependency has this system call")]
fn take_long_turns() -> io::Result<()> {
    // `struct sched_attr` of sched_setattr(2).
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice: NICE,
        priority: 0,
        runtime: TURN,
        deadline: 0,
        period: 0,
    };
    let (this_thread, no_flags): (libc::pid_t, libc::c_uint) = (0, 0);
    // SAFETY: the kernel only reads from the pointer, as many bytes as the first field says.
    let failed = unsafe { libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, no_flags) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn take_long_turns() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
