//! Server processes: starting one, reading its usage, and ending it.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to serve, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lines of a server's output that are kept for an error message.
const KEPT_LINES: usize = 20;

/// A server in a process of its own. It ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The address of the admin API and of `/metrics`.
    pub(crate) admin: SocketAddr,
    output: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// Starts `command` and waits for `listeners` lines `Serving on http://ADDRESS/` (or `https`), the admin API's last.
    pub(crate) fn start(command: &mut Command, listeners: usize) -> Result<Self> {
        let nowhere = SocketAddr::from(([0; 4], 0));
        let (mut server, addresses) = Self::spawn(command, listeners, nowhere)?;
        for listener in 0..listeners {
            server.admin = match addresses.recv_timeout(PATIENCE) {
                Ok(address) => address,
                Err(RecvTimeoutError::Timeout) => bail!("{command:?} does not serve\n{}", server.last_words()),
                Err(RecvTimeoutError::Disconnected) => bail!("{command:?} has stopped\n{}", server.last_words()),
            };
            if listener == 0 {
                server.address = server.admin;
            }
        }
        Ok(server)
    }

    /// Starts `command`, which serves on `address` without saying so, and waits until it accepts a connection.
    pub(crate) fn start_at(command: &mut Command, address: SocketAddr) -> Result<Self> {
        let (server, _) = Self::spawn(command, 0, address)?;
        let accepts = || TcpStream::connect(address).is_ok();
        ensure!(
            wait_until(PATIENCE, Duration::from_millis(10), accepts),
            "{command:?} does not serve on {address}\n{}",
            server.last_words()
        );
        Ok(server)
    }

    /// The process, and the addresses in what it prints.
    fn spawn(command: &mut Command, listeners: usize, address: SocketAddr) -> Result<(Self, Receiver<SocketAddr>)> {
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.with_context(|| format!("cannot start {command:?}"))?;
        let output = Arc::default();
        let (found, addresses) = sync_channel(listeners);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let server = Self { child, address, admin: address, output };
        follow(stdout, &server.output, found.clone())?;
        follow(stderr, &server.output, found)?;
        Ok((server, addresses))
    }

    /// Its usage so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(&self.child.id().to_string()).with_context(|| format!("the server is gone\n{}", self.last_words()))
    }

    /// The end of its output.
    pub(crate) fn last_words(&self) -> String {
        let lines = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("  {line}\n")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        if asked && wait_until(PATIENCE, Duration::from_millis(10), || ended(&mut self.child)) {
            return;
        }
        // Both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `done`, checking after every `pause`. Returns false if that takes longer than `patience`.
pub(crate) fn wait_until(patience: Duration, pause: Duration, mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > patience {
            return false;
        }
        thread::park_timeout(pause);
    }
    true
}

/// Reads a server's output, so that it never blocks on a full pipe, and sends the addresses in it.
fn follow(
    pipe: Option<impl Read + Send + 'static>,
    output: &Arc<Mutex<VecDeque<String>>>,
    found: SyncSender<SocketAddr>,
) -> Result<()> {
    let pipe = BufReader::new(pipe.context("the server has no output")?);
    let output = Arc::clone(output);
    thread::Builder::new().spawn(move || {
        for line in pipe.lines().map_while(Result::ok) {
            if let Some(address) = served_address(&line) {
                // The receiver may be gone, or need no more addresses.
                let _ = found.try_send(address);
            }
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.push_back(line);
            if output.len() > KEPT_LINES {
                output.pop_front();
            }
        }
    })?;
    Ok(())
}

/// The address in the line `Serving on ..`.
fn served_address(line: &str) -> Option<SocketAddr> {
    let (_, url) = line.split_once("Serving on ")?;
    url.split_once("://")?.1.split('/').next()?.parse().ok()
}

/// The usage of a process since its start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time, the kernel's on its behalf and that of processes which it started and which have ended included.
    /// In steps of 10 ms.
    pub(crate) cpu: Duration,
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    /// The most that it ever was.
    pub(crate) peak: u64,
}

impl Usage {
    /// Of this process.
    pub(crate) fn own() -> Result<Self> {
        Self::of("self")
    }

    fn of(pid: &str) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(Self {
            cpu: cpu_ticks(&stat)
                .map(|ticks| Duration::from_secs(1) * ticks / rustix::param::clock_ticks_per_second() as u32)
                .context("unexpected content of /proc/PID/stat")?,
            resident: kilobytes(&status, "VmRSS:").context("no VmRSS in /proc/PID/status")? * 1024,
            peak: kilobytes(&status, "VmHWM:").context("no VmHWM in /proc/PID/status")? * 1024,
        })
    }
}

/// User and system time, of the process and of its children: the 14th to 17th field, counted after the name, which may
/// have spaces.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: Vec<u32> = fields.split(' ').skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    (ticks.len() == 4).then(|| ticks.iter().sum())
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_from_the_line_that_tells_it() {
        for (line, expected) in [
            ("INFO Serving on http://127.0.0.1:80/", Some("127.0.0.1:80")),
            ("Serving on https://[::1]:443/", Some("[::1]:443")),
            ("Serving on port 1", None),
            ("Stopped", None),
        ] {
            assert_eq!(served_address(line), expected.map(|address| address.parse().unwrap()), "{line}");
        }
    }

    #[test]
    fn what_a_process_uses_is_read_from_proc() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 13 14 15";
        assert_eq!(cpu_ticks(stat), Some(30 + 12 + 13 + 14));
        assert_eq!(kilobytes("Name:\tx\nVmHWM:\t  123 kB\nVmRSS:\t 45 kB\n", "VmRSS:"), Some(45));
        assert!(Usage::own().unwrap().resident > 0);
    }
}
