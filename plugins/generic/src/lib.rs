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
//!
//! What a CloudEvent says of itself is the default of each setting: see [`cloud_event`]. Events whose attribute `sender` is in
//! `ignore_senders` are acknowledged and dropped. Cloud services ask to confirm a subscription first: see [`confirmation`].

mod body;
mod cloud_event;
mod confirmation;
mod media_type;
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
use self::cloud_event::{CloudEvent, Mode, in_envelope};
use self::confirmation::Confirmation;
use self::pointer::Pointer;
use self::settings::{MAX_ATTRIBUTES, Settings, Source};

export_channel!(include_str!("../manifest.json"), receive);

/// More items than the gateway can be set to accept (`max_events`): not worth the memory.
const MAX_ITEMS: usize = 100_000;

const DEFAULT_KIND: &str = "received";

/// Turns one request into one event, or into one event per item; events of ignored senders are dropped.
pub fn receive(request: &Request) -> Received {
    let settings = Settings::read(request.host());
    let content_type = request.header("content-type").unwrap_or_default();
    let mode = Mode::of(request, content_type);
    let read = if mode == Mode::Binary { body::read_data } else { body::read };
    let body = read(request, content_type)?;
    if let Some(confirmation) = Confirmation::asked_by(request, body.json()) {
        return Ok(confirmation.receipt(request.host(), |event| body.data_of(event, settings.as_json)));
    }
    let mut receipt = events(request, &settings, mode, body)?;
    settings.drop_ignored(request.host(), &mut receipt.events);
    Ok(receipt)
}

/// The events of a request, whoever sent them.
fn events(request: &Request, settings: &Settings, mode: Mode, body: Body<'_>) -> Received {
    let enveloped = in_envelope(body.json()).filter(|_| mode == Mode::Plain);
    let sent = match (mode, &enveloped) {
        (Mode::Batch, _) => return batch(request, settings, body.json()),
        (Mode::Structured, _) => Some(CloudEvent::read(body.json(), "")?),
        (Mode::Binary, _) => Some(CloudEvent::of_headers(request)?),
        (Mode::Plain, Some(event)) => Some(CloudEvent::read(event.get(), "/event")?),
        (Mode::Plain, None) => None,
    };
    let Some(pointer) = &settings.events else {
        let event = event(request, settings, body.json(), sent.as_ref());
        return Ok(match &sent {
            Some(sent) if mode != Mode::Binary => sent.with_data(event),
            _ => body.data_of(event, settings.as_json),
        }
        .into());
    };
    let found = array(body.json(), pointer)?;
    let events = items(&found, pointer)?.into_iter().enumerate().map(|(index, item)| {
        let event = event(request, settings, item.get(), sent.as_ref());
        // The items of one CloudEvent share its identity.
        let key = event.key.clone().filter(|_| sent.is_some() && settings.key.is_none());
        let event = match key {
            Some(key) => event.with_key(format!("{key}#{index}")),
            None => event,
        };
        event.with_data("application/json", item.get())
    });
    Ok(Receipt::from(events.collect::<Vec<_>>()))
}

/// The events of a batch of CloudEvents.
fn batch(request: &Request, settings: &Settings, json: &str) -> Received {
    let whole = Pointer::whole();
    let pointer = settings.events.as_ref().unwrap_or(&whole);
    let found = array(json, pointer)?;
    let events = items(&found, pointer)?.into_iter().enumerate().map(|(index, item)| {
        let sent = CloudEvent::read(item.get(), &format!("{}/{index}", pointer.as_str()))?;
        Ok(sent.with_data(event(request, settings, item.get(), Some(&sent))))
    });
    Ok(Receipt::from(events.collect::<Result<Vec<_>, Rejection>>()?))
}

fn array<'a>(json: &'a str, pointer: &Pointer) -> Result<Cow<'a, RawValue>, Rejection> {
    let found = pointer.find(json).filter(|found| found.get().starts_with('['));
    found.ok_or_else(|| refused(pointer, 422, "expected an array, because the setting `events` points to it"))
}

fn items<'a>(array: &'a RawValue, pointer: &Pointer) -> Result<Vec<&'a RawValue>, Rejection> {
    let items: Vec<_> = serde_json::from_str(array.get())
        .map_err(|error| refused(pointer, 422, &format!("expected an array: {error}")))?;
    if items.len() > MAX_ITEMS {
        return Err(refused(pointer, 413, &format!("{} items, expected at most {MAX_ITEMS}", items.len())));
    }
    Ok(items)
}

/// A refusal of what is at `pointer`.
fn refused(pointer: &Pointer, status: u16, problem: &str) -> Rejection {
    match pointer.as_str() {
        "" => Rejection::new(status, format!("the body: {problem}")),
        pointer => Rejection::at(status, pointer, problem),
    }
}

/// The event of one JSON value, still without data. `sent` is the CloudEvent that it is or belongs to.
fn event(request: &Request, settings: &Settings, json: &str, sent: Option<&CloudEvent<'_>>) -> Event {
    let kind = find(request, &settings.kind, json).and_then(|kind| kind_words(&kind));
    let kind = kind.or_else(|| sent.and_then(CloudEvent::kind));
    if kind.is_none() && settings.kind.is_some() {
        request.host().log(Level::Warn, "The setting `kind` finds no text in the request, using `received`");
    }
    let id = match settings.id {
        Some(_) => find(request, &settings.id, json).map(Cow::into_owned),
        None => request.header("webhook-id").or_else(|| request.header("idempotency-key")).map(str::to_owned),
    };
    let subject = match settings.subject {
        Some(_) => find(request, &settings.subject, json).map(Cow::into_owned),
        None => sent.and_then(CloudEvent::subject),
    };
    let key = match settings.key {
        Some(_) => find(request, &settings.key, json),
        None => sent.map(CloudEvent::key).map(Cow::Owned),
    };
    let mut event =
        Event::new(kind.unwrap_or_else(|| DEFAULT_KIND.to_owned())).with_subject(subject).with_delivery_id(id);
    if let Some(key) = key {
        event = event.with_key(key);
    }
    for (name, source) in &settings.attributes {
        event = event.with_fact(name, source.text(request, json).as_deref());
    }
    match sent {
        Some(sent) => sent.with_attributes(event, MAX_ATTRIBUTES),
        None => event,
    }
}

fn find<'a>(request: &'a Request, source: &'a Option<Source>, json: &'a str) -> Option<Cow<'a, str>> {
    source.as_ref().and_then(|source| source.text(request, json))
}

#[cfg(test)]
mod tests;
