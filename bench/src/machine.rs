//! The machine that the figures were measured on.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::samples::{nanos, percentile};

/// The properties of the machine that decide about the figures.
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    file_system: String,
    load: String,
    /// Time of one write of 4 KiB to a file and its fdatasync, in microseconds.
    sync: f64,
}

impl Machine {
    /// Inspects this machine and the disk that holds `dir`.
    pub(crate) fn inspect(dir: &Path) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: model.map_or("unknown processor", |(_, model)| model).to_owned(),
            kernel: format!("{} {}", read("/proc/sys/kernel/ostype"), read("/proc/sys/kernel/osrelease")),
            file_system: file_system(&read("/proc/self/mounts"), &dir.canonicalize()?),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            sync: sync(&dir.join("sync"))?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, kernel, file_system, load, sync } = self;
        writeln!(f, "{cores} cores of {processor}, {kernel}, {file_system}")?;
        writeln!(f, "write and fdatasync of 4 KiB: {sync:.0} µs; load average before the start: {load}")
    }
}

/// Type and device of the file system that holds `dir`.
fn file_system(mounts: &str, dir: &Path) -> String {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?, words.next()?))
    });
    let holding = mounts.filter(|(_, point, _)| dir.starts_with(point)).max_by_key(|(_, point, _)| point.len());
    holding.map_or_else(|| "unknown file system".to_owned(), |(device, _, kind)| format!("{kind} on {device}"))
}

fn sync(path: &Path) -> Result<f64> {
    let mut file = File::create(path)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(nanos(start.elapsed()));
    }
    fs::remove_file(path)?;
    Ok(f64::from(percentile(&mut times, 50)) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/disk xfs rw 0 0";
        for (dir, expected) in
            [("/home", "ext4 on /dev/vda"), ("/tmp/a", "tmpfs on tmpfs"), ("/tmp/disk/a", "xfs on /dev/vdb")]
        {
            assert_eq!(file_system(mounts, Path::new(dir)), expected);
        }
    }
}
