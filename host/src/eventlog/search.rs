//! A text that somebody looks for in events. Letters of ASCII match in both cases.
//!
//! What is short is looked at first; the payload is read only where nothing else has the text.

use serde::Serialize;

use crate::event::Event;

/// A text to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search(String);

/// Where a text was found in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// At the beginning of the id.
    Id,
    /// At the beginning of the request's id.
    RequestId,
    DeliveryId,
    Subject,
    Attributes,
    Data,
}

impl Search {
    /// The longest text in characters.
    pub const MAX: usize = 256;

    /// `None` for an empty text, and for one that is too long.
    pub fn new(text: &str) -> Option<Self> {
        (1..=Self::MAX).contains(&text.chars().count()).then(|| Self(text.to_owned()))
    }

    /// Where the text is in all that the log keeps of an event but its payload.
    pub fn in_header(&self, event: &Event) -> Option<Place> {
        let begins = |id: &dyn ToString| {
            let id = id.to_string();
            id.get(..self.0.len()).is_some_and(|start| start.eq_ignore_ascii_case(&self.0))
        };
        let contains = |text: &Option<String>| text.as_ref().is_some_and(|text| self.is_in(text.as_bytes()));
        if begins(&event.id) {
            return Some(Place::Id);
        }
        if begins(&event.request_id) {
            return Some(Place::RequestId);
        }
        if contains(&event.delivery_id) {
            return Some(Place::DeliveryId);
        }
        if contains(&event.subject) {
            return Some(Place::Subject);
        }
        let is_attribute = event.attributes.iter().any(|(_, value)| self.is_in(value.as_bytes()));
        is_attribute.then_some(Place::Attributes)
    }

    /// Whether the text is somewhere in `bytes`.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let text = self.0.as_bytes();
        let Some((first, rest)) = text.split_first() else { return true };
        let Some(last_start) = bytes.len().checked_sub(text.len()) else { return false };
        // Most positions are passed over by the first byte alone.
        bytes[..=last_start].iter().enumerate().any(|(start, byte)| {
            byte.eq_ignore_ascii_case(first) && bytes[start + 1..start + text.len()].eq_ignore_ascii_case(rest)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, RequestId, Seq, Timestamp};

    #[test]
    fn a_text_is_found_anywhere_and_in_both_cases() {
        for (text, bytes, expected) in [
            ("abc", &b"xxABCx"[..], true),
            ("abc", b"abc", true),
            ("abc", b"xabxabC", true),
            ("abc", b"ab", false),
            ("abc", b"", false),
            ("abc", b"abxc", false),
            ("é", "café".as_bytes(), true),
            ("É", "café".as_bytes(), false),
        ] {
            assert_eq!(Search::new(text).unwrap().is_in(bytes), expected, "{text}");
        }
    }

    #[test]
    fn a_search_has_a_text_of_bounded_length() {
        assert_eq!(Search::new(""), None);
        assert!(Search::new(&"x".repeat(Search::MAX)).is_some());
        assert_eq!(Search::new(&"x".repeat(Search::MAX + 1)), None);
    }

    #[test]
    fn ids_are_found_by_how_they_begin_and_other_texts_by_any_part() {
        let time = Timestamp::from_millis(1_700_000_000_000);
        let event = Event {
            id: EventId::new(time, Seq(7), 1),
            seq: Seq(7),
            channel: "github".parse().unwrap(),
            plugin: "github".parse().unwrap(),
            kind: "github.push".to_owned(),
            subject: Some("Octo/repo".to_owned()),
            time,
            verified_at: None,
            stored_at: time,
            content_type: "text/plain".to_owned(),
            data: bytes::Bytes::new(),
            attributes: vec![("sender".to_owned(), "octo-cat".to_owned())],
            headers: Vec::new(),
            request_id: RequestId::new(),
            delivery_id: Some("72d3162e-CC78".to_owned()),
            traceparent: None,
            quarantine: None,
            repeat_of: None,
        };
        let (id, request) = (event.id.to_string(), event.request_id.to_string());
        for (text, expected) in [
            (&id[..8], Some(Place::Id)),
            (&id[1..9], None),
            (&request, Some(Place::RequestId)),
            ("162e-cc", Some(Place::DeliveryId)),
            ("octo/", Some(Place::Subject)),
            ("cat", Some(Place::Attributes)),
            ("sender", None),
        ] {
            assert_eq!(Search::new(text).unwrap().in_header(&event), expected, "{text}");
        }
    }
}
