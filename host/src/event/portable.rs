//! Events on their way from one log to another: a CloudEvent on one line.
//!
//! Bytes that JSON cannot hold as they are go in base64, so that a payload arrives as it was. Kept headers, deliveries and the
//! plugin's name stay behind: they belong to the gateway that received the event.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::cloud_event::{CloudEvent, Payload, is_json};
use super::{
    ChannelName, Event, EventId, HOST_ATTRIBUTES, MAX_ATTRIBUTE, MAX_ATTRIBUTES, RequestId, Timestamp,
    is_attribute_name,
};

/// What the provider calls the delivery.
const DELIVERY_ID: &str = "deliveryid";
/// The id that an imported event had in the log where it was received.
const ORIGINAL_ID: &str = "originalid";
/// Why the event is in quarantine.
const QUARANTINE: &str = "quarantine";
/// The event that told what the event repeats.
const REPEAT_OF: &str = "repeatof";

pub(super) type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Members that are no attributes.
const MEMBERS: &[&str] = &["data", "data_base64", DELIVERY_ID, ORIGINAL_ID, QUARANTINE, REPEAT_OF];

/// An event that comes from a log, this one or another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortableEvent {
    /// Its id in the log that first had it.
    pub original: String,
    pub channel: ChannelName,
    pub kind: String,
    pub subject: Option<String>,
    pub time: Timestamp,
    pub content_type: String,
    pub data: Bytes,
    /// With [`Event::ORIGINAL_ID`].
    pub attributes: Vec<(String, String)>,
    pub request_id: Option<RequestId>,
    pub delivery_id: Option<String>,
    /// As [`Event::quarantine`].
    pub quarantine: Option<String>,
    /// As [`Event::repeat_of`].
    pub repeat_of: Option<EventId>,
}

impl Event {
    /// The attribute of an imported event with the id that it had in the log where it was received.
    pub const ORIGINAL_ID: &str = ORIGINAL_ID;

    /// The event as a line of an export, without line break.
    pub fn to_line(&self, with_data: bool) -> String {
        let mut object = Map::new();
        let head = [
            ("specversion", json!("1.0")),
            ("id", json!(self.id)),
            ("source", json!(format!("/channels/{}", self.channel))),
            ("type", json!(self.kind)),
            ("subject", json!(self.subject)),
            ("time", json!(self.time)),
            ("datacontenttype", json!(self.content_type)),
            ("correlationid", json!(self.request_id)),
            ("seq", json!(self.seq)),
            (DELIVERY_ID, json!(self.delivery_id)),
            (QUARANTINE, json!(self.quarantine)),
            (REPEAT_OF, json!(self.repeat_of)),
        ];
        let members = head.into_iter().filter(|(_, value)| !value.is_null());
        object.extend(members.map(|(name, value)| (name.to_owned(), value)));
        let is_member = |name: &str| CloudEvent::reserves(name) || (name != ORIGINAL_ID && MEMBERS.contains(&name));
        for (name, value) in self.attributes.iter().filter(|(name, _)| !is_member(name)) {
            object.entry(name).or_insert_with(|| json!(value));
        }
        let mut line = Value::Object(object).to_string();
        if with_data {
            line.pop();
            let (member, value) = self.whole_payload();
            line.push_str(&format!(",\"{member}\":{value}}}"));
        }
        line
    }

    /// The payload as a member that has all of its bytes.
    fn whole_payload(&self) -> (&'static str, String) {
        match self.payload() {
            // Line breaks in JSON are between its tokens.
            Payload::Json(Cow::Borrowed(json)) => ("data", json.get().replace(['\n', '\r'], " ")),
            Payload::Text(text) if !is_json(&self.content_type) => ("data", json!(text).to_string()),
            _ => ("data_base64", json!(STANDARD.encode(&self.data)).to_string()),
        }
    }
}

