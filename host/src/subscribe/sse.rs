//! Subscriptions as a stream of server-sent events (HTML Living Standard, section 9.2).

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;

use super::close::Close;
use super::message::Outgoing;
use super::response_body::ResponseBody;
use super::session::Session;
use super::transport::{Gone, Heard, Transport};

/// How long a browser waits before it connects again, in milliseconds: so long, and up to twice as long.
const RETRY: u32 = 2000;

/// A stream of server-sent events.
pub struct Sse {
    body: ResponseBody,
}

impl Sse {
    /// The body of a response: the session runs while it is read, and ends with it, or when the client is `gone`.
    pub fn stream(
        session: Session,
        gone: impl Future<Output = ()> + Send + 'static,
    ) -> impl Stream<Item = Bytes> + Send + 'static {
        // The first message is of the same block: an empty line before its id would make a browser forget the id that it has.
        let retry = RETRY + getrandom::u32().unwrap_or_default() % RETRY;
        ResponseBody::stream(session, gone, move |mut body| {
            body.put(format!("retry: {retry}\n").as_bytes());
            Self { body }
        })
    }
}

impl Transport for Sse {
    const NAME: &'static str = "sse";
    const ANSWERS: bool = false;

    async fn send(&mut self, message: &Outgoing) -> Result<(), Gone> {
        write(self.body.buffer(), message);
        self.body.send().await
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.body.flush().await
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        self.body.put(b": ping\n\n");
        self.body.flush().await
    }

    async fn hear(&mut self) -> Heard {
        self.body.hear().await
    }

    /// 204 and other states end a browser's subscription for good, so an answer that began ends as any other: it comes back.
    async fn close(&mut self, _: Close) {
        let _ = self.body.flush().await;
    }
}

/// Writes one event. The data is split at every line break that the standard knows: CR, LF and CRLF.
fn write(buffer: &mut BytesMut, message: &Outgoing) {
    let is_position = message.name == "position";
    if !is_position {
        buffer.put_slice(b"event: ");
        buffer.put_slice(message.name.as_bytes());
        buffer.put_slice(b"\n");
    }
    if let Some(cursor) = &message.cursor {
        buffer.put_slice(format!("id: {cursor}\n").as_bytes());
    }
    // Without data nothing is dispatched, and the id of the next reconnection moves on all the same (section 9.2.6).
    if !is_position {
        let json = &message.json;
        let mut rest = &json[..];
        loop {
            let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            buffer.put_slice(b"data: ");
            buffer.put_slice(&rest[..end]);
            buffer.put_slice(b"\n");
            rest = match &rest[end..] {
                [] => break,
                [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
            };
        }
    }
    buffer.put_slice(b"\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Seq;
    use crate::eventlog::Cursor;

    fn written(name: &'static str, json: &'static [u8]) -> String {
        let cursor = Some(Cursor { epoch: "00abcdef01234567".parse().unwrap(), seq: Seq(7) });
        let mut buffer = BytesMut::new();
        write(&mut buffer, &Outgoing { name, cursor, json: Bytes::from_static(json) });
        String::from_utf8(buffer.to_vec()).unwrap()
    }

    #[test]
    fn data_is_split_at_every_line_break() {
        for (json, lines) in [(&b"{}"[..], &["{}"][..]), (b"{\n}", &["{", "}"]), (b"{\r\n\r}\r", &["{", "", "}", ""])] {
            let data: String = lines.iter().map(|line| format!("data: {line}\n")).collect();
            assert_eq!(written("event", json), format!("event: event\nid: 00abcdef01234567.7\n{data}\n"));
        }
    }

    #[test]
    fn a_position_dispatches_nothing() {
        assert_eq!(written("position", b"{}"), "id: 00abcdef01234567.7\n\n");
    }
}
