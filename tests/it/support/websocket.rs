//! A WebSocket client that sends frames byte by byte (RFC 6455), so that tests can also send wrong ones.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::PATIENCE;

/// The key of a subscriber in tests.
pub(crate) const KEY: &str = "sesame-sesame";

/// One connection after its handshake.
pub(crate) struct WebSocket<S = TcpStream> {
    pub(crate) stream: S,
    /// What was read and is no whole frame yet.
    pub(crate) read: Vec<u8>,
    /// The head of the answer to the handshake, in lower case.
    pub(crate) head: String,
}

/// A frame of the gateway.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// The end of the connection.
    End,
}

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const FIN: u8 = 0x80;

/// A masked frame whose first byte is `first`.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

impl WebSocket {
    /// Connects as the subscriber of tests; panics unless it is let in.
    pub(crate) async fn connect(address: SocketAddr, path: &str) -> Self {
        let connected = Self::try_connect(address, path, &[("api-key", KEY)]).await;
        assert!(connected.head.starts_with("http/1.1 101 "), "{}", connected.head);
        connected
    }

    /// Sends a handshake and reads the head of its answer.
    pub(crate) async fn try_connect(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        Self::reach(address, path, headers).await.unwrap()
    }

    /// As [`try_connect`](Self::try_connect), of a gateway that may end meanwhile.
    pub(crate) async fn reach(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> io::Result<Self> {
        Self::open(TcpStream::connect(address).await?, address, path, headers).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Sends a handshake over a connection and reads the head of its answer.
    pub(crate) async fn open(
        mut stream: S,
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Self> {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        // Over TLS it may lie in a buffer of this side.
        stream.flush().await?;
        let mut read = Vec::new();
        let end = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Err(io::Error::other(format!("the answer ends: {}", String::from_utf8_lossy(&read))));
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        Ok(Self { stream, read: read.split_off(end), head })
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        assert!(self.try_send(bytes).await, "the other side is gone");
    }

    /// Whether the other side is still there to be sent something.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.send_bytes(&frame(FIN | TEXT, message.to_string().as_bytes())).await;
    }

    /// The next frame of any kind.
    pub(crate) async fn frame(&mut self) -> Frame {
        tokio::time::timeout(PATIENCE, self.next_frame()).await.expect("a frame")
    }

    /// The next frame of any kind, if it comes within this time.
    pub(crate) async fn frame_within(&mut self, time: Duration) -> Option<Frame> {
        tokio::time::timeout(time, self.next_frame()).await.ok()
    }

    async fn next_frame(&mut self) -> Frame {
        loop {
            if let Some((frame, length)) = parse(&self.read) {
                self.read.drain(..length);
                return frame;
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) | Err(_) => return Frame::End,
                Ok(_) => {}
            }
        }
    }

    /// The next message, as JSON. Pings are answered.
    pub(crate) async fn message(&mut self) -> Value {
        loop {
            match self.frame().await {
                Frame::Text(text) => {
                    return serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                }
                Frame::Ping(payload) => self.send_bytes(&frame(FIN | PONG, &payload)).await,
                other => panic!("expected a message, found {other:?}"),
            }
        }
    }

    /// The next message of a type; others are left out.
    pub(crate) async fn message_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.message().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The data of the next events, as many as asked for.
    pub(crate) async fn data(&mut self, count: usize) -> Vec<Value> {
        let mut data = Vec::new();
        while data.len() < count {
            data.push(self.message_of("event").await["event"]["data"].clone());
        }
        data
    }

    /// The close frame, after whatever comes before it.
    pub(crate) async fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            match self.frame().await {
                Frame::Close(reason) => return reason,
                Frame::End => return None,
                _ => {}
            }
        }
    }
}

/// The first frame, and its length in bytes.
pub(crate) fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let [first, second, rest @ ..] = bytes else { return None };
    assert_eq!(second & 0x80, 0, "a server masks nothing");
    let (length, start) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(rest.get(..8)?.try_into().ok()?)).ok()?, 10),
        length => (usize::from(length), 2),
    };
    let payload = bytes.get(start..start + length)?.to_vec();
    assert_eq!(first & 0xf0, FIN, "whole messages without extensions");
    let frame = match first & 0x0f {
        TEXT => Frame::Text(String::from_utf8(payload).unwrap()),
        BINARY => Frame::Binary(payload),
        CLOSE => Frame::Close(
            payload
                .split_first_chunk()
                .map(|(code, reason)| (u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned())),
        ),
        PING => Frame::Ping(payload),
        PONG => Frame::Pong(payload),
        other => panic!("opcode {other}"),
    };
    Some((frame, start + length))
}