impl PortableEvent {
    /// Reads a line of an export.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let members: Members<'_> =
            serde_json::from_slice(line).map_err(|error| format!("not a JSON object: {error}"))?;
        let text = |name: &str| members.get(name).map_or(Ok(None), |value| text(name, value));
        let required = |name: &str| text(name)?.ok_or_else(|| format!("`{name}` is missing"));
        let source = required("source")?;
        let channel = source.strip_prefix("/channels/").and_then(|name| name.parse::<ChannelName>().ok());
        let channel = channel.ok_or_else(|| {
            format!("`source`: expected `/channels/` and the name of a channel, found `{}`", short(&source))
        })?;
        let kind = required("type")?;
        if kind.strip_prefix(channel.as_str()).is_none_or(|rest| !rest.starts_with('.')) {
            return Err(format!("`type`: expected a kind of channel `{channel}`, found `{}`", short(&kind)));
        }
        let time = required("time")?;
        let time = time
            .parse()
            .map_err(|_| format!("`time`: expected a time such as `2026-01-31T12:00:00Z`, found `{}`", short(&time)))?;
        let id = required("id")?;
        let original = text(ORIGINAL_ID)?.unwrap_or(id);
        let mut attributes = attributes(&members)?;
        attributes.push((ORIGINAL_ID.to_owned(), original.clone()));
        let content_type = text("datacontenttype")?.unwrap_or_else(|| "application/json".to_owned());
        let event = Self {
            data: data(&members, &content_type)?,
            kind,
            subject: text("subject")?,
            time,
            content_type,
            attributes,
            request_id: text("correlationid")?.and_then(|id| id.parse().ok()),
            delivery_id: text(DELIVERY_ID)?,
            quarantine: text(QUARANTINE)?,
            repeat_of: text(REPEAT_OF)?.map(|id| event_id(&id)).transpose()?,
            channel,
            original,
        };
        event.check()
    }

    /// The rules that receipts of plugins keep.
    fn check(self) -> Result<Self, String> {
        check_texts(&[
            ("id", Some(&self.original), 255),
            ("type", Some(&self.kind), 256),
            ("subject", self.subject.as_ref(), 1024),
            ("datacontenttype", Some(&self.content_type), 128),
            (DELIVERY_ID, self.delivery_id.as_ref(), 1024),
            (QUARANTINE, self.quarantine.as_ref(), 4096),
        ])?;
        Ok(self)
    }
}

fn event_id(id: &str) -> Result<EventId, String> {
    id.parse().map_err(|_| format!("`{REPEAT_OF}`: expected the id of an event, found `{}`", short(id)))
}

/// Checks texts, each with the most bytes that it may have.
pub(super) fn check_texts(texts: &[(&str, Option<&String>, usize)]) -> Result<(), String> {
    for (name, value, limit) in texts {
        let Some(value) = value else { continue };
        if value.is_empty() || value.len() > *limit || value.chars().any(char::is_control) {
            return Err(format!("`{name}` must have 1 to {limit} bytes and no control characters"));
        }
    }
    Ok(())
}

pub(super) fn text(name: &str, value: &RawValue) -> Result<Option<String>, String> {
    serde_json::from_str(value.get()).map_err(|_| format!("`{name}`: expected a text, found {}", short(value.get())))
}

pub(super) fn attributes(members: &Members<'_>) -> Result<Vec<(String, String)>, String> {
    let mut attributes = Vec::new();
    for (name, value) in members {
        if CloudEvent::reserves(name) || MEMBERS.contains(&name.as_str()) || value.get() == "null" {
            continue;
        }
        let value = match value.get().as_bytes().first() {
            Some(b'[' | b'{' | b'"') => text(&short(name), value)?.unwrap_or_default(),
            // A number or a truth value, as it is written.
            _ => value.get().to_owned(),
        };
        if !is_attribute_name(name) {
            return Err(format!("attribute `{}` must have 1 to 20 of `a-z0-9`", short(name).escape_default()));
        }
        if value.len() > MAX_ATTRIBUTE {
            return Err(format!("attribute `{name}` has {} bytes, expected at most {MAX_ATTRIBUTE}", value.len()));
        }
        attributes.push((name.clone(), value));
    }
    // One more says where the event comes from, and a gateway adds what its schemas say.
    let max = MAX_ATTRIBUTES + HOST_ATTRIBUTES.len();
    if attributes.len() >= max {
        return Err(format!("{} attributes, expected fewer than {max}", attributes.len()));
    }
    Ok(attributes)
}

pub(super) fn data(members: &Members<'_>, content_type: &str) -> Result<Bytes, String> {
    if let Some(base64) = members.get("data_base64") {
        let base64 = text("data_base64", base64)?.unwrap_or_default();
        return STANDARD.decode(base64).map(Bytes::from).map_err(|_| "`data_base64` is not base64".to_owned());
    }
    match members.get("data") {
        None => Ok(Bytes::new()),
        Some(data) if !is_json(content_type) && data.get().starts_with('"') => {
            Ok(text("data", data)?.unwrap_or_default().into())
        }
        Some(data) => Ok(Bytes::copy_from_slice(data.get().as_bytes())),
    }
}

