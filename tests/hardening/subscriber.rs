//! A subscriber over WebSocket that sends any bytes in any pieces, and reads as slowly as it wants.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;

use crate::support::{Frame, WebSocket, ws};

/// The longest time to wait for a frame.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a slow reader reads.
const INTERVAL: Duration = Duration::from_millis(250);

/// A connection after its handshake.
pub(crate) struct Subscriber {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Subscriber {
    /// Connects as `edge` and reads the acknowledgement.
    pub(crate) async fn connect(address: SocketAddr, query: &str) -> Self {
        let mut subscriber = Self::connect_unread(address, query).await;
        let ack = subscriber.frame().await;
        assert!(matches!(&ack, Frame::Text(text) if text.contains("connection.ack")), "{ack:?}");
        subscriber
    }

    /// Connects as `edge` and reads nothing but the head of the answer.
    pub(crate) async fn connect_unread(address: SocketAddr, query: &str) -> Self {
        let WebSocket { stream, read, .. } = WebSocket::connect(address, &format!("/api/subscribe{query}")).await;
        // Pieces are to arrive as pieces.
        stream.set_nodelay(true).unwrap();
        Self { stream, read }
    }

    /// Returns whether the gateway has taken the bytes; it has not if it has ended the connection.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next frame; [`Frame::End`] if the connection ends, also by a reset.
    pub(crate) async fn frame(&mut self) -> Frame {
        let frame = async {
            loop {
                if let Some(frame) = self.read_frame() {
                    return frame;
                }
                self.read.reserve(64 << 10);
                if self.stream.read_buf(&mut self.read).await.map_or(true, |read| read == 0) {
                    return Frame::End;
                }
            }
        };
        tokio::time::timeout(PATIENCE, frame).await.expect("a frame")
    }

    /// The next event; `None` if the connection ends. Pings are answered.
    pub(crate) async fn event(&mut self) -> Option<Value> {
        loop {
            match self.frame().await {
                Frame::End => return None,
                frame => {
                    if let Some(event) = self.heard(frame).await {
                        return Some(event);
                    }
                }
            }
        }
    }

    /// Reads for a short while at this rate in bytes per second, and returns the events that are complete by then.
    pub(crate) async fn read_slowly(&mut self, rate: usize) -> Vec<Value> {
        tokio::time::sleep(INTERVAL).await;
        let mut bytes = vec![0; rate * usize::try_from(INTERVAL.as_millis()).unwrap() / 1000];
        // An error shows in the next frame.
        let read = self.stream.try_read(&mut bytes).unwrap_or_default();
        self.read.extend(&bytes[..read]);
        let mut events = Vec::new();
        while let Some(frame) = self.read_frame() {
            events.extend(self.heard(frame).await);
        }
        events
    }

    async fn heard(&mut self, frame: Frame) -> Option<Value> {
        match frame {
            Frame::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                (message["type"] == "event").then_some(message)
            }
            Frame::Ping(payload) => {
                self.write(&ws::frame(ws::FIN | ws::PONG, &payload)).await;
                None
            }
            _ => None,
        }
    }

    /// Waits until the gateway has ended the connection, but reads nothing.
    pub(crate) async fn until_ended(&self, end: Instant) {
        let ended = async {
            while !self.stream.ready(Interest::READABLE).await.is_ok_and(|ready| ready.is_read_closed()) {
                tokio::time::sleep(INTERVAL).await;
            }
        };
        let _ = tokio::time::timeout_at(end.into(), ended).await;
    }

    fn read_frame(&mut self) -> Option<Frame> {
        let (frame, length) = ws::parse(&self.read)?;
        self.read.drain(..length);
        Some(frame)
    }
}
