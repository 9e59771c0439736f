//! A source of events: `fn receive(&Request) -> Result<Receipt, Rejection>`.

use std::borrow::Cow;
use std::cell::OnceCell;

pub use crate::bindings::channel::exports::gateway::plugin::receive::{Event, Receipt, Rejection};
use crate::bindings::channel::gateway::plugin::inbound;
use crate::fact::{MAX_FACT, MAX_ID, fit};
use crate::{Content, Host, Response};

/// What `receive` returns.
pub type Received = Result<Receipt, Rejection>;

/// The request being received; the host has verified it already.
#[derive(Debug)]
pub struct Request {
    host: Host,
    method: String,
    path: String,
    query: String,
    /// `name: value` and a line feed each, with the name in lower case.
    headers: String,
    body: Vec<u8>,
    /// A text that a payload borrows from instead of the body.
    #[cfg_attr(
        not(any(feature = "message", feature = "alert", feature = "json")),
        expect(dead_code, reason = "`json` alone keeps one")
    )]
    kept: OnceCell<String>,
}

impl Request {
    /// The request of the current call of this component.
    #[doc(hidden)]
    pub fn of_call(
        method: String,
        path: String,
        query: String,
        headers: String,
        body: Vec<u8>,
        config: String,
    ) -> Self {
        Request { host: Host::with_settings(config), method, path, query, headers, body, kept: OnceCell::new() }
    }

    /// A request for a test: path `/`, no query, headers, body or settings.
    pub fn new(method: &str) -> Self {
        Request {
            host: Host::stand_in(),
            method: method.to_owned(),
            path: String::from("/"),
            query: String::new(),
            headers: String::new(),
            body: Vec::new(),
            kept: OnceCell::new(),
        }
    }

    /// Sets the path below the channel's mount point.
    pub fn with_path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    /// Sets the query, undecoded.
    pub fn with_query(mut self, query: &str) -> Self {
        self.query = query.to_owned();
        self
    }

    /// Adds a header.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        assert!(!value.contains(['\r', '\n']), "a header is one line");
        self.headers.extend([&*name.to_ascii_lowercase(), ": ", value, "\n"]);
        self
    }

    /// Sets the body.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a value of the `config` table: a string as it is, anything else as JSON text.
    pub fn with_config(mut self, key: &str, value: &str) -> Self {
        self.host.set_config(key, value);
        self
    }

    /// Settings, state, log, clock.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// `POST`, `PUT` or `GET`, as the manifest allows.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path below the channel's mount point; starts with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query without `?`, undecoded; [`form_values`](crate::form_values) reads it.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The first value of a header. Names are case-insensitive; credentials are never shown.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers in order, names in lower case, without credentials.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.split_terminator('\n').filter_map(|line| {
            // A name has no colon, and one letter is found faster than two.
            let (name, value) = line.split_once(':')?;
            Some((name, value.strip_prefix(' ').unwrap_or(value)))
        })
    }

    /// Whether the body is a form: `application/x-www-form-urlencoded`.
    pub fn is_form(&self) -> bool {
        const FORM: &[u8] = b"application/x-www-form-urlencoded";
        let content_type = self.header("content-type").unwrap_or_default();
        content_type.as_bytes().get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM))
    }

    /// The body exactly as it was received.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text, without a byte order mark; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        // The lossy way looks at each byte by itself.
        str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed)
    }

    /// Keeps a text for as long as the request; `None` if there is one already.
    #[cfg(any(feature = "message", feature = "alert", feature = "json"))]
    pub(crate) fn keep_text(&self, text: String) -> Option<&str> {
        self.kept.set(text).ok()?;
        self.kept.get().map(String::as_str)
    }

    /// When the host received the request: RFC 3339, UTC, milliseconds.
    pub fn received_at(&self) -> String {
        if self.host.is_stand_in() { self.host.now() } else { inbound::received_at() }
    }
}

impl Event {
    /// An event whose data is the request body, byte for byte; the body is not copied.
    pub fn new(kind: impl Into<String>) -> Self {
        Event {
            kind: kind.into(),
            subject: None,
            delivery_id: None,
            key: None,
            data: None,
            content_type: None,
            attributes: Vec::new(),
        }
    }

    /// Sets what the event is about; events of one subject are delivered in order.
    ///
    /// An empty text counts as `None`. A text with more than 1024 bytes or with control characters is shortened and gets a
    /// digest, so that different texts stay different. Delivery ids and keys follow the same rule.
    pub fn with_subject(mut self, subject: Option<impl Into<String>>) -> Self {
        self.subject = subject.map(Into::into).and_then(id);
        self
    }

    /// Sets the provider's id of the delivery.
    pub fn with_delivery_id(mut self, id: Option<impl Into<String>>) -> Self {
        self.delivery_id = id.map(Into::into).and_then(self::id);
        self
    }

