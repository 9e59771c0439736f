//! An event as an occurrence (SEP-3415, "Event Occurrences").

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::event::{CloudEvent, Event, EventId, Payload, Timestamp};

/// What is equal for all who get the event. The name of its type is the one that was asked for, and a stream adds its id.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::subscribe) struct Occurrence<'a> {
    /// Ours: a delivery of a provider may be several events, and one that comes twice is one event of the log.
    event_id: EventId,
    timestamp: Timestamp,
    data: Data<'a>,
    /// The last member, see [`Parts`].
    #[serde(rename = "_meta")]
    meta: Meta<'a>,
}

/// `data` is always an object.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    /// The payload, where it is a JSON object.
    Object(Cow<'a, RawValue>),
    Json {
        data: Payload<'a>,
    },
    Base64 {
        data_base64: Payload<'a>,
    },
    Elsewhere {
        dataref: &'a str,
    },
}

#[derive(Serialize)]
struct Meta<'a> {
    /// The attributes of the CloudEvent.
    #[serde(rename = "gateway/cloudevent")]
    cloud_event: CloudEvent<'a>,
}

/// Before what a stream adds to `_meta`.
const END: &[u8] = b"}}";

impl<'a> Occurrence<'a> {
    /// The occurrence; the payload is at `dataref` if there is one.
    pub(in crate::subscribe) fn of(event: &'a Event, dataref: Option<&'a str>) -> Self {
        let cloud_event = event.cloud_event().without_data();
        let (cloud_event, data) = match dataref {
            Some(dataref) => (cloud_event.with_dataref(dataref), Data::Elsewhere { dataref }),
            None => (cloud_event, Data::of(event.payload())),
        };
        Self { event_id: event.id, timestamp: event.time, data, meta: Meta { cloud_event } }
    }

    pub(in crate::subscribe) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an event holds strings, numbers and JSON text")
    }
}

impl<'a> Data<'a> {
    fn of(payload: Payload<'a>) -> Self {
        match payload {
            Payload::Json(json) if json.get().starts_with('{') => Self::Object(json),
            Payload::Json(_) | Payload::Text(_) => Self::Json { data: payload },
            Payload::Base64(_) => Self::Base64 { data_base64: payload },
        }
    }
}

/// An occurrence of the type `name`, as it stands in a page.
pub fn named_occurrence(name: &str, occurrence: &Bytes) -> Box<RawValue> {
    let parts = Parts::of(occurrence);
    let text = [b"{\"name\":", &*json_text(name), b",", parts.members, END].concat();
    String::from_utf8(text).ok().and_then(|text| RawValue::from_string(text).ok()).expect("it was JSON before")
}

/// A text in JSON.
pub(super) fn json_text(text: &str) -> Vec<u8> {
    to_raw_value(text).expect("a text is JSON").get().as_bytes().to_vec()
}

/// The text of an occurrence, to which members are added at both ends.
pub(super) struct Parts<'a> {
    /// Without the braces around, and without the end of `_meta`.
    pub(super) members: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(super) fn of(occurrence: &'a [u8]) -> Self {
        let members = occurrence.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(END));
        Self { members: members.expect("it ends with `_meta`, which is an object") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn occurrence(content_type: &str, data: &'static [u8], dataref: Option<&str>) -> Value {
        let event = Event::sample(content_type, data);
        let text = Bytes::from(Occurrence::of(&event, dataref).to_json());
        serde_json::from_str(named_occurrence("github.\"*", &text).get()).unwrap()
    }

    #[test]
    fn the_data_is_an_object_whatever_the_payload_is() {
        for (content_type, data, expected) in [
            ("application/json", &b" { \"ref\":\r\n\"main\" }"[..], json!({"ref": "main"})),
            ("application/json", b"[1]", json!({"data": [1]})),
            ("application/json", b"\"{\"", json!({"data": "{"})),
            ("text/plain", b"{}", json!({"data": "{}"})),
            ("image/png", b"\xff\x00", json!({"data_base64": "/wA="})),
        ] {
            let occurrence = occurrence(content_type, data, None);

            assert_eq!(occurrence["data"], expected, "{occurrence}");
        }
    }

    #[test]
    fn the_attributes_of_the_cloud_event_are_kept_beside_the_data() {
        let occurrence = occurrence("application/json", b"{}", Some("/api/events/7/data"));

        let members: Vec<_> = occurrence.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["_meta", "data", "eventId", "name", "timestamp"]);
        assert_eq!(occurrence["name"], "github.\"*");
        assert_eq!(occurrence["data"], json!({"dataref": "/api/events/7/data"}));
        let attributes = &occurrence["_meta"]["gateway/cloudevent"];
        assert_eq!(
            (&attributes["type"], &attributes["subject"], &attributes["severity"]),
            (&json!("github.push"), &json!("octo/repo"), &json!("high"))
        );
        assert_eq!((&attributes["id"], attributes.get("data")), (&occurrence["eventId"], None));
    }
}
