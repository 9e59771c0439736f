//! Checks the receipt of a plugin, and completes it to events.

use std::cell::OnceCell;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::error::IngestError;
use super::identity::Dedup;
use crate::event::{
    ChannelName, Destination, Facts, HOST_ATTRIBUTES, MAX_ATTRIBUTE, MAX_ATTRIBUTES, PluginName, RequestId, SyncMode,
    Timestamp, is_attribute_name,
};
use crate::eventlog::{Identity, NewEvent};
use crate::plugin::{Generation, ReceiptEvent};

/// Bytes of a kind, as the plugin says it.
const MAX_KIND: usize = 128;
/// Bytes of a subject, a delivery id or a key.
const MAX_ID: usize = 1024;

/// What the events of a request have in common.
pub(super) struct Context<'a> {
    pub(super) channel: &'a ChannelName,
    pub(super) plugin: &'a PluginName,
    pub(super) dedup: &'a Dedup,
    pub(super) keep_repeats: bool,
    pub(super) time: Timestamp,
    pub(super) verified_at: Option<Timestamp>,
    pub(super) request_id: RequestId,
    pub(super) content_type: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

/// An event to store, with its recipients.
pub(super) struct Routed {
    pub(super) event: NewEvent,
    /// How the caller waits for the agent.
    pub(super) wait: Option<SyncMode>,
}

/// Refuses a receipt or a batch with more events than `limit`.
pub(super) fn check_count(generation: &Generation, events: usize, limit: usize) -> Result<(), IngestError> {
    if generation.allows_events(events, limit) { Ok(()) } else { Err(IngestError::TooManyEvents { events, limit }) }
}

