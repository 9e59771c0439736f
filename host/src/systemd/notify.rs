//! Notifications to the service manager (`sd_notify(3)`).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Sends the state of the process to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot send to the service manager at `{}`, which NOTIFY_SOCKET names: {source}", address.display())]
pub struct NotifyError {
    address: OsString,
    #[source]
    source: io::Error,
}

impl Notifier {
    /// Finds the service manager by the variables `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    ///
    /// # Errors
    /// When the environment names a service manager that cannot be reached: it would wait in vain.
    pub fn from_environment() -> Result<Self, NotifyError> {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Ok(Self::default());
        };
        let variable = |name| std::env::var(name).ok();
        let watchdog = watchdog(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref());
        match connect(&address) {
            Ok(socket) => Ok(Self { socket: Some(socket), watchdog }),
            Err(source) => Err(NotifyError { address, source }),
        }
    }

    /// How often to call [`Notifier::well`]: twice as often as the service manager asks for.
    pub fn period(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// Requests are served from now on.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}\n", one_line(status)));
    }

    /// The configuration is read again; [`Notifier::ready`] tells that this is over.
    pub fn reloading(&self) {
        self.send("RELOADING=1\n");
    }

    /// Resets the watchdog. If this is not called for too long, the service manager ends the process.
    pub fn well(&self) {
        self.send("WATCHDOG=1\n");
    }

    /// A status line for the operator.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}\n", one_line(status)));
    }

    /// The process is stopping.
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={}\n", one_line(status)));
    }

    fn send(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes()) {
            tracing::debug!("Notification of the service manager failed: {error}");
        }
    }
}

/// Nonblocking: a service manager that does not read must not block the gateway.
fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&socket_address(address)?)?;
    Ok(socket)
}

/// A path, or after `@` an abstract name.
fn socket_address(address: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = address.as_bytes().strip_prefix(b"@") {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
    }
    SocketAddr::from_pathname(address)
}

/// The watchdog time, if it is meant for this process.
fn watchdog(micros: Option<&str>, process: Option<&str>) -> Option<Duration> {
    let is_ours = process.is_none_or(|process| process.parse() == Ok(std::process::id()));
    let micros = micros?.parse().ok().filter(|micros| *micros > 0)?;
    is_ours.then(|| Duration::from_micros(micros))
}

/// A line break would end the value.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let own = std::process::id().to_string();
        for (micros, process, expected) in [
            (None, None, None),
            (Some("3000000"), None, Some(3)),
            (Some("3000000"), Some(own.as_str()), Some(3)),
            (Some("3000000"), Some("1"), None),
            (Some("0"), None, None),
            (Some("soon"), None, None),
        ] {
            assert_eq!(watchdog(micros, process), expected.map(Duration::from_secs), "{micros:?} {process:?}");
        }
    }

    #[test]
    fn the_service_manager_is_told_in_one_datagram() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let told = || {
            let mut buffer = [0; 256];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        let notifier = Notifier { socket: Some(connect(path.as_os_str()).unwrap()), watchdog: None };

        notifier.ready("Serving\non port 1");
        assert_eq!(told(), "READY=1\nSTATUS=Serving on port 1\n");
        notifier.stopping("Stopping");
        assert_eq!(told(), "STOPPING=1\nSTATUS=Stopping\n");
        Notifier::default().well();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_address_may_be_in_no_file_system() {
        use std::os::linux::net::SocketAddrExt;

        let name = format!("gateway-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier { socket: Some(connect(format!("@{name}").as_ref()).unwrap()), watchdog: None };

        notifier.well();

        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"WATCHDOG=1\n");
    }
}
