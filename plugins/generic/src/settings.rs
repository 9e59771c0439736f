//! The settings that map a body to events. An invalid setting is logged and ignored, so that the event is kept.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gateway_plugin_sdk::channel::{Event, Request};
use gateway_plugin_sdk::command::IgnoredSenders;
use gateway_plugin_sdk::{Host, Level, form_values};

use crate::pointer::{self, Pointer};

/// The attribute that `ignore_senders` looks at.
const SENDER: &str = "sender";

/// The most attributes that the gateway accepts for one event.
pub(crate) const MAX_ATTRIBUTES: usize = 64;

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) kind: Option<Source>,
    pub(crate) subject: Option<Source>,
    pub(crate) id: Option<Source>,
    pub(crate) key: Option<Source>,
    pub(crate) attributes: Vec<(String, Source)>,
    pub(crate) events: Option<Pointer>,
    /// Whether the data is the body converted to JSON.
    pub(crate) as_json: bool,
    ignored: IgnoredSenders,
}

/// The source of a fact.
#[derive(Debug)]
pub(crate) enum Source {
    Pointer(Pointer),
    Header(String),
    Query(String),
    Literal(String),
}

impl Settings {
    pub(crate) fn read(host: &Host) -> Self {
        let source = |name: &str| host.config(name).map(Source::from);
        let events = host.config("events").and_then(|text| {
            let pointer = Pointer::parse(&text);
            if pointer.is_none() {
                host.log(Level::Error, "`events` is not a JSON pointer such as `/items`, using the body as one event");
            }
            pointer
        });
        let as_json = match host.config("data").as_deref() {
            None | Some("body") => false,
            Some("json") => true,
            Some(_) => {
                host.log(Level::Error, "`data` is neither `body` nor `json`, using `body`");
                false
            }
        };
        Settings {
            kind: source("kind"),
            subject: source("subject"),
            id: source("id"),
            key: source("key"),
            attributes: attributes(host),
            events,
            as_json,
            ignored: IgnoredSenders::read(host),
        }
    }

    /// Drops the events whose attribute `sender` is to be ignored.
    pub(crate) fn drop_ignored(&self, host: &Host, events: &mut Vec<Event>) {
        if self.ignored.is_empty() {
            return;
        }
        let is_set = self.attributes.iter().any(|(name, _)| name == SENDER);
        if !is_set && events.iter().any(|event| event.attribute(SENDER).is_none()) {
            let message = "`ignore_senders` has no effect: `attributes` does not say where the `sender` is";
            host.log(Level::Warn, message);
        }
        events.retain(|event| !self.ignored.contain(&[event.attribute(SENDER).unwrap_or_default()]));
    }
}

fn attributes(host: &Host) -> Vec<(String, Source)> {
    let Some(config) = host.config("attributes") else {
        return Vec::new();
    };
    let named: BTreeMap<String, String> = serde_json::from_str(&config).unwrap_or_else(|error| {
        host.log(Level::Error, &format!("`attributes` is not a table of sources, using an empty one: {error}"));
        BTreeMap::new()
    });
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_name = |name: &str| (1..=20).contains(&name.len()) && name.bytes().all(is_letter);
    let (good, bad): (Vec<_>, Vec<_>) = named.into_iter().partition(|(name, _)| is_name(name));
    if !bad.is_empty() || good.len() > MAX_ATTRIBUTES {
        let message =
            "`attributes` has names that are not 1 to 20 of `a-z0-9`, or more than 64 names; these are ignored";
        host.log(Level::Error, message);
    }
    good.into_iter().take(MAX_ATTRIBUTES).map(|(name, source)| (name, Source::from(source))).collect()
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        if let Some(pointer) = Pointer::parse(&text).filter(|_| !text.is_empty()) {
            return Source::Pointer(pointer);
        }
        match text.split_once(':') {
            Some(("header", name)) => Source::Header(name.to_owned()),
            Some(("query", name)) => Source::Query(name.to_owned()),
            _ => Source::Literal(text),
        }
    }
}

impl Source {
    /// The text that the source finds in the request or in `json`, which is the body or one item of it.
    pub(crate) fn text<'a>(&'a self, request: &'a Request, json: &'a str) -> Option<Cow<'a, str>> {
        match self {
            Source::Pointer(pointer) => pointer.find(json).and_then(pointer::scalar),
            Source::Header(name) => request.header(name).map(Cow::Borrowed),
            Source::Query(name) => form_values(request.query(), name).next(),
            Source::Literal(text) => Some(Cow::Borrowed(text)),
        }
    }
}
