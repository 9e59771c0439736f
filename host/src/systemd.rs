//! The service manager: systemd, or another one with its two protocols.
//!
//! It owns the inherited sockets and the notifications. It promises that it has no effect on a process that was started
//! by hand, that every inherited socket is used or refused, and that sending a notification never blocks. Deliberately
//! absent: what is served on the sockets, and when the gateway is healthy.

mod notify;
mod sockets;

pub use self::notify::{Notifier, NotifyError};
pub use self::sockets::{Inherited, SocketError, Sockets};
