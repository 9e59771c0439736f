//! Verified bodies that a plugin refuses, kept as an event: their provider would not send them again.

use sha2::{Digest, Sha256};

use super::error::IngestError;
use crate::plugin::{Receipt, ReceiptEvent, StateChanges};

/// The kind of such an event.
const KIND: &str = "unknown";

/// Bytes of the reason that are kept.
const MAX_REASON: usize = 256;

/// The receipt of a body that cannot be understood, with one event; `None` if the error has another reason.
pub(super) fn kept(error: &IngestError, body: &[u8]) -> Option<Receipt> {
    let reason = match error {
        IngestError::Rejected(_) | IngestError::TooManyEvents { .. } => error.to_string(),
        _ => return None,
    };
    let mut reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    let event = ReceiptEvent {
        kind: KIND.to_owned(),
        subject: None,
        delivery_id: None,
        // The same body is the same event: there is no other sign of a repetition.
        key: Some(format!("{KIND}/{}", hex::encode(Sha256::digest(body)))),
        data: None,
        content_type: None,
        attributes: vec![("reason".to_owned(), reason)],
    };
    Some(Receipt { events: vec![event], response: None, state: StateChanges::default() })
}

#[cfg(test)]
mod tests {
    use crate::plugin::{CallError, Rejection};

    use super::*;

    #[test]
    fn a_refused_body_is_one_event_with_the_reason() {
        let rejection = Rejection { status: 400, detail: format!("not\nJSON: {}", "é".repeat(200)) };
        for (error, reason) in [
            (IngestError::Rejected(rejection), "not JSON: é"),
            (
                IngestError::TooManyEvents { events: 20_000, limit: 10_000 },
                "it has 20000 events, expected at most 10000",
            ),
        ] {
            let receipt = kept(&error, b"{").unwrap();

            let [event] = receipt.events.as_slice() else { panic!("{receipt:?}") };
            assert_eq!((event.kind.as_str(), &event.data, &event.subject), ("unknown", &None, &None));
            let (name, value) = &event.attributes[0];
            assert!(name == "reason" && value.starts_with(reason) && value.len() <= MAX_REASON, "{value}");
        }
    }

    #[test]
    fn a_failure_of_the_plugin_is_not_the_bodys() {
        assert!(kept(&CallError::Busy.into(), b"{").is_none());
    }
}
