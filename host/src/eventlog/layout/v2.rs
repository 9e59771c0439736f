//! The records of version 2, which are written today. A change of one of them is a new version, unless it is an addition.
//!
//! What is written borrows from the event; what is read borrows from the record until it becomes an event.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};

use super::additions::{Additions, EventAdditions, Unreadable};
use super::list::{List, Stored};
use super::v1::{DeliveryState, Outcome, Priority, Recipient};
use crate::event;
use crate::event::{EventId, EventStatus, RequestId, Seq, Timestamp};
use crate::eventlog::identity::Identity;
use crate::eventlog::snapshot;

type Pairs<'a> = Cow<'a, [(String, String)]>;

/// An event without its payload, and who was to get it. The payload follows unless it is in records of its own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EventHeader<'a> {
    id: EventId,
    seq: Seq,
    channel: &'a str,
    plugin: &'a str,
    kind: &'a str,
    subject: Option<&'a str>,
    time: Timestamp,
    verified_at: Option<Timestamp>,
    stored_at: Timestamp,
    content_type: &'a str,
    attributes: Pairs<'a>,
    headers: Pairs<'a>,
    request_id: RequestId,
    traceparent: Option<&'a str>,
    pub(crate) identity: Option<Identity>,
    #[serde(borrow)]
    recipients: Vec<Recipient<'a>>,
    /// Bytes of a payload that is in records of its own; 0 if it follows.
    pub(crate) overflow: u64,
    #[serde(borrow)]
    additions: EventAdditions<'a>,
}

impl<'a> EventHeader<'a> {
    pub(crate) fn new(
        event: &'a event::Event,
        identity: Option<Identity>,
        recipients: &'a [event::Recipient],
        overflow: u64,
    ) -> Self {
        Self {
            id: event.id,
            seq: event.seq,
            channel: event.channel.as_str(),
            plugin: event.plugin.as_str(),
            kind: &event.kind,
            subject: event.subject.as_deref(),
            time: event.time,
            verified_at: event.verified_at,
            stored_at: event.stored_at,
            content_type: &event.content_type,
            attributes: Cow::Borrowed(&event.attributes),
            headers: Cow::Borrowed(&event.headers),
            request_id: event.request_id,
            traceparent: event.traceparent.as_deref(),
            identity,
            recipients: recipients.iter().map(Recipient::of).collect(),
            overflow,
            additions: EventAdditions::new(event),
        }
    }

    /// The event, still without its payload, and its recipients.
    pub(crate) fn into_event(self) -> Result<(event::Event, Vec<event::Recipient>), Unreadable> {
        let event = event::Event {
            id: self.id,
            seq: self.seq,
            channel: self.channel.parse()?,
            plugin: self.plugin.parse()?,
            kind: self.kind.to_owned(),
            subject: self.subject.map(str::to_owned),
            time: self.time,
            verified_at: self.verified_at,
            stored_at: self.stored_at,
            content_type: self.content_type.to_owned(),
            data: bytes::Bytes::new(),
            attributes: self.attributes.into_owned(),
            headers: self.headers.into_owned(),
            request_id: self.request_id,
            delivery_id: None,
            traceparent: self.traceparent.map(str::to_owned),
            quarantine: None,
            repeat_of: None,
        };
        let event = self.additions.complete(event)?;
        Ok((event, self.recipients.into_iter().map(Recipient::into_recipient).collect::<Result<_, _>>()?))
    }
}

/// A delivery; `A` is [`Attempts`] to write and a list to read.
#[derive(Serialize, Deserialize)]
pub(crate) struct Delivery<'a, A> {
    agent: &'a str,
    priority: Priority,
    state: DeliveryState,
    created_at: Timestamp,
    next_attempt_at: Option<Timestamp>,
    replayed_by: Option<&'a str>,
    attempts_made: u32,
    attempts: A,
    additions: Additions,
}

impl<'a, A> Delivery<'a, A> {
    fn of(delivery: &'a event::Delivery, attempts: A, additions: Additions) -> Self {
        Self {
            agent: delivery.agent.as_str(),
            priority: delivery.priority.into(),
            state: delivery.state.into(),
            created_at: delivery.created_at,
            next_attempt_at: delivery.next_attempt_at,
            replayed_by: delivery.replayed_by.as_deref(),
            attempts_made: delivery.attempts_made,
            attempts,
            additions,
        }
    }
}

/// A delivery as it is read.
pub(crate) type ReadDelivery<'a> = Delivery<'a, List<Attempt<'a>>>;

