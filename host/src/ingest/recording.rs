//! Recordings of live requests, from which samples are made.

pub(crate) mod recorder;

use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use self::recorder::{Recorded, Recorder};
use super::channel::Channel;
use crate::event::ChannelName;

/// Bytes of all requests of one recording.
const MAX_BYTES: usize = 64 << 20;

/// Why nothing is recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("there is no channel `{0}`")]
    Unknown(String),
    #[error("channel `{0}` is being recorded already")]
    Busy(ChannelName),
}

/// A recording under way. In memory only; it ends when it is dropped.
pub struct Recording {
    channel: Arc<Channel>,
    recorder: Arc<Recorder>,
    received: Receiver<Recorded>,
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

    /// The next request, however long it takes; `None` when there is no room for more.
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
