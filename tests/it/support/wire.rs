//! A single TCP connection, for tests that care about bytes and closes.

use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::PATIENCE;

/// One connection, for tests of connections.
pub(crate) struct Wire {
    stream: TcpStream,
    /// What was read and not asked for yet.
    read: Vec<u8>,
}

/// A request or a response.
#[derive(Debug)]
pub(crate) struct Message {
    /// Everything before the body, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(address).await?, read: Vec::new() })
    }

    /// The server's end of an accepted connection.
    pub(crate) fn accepted(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// Sends a request without a `Connection` header.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<Message> {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {length}\r\n\r\n");
        self.send(&(head + body)).await?;
        self.receive().await
    }

    pub(crate) async fn send(&mut self, text: &str) -> io::Result<()> {
        self.send_bytes(text.as_bytes()).await
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Ends the own side of the connection; answers still arrive.
    pub(crate) async fn half_close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Answers a request with 200 and `ok`.
    pub(crate) async fn say_ok(&mut self) {
        self.send("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    }

    /// The head of an answer, in lower case.
    pub(crate) async fn head(&mut self) -> io::Result<String> {
        Ok(self.read_until("\r\n\r\n").await?.to_ascii_lowercase())
    }

    /// What comes up to `end`, with it.
    pub(crate) async fn read_until(&mut self, end: &str) -> io::Result<String> {
        let read = async {
            loop {
                let found = self.read.windows(end.len()).position(|window| window == end.as_bytes());
                if let Some(at) = found {
                    let text: Vec<u8> = self.read.drain(..at + end.len()).collect();
                    return Ok(String::from_utf8_lossy(&text).into_owned());
                }
                if self.stream.read_buf(&mut self.read).await? == 0 {
                    let text = String::from_utf8_lossy(&self.read).into_owned();
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await?
    }

    /// Everything up to the end of the connection, however it ends.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let read = async { while self.stream.read_buf(&mut self.read).await.unwrap_or(0) > 0 {} };
        tokio::time::timeout(PATIENCE, read).await.expect("the connection ends");
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    /// The next message; the error is the end of the connection or a timeout.
    pub(crate) async fn receive(&mut self) -> io::Result<Message> {
        tokio::time::timeout(PATIENCE, self.message()).await?
    }

    async fn message(&mut self) -> io::Result<Message> {
        let mut bytes = std::mem::take(&mut self.read);
        loop {
            let text = String::from_utf8_lossy(&bytes);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    return Ok(Message { body: body.to_owned(), head });
                }
            }
            if self.stream.read_buf(&mut bytes).await? == 0 {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
        }
    }
}

impl Message {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
