use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::event::ChannelName;
use crate::plugin::{CallError, Inbound, Receipt, Rejection};

use super::channel::Channel;

/// Requests that wait to be taken out of a recording; more are not recorded.
const MAX_WAITING: usize = 16;

/// Bytes of all requests of one recording.
const MAX_BYTES: usize = 64 << 20;

/// A request as its plugin saw it, without credentials, and what the plugin made of it.
#[derive(Debug)]
pub struct Recorded {
    /// The request.
    pub inbound: Inbound,
    /// The receipt or the rejection; the error when the plugin failed.
    pub outcome: Result<Result<Receipt, Rejection>, String>,
}

/// Why nothing is recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There is no such channel.
    #[error("there is no channel `{0}`")]
    Unknown(String),
    /// Somebody else records it already.
    #[error("channel `{0}` is being recorded already")]
    Busy(ChannelName),
}

/// A recording under way. In memory only; it ends when it is dropped.
pub struct Recording {
    channel: Arc<Channel>,
    recorder: Arc<Recorder>,
    received: Receiver<Recorded>,
}

/// The end of a recording that requests are put in.
pub(super) struct Recorder(Mutex<Room>);

struct Room {
    /// Gone when there is no room any more, which ends the recording.
    sender: Option<Sender<Recorded>>,
    bytes_left: usize,
}

impl Recorder {
    fn new(bytes: usize) -> (Self, Receiver<Recorded>) {
        let (sender, received) = mpsc::channel(MAX_WAITING);
        (Self(Mutex::new(Room { sender: Some(sender), bytes_left: bytes })), received)
    }

    /// Keeps what became of a request, while there is room.
    pub(super) fn note(&self, inbound: Inbound, called: &Result<Result<Receipt, Rejection>, CallError>) {
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
            tracing::debug!("Request is not recorded: {error}");
        }
        room.bytes_left = left;
    }
}

/// Bytes that a request and what became of it take in memory.
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

impl Recording {
    pub(super) fn start(channel: Arc<Channel>) -> Result<Self, RecordError> {
        let (recorder, received) = Recorder::new(MAX_BYTES);
        let recorder = Arc::new(recorder);
        if !channel.begin_recording(&recorder) {
            return Err(RecordError::Busy(channel.name().clone()));
        }
        tracing::info!(channel = %channel.name(), "Recording requests");
        Ok(Self { channel, recorder, received })
    }

    /// The next request, however long it takes; none when there is no room for more.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<Recorded> {
        self.received.recv().await
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.channel.end_recording(&self.recorder);
        tracing::info!(channel = %self.channel.name(), "Recording ended");
    }
}

#[cfg(test)]
mod tests {
    use crate::egress::Response;
    use crate::event::Timestamp;
    use crate::plugin::StateChanges;

    use super::*;

    #[test]
    fn a_recording_holds_so_many_bytes_and_no_more() {
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
