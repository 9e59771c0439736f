//! Lowers the priority of threads whose work can wait: long calls and compiling.
//!
//! A nice thread gets a small share of a busy core, but Linux lets it finish its time slice of some milliseconds while
//! woken threads wait, and a request is woken several times. So the time slices are shortened too.

use std::io;
use std::thread::available_parallelism;

/// Beside a busy thread of normal priority, a thread with this niceness gets a tenth of a core.
const NICE: i32 = 10;

/// Nanoseconds of a time slice: the minimum of Linux 6.12 and later. Older versions ignore it.
const TURN: u64 = 100_000;

/// How many cores low-priority work may use: all but one. Niceness alone is not enough: the kernel threads that complete
/// a write to disk compete with the gateway as a whole.
pub(super) fn spare_cores() -> usize {
    available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1))
}

/// Lowers the priority of the current thread and of the threads that it starts.
pub(super) fn give_way() -> io::Result<()> {
    // A sandbox may not allow time slices; niceness is always allowed. On Linux both apply to the thread.
    take_short_turns().or_else(|_| Ok(rustix::process::nice(NICE).map(drop)?))
}

/// Sets niceness and time slice.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no dependency has this system call")]
fn take_short_turns() -> io::Result<()> {
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
fn take_short_turns() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
