//! How threads give way whose work can wait: long calls, and compiling.
//!
//! A nice thread gets a small share of a busy core, but Linux lets it finish its turn, some milliseconds, while others that
//! were woken wait: a request is woken several times on its way. So its turns are short as well.

use std::io;
use std::thread::available_parallelism;

/// How nice: beside a busy thread of the usual priority it gets a tenth of a core.
const NICE: i32 = 10;

/// Nanoseconds of a turn, the shortest that Linux 6.12 and later grant. Older ones ignore it.
const TURN: u64 = 100_000;

/// How many cores work that can wait may take at once: all but one, which stays for everything else. Being nice is not
/// enough for that: the system's own threads, which complete a write to the disk, count as one party with the whole gateway.
pub(super) fn spare_cores() -> usize {
    available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1))
}

/// Makes the current thread, and those that it starts, give way to all others.
pub(super) fn give_way() -> io::Result<()> {
    // A sandbox may know nothing of turns; to be nice is allowed everywhere. On Linux both are of the thread.
    take_short_turns().or_else(|_| Ok(rustix::process::nice(NICE).map(drop)?))
}

/// Nice, and in short turns.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no crate that is in use has this system call")]
fn take_short_turns() -> io::Result<()> {
    // Fields in the order of `struct sched_attr` (sched_setattr(2)); left out are those of real-time policies.
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
    // SAFETY: the kernel reads as many bytes from the pointer as its first field says, and writes none.
    let failed = unsafe { libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, no_flags) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn take_short_turns() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
