//! File systems for the gateway under test, whose power can be cut.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::ioctl::{Setter, ioctl, opcode};
use tempfile::TempDir;

/// A file system of its own, mounted until it is dropped.
pub(crate) struct Disk {
    /// Contains the mount point and the image.
    dir: TempDir,
}

impl Disk {
    /// In memory; the error is the reason why it cannot be mounted.
    pub(crate) fn tmpfs(mebibytes: u64) -> Result<Self, String> {
        let disk = Self::unmounted();
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(disk.path()))?;
        Ok(disk)
    }

    /// ext4 on a loop device; the error is the reason why it cannot be mounted.
    pub(crate) fn ext4(mebibytes: u64) -> Result<Self, String> {
        let disk = Self::unmounted();
        File::create(disk.image())
            .and_then(|image| image.set_len(mebibytes << 20))
            .map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.image()))?;
        disk.mount()?;
        Ok(disk)
    }

    fn unmounted() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("mount")).unwrap();
        Self { dir }
    }

    /// The mount point.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("mount")
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    /// Cuts the power: nothing reaches the disk any more, and unwritten data is lost.
    pub(crate) fn cut_power(&self) {
        shut_down(&self.path()).unwrap();
    }

    /// Mounts it again after a power cut. It must not be in use.
    pub(crate) fn restore_power(&self) {
        run(Command::new("umount").arg(self.path())).unwrap();
        self.mount().unwrap();
    }

    fn mount(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.path()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, because after a failed test it may still be in use. An error means that it is not mounted.
        let _ = run(Command::new("umount").arg("--lazy").arg(self.path()));
    }
}

/// `EXT4_IOC_SHUTDOWN` without writing the journal.
#[expect(unsafe_code, reason = "rustix has no function for this request of a file system")]
fn shut_down(mount: &Path) -> rustix::io::Result<()> {
    const SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
    const NO_LOG_FLUSH: u32 = 2;
    let directory = File::open(mount).unwrap();
    // SAFETY: the request reads one `u32` through the pointer, which is what `Setter` passes.
    unsafe { ioctl(directory, Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH)) }
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("`{program}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{program}`: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