impl Stored for ReadDelivery<'_> {
    type Value = event::Delivery;

    fn into_value(self) -> Result<event::Delivery, Unreadable> {
        self.additions.skip()?;
        Ok(event::Delivery {
            agent: self.agent.parse()?,
            priority: self.priority.into(),
            state: self.state.into(),
            created_at: self.created_at,
            next_attempt_at: self.next_attempt_at,
            replayed_by: self.replayed_by.map(str::to_owned),
            attempts_made: self.attempts_made,
            attempts: self.attempts.into_values()?,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Attempt<'a> {
    number: u32,
    term: u64,
    started_at: Timestamp,
    ended_at: Timestamp,
    outcome: Outcome,
    code: &'a str,
    message: &'a str,
    additions: Additions,
}

impl<'a> Attempt<'a> {
    fn of(attempt: &'a event::Attempt) -> Self {
        let event::Attempt { number, term, started_at, ended_at, outcome, code, message } = attempt;
        Self {
            number: *number,
            term: *term,
            started_at: *started_at,
            ended_at: *ended_at,
            outcome: (*outcome).into(),
            code,
            message,
            additions: Additions::NONE,
        }
    }
}

impl Stored for Attempt<'_> {
    type Value = event::Attempt;

    fn into_value(self) -> Result<event::Attempt, Unreadable> {
        let Self { number, term, started_at, ended_at, outcome, code, message, additions } = self;
        additions.skip()?;
        let (outcome, code, message) = (outcome.into(), code.to_owned(), message.to_owned());
        Ok(event::Attempt { number, term, started_at, ended_at, outcome, code, message })
    }
}

/// Deliveries of one event, to be written.
pub(crate) struct Deliveries<'a>(pub(crate) &'a [event::Delivery]);

impl Serialize for Deliveries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0.iter().map(|delivery| Delivery::of(delivery, Attempts(&delivery.attempts), Additions::NONE)),
        )
    }
}

/// Attempts of one delivery, to be written.
struct Attempts<'a>(&'a [event::Attempt]);

impl Serialize for Attempts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Attempt::of))
    }
}

/// The log as a whole. Events are counted by the tag of their status, because there will be more of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogState<'a> {
    pub(crate) head: Seq,
    pub(crate) floor: Seq,
    pub(crate) settled: Seq,
    pub(crate) bytes: u64,
    pub(crate) statuses: Cow<'a, [(u8, u64)]>,
    pub(crate) additions: Additions,
}

/// The tag under which events of a status are counted: never used for another one.
///
/// Events that are withheld, in quarantine or repetitions have no deliveries, and count as accepted: programs that know nothing of
/// them go on.
pub(crate) const fn status_tag(status: EventStatus) -> u8 {
    match status {
        EventStatus::Accepted
        | EventStatus::Held
        | EventStatus::Dropped
        | EventStatus::Quarantined
        | EventStatus::Released
        | EventStatus::Repeat => 1,
        EventStatus::Pending => 2,
        EventStatus::Dead => 3,
        EventStatus::Delivered => 4,
    }
}

/// The statuses that are stored.
pub(crate) const STATUSES: [EventStatus; 4] =
    [EventStatus::Accepted, EventStatus::Pending, EventStatus::Dead, EventStatus::Delivered];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChannelCounts {
    accepted: u64,
    duplicates: u64,
    last_event_at: Option<Timestamp>,
    additions: Additions,
}

impl ChannelCounts {
    pub(crate) const fn of(counts: &snapshot::ChannelCounts) -> Self {
        let snapshot::ChannelCounts { accepted, duplicates, last_event_at } = *counts;
        Self { accepted, duplicates, last_event_at, additions: Additions::NONE }
    }

