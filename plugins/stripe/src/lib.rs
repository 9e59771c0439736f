//! Stripe webhooks and event destinations: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `type`: `invoice.payment_failed`; without one `unknown` |
//! | subject | `data.object.id`; for a thin event `related_object.id`; of an object without an id its `customer`, else the account |
//! | key | `id`; the body of a retry differs, because it counts the endpoints that still wait |
//! | attributes | `object` (its type, such as `invoice`), `status`, `account` (in an event of version 2 its `context`) |
//! | data | the body, unchanged |
//!
//! Stripe does not guarantee order. The object itself has the data that shows it.

use gateway_plugin_sdk::channel::{Event, Received, Request};
use gateway_plugin_sdk::json::{Id, Object, Text, parse, with_text};
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
    /// The account of an event of version 2.
    #[serde(borrow)]
    context: Text<'a>,
    #[serde(borrow)]
    data: Object<Data<'a>>,
    #[serde(borrow)]
    related_object: Object<Entity<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data<'a> {
    #[serde(borrow)]
    object: Object<Entity<'a>>,
}

/// The object of an event. A thin event has its type in `type`, any other in `object`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entity<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    object: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    customer: Id<'a>,
    #[serde(borrow)]
    account: Id<'a>,
}

impl Entity<'_> {
    /// The id. A balance, a preview of an invoice and other computed objects have none, but belong to a customer or an account.
    fn subject(&self) -> Option<&str> {
        self.id.get().or_else(|| self.customer.get()).or_else(|| self.account.get())
    }
}

/// Turns one delivery into one event.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        let payload: Payload<'_> = parse(request, body)?;
        let whole = payload.data.get().and_then(|data| data.object.get());
        let entity = whole.or(payload.related_object.get());
        // In a full event, `type` has another meaning.
        let object = match whole {
            Some(entity) => entity.object.get(),
            None => entity.and_then(|entity| entity.kind.get()),
        };
        let account = payload.account.get().or_else(|| payload.context.get());
        let kind = payload.kind.get().and_then(kind_words).unwrap_or_else(|| String::from("unknown"));
        let event = Event::new(kind)
            .with_subject(entity.and_then(Entity::subject).or(account).map(str::to_owned))
            .with_key(payload.id.get().unwrap_or_default())
            .with_fact("object", object)
            .with_fact("status", entity.and_then(|entity| entity.status.get()))
            .with_fact("account", account);
        Ok(event.into())
    })
}

#[cfg(test)]
mod tests;