pub(super) fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(content_type: &str, data: &'static [u8]) -> Event {
        Event { delivery_id: Some("d-1".to_owned()), ..Event::sample(content_type, data) }
    }

    #[test]
    fn a_payload_arrives_as_it_was_on_one_line() {
        for (content_type, data, expected) in [
            (
                "application/json",
                &b"{\n  \"a\": 12345678901234567890123\r\n}"[..],
                &b"{   \"a\": 12345678901234567890123  }"[..],
            ),
            ("application/json", b"\"text\"", b"\"text\""),
            ("application/json", b"{broken", b"{broken"),
            ("application/json", br#"{"cut":"\ud83d"}"#, br#"{"cut":"\ud83d"}"#),
            ("text/plain", b"two\nlines", b"two\nlines"),
            ("application/octet-stream", b"\xff\x00", b"\xff\x00"),
            ("text/plain", b"", b""),
        ] {
            let event = event(content_type, data);

            let line = event.to_line(true);
            let read = PortableEvent::read(line.as_bytes()).unwrap();

            assert!(!line.contains('\n'), "{line}");
            assert_eq!(read.data, expected, "{line}");
            assert_eq!((read.original, read.kind, read.subject), (event.id.to_string(), event.kind, event.subject));
            assert_eq!((read.time, read.request_id), (event.time, Some(event.request_id)));
            assert_eq!(read.delivery_id, event.delivery_id);
        }
    }

    #[test]
    fn a_quarantine_goes_along_and_cannot_be_claimed_by_an_attribute() {
        let mut event = event("text/plain", b"x");
        event.attributes.push(("quarantine".to_owned(), "claimed".to_owned()));
        let read = |event: &Event| PortableEvent::read(event.to_line(true).as_bytes()).unwrap().quarantine;

        assert_eq!(read(&event), None);
        event.quarantine = Some("#/n is missing".to_owned());
        assert_eq!(read(&event), event.quarantine);
    }

    #[test]
    fn what_an_event_repeats_goes_along() {
        let mut event = event("text/plain", b"x");
        event.attributes.push(("repeatof".to_owned(), "claimed".to_owned()));
        let read = |event: &Event| PortableEvent::read(event.to_line(true).as_bytes());

        assert_eq!(read(&event).unwrap().repeat_of, None);
        event.repeat_of = Some(event.id);
        assert_eq!(read(&event).unwrap().repeat_of, event.repeat_of);
        let line = event.to_line(true).replacen(&format!("\"repeatof\":\"{}", event.id), "\"repeatof\":\"x", 1);
        let problem = PortableEvent::read(line.as_bytes()).unwrap_err();
        assert_eq!(problem, "`repeatof`: expected the id of an event, found `x`");
    }

    #[test]
    fn an_event_that_was_imported_before_keeps_its_first_id() {
        let mut event = event("text/plain", b"x");
        event.attributes.push((Event::ORIGINAL_ID.to_owned(), "first".to_owned()));

        let read = PortableEvent::read(event.to_line(false).as_bytes()).unwrap();

        assert_eq!((&*read.original, read.data.len()), ("first", 0));
        let expected =
            [("severity", "high"), ("originalid", "first")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read.attributes, expected);
    }

    #[test]
    fn a_bad_line_says_what_is_wrong() {
        let line = |change: &dyn Fn(&mut Value)| {
            let mut value: Value = serde_json::from_str(&event("text/plain", b"x").to_line(true)).unwrap();
            change(&mut value);
            PortableEvent::read(value.to_string().as_bytes()).unwrap_err()
        };

        assert!(PortableEvent::read(b"{").unwrap_err().starts_with("not a JSON object: "));
        assert_eq!(line(&|value| value["id"] = Value::Null), "`id` is missing");
        assert_eq!(
            line(&|value| value["source"] = json!("/x")),
            "`source`: expected `/channels/` and the name of a channel, found `/x`"
        );
        assert_eq!(
            line(&|value| value["type"] = json!("gitlab.push")),
            "`type`: expected a kind of channel `github`, found `gitlab.push`"
        );
        assert_eq!(line(&|value| value["time"] = json!(7)), "`time`: expected a text, found 7");
        assert_eq!(line(&|value| value["Upper"] = json!("x")), "attribute `Upper` must have 1 to 20 of `a-z0-9`");
        assert_eq!(line(&|value| value["a"] = json!([1])), "`a`: expected a text, found [1]");
        assert_eq!(line(&|value| value["data_base64"] = json!("?")), "`data_base64` is not base64");
        assert_eq!(
            line(&|value| value["subject"] = json!("a\nb")),
            "`subject` must have 1 to 1024 bytes and no control characters"
        );
    }
}
