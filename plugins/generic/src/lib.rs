//! Any JSON, XML, form or multipart body. Each body is converted to JSON, and the settings name the sources of the facts in it.
//!
//! | of the event | from |
//! |---|---|
//! | kind | setting `kind`, else `received` |
//! | subject | setting `subject` |
//! | delivery id | setting `id`, else header `webhook-id` or `idempotency-key` |
//! | key | setting `key` |
//! | attributes | setting `attributes`, a source for each name |
//! | data | the body, unchanged; with `data = "json"` the body converted to JSON; with `events` the item |
//!
//! A source is a JSON pointer (`/issue/id`), `header:NAME`, `query:NAME`, or a literal text. If it finds nothing, or an object, an
//! array or `null`, the event has no such fact. The default of the kind is `received`.

mod body;
mod members;
mod multipart;
mod pointer;
mod settings;
mod xml;

use std::borrow::Cow;

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Rejection, Request};
use gateway_plugin_sdk::{Level, export_channel, kind_words};
use serde_json::value::RawValue;

use self::body::Body;
use self::pointer::Pointer;
use self::settings::{Settings, Source};

export_channel!(include_str!("../manifest.json"), receive);

/// The most events that the gateway accepts from one request.
const MAX_EVENTS: usize = 1000;

const DEFAULT_KIND: &str = "received";

/// Turns one request into one event, or into one event per item.
pub fn receive(request: &Request) -> Received {
    let settings = Settings::read(request.host());
    let body = body::read(request)?;
    let Some(pointer) = &settings.events else {
        let event = event(request, &settings, body.json());
        let replaces_body = matches!(body, Body::Converted(_)) && settings.as_json;
        let event = if replaces_body { event.with_data("application/json", body.into_json()) } else { event };
        return Ok(Receipt::from(event));
    };
    let items = items(body.json(), pointer)?;
    let item_event = |item: &&RawValue| event(request, &settings, item.get()).with_data("application/json", item.get());
    Ok(Receipt::from(items.iter().map(item_event).collect::<Vec<_>>()))
}

fn items<'a>(json: &'a str, pointer: &Pointer) -> Result<Vec<&'a RawValue>, Rejection> {
    let items = pointer.find(json).and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok());
    let items = items.ok_or_else(|| {
        Rejection::at(422, pointer.as_str(), "expected an array, because the setting `events` points to it")
    })?;
    if items.len() > MAX_EVENTS {
        let detail = format!("{} items, expected at most {MAX_EVENTS}", items.len());
        return Err(Rejection::at(422, pointer.as_str(), detail));
    }
    Ok(items)
}

/// The event of one JSON value, still without data.
fn event(request: &Request, settings: &Settings, json: &str) -> Event {
    let kind = find(request, &settings.kind, json).map(|kind| kind_words(&kind)).filter(|kind| !kind.is_empty());
    if kind.is_none() && settings.kind.is_some() {
        request.host().log(Level::Warn, "The setting `kind` finds no text in the request, using `received`");
    }
    let id = match settings.id {
        Some(_) => find(request, &settings.id, json).map(Cow::into_owned),
        None => request.header("webhook-id").or_else(|| request.header("idempotency-key")),
    };
    let mut event = Event::new(kind.unwrap_or_else(|| DEFAULT_KIND.to_owned()))
        .with_subject(find(request, &settings.subject, json).map(Cow::into_owned))
        .with_delivery_id(id);
    if let Some(key) = find(request, &settings.key, json) {
        event = event.with_key(key);
    }
    for (name, source) in &settings.attributes {
        event = event.with_fact(name, source.text(request, json).as_deref());
    }
    event
}

fn find<'a>(request: &Request, source: &'a Option<Source>, json: &'a str) -> Option<Cow<'a, str>> {
    source.as_ref().and_then(|source| source.text(request, json))
}

#[cfg(test)]
mod tests;
