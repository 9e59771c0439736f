//! Where a channel puts the requests that are recorded.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::plugin::{CallError, Inbound, Receipt, Rejection};

/// Requests that wait for the reader of a recording; more are not recorded.
const MAX_WAITING: usize = 16;

/// A request as its plugin saw it, without credentials, and the outcome of the call.
#[derive(Debug)]
pub struct Recorded {
    pub inbound: Inbound,
    /// The receipt or the rejection; the error when the plugin failed.
    pub outcome: Result<Result<Receipt, Rejection>, String>,
}

/// In memory, and bounded.
pub(crate) struct Recorder(Mutex<Room>);

struct Room {
    /// `None` when the room is used up, which ends the recording.
    sender: Option<Sender<Recorded>>,
    bytes_left: usize,
}

impl Recorder {
    pub(crate) fn new(bytes: usize) -> (Self, Receiver<Recorded>) {
        let (sender, received) = mpsc::channel(MAX_WAITING);
        (Self(Mutex::new(Room { sender: Some(sender), bytes_left: bytes })), received)
    }

    /// Keeps a request and its outcome, while there is room.
    pub(crate) fn note(&self, inbound: Inbound, called: &Result<Result<Receipt, Rejection>, CallError>) {
        let mut room = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = &room.sender else { return };
        let Some(left) = room.bytes_left.checked_sub(size(&inbound, called)) else {
            tracing::warn!("Recording is full");
            room.sender = None;
            return;
        };
        let outcome = match called {
            Ok(result) => Ok(result.clone()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = sender.try_send(Recorded { inbound, outcome }) {
            tracing::debug!("Request was not recorded: {error}");
        }
        room.bytes_left = left;
    }
}

/// Bytes that a request and its outcome take in memory.
fn size(inbound: &Inbound, called: &Result<Result<Receipt, Rejection>, CallError>) -> usize {
    let headers = inbound.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    let request = inbound.body.len() + inbound.query.len() + inbound.path.len() + headers.sum::<usize>();
    let Ok(Ok(receipt)) = called else { return request };
    let events = receipt.events.iter().map(|event| {
        let attributes = event.attributes.iter().map(|(name, value)| name.len() + value.len());
        event.kind.len() + event.data.as_ref().map_or(0, Bytes::len) + attributes.sum::<usize>()
    });
    request + events.sum::<usize>() + receipt.response.as_ref().map_or(0, |response| response.body.len())
}

#[cfg(test)]
mod tests {
    use crate::egress::Response;
    use crate::event::Timestamp;
    use crate::plugin::StateChanges;

    use super::*;

    #[test]
    fn a_recording_is_bounded_in_bytes() {
        let (recorder, mut received) = Recorder::new(10);
        let note = |body: &'static str| {
            let inbound = Inbound {
                method: "POST".to_owned(),
                path: "/".to_owned(),
                query: String::new(),
                headers: http::HeaderMap::new(),
                body: body.into(),
                received_at: Timestamp::from_millis(0),
            };
            let response = Response { status: 200, headers: Vec::new(), body: Bytes::from_static(b"ok") };
            recorder.note(
                inbound,
                &Ok(Ok(Receipt { events: Vec::new(), response: Some(response), state: StateChanges::default() })),
            );
        };

        for body in ["1234", "123", "1"] {
            note(body);
        }

        assert_eq!(received.try_recv().unwrap().inbound.body, "1234");
        assert!(received.try_recv().is_err(), "the second would make it 13 bytes");
        assert!(received.is_closed());
    }
}
