//! The HTTP agent of row e: notes when the first byte of each request arrives, and answers 200.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use memchr::memmem;

use crate::webhook::REPOSITORY;

/// A server with a thread for each connection. It ends with the process.
pub(crate) struct Agent {
    pub(crate) address: SocketAddr,
    arrivals: Arc<Mutex<Arrivals>>,
    total: Arc<AtomicU64>,
}

/// When the first byte of the request about each issue arrived.
pub(crate) type Arrivals = HashMap<u32, Instant>;

impl Agent {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let arrivals: Arc<Mutex<Arrivals>> = Arc::default();
        let total: Arc<AtomicU64> = Arc::default();
        let (own, own_total) = (Arc::clone(&arrivals), Arc::clone(&total));
        thread::Builder::new().name("agent".to_owned()).spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (arrivals, total) = (Arc::clone(&own), Arc::clone(&own_total));
                let served = thread::Builder::new().spawn(move || {
                    if let Err(error) = serve(stream, &arrivals, &total) {
                        eprintln!("the agent's connection failed: {error:#}");
                    }
                });
                if let Err(error) = served {
                    eprintln!("the agent cannot start a thread: {error}");
                }
            }
        })?;
        Ok(Self { address, arrivals, total })
    }

    /// The gateway's configuration of this agent as `name`, and a route of everything to it.
    pub(crate) fn configuration(&self, name: &str) -> String {
        format!(
            "[agents.{name}]\nplugin = \"http\"\nconfig = {{ url = \"http://{0}/\" }}\nallow_hosts = [\"{0}\"]\n\n\
             [[routes]]\nchannels = [\"*\"]\nagents = [\"{name}\"]\n",
            self.address
        )
    }

    /// How many events have arrived, those about the same issue included.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// When the first of the issues arrived.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).values().min().copied()
    }

    /// How many issues have arrived.
    pub(crate) fn count(&self) -> usize {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What has arrived; from now on it counts from zero.
    pub(crate) fn take(&self) -> Arrivals {
        std::mem::take(&mut self.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(mut stream: TcpStream, arrivals: &Mutex<Arrivals>, total: &AtomicU64) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    let mut first = None;
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            return Ok(());
        }
        let arrived = *first.get_or_insert_with(Instant::now);
        filled += read;
        let Some(length) = length(&buffer[..filled])? else { continue };
        if filled < length {
            continue;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")?;
        let issue = issue(&buffer[..filled]).context("the event has no subject")?;
        total.fetch_add(1, Ordering::Relaxed);
        // An event may come twice; its first arrival counts.
        arrivals.lock().unwrap_or_else(PoisonError::into_inner).entry(issue).or_insert(arrived);
        (filled, first) = (0, None);
    }
}

/// Bytes of the whole request; `None` while its headers are incomplete.
fn length(request: &[u8]) -> Result<Option<usize>> {
    let Some(head) = memmem::find(request, b"\r\n\r\n") else { return Ok(None) };
    let headers = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length:"));
    match length.and_then(|length| length.trim().parse::<usize>().ok()) {
        Some(length) => Ok(Some(head + 4 + length)),
        None => bail!("a request without `content-length`: {headers}"),
    }
}

/// The number of the issue that the event in the request is about.
fn issue(request: &[u8]) -> Option<u32> {
    let subject = format!("\"subject\":\"{REPOSITORY}#");
    let start = memmem::find(request, subject.as_bytes())? + subject.len();
    let digits = request[start..].split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issue_is_found_in_the_request() {
        let request = b"POST / HTTP/1.1\r\nContent-Length: 37\r\n\r\n{\"subject\":\"octo-org/kettle#17\",\"a\":1}";
        assert_eq!(length(request).unwrap(), Some(76));
        assert_eq!(length(b"POST / HTTP/1.1\r\n").unwrap(), None);
        assert!(length(b"POST / HTTP/1.1\r\n\r\n").is_err());
        assert_eq!(issue(request), Some(17));
        assert_eq!(issue(b"{}"), None);
    }
}