/// The events of a receipt, or what is wrong with it.
pub(super) fn new_events(
    events: Vec<ReceiptEvent>,
    context: &Context<'_>,
    route: impl Fn(&Facts<'_>) -> Destination,
) -> Result<Vec<Routed>, String> {
    complete(events, context, route, |index, id, _, body| Identity::of_delivery(context.channel, id, &body(), index))
}

/// The events of a poll: each is identified by its own data, in whatever order they come.
pub(super) fn fetched_events(
    events: Vec<ReceiptEvent>,
    context: &Context<'_>,
    route: impl Fn(&Facts<'_>) -> Destination,
) -> Result<Vec<Routed>, String> {
    complete(events, context, route, |index, id, data, body| match data {
        Some(data) => Identity::of_delivery(context.channel, id, &digest(data), 0),
        None => Identity::of_delivery(context.channel, id, &body(), index),
    })
}

/// `delivery` is the identity of a delivery: place in the receipt, the provider's id, the event's own data, and the digest of
/// the body.
fn complete(
    events: Vec<ReceiptEvent>,
    context: &Context<'_>,
    route: impl Fn(&Facts<'_>) -> Destination,
    delivery: impl Fn(u32, &str, Option<&Bytes>, &dyn Fn() -> [u8; 32]) -> Identity,
) -> Result<Vec<Routed>, String> {
    let body_digest = OnceCell::new();
    let body = || *body_digest.get_or_init(|| digest(&context.body));
    let mut complete = Vec::with_capacity(events.len());
    for (index, event) in (0..).zip(events) {
        check(&event).map_err(|problem| format!("event {index}: {problem}"))?;
        let content = || event.data.as_ref().map_or_else(body, |data| digest(data));
        let delivery = |id: &str| delivery(index, id, event.data.as_ref(), &body);
        let (identity, statement) = context.dedup.identify(context.channel, &event, content, delivery);
        let kind = format!("{}.{}", context.channel, event.kind);
        let mut attributes = event.attributes;
        attributes.retain(|(name, _)| !HOST_ATTRIBUTES.contains(&name.as_str()));
        let content_type = event.content_type.unwrap_or_else(|| context.content_type.clone());
        let data = event.data.unwrap_or_else(|| context.body.clone());
        let Destination { recipients, wait } = route(&Facts {
            channel: context.channel,
            kind: &kind,
            subject: event.subject.as_deref(),
            attributes: &attributes,
            data: &data,
        });
        let event = NewEvent {
            channel: context.channel.clone(),
            plugin: context.plugin.clone(),
            recipients,
            kind,
            subject: event.subject,
            time: context.time,
            verified_at: context.verified_at,
            content_type,
            data,
            attributes,
            headers: context.headers.clone(),
            request_id: context.request_id,
            delivery_id: event.delivery_id,
            traceparent: None,
            identity,
            statement,
            is_imported: false,
            quarantine: None,
            keep_repeat: context.keep_repeats,
            repeat_of: None,
        };
        complete.push(Routed { event, wait });
    }
    Ok(complete)
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn check(event: &ReceiptEvent) -> Result<(), String> {
    let text = |name: &str, value: &str, limit: usize| {
        if value.is_empty() || value.len() > limit || value.chars().any(char::is_control) {
            return Err(format!("`{name}` must have 1 to {limit} bytes and no control characters"));
        }
        Ok(())
    };
    text("kind", &event.kind, MAX_KIND)?;
    for (name, value) in [("subject", &event.subject), ("delivery-id", &event.delivery_id), ("key", &event.key)] {
        value.as_deref().map_or(Ok(()), |value| text(name, value, MAX_ID))?;
    }
    if let Some(content_type) = &event.content_type {
        text("content-type", content_type, MAX_KIND)?;
    }
    if event.attributes.len() > MAX_ATTRIBUTES {
        return Err(format!("{} attributes, expected at most {MAX_ATTRIBUTES}", event.attributes.len()));
    }
    for (name, value) in &event.attributes {
        if !is_attribute_name(name) {
            return Err(format!("attribute `{}` must have 1 to 20 of `a-z0-9`", name.escape_default()));
        }
        if value.len() > MAX_ATTRIBUTE {
            return Err(format!("attribute `{name}` has {} bytes, expected at most {MAX_ATTRIBUTE}", value.len()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> ReceiptEvent {
        ReceiptEvent {
            kind: "push".to_owned(),
            subject: None,
            delivery_id: None,
            key: None,
            data: None,
            content_type: None,
            attributes: Vec::new(),
        }
    }

    fn complete(events: Vec<ReceiptEvent>) -> Result<Vec<NewEvent>, String> {
        complete_with(events, |events, context| new_events(events, context, |_| Destination::default()))
    }

    fn complete_with(
        events: Vec<ReceiptEvent>,
        complete: impl Fn(Vec<ReceiptEvent>, &Context<'_>) -> Result<Vec<Routed>, String>,
    ) -> Result<Vec<NewEvent>, String> {
        let [channel, plugin] = ["github", "github"];
        let context = Context {
            channel: &channel.parse().unwrap(),
            plugin: &plugin.parse().unwrap(),
            dedup: &Dedup::default(),
            keep_repeats: false,
            time: Timestamp::from_millis(1),
            verified_at: None,
            request_id: RequestId::new(),
            content_type: "application/json".to_owned(),
            headers: Vec::new(),
            body: Bytes::from_static(b"{}"),
        };
        Ok(complete(events, &context)?.into_iter().map(|routed| routed.event).collect())
    }

    #[test]
    fn what_the_plugin_leaves_out_comes_from_the_request() {
        let own = ReceiptEvent {
            data: Some(Bytes::from_static(b"own")),
            content_type: Some("text/plain".to_owned()),
            ..event()
        };

        let events = complete(vec![event(), own]).unwrap();

        assert_eq!(events[0].kind, "github.push");
        assert_eq!((&events[0].data[..], events[0].content_type.as_str()), (&b"{}"[..], "application/json"));
        assert_eq!((&events[1].data[..], events[1].content_type.as_str()), (&b"own"[..], "text/plain"));
    }

    #[test]
    fn a_key_is_an_identity_before_a_delivery_id_is() {
        let keyed = ReceiptEvent { key: Some("k".to_owned()), delivery_id: Some("d".to_owned()), ..event() };
        let delivered = ReceiptEvent { delivery_id: Some("d".to_owned()), ..event() };
        let channel: ChannelName = "github".parse().unwrap();

        let events = complete(vec![keyed, delivered, event()]).unwrap();

        assert_eq!(events[0].identity, Some(Identity::of_key(&channel, "k")));
        assert_eq!(events[1].identity, Some(Identity::of_delivery(&channel, "d", &Sha256::digest("{}").into(), 1)));
        assert_eq!(events[2].identity, None);
    }

    #[test]
    fn a_fetched_event_is_known_by_its_id_and_data_in_any_place() {
        let fetched = |id: &str, data: &'static str| ReceiptEvent {
            delivery_id: Some(id.to_owned()),
            data: Some(Bytes::from_static(data.as_bytes())),
            ..event()
        };
        let identities = |events: Vec<ReceiptEvent>| {
            complete_with(events, |events, context| fetched_events(events, context, |_| Destination::default()))
                .unwrap()
                .into_iter()
                .map(|event| event.identity.unwrap())
                .collect::<Vec<_>>()
        };

        let first = identities(vec![fetched("1", "a"), fetched("2", "b")]);
        let again = identities(vec![fetched("2", "b"), fetched("1", "changed"), fetched("1", "a")]);

        assert_eq!([again[0], again[2]], [first[1], first[0]]);
        assert_ne!(again[1], first[0]);
    }

    #[test]
    fn a_receipt_that_breaks_the_rules_is_refused_as_a_whole() {
        let attribute =
            |name: &str, value: &str| ReceiptEvent { attributes: vec![(name.to_owned(), value.to_owned())], ..event() };
        for (bad, expected) in [
            (ReceiptEvent { kind: String::new(), ..event() }, "`kind`"),
            (ReceiptEvent { kind: "a\nb".to_owned(), ..event() }, "`kind`"),
            (ReceiptEvent { subject: Some("x".repeat(MAX_ID + 1)), ..event() }, "`subject`"),
            (attribute("Upper", "x"), "attribute `Upper`"),
            (attribute("a", &"x".repeat(MAX_ATTRIBUTE + 1)), "4097 bytes"),
        ] {
            let problem = complete(vec![event(), bad]).unwrap_err();

            assert!(problem.starts_with("event 1:") && problem.contains(expected), "{problem}");
        }
    }
}
