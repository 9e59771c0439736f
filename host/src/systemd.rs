//! The service manager that started the process, when one did: systemd, or whatever speaks its two protocols.
//!
//! It owns the sockets that were handed over and the messages that are sent back. It promises that a process started by
//! hand notices nothing of it, that every socket that was handed over is used or refused, and that no message is waited
//! for. Deliberately absent: what is served on the sockets, and when the gateway is well.

mod notify;
mod sockets;

pub use self::notify::{Notifier, NotifyError};
pub use self::sockets::{Inherited, SocketError, Sockets};
