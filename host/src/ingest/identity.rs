//! What an event has in common with its repetitions: its identity, or the state that it says a thing is in.

use std::time::Duration;

use crate::event::{ChannelName, Timestamp};
use crate::eventlog::{Identity, Statement};
use crate::plugin::{ReceiptEvent, StateGroup};

/// How a channel knows repetitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dedup {
    /// Kinds whose keys name states.
    pub(super) states: Vec<StateGroup>,
    /// How long after a state was told another one may be late.
    pub(super) late_window: Duration,
}

impl Dedup {
    /// The identity of an event, and what it says of a thing. `content` is the digest of its content, and `delivery` the
    /// identity of the delivery with this id.
    ///
    /// A key that names a state is no identity: a state comes back. Without a key the content is the state.
    pub(super) fn identify(
        &self,
        channel: &ChannelName,
        event: &ReceiptEvent,
        content: impl FnOnce() -> [u8; 32],
        delivery: impl FnOnce(&str) -> Identity,
    ) -> (Option<Identity>, Option<Statement>) {
        let delivery = || event.delivery_id.as_deref().map(delivery);
        let Some(group) = self.states.iter().find(|group| group.covers(&event.kind)) else {
            let key = event.key.as_deref().map(|key| Identity::of_key(channel, key));
            return (key.or_else(delivery), None);
        };
        let state = match &event.key {
            Some(key) => Identity::of_state(key.as_bytes()),
            None => Identity::of_state(&content()),
        };
        (delivery(), Some(self.statement(channel, event, group, state)))
    }

    fn statement(&self, channel: &ChannelName, event: &ReceiptEvent, group: &StateGroup, state: Identity) -> Statement {
        let attribute = |name: &String| {
            let found = event.attributes.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let subject = event.subject.as_deref().filter(|_| group.thing.is_empty());
        let names = subject.into_iter().chain(group.thing.iter().map(|name| attribute(name).unwrap_or_default()));
        Statement {
            thing: Identity::of_thing(channel, &group.name, names),
            state,
            peer: group.peer.as_ref().and_then(attribute).map(Identity::of_peer),
            time: group.time.as_ref().and_then(attribute).and_then(|text| text.parse::<Timestamp>().ok()),
            late_window: self.late_window,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dedup() -> Dedup {
        let group = |name: &str, kind: &str, thing: &[&str]| StateGroup {
            name: name.to_owned(),
            kinds: vec![kind.to_owned()],
            thing: thing.iter().map(|name| (*name).to_owned()).collect(),
            time: Some("startsat".to_owned()),
            peer: Some("externalurl".to_owned()),
        };
        let states = vec![group("alert", "alert.*", &[]), group("assignee", "issue.assigned", &["org", "issue"])];
        Dedup { states, late_window: Duration::from_secs(90) }
    }

    fn event(kind: &str, subject: Option<&str>, attributes: &[(&str, &str)]) -> ReceiptEvent {
        ReceiptEvent {
            kind: kind.to_owned(),
            subject: subject.map(str::to_owned),
            delivery_id: Some("d".to_owned()),
            key: Some("k".to_owned()),
            data: None,
            content_type: None,
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    fn said(event: &ReceiptEvent) -> (Option<Identity>, Option<Statement>) {
        let channel = "c".parse().unwrap();
        dedup().identify(&channel, event, || [7; 32], |id| Identity::of_delivery(&channel, id, &[0; 32], 0))
    }

    #[test]
    fn a_key_that_names_a_state_is_no_identity() {
        let channel: ChannelName = "c".parse().unwrap();
        let delivery = Some(Identity::of_delivery(&channel, "d", &[0; 32], 0));

        assert_eq!(said(&event("push", None, &[])), (Some(Identity::of_key(&channel, "k")), None));
        let (identity, statement) = said(&event("alert.firing", Some("fp"), &[]));
        assert_eq!((identity, statement.unwrap().state), (delivery, Identity::of_state(b"k")));
        let keyless = ReceiptEvent { key: None, ..event("alert.firing", Some("fp"), &[]) };
        let (identity, statement) = said(&keyless);
        assert_eq!((identity, statement.unwrap().state), (delivery, Identity::of_state(&[7; 32])));
        let keyless = ReceiptEvent { key: None, ..event("push", Some("fp"), &[]) };
        assert_eq!(said(&keyless), (delivery, None));
        let nameless = ReceiptEvent { delivery_id: None, ..keyless };
        assert_eq!(said(&nameless), (None, None));
    }

    #[test]
    fn a_thing_is_the_subject_or_what_the_attributes_name() {
        let channel: ChannelName = "c".parse().unwrap();
        let thing = |event: &ReceiptEvent| said(event).1.unwrap().thing;

        let alert = thing(&event("alert.firing", Some("fp"), &[("org", "1")]));
        assert_eq!(alert, Identity::of_thing(&channel, "alert", ["fp"]));
        assert_eq!(alert, thing(&event("alert.resolved", Some("fp"), &[])));
        assert_ne!(alert, thing(&event("alert.resolved", None, &[])));
        let assigned = |attributes: &[(&str, &str)]| thing(&event("issue.assigned", Some("fp"), attributes));
        let expected = Identity::of_thing(&channel, "assignee", ["1", "7"]);
        assert_eq!(assigned(&[("issue", "7"), ("org", "1")]), expected);
        assert_eq!(assigned(&[("issue", "7")]), Identity::of_thing(&channel, "assignee", ["", "7"]));
    }

    #[test]
    fn peer_and_time_are_what_the_attributes_say() {
        let of = |attributes: &[(&str, &str)]| {
            let said = said(&event("alert.firing", Some("fp"), attributes)).1.unwrap();
            (said.peer, said.time.map(|time| time.to_string()))
        };

        let url = Some(Identity::of_peer("http://a"));
        let all = [("externalurl", "http://a"), ("startsat", "2026-03-01T12:00:00+02:00")];
        assert_eq!(of(&all), (url, Some("2026-03-01T10:00:00.000Z".to_owned())));
        assert_eq!(of(&[("externalurl", ""), ("startsat", "soon")]), (None, None));
        assert_eq!(of(&[]), (None, None));
    }
}
