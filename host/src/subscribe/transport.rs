//! The ways to a subscriber. A session speaks through one of them and knows nothing else of it.

use super::close::Close;
use super::message::Outgoing;

/// What came from the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Message(String),
    /// A control frame that asks for an answer, which is sent already.
    Ping,
    /// Any other sign of life.
    Sign,
    /// It has ended the connection, or broken its rules; it knows why.
    Gone,
}

/// The other side does not take anything any more.
#[derive(Debug)]
pub struct Gone;

pub trait Transport: Send {
    /// In lists and metrics.
    const NAME: &'static str;
    /// Whether the other side answers pings.
    const ANSWERS: bool;

    /// Takes a message. It may be sent later, but before the end of [`flush`](Self::flush).
    fn send(&mut self, message: &Outgoing) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Returns when everything is on its way.
    fn flush(&mut self) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Asks whether the other side is there.
    fn ping(&mut self) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Waits for the other side. Cancel safe.
    fn hear(&mut self) -> impl Future<Output = Heard> + Send;

    /// Says why the connection ends, and waits for the answer.
    fn close(&mut self, close: Close) -> impl Future<Output = ()> + Send;

    /// Gives the other side a moment to read what was said last: it may still be sending.
    fn leave(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
