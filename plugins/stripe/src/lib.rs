//! Stripe webhooks and event destinations: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `type`: `invoice.payment_failed`; `unknown` when there is none |
//! | subject | `data.object.id`, of a thin event `related_object.id` |
//! | key | `id`: a repetition tells how many endpoints still wait, so its body is another |
//! | attributes | `object` (its type, such as `invoice`), `status`, `account` |
//! | data | the body as it was sent |
//!
//! Stripe promises no order: what matters for it is in the object itself.

use gateway_plugin_sdk::channel::{Event, Received, Request};
use gateway_plugin_sdk::json::{Object, Text, parse, with_text};
use gateway_plugin_sdk::{export_channel, kind_words};
use serde::Deserialize;

export_channel!(include_str!("../manifest.json"), receive);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    account: Text<'a>,
    #[serde(borrow)]
    data: Object<Data<'a>>,
    #[serde(borrow)]
    related_object: Object<Thing<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data<'a> {
    #[serde(borrow)]
    object: Object<Thing<'a>>,
}

/// What an event is about. A thin event says its type as `type`, any other as `object`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Thing<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    object: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
}

/// Turns one delivery into one event.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        let payload: Payload<'_> = parse(request, body)?;
        let whole = payload.data.get().and_then(|data| data.object.get());
        let thing = whole.or(payload.related_object.get());
        // Many objects have a `type` of their own, which says something else.
        let object = match whole {
            Some(thing) => thing.object.get(),
            None => thing.and_then(|thing| thing.kind.get()),
        };
        let event = Event::new(kind_words(payload.kind.get().unwrap_or("unknown")))
            .with_subject(thing.and_then(|thing| thing.id.get()).map(str::to_owned))
            .with_key(payload.id.get().unwrap_or_default())
            .with_fact("object", object)
            .with_fact("status", thing.and_then(|thing| thing.status.get()))
            .with_fact("account", payload.account.get());
        Ok(event.into())
    })
}

#[cfg(test)]
mod tests;
