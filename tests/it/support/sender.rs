//! Real senders of alerts, which `.ci/run` unpacks into `target/tools`.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A program of `package`, unpacked or installed. `None`, and a line that says why, without it.
pub(super) fn program(package: &str, name: &str) -> Option<PathBuf> {
    let unpacked = Path::new(super::BINARY).ancestors().nth(2).unwrap().join("tools").join(package).join("usr/bin");
    let installed = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&installed).chain([unpacked]).map(|dir| dir.join(name)).find(|it| it.is_file());
    if found.is_none() {
        eprintln!("skipped: {name} is not here; `.ci/run` unpacks it into target/tools");
    }
    found
}

/// A running sender. Killed when dropped.
pub(super) struct Sender {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Sender {
    /// Starts it and waits until it listens, on a port of its choice or on that of `command`.
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            let (_, address) = line.split_once(r#"msg="Listening on" address="#)?;
            address.trim().parse().ok()
        });
        // It must not block on a pipe that nobody reads.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.unwrap_or_else(|| panic!("{} ended", command.get_program().display())) }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
