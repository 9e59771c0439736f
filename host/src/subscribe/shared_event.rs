//! One event as it is sent: each form is made once, and its bytes are shared by everybody who gets it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::form::Form;
use super::mcp::Occurrence;
use crate::event::{CloudEvent, Event, Payload};
use crate::eventlog::{Cursor, Epoch};

pub(super) struct SharedEvent {
    event: Arc<Event>,
    forms: [OnceLock<Bytes>; Form::ALL.len()],
    was_sent: AtomicBool,
}

/// What the text of an event depends on beside the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) epoch: Epoch,
    /// Bytes of the largest payload that is sent along.
    pub(super) max_payload: usize,
    /// Where larger ones are: the path before the id of the event.
    pub(super) events_path: Arc<str>,
}

/// What is different when an event is sent to a consumer once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Repetition {
    /// Which attempt it is; 0 and 1 are not said.
    pub(super) attempt: u32,
    /// Whether it was parked before.
    pub(super) parked: bool,
}

impl SharedEvent {
    pub(super) fn new(event: Arc<Event>) -> Self {
        Self { event, forms: Default::default(), was_sent: AtomicBool::new(false) }
    }

    pub(super) fn event(&self) -> &Event {
        &self.event
    }

    /// Whether nobody was sent it before.
    pub(super) fn is_first_message(&self) -> bool {
        !self.was_sent.load(Ordering::Relaxed) && !self.was_sent.swap(true, Ordering::Relaxed)
    }

    /// The message with the event.
    pub(super) fn message(&self, form: Form, encoding: &Encoding, repetition: Repetition) -> Bytes {
        if repetition.attempt > 1 || repetition.parked {
            return encode(&self.event, form, encoding, repetition).into();
        }
        self.forms[form as usize].get_or_init(|| encode(&self.event, form, encoding, repetition).into()).clone()
    }
}

fn encode(event: &Event, form: Form, encoding: &Encoding, repetition: Repetition) -> String {
    let cursor = Cursor { epoch: encoding.epoch, seq: event.seq };
    let dataref =
        (event.data.len() > encoding.max_payload).then(|| format!("{}/{}/data", encoding.events_path, event.id));
    let cloud_event = || cloud_event(event, dataref.as_deref());
    match form {
        Form::Gateway => {
            let mut text = format!("{{\"type\":\"event\",\"cursor\":\"{cursor}\"");
            if repetition.attempt > 1 {
                // Writing to a String cannot fail.
                let _ = write!(text, ",\"attempt\":{}", repetition.attempt);
            }
            if repetition.parked {
                text.push_str(",\"parked\":true");
            }
            text.push_str(",\"event\":");
            text.push_str(&cloud_event().to_json());
            text.push('}');
            text
        }
        Form::CloudEvents => {
            let mut text = cloud_event().to_json();
            text.pop();
            // Writing to a String cannot fail.
            let _ = write!(text, ",\"cursor\":\"{cursor}\"}}");
            text
        }
        Form::Plain => plain(event, dataref.as_deref()),
        Form::Mcp => Occurrence::of(event, dataref.as_deref()).to_json(),
    }
}

fn cloud_event<'a>(event: &'a Event, dataref: Option<&'a str>) -> CloudEvent<'a> {
    match dataref {
        Some(dataref) => event.cloud_event().with_dataref(dataref),
        None => event.cloud_event(),
    }
}

/// The envelope of those who know nothing of CloudEvents.
fn plain(event: &Event, dataref: Option<&str>) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Plain<'a> {
        r#type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Payload<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        dataref: Option<&'a str>,
        timestamp: serde_json::Value,
        correlation_id: serde_json::Value,
    }
    let plain = Plain {
        r#type: &event.kind,
        payload: dataref.is_none().then(|| event.payload()),
        dataref,
        timestamp: json!(event.time),
        correlation_id: json!(event.request_id),
    };
    serde_json::to_string(&plain).expect("an event holds strings, numbers and JSON text")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn message(form: Form, max_payload: usize, repetition: Repetition) -> Value {
        let event = SharedEvent::new(Arc::new(Event::sample("application/json", b"{\"ref\":\"main\"}")));
        let epoch = "00abcdef01234567".parse().unwrap();
        let encoding = Encoding { epoch, max_payload, events_path: "/api/events".into() };
        serde_json::from_slice(&event.message(form, &encoding, repetition)).unwrap()
    }

    #[test]
    fn an_event_is_sent_in_the_form_that_was_asked_for() {
        let first = Repetition::default();
        let gateway = message(Form::Gateway, 100, first);
        assert_eq!((&gateway["type"], &gateway["cursor"]), (&json!("event"), &json!("00abcdef01234567.7")));
        assert_eq!(
            (&gateway["event"]["type"], &gateway["event"]["data"]),
            (&json!("github.push"), &json!({"ref": "main"}))
        );
        assert_eq!((gateway.get("attempt"), gateway.get("parked")), (None, None));

        let again = message(Form::Gateway, 100, Repetition { attempt: 2, parked: true });
        assert_eq!((&again["attempt"], &again["parked"]), (&json!(2), &json!(true)));

        let cloud_event = message(Form::CloudEvents, 100, first);
        assert_eq!(
            (&cloud_event["specversion"], &cloud_event["cursor"]),
            (&json!("1.0"), &json!("00abcdef01234567.7"))
        );

        let plain = message(Form::Plain, 100, first);
        let members: Vec<_> = plain.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["correlationId", "payload", "timestamp", "type"]);
    }

    #[test]
    fn a_large_payload_is_referred_to() {
        for (form, event) in [(Form::Gateway, "event"), (Form::CloudEvents, ""), (Form::Plain, "")] {
            let message = message(form, 1, Repetition::default());
            let event = if event.is_empty() { &message } else { &message[event] };
            let dataref = event["dataref"].as_str().unwrap();
            assert!(dataref.starts_with("/api/events/") && dataref.ends_with("/data"), "{dataref}");
            assert_eq!((event.get("data"), event.get("payload")), (None, None));
        }
    }
}