    /// Sets the deduplication key: events with the same key are duplicates, whatever their delivery id.
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = id(key.into());
        self
    }

    /// Sets a payload other than the request body, with its media type.
    pub fn with_data(mut self, content_type: &str, data: impl Into<Content>) -> Self {
        self.content_type = Some(content_type.to_owned());
        self.data = Some(data.into());
        self
    }

    /// Adds an attribute; `name` has 1 to 20 characters of `a-z0-9`.
    pub fn with_attribute(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.push((name.to_owned(), value.into()));
        self
    }

    /// Adds an attribute whose value the sender chose, unless that value is missing or empty. A value with more than 256
    /// bytes or with control characters is shortened and gets a digest, so that different values stay different.
    pub fn with_fact(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) if !value.is_empty() => self.with_attribute(name, fit(Cow::Borrowed(value), MAX_FACT)),
            _ => self,
        }
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The text as a subject, id or key; `None` if it is empty, because an empty one identifies nothing.
fn id(text: String) -> Option<String> {
    (!text.is_empty()).then(|| fit(Cow::Owned(text), MAX_ID).into_owned())
}

impl Receipt {
    /// A receipt without events: the request is valid and produces none.
    pub fn empty() -> Self {
        Receipt { events: Vec::new(), response: None }
    }

    /// Sets the response that replaces the host's own.
    pub fn with_response(mut self, response: Response) -> Self {
        self.response = Some(response);
        self
    }

    /// The event of a receipt that has exactly one; for tests.
    ///
    /// # Panics
    ///
    /// If there is no event, or more than one.
    #[track_caller]
    pub fn into_event(mut self) -> Event {
        assert_eq!(self.events.len(), 1, "expected one event, found {:?}", self.events);
        self.events.remove(0)
    }
}

impl From<Event> for Receipt {
    fn from(event: Event) -> Self {
        Receipt { events: vec![event], response: None }
    }
}

impl From<Vec<Event>> for Receipt {
    fn from(events: Vec<Event>) -> Self {
        Receipt { events, response: None }
    }
}

impl Rejection {
    /// A rejection with a `status` of 400 to 499; the caller sees `detail`.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Rejection { status, detail: detail.into() }
    }

    /// As [`new`](Self::new), about the member of the body at a JSON pointer such as `/alerts/0/status`.
    ///
    /// The pointer stands in backticks at the start of `detail`; the gateway recognises it there and reports it in `errors`.
    pub fn at(status: u16, pointer: &str, detail: impl AsRef<str>) -> Self {
        let detail = detail.as_ref();
        Rejection::new(status, format!("`{pointer}`: {detail}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_by_its_name() {
        let request = Request::new("POST")
            .with_header("X-Kind", "opened: now")
            .with_header("x-kind-of", "door")
            .with_header("x-kind", "closed")
            .with_header("x-spaced", "  a:b")
            .with_header("x-empty", "");

        assert_eq!(request.header("X-KIND"), Some("opened: now"));
        assert_eq!(request.header("x-kind-of"), Some("door"));
        assert_eq!(request.header("x-empty"), Some(""));
        assert_eq!(request.header("x-spaced"), Some("  a:b"));
        assert_eq!(request.header("x"), None);
        assert_eq!(request.header("x-spaced:   a"), None);
        assert_eq!(request.headers().count(), 5);
    }

    #[test]
    fn what_comes_with_the_call_is_lent() {
        let own = |text: &str| text.to_owned();
        let (headers, config) = ("x-kind: opened\nx-kind: closed\n", r#"{"mention":"@bot"}"#);
        let body = b"\xef\xbb\xbf{\"a\":\"caf\xc3\"}".to_vec();

        let request = Request::of_call(own("PUT"), own("/a"), own("b=c"), own(headers), body, own(config));

        assert_eq!((request.method(), request.path(), request.query()), ("PUT", "/a", "b=c"));
        assert_eq!(request.header("X-Kind"), Some("opened"));
        assert_eq!(request.headers().last(), Some(("x-kind", "closed")));
        assert_eq!((request.body().len(), &*request.text()), (15, "{\"a\":\"caf\u{fffd}\"}"));
        assert_eq!(request.host().config("mention").as_deref(), Some("@bot"));
        assert_eq!(request.host().config("other"), None);
    }

    #[test]
    fn values_from_the_sender_are_shortened() {
        let long = "x".repeat(2000);
        let event = Event::new("opened")
            .with_subject(Some(String::from("a\nb")))
            .with_delivery_id(Some(String::new()))
            .with_key(long.as_str())
            .with_fact("name", Some(&long))
            .with_fact("empty", Some(""))
            .with_fact("none", None);

        assert!(event.subject.is_some_and(|subject| subject.starts_with("a b~")));
        assert_eq!(event.delivery_id, None);
        assert_eq!(event.key.map(|key| key.len()), Some(MAX_ID));
        let lengths: Vec<_> = event.attributes.iter().map(|(name, value)| (name.as_str(), value.len())).collect();
        assert_eq!(lengths, [("name", MAX_FACT)]);
    }
}
