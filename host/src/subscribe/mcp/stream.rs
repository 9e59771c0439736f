//! Push delivery (SEP-3415, "Push-Based Delivery"): the answer to one `events/stream`.
//!
//! Each message is a notification that names the request in `_meta`. The first is `active`; a gap is another `active`, `truncated`;
//! a heartbeat carries how far the gateway has looked. The final message is the result of the request.

use bytes::Bytes;
use futures_util::Stream;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::error::McpError;
use super::occurrence::{Parts, json_text};
use crate::eventlog::Cursor;
use crate::subscribe::close::Close;
use crate::subscribe::message::Outgoing;
use crate::subscribe::response_body::ResponseBody;
use crate::subscribe::session::Session;
use crate::subscribe::transport::{Gone, Heard, Transport};

/// The key in `_meta` that names the request (2026-07-28, "Subscriptions").
const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// What was asked for.
pub struct McpSubscription {
    /// The id of the request, a text or a number.
    pub id: Value,
    /// The name of the type of events.
    pub name: String,
}

/// A stream of notifications.
pub struct McpStream {
    body: ResponseBody,
    id: Box<RawValue>,
    name: Vec<u8>,
    /// Where the subscription begins, until that was said.
    begins: Option<Cursor>,
    /// How far the gateway has looked.
    cursor: Option<Cursor>,
}

#[derive(Serialize)]
struct Active {
    cursor: Cursor,
    truncated: bool,
}

#[derive(Serialize)]
struct Heartbeat {
    cursor: Option<Cursor>,
}

#[derive(Serialize)]
struct Terminated {
    error: McpError,
}

impl McpStream {
    /// The body of a response: the session runs while it is read, and ends with it, or when the client is `gone`.
    pub fn stream(
        session: Session,
        gone: impl Future<Output = ()> + Send + 'static,
        subscription: McpSubscription,
    ) -> impl Stream<Item = Bytes> + Send + 'static {
        let McpSubscription { id, name } = subscription;
        let id = serde_json::value::to_raw_value(&id).expect("it was JSON before");
        let name = json_text(&name);
        ResponseBody::stream(session, gone, |body| Self { body, id, name, begins: None, cursor: None })
    }

    fn event(&mut self, occurrence: &[u8]) {
        let Parts { members } = Parts::of(occurrence);
        self.body.put(b"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/events/event\",\"params\":{\"name\":");
        self.body.put(&self.name);
        self.body.put(b",");
        if let Some(cursor) = self.cursor {
            self.body.put(format!("\"cursor\":\"{cursor}\",").as_bytes());
        }
        // Outside of strings JSON may have line breaks anywhere, and in server-sent events they end a line.
        let lines = members.split(|byte| matches!(byte, b'\r' | b'\n'));
        for (number, line) in lines.enumerate() {
            if number > 0 {
                self.body.put(b" ");
            }
            self.body.put(line);
        }
        self.body.put(format!(",\"{SUBSCRIPTION_ID}\":{}}}}}}}\n\n", self.id).as_bytes());
    }

    fn notify(&mut self, name: &str, params: impl Serialize) {
        let mut params = json!(params);
        params["_meta"] = json!({ SUBSCRIPTION_ID: self.id });
        let method = format!("notifications/events/{name}");
        self.say(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    fn say(&mut self, message: &Value) {
        self.body.put(format!("data: {message}\n\n").as_bytes());
    }

    /// Says where the subscription begins, unless that was said before.
    fn begin(&mut self) {
        if let Some(cursor) = self.begins.take() {
            self.notify("active", Active { cursor, truncated: false });
        }
    }

    /// The final message.
    fn end(&mut self, close: Close) {
        let error = match close {
            Close::Revoked => {
                self.notify(
                    "terminated",
                    Terminated { error: McpError::forbidden("the subscriber is gone, or its key") },
                );
                None
            }
            // Whoever comes back goes on where it was; what it may read then is looked up anew.
            Close::Shutdown | Close::Aged | Close::Moved => None,
            close => Some(McpError::new(McpError::INTERNAL_ERROR, close.reason())),
        };
        self.say(&match error {
            None => json!({
                "jsonrpc": "2.0", "id": self.id,
                "result": {"resultType": "complete", "_meta": {SUBSCRIPTION_ID: self.id}},
            }),
            Some(error) => json!({"jsonrpc": "2.0", "id": self.id, "error": error}),
        });
    }
}

impl Transport for McpStream {
    const NAME: &'static str = "mcp";
    const ANSWERS: bool = false;

    async fn send(&mut self, message: &Outgoing) -> Result<(), Gone> {
        self.cursor = message.cursor.or(self.cursor);
        match (message.name, message.cursor) {
            ("connection.ack", cursor) => self.begins = cursor,
            ("gap", Some(cursor)) => {
                self.begins = None;
                self.notify("active", Active { cursor, truncated: true });
            }
            ("event", _) => {
                self.begin();
                self.event(&message.json);
            }
            ("position", cursor) => {
                self.begin();
                self.notify("heartbeat", Heartbeat { cursor });
            }
            // The end is said by `close`; of nothing else such a session speaks.
            _ => {}
        }
        self.body.send().await
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.begin();
        self.body.flush().await
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        let cursor = self.cursor;
        self.notify("heartbeat", Heartbeat { cursor });
        self.body.flush().await
    }

    async fn hear(&mut self) -> Heard {
        self.body.hear().await
    }

    async fn close(&mut self, close: Close) {
        self.end(close);
        let _ = self.body.flush().await;
    }
}
