//! Events as CloudEvents.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::Event;
use super::surrogate::without_halves;

/// Context attributes and members that the host sets. Attributes of an event cannot override them.
const RESERVED: &[&str] =
    &["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "correlationid", "seq"];

/// U+FEFF in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event as a CloudEvent 1.0 in structured JSON. `correlationid`, `seq` and the attributes are extensions.
#[derive(Clone, Copy, Debug)]
pub struct CloudEvent<'a> {
    event: &'a Event,
    dataref: Option<&'a str>,
    has_data: bool,
}

/// A payload as a member of a JSON object (CloudEvents JSON format, section 3.1).
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Payload<'a> {
    /// JSON, embedded as received: numbers keep all digits, and nothing is parsed twice. Halves of surrogate pairs and bytes that
    /// are not UTF-8 are replaced, because a reader would refuse all of the event.
    Json(Cow<'a, RawValue>),
    /// Other text, as a string.
    Text(&'a str),
    /// Everything else, in base64.
    Base64(String),
}

impl Payload<'_> {
    /// The member's name: `data` or `data_base64`.
    pub const fn member(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Text(_) => "data",
            Self::Base64(_) => "data_base64",
        }
    }
}

impl Event {
    /// The event as a CloudEvent.
    pub const fn cloud_event(&self) -> CloudEvent<'_> {
        CloudEvent { event: self, dataref: None, has_data: true }
    }

    /// The payload in its most readable form.
    pub fn payload(&self) -> Payload<'_> {
        if is_json(&self.content_type)
            && let Some(json) = json(&self.data)
        {
            return Payload::Json(json);
        }
        match std::str::from_utf8(&self.data) {
            Ok(text) => Payload::Text(text),
            Err(_) => Payload::Base64(STANDARD.encode(&self.data)),
        }
    }
}

/// `data` as JSON that any reader can read. `None` if it is none.
pub(super) fn json(data: &[u8]) -> Option<Cow<'_, RawValue>> {
    // A byte order mark is allowed before JSON, and not within.
    let data = data.strip_prefix(BYTE_ORDER_MARK).unwrap_or(data);
    match String::from_utf8_lossy(data) {
        Cow::Borrowed(text) => serde_json::from_str(text).ok().map(readable),
        Cow::Owned(text) => RawValue::from_string(text).ok().map(|json| Cow::Owned(readable(&json).into_owned())),
    }
}

/// Whether a media type is that of JSON.
pub(super) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

fn readable(json: &RawValue) -> Cow<'_, RawValue> {
    match without_halves(json.get()) {
        Cow::Borrowed(_) => Cow::Borrowed(json),
        Cow::Owned(whole) => RawValue::from_string(whole).map_or(Cow::Borrowed(json), Cow::Owned),
    }
}

impl<'a> CloudEvent<'a> {
    /// Without the payload, which is at `dataref` (CloudEvents extension "Dataref").
    #[must_use]
    pub const fn with_dataref(self, dataref: &'a str) -> Self {
        Self { dataref: Some(dataref), has_data: false, ..self }
    }

    /// The attributes alone.
    #[must_use]
    pub const fn without_data(self) -> Self {
        Self { has_data: false, ..self }
    }

    /// Whether the host sets the member, so that it cannot be an attribute of an event.
    pub fn reserves(name: &str) -> bool {
        RESERVED.contains(&name)
    }

    /// The JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an event holds strings, numbers and JSON text")
    }
}

impl Serialize for CloudEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { event, dataref, has_data } = self;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("specversion", "1.0")?;
        object.serialize_entry("id", &event.id)?;
        object.serialize_entry("source", &format_args!("/channels/{}", event.channel))?;
        object.serialize_entry("type", &event.kind)?;
        if let Some(subject) = &event.subject {
            object.serialize_entry("subject", subject)?;
        }
        object.serialize_entry("time", &event.time)?;
        object.serialize_entry("datacontenttype", &event.content_type)?;
        object.serialize_entry("correlationid", &event.request_id)?;
        object.serialize_entry("seq", &event.seq)?;
        let is_own = |name: &str| !CloudEvent::reserves(name) && (dataref.is_none() || name != "dataref");
        for (name, value) in event.attributes.iter().filter(|(name, _)| is_own(name)) {
            object.serialize_entry(name, value)?;
        }
        if let Some(dataref) = dataref {
            object.serialize_entry("dataref", dataref)?;
        }
        if *has_data {
            let payload = event.payload();
            object.serialize_entry(payload.member(), &payload)?;
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Envelope;
    use super::*;

    fn event(content_type: &str, data: &'static [u8]) -> Event {
        let mut event = Event::sample(content_type, data);
        event.attributes.push(("id".to_owned(), "mine".to_owned()));
        event
    }

    #[test]
    fn an_envelope_has_the_headers_that_are_kept_in_order() {
        let mut event = event("application/json", b"{}");
        let envelope = |event: &Event| {
            let text = Envelope::new(event, &[], 1, event.time).to_json();
            serde_json::from_str::<Value>(&text).unwrap()
        };
        assert_eq!(envelope(&event).get("headers"), None);

        let kept = [("user-agent", "GitHub-Hookshot/1"), ("x-trace", "1"), ("x-trace", "2")];
        event.headers = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();

        assert_eq!(envelope(&event)["headers"], json!(kept));
    }

    #[test]
    fn a_payload_is_embedded_by_what_it_is() {
        for (content_type, data, member, expected) in [
            ("application/json", &br#"{"a":1}"#[..], "data", json!({ "a": 1 })),
            ("application/problem+json; charset=utf-8", b"[]", "data", json!([])),
            ("text/json; charset=latin1", b"\xef\xbb\xbf[1]", "data", json!([1])),
            ("application/json", br#"{"a":"cut \ud83d"}"#, "data", json!({ "a": "cut \u{fffd}" })),
            (
                "application/json",
                b"{\"a\":\"caf\xc3\",\"b\":\"\\ud83d\"}",
                "data",
                json!({ "a": "caf\u{fffd}", "b": "\u{fffd}" }),
            ),
            ("application/json", b"{broken", "data", json!("{broken")),
            ("application/json", b"{broken\xc3", "data_base64", json!("e2Jyb2tlbsM=")),
            ("text/plain", b"hello", "data", json!("hello")),
            ("application/octet-stream", b"\xff\x00", "data_base64", json!("/wA=")),
        ] {
            let object: Value = serde_json::from_str(&event(content_type, data).cloud_event().to_json()).unwrap();

            assert_eq!(object[member], expected, "{object}");
        }
    }

    #[test]
    fn json_is_passed_on_as_it_was_received() {
        let event = event("application/json", br#"{ "big": 12345678901234567890123, "a": 1, "a": 2 }"#);

        assert!(event.cloud_event().to_json().contains(r#"{ "big": 12345678901234567890123, "a": 1, "a": 2 }"#));
    }

    #[test]
    fn an_attribute_cannot_forge_a_context_attribute() {
        let event = event("text/plain", b"hello");

        let object: Value = serde_json::from_str(&event.cloud_event().to_json()).unwrap();

        assert_eq!(object["id"], Value::from(event.id.to_string()));
        assert_eq!(object["severity"], "high");
        assert_eq!(object["source"], "/channels/github");
        assert_eq!(object["seq"], 7);
        assert_eq!(object["time"], "2023-11-14T22:13:20.000Z");
    }
}
