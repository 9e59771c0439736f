//! Other processes of this machine: who has what this one needs.
//!
//! It reads `/proc`, as far as the user of the gateway may. What it cannot find out is `None`: it only makes errors clearer.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// The longest command line that is shown, in characters.
const MAX_COMMAND: usize = 80;

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// A process that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    /// With its arguments.
    pub command: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} (`{}`)", self.pid, self.command)
    }
}

impl Process {
    /// The process with this id, if there is one.
    pub fn of(pid: u32) -> Option<Self> {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let words: Vec<_> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let command: String = words.join(" ").chars().filter(|c| !c.is_control()).take(MAX_COMMAND).collect();
        (!command.is_empty()).then_some(Self { pid, command })
    }

    /// The process that listens at this address, or at all addresses with its port.
    pub fn listening(address: SocketAddr) -> Option<Self> {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
        let socket = tables.iter().find_map(|table| listening(table, address))?;
        let link = format!("socket:[{socket}]");
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.find(|pid| has_open(*pid, Path::new(&link))).and_then(Self::of)
    }
}

fn has_open(pid: u32, link: &Path) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target == link)
}

/// The number of the socket in `table` that keeps others from listening at `address`.
fn listening(table: &str, address: SocketAddr) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, socket) = (words.get(1)?, words.get(3)?, words.get(9)?);
        let (ip, port) = local.split_once(':')?;
        let ip = ip_of(ip)?;
        let is_same = ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified();
        let is_it = *state == LISTENING && u16::from_str_radix(port, 16).ok()? == address.port() && is_same;
        is_it.then(|| socket.parse().ok()).flatten()
    })
}

/// An address as the kernel writes it: words of 4 bytes, each in the order of this machine.
fn ip_of(hex: &str) -> Option<IpAddr> {
    let bytes = hex::decode(hex).ok()?;
    let words = bytes.chunks_exact(4).flat_map(|word| {
        let word: [u8; 4] = word.try_into().expect("chunks of 4 have 4 bytes");
        u32::from_be_bytes(word).to_ne_bytes()
    });
    let bytes: Vec<u8> = words.collect();
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    Some(IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_table_of_the_kernel_says_which_socket_listens() {
        const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1 0 100 0 0 10 0
   2: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 33 1 0 100 0 0 10 0
   3: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 44 1 0 100 0 0 10 0
";
        let check = |address: &str, expected: Option<u64>| {
            assert_eq!(listening(TABLE, address.parse().unwrap()), expected, "{address}");
        };

        check("127.0.0.1:8080", Some(11));
        check("0.0.0.0:8080", Some(11));
        check("127.0.0.2:8080", None);
        check("127.0.0.2:2024", Some(22));
        check("127.0.0.1:8081", None);
        check("[::1]:8082", Some(44));
    }

    #[test]
    fn a_process_is_known_by_its_id_and_by_its_socket() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();

        let own = Process::of(std::process::id()).unwrap();

        assert_eq!(own.pid, std::process::id());
        assert_eq!(Process::listening(socket.local_addr().unwrap()), Some(own));
        assert_eq!(Process::of(u32::MAX), None);
    }
}
