//! A client of server-sent events.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::PATIENCE;

/// A stream that was asked for.
pub(crate) struct EventStream {
    stream: TcpStream,
    /// The bytes of the body that were not read yet, without chunks.
    body: String,
    raw: Vec<u8>,
    /// The head of the answer, in lower case.
    pub(crate) head: String,
}

/// A block of lines that an empty line ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Block {
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) data: String,
    pub(crate) retry: Option<u64>,
    pub(crate) comment: Option<String>,
}

impl EventStream {
    /// Asks for a stream and reads the head of the answer.
    pub(crate) async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        Self::ask(address, "GET", path, headers, "").await
    }

    /// As [`open`](Self::open), with any method and a body.
    pub(crate) async fn ask(
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        if !body.is_empty() {
            lines.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        let line = format!("{method} {path} HTTP/1.1");
        let request = format!("{line}\r\nhost: {address}\r\naccept: text/event-stream\r\n{lines}\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(stream.read_buf(&mut raw).await.unwrap() > 0, "{}", String::from_utf8_lossy(&raw));
        };
        let head = String::from_utf8_lossy(&raw[..end]).to_ascii_lowercase();
        Self { stream, body: String::new(), raw: raw.split_off(end), head }
    }

    /// The next block; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Block> {
        tokio::time::timeout(PATIENCE, self.block()).await.expect("a block")
    }

    async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.body.split_once("\n\n") {
                let (block, rest) = (Block::parse(block), rest.to_owned());
                self.body = rest;
                return Some(block);
            }
            if self.head.contains("content-length") && !self.raw.is_empty() {
                self.body.push_str(&String::from_utf8(std::mem::take(&mut self.raw)).unwrap());
            } else if !self.take_chunk() && self.stream.read_buf(&mut self.raw).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// Takes one chunk out of what was received.
    fn take_chunk(&mut self) -> bool {
        let Some(line) = self.raw.windows(2).position(|window| window == b"\r\n") else { return false };
        let Ok(length) = usize::from_str_radix(&String::from_utf8_lossy(&self.raw[..line]), 16) else { return false };
        let end = line + 2 + length + 2;
        if length == 0 || self.raw.len() < end {
            return false;
        }
        self.body.push_str(std::str::from_utf8(&self.raw[line + 2..end - 2]).unwrap());
        self.raw.drain(..end);
        true
    }

    /// The next block of an event; others are left out.
    pub(crate) async fn event(&mut self, name: &str) -> Block {
        loop {
            let block = self.next().await.expect("the stream goes on");
            if block.event == name {
                return block;
            }
        }
    }
}

impl Block {
    fn parse(text: &str) -> Self {
        let mut block = Self::default();
        let mut data = Vec::new();
        for line in text.lines() {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("event", value) => block.event = value.to_owned(),
                ("id", value) => block.id = value.to_owned(),
                ("data", value) => data.push(value),
                ("retry", value) => block.retry = value.parse().ok(),
                ("", value) => block.comment = Some(value.to_owned()),
                _ => {}
            }
        }
        block.data = data.join("\n");
        block
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
