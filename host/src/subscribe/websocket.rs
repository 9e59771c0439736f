//! Subscriptions over WebSocket (RFC 6455).

use std::io;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_websockets::{CloseCode, Config, Error, Limits, Message, Payload, ServerBuilder, WebSocketStream};

use super::close::Close;
use super::message::Outgoing;
use super::transport::{Gone, Heard, Transport};

/// How long a connection that has ended discards what still arrives, and how many bytes.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// A connection after its upgrade.
pub struct WebSocket<S> {
    stream: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> WebSocket<S> {
    /// `max_message` is the size of the largest message that is read.
    pub fn new(socket: S, max_message: usize) -> Self {
        let limits = Limits::default().max_payload_len(Some(max_message));
        // A message is one frame.
        let config = Config::default().frame_size(usize::MAX);
        Self { stream: ServerBuilder::new().limits(limits).config(config).serve(socket) }
    }

    async fn end(&mut self, code: CloseCode, reason: &str) -> Heard {
        drop(self.stream.send(Message::close(Some(code), reason)).await);
        drop(self.stream.flush().await);
        Heard::Gone
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport for WebSocket<S> {
    const NAME: &'static str = "websocket";
    const ANSWERS: bool = true;

    async fn send(&mut self, message: &Outgoing) -> Result<(), Gone> {
        self.stream.feed(Message::text(Payload::from(message.json.clone()))).await.map_err(|_| Gone)
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.stream.flush().await.map_err(|_| Gone)
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        self.stream.send(Message::ping("")).await.map_err(|_| Gone)
    }

    async fn hear(&mut self) -> Heard {
        match self.stream.next().await {
            Some(Ok(message)) if message.is_ping() => Heard::Ping,
            Some(Ok(message)) if message.is_pong() => Heard::Sign,
            Some(Ok(message)) if message.is_close() => {
                // The answer is in the queue.
                drop(self.stream.flush().await);
                Heard::Gone
            }
            Some(Ok(message)) if message.is_binary() => {
                self.end(CloseCode::UNSUPPORTED_DATA, "binary messages are not supported").await
            }
            // The library overlooks a character that an empty last part cuts off.
            Some(Ok(message)) => match std::str::from_utf8(message.as_payload()) {
                Ok(text) => Heard::Message(text.to_owned()),
                Err(_) => self.end(CloseCode::INVALID_FRAME_PAYLOAD_DATA, "invalid utf8").await,
            },
            // Of the parts of a message; the library answers other frames that are too large, and what breaks the protocol.
            Some(Err(Error::PayloadTooLong { .. })) => self.end(CloseCode::MESSAGE_TOO_BIG, "message too large").await,
            Some(Err(_)) => {
                drop(self.stream.flush().await);
                Heard::Gone
            }
            None => Heard::Gone,
        }
    }

    async fn close(&mut self, close: Close) {
        let code = CloseCode::try_from(close.code()).unwrap_or(CloseCode::INTERNAL_SERVER_ERROR);
        // Whoever sends too fast is not listened to any more.
        if self.stream.send(Message::close(Some(code), close.reason())).await.is_ok() && close != Close::TooFast {
            // Until the other side has answered it; what it sends before is dropped.
            while let Some(Ok(_)) = self.stream.next().await {}
        }
    }

    async fn leave(&mut self) {
        let linger = async {
            // An answer to a frame of the other side may still be in the queue.
            let _ = self.stream.flush().await;
            let socket = self.stream.get_mut();
            socket.shutdown().await?;
            // In a box, so that no connection has the room for it before its end.
            let (mut ignored, mut left) = (Box::new([0; 4096]), LINGER_BYTES);
            while left > 0 {
                match socket.read(&mut ignored[..]).await? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            Ok::<_, io::Error>(())
        };
        // Unread bytes at the end would reset the connection, and with it the close frame.
        drop(tokio::time::timeout(LINGER, linger).await);
    }
}