    pub(crate) fn into_counts(self) -> Result<snapshot::ChannelCounts, Unreadable> {
        self.additions.skip()?;
        let Self { accepted, duplicates, last_event_at, .. } = self;
        Ok(snapshot::ChannelCounts { accepted, duplicates, last_event_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    fn event() -> event::Event {
        event::Event {
            id: EventId::new(Timestamp::from_millis(1_700_000_000_000), Seq(7), 9),
            seq: Seq(7),
            channel: "github".parse().unwrap(),
            plugin: "github".parse().unwrap(),
            kind: "github.push".to_owned(),
            subject: Some("octo/repo".to_owned()),
            time: Timestamp::from_millis(1_700_000_000_000),
            verified_at: None,
            stored_at: Timestamp::from_millis(1_700_000_000_001),
            content_type: "text/plain".to_owned(),
            data: bytes::Bytes::new(),
            attributes: vec![("action".to_owned(), "created".to_owned())],
            headers: Vec::new(),
            request_id: postcard::from_bytes(&[&[16][..], &[5; 16]].concat()).unwrap(),
            delivery_id: None,
            traceparent: Some("00-1-2-01".to_owned()),
            quarantine: None,
            repeat_of: None,
        }
    }

    fn delivery() -> event::Delivery {
        let recipient = event::Recipient { agent: "a".parse().unwrap(), priority: event::Priority::High };
        let attempt = event::Attempt {
            number: 1,
            term: 3,
            started_at: Timestamp::from_millis(1),
            ended_at: Timestamp::from_millis(2),
            outcome: event::Outcome::Retry,
            code: "timeout".to_owned(),
            message: "no answer".to_owned(),
        };
        let mut delivery = event::Delivery::new(recipient, Timestamp::from_millis(0));
        delivery.record(attempt, Some(Timestamp::from_millis(9)));
        delivery
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What is on disks: a change of these bytes is a new version.
    #[test]
    fn the_bytes_of_the_version_stay() {
        let (event, deliveries) = (event(), [delivery()]);
        let recipients = [event::Recipient { agent: "a".parse().unwrap(), priority: event::Priority::Low }];
        let header = postcard::to_stdvec(&EventHeader::new(&event, Some(Identity([1; 16])), &recipients, 300)).unwrap();
        let written = postcard::to_stdvec(&Deliveries(&deliveries)).unwrap();

        let expected = concat!(
            "10018bcfe56800700080090000000000070706676974687562066769746875620b6769746875622e7075736801096f63746f",
            "2f7265706f80a0abfef9620082a0abfef9620a746578742f706c61696e0106616374696f6e07637265617465640010050505",
            "05050505050505050505050505010930302d312d322d3031010101010101010101010101010101010101016100ac0200",
        );
        assert_eq!(hex(&header), expected);
        assert_eq!(hex(&written), "010161020100011200010101030204010774696d656f7574096e6f20616e737765720000");
        let read: EventHeader<'_> = postcard::from_bytes(&header).unwrap();
        assert_eq!(read.into_event(), Ok((event, recipients.to_vec())));
        let read: List<ReadDelivery<'_>> = postcard::from_bytes(&written).unwrap();
        assert_eq!(read.into_values().as_deref(), Ok(&deliveries[..]));
    }

    /// A delivery id is an addition: an older program skips it.
    #[test]
    fn a_delivery_id_is_an_addition() {
        let event = event::Event { delivery_id: Some("d-1".to_owned()), ..event() };
        let header = postcard::to_stdvec(&EventHeader::new(&event, None, &[], 0)).unwrap();

        assert!(
            hex(&header).ends_with("000000010103642d31"),
            "no identity, recipients or overflow; one addition, tag 1"
        );
        let read: EventHeader<'_> = postcard::from_bytes(&header).unwrap();
        assert_eq!(read.into_event(), Ok((event, Vec::new())));
    }

    /// An older program refuses an event in quarantine, because it would tell it.
    #[test]
    fn a_quarantine_is_an_addition_that_nobody_skips() {
        let event = event::Event { quarantine: Some("why".to_owned()), ..event() };
        let header = postcard::to_stdvec(&EventHeader::new(&event, None, &[], 0)).unwrap();

        assert!(hex(&header).ends_with("000000018103776879"), "one addition, tag 129");
        let read: EventHeader<'_> = postcard::from_bytes(&header).unwrap();
        assert_eq!(read.into_event(), Ok((event, Vec::new())));
    }

    /// An older program refuses a repetition, because it would tell it.
    #[test]
    fn what_an_event_repeats_is_an_addition_that_nobody_skips() {
        let first = EventId::new(Timestamp::from_millis(1_700_000_000_000), Seq(6), 9);
        let event = event::Event { repeat_of: Some(first), ..event() };
        let header = postcard::to_stdvec(&EventHeader::new(&event, None, &[], 0)).unwrap();

        assert!(
            hex(&header).ends_with("000000018210018bcfe5680070008009000000000006"),
            "one addition, tag 130, the bytes of the id"
        );
        let read: EventHeader<'_> = postcard::from_bytes(&header).unwrap();
        assert_eq!(read.into_event(), Ok((event, Vec::new())));
    }

    fn with<'a>(delivery: &'a event::Delivery, attempts: Vec<Attempt<'a>>, additions: Additions) -> Vec<u8> {
        let stored = Delivery::of(delivery, attempts, additions);
        postcard::to_stdvec(&[stored]).map(|bytes| [&[1], &bytes[..]].concat()).unwrap()
    }

    fn read(bytes: &[u8]) -> Option<Unreadable> {
        postcard::from_bytes::<List<ReadDelivery<'_>>>(bytes).unwrap().into_values().err()
    }

    /// A later program's record is read without what may be skipped, and refused with what may not.
    #[test]
    fn additions_go_by_their_tags_everywhere() {
        let deliveries = [delivery()];
        for (tag, expected) in [(127, None), (128, Some(Unreadable::Addition(128)))] {
            let event = event();
            let header = EventHeader { additions: EventAdditions::of(tag), ..EventHeader::new(&event, None, &[], 0) };
            let header = postcard::to_stdvec(&header).unwrap();
            let stored: EventHeader<'_> = postcard::from_bytes(&header).unwrap();
            assert_eq!(stored.into_event().err(), expected);

            let attempt = Attempt { additions: Additions::of(tag), ..Attempt::of(&deliveries[0].attempts[0]) };
            assert_eq!(read(&with(&deliveries[0], vec![attempt], Additions::NONE)), expected);
            assert_eq!(read(&with(&deliveries[0], Vec::new(), Additions::of(tag))), expected);
            let counts = ChannelCounts { additions: Additions::of(tag), ..ChannelCounts::of(&Default::default()) };
            assert_eq!(counts.into_counts().err(), expected);
        }
    }
}
