//! The answer to a webhook whose events are stored.

use ::http::StatusCode;
use serde::{Serialize, Serializer};

use crate::event::{EventId, RequestId};
use crate::http::answer::{Response, with_json};
use crate::ingest::{Outcome, ReceivedEvent};

/// 202, or 200 when nothing is new.
pub(crate) fn accepted(request_id: RequestId, events: &[ReceivedEvent]) -> Response {
    let is_new = events.iter().any(|event| event.outcome != Outcome::Duplicate);
    let status = if is_new { StatusCode::ACCEPTED } else { StatusCode::OK };
    with_json(status, &Accepted { request_id, events: Events(events) })
}

#[derive(Serialize)]
struct Accepted<'a> {
    request_id: RequestId,
    events: Events<'a>,
}

struct Events<'a>(&'a [ReceivedEvent]);

impl Serialize for Events<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row<'a> {
            id: EventId,
            kind: &'a str,
            status: &'static str,
        }
        serializer.collect_seq(self.0.iter().map(|event| Row {
            id: event.id,
            kind: &event.kind,
            status: event.outcome.as_str(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Seq, Timestamp};

    fn event(outcome: Outcome) -> ReceivedEvent {
        let id = EventId::new(Timestamp::from_millis(1_700_000_000_000), Seq(7), 1);
        ReceivedEvent { id, kind: "github.\"push\"".to_owned(), wait: None, outcome }
    }

    #[test]
    fn an_answer_is_202_while_something_is_new() {
        use Outcome::{Accepted, Duplicate, Held};
        for (outcomes, expected) in [
            (&[][..], 200),
            (&[Accepted], 202),
            (&[Held], 202),
            (&[Duplicate], 200),
            (&[Duplicate, Accepted], 202),
            (&[Duplicate, Held], 202),
        ] {
            let events: Vec<_> = outcomes.iter().copied().map(event).collect();
            assert_eq!(accepted(RequestId::new(), &events).status(), expected);
        }
    }

    #[test]
    fn the_json_of_an_answer_is_the_contracts() {
        let id = RequestId::new();
        let events = [event(Outcome::Accepted), event(Outcome::Duplicate), event(Outcome::Held)];

        let json = serde_json::to_value(Accepted { request_id: id, events: Events(&events) }).unwrap();

        let row = |status| serde_json::json!({"id": events[0].id, "kind": "github.\"push\"", "status": status});
        let rows = [row("accepted"), row("duplicate"), row("held")];
        let expected = serde_json::json!({"request_id": id, "events": rows});
        assert_eq!(json, expected);
    }
}
