//! The types of events that there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::catalog::{Catalog, KindStatus};
use crate::event::{ChannelName, Filter, Pattern, patterns_may_meet};
use crate::http::shared::Shared;
use crate::plugin::{Manifest, OnUnknown};

/// The kind that the gateway gives to bodies that a plugin refuses; see `on_unknown`.
const UNKNOWN: &str = "unknown";

/// A kind of events, or a pattern of kinds.
pub(super) struct EventType {
    pub(super) name: String,
    pub(super) description: String,
    /// A JSON Schema of the payload, if there is one.
    pub(super) payload: Option<Value>,
}

/// Where events come from, by channel.
pub(super) struct TypeCatalog {
    sources: BTreeMap<String, Source>,
    /// Whether an event of this kind was seen.
    is_seen: Box<dyn Fn(&str) -> bool>,
}

struct Source {
    /// For people.
    name: String,
    /// What its plugin declares, without the channel's name; `None` if it does not say.
    kinds: Option<Vec<String>>,
}

impl TypeCatalog {
    /// The channels in force, and those of the gateway itself.
    pub(super) fn of(shared: &Shared) -> Self {
        let services = &shared.services;
        let own = ChannelName::BUILT_IN.map(|channel| (channel.to_owned(), Source::new("the gateway itself", None)));
        let others = services.ingest.sources().into_iter().map(|(channel, plugin)| {
            let serving = plugin.as_ref().and_then(|plugin| services.plugins.serving(plugin.as_str()));
            let source = match (&serving, &plugin) {
                (Some(generation), _) => Source::of(&generation.manifest),
                (None, Some(plugin)) => Source::new(plugin.as_str(), None),
                (None, None) => Source::new("services emit them", None),
            };
            (channel.as_str().to_owned(), source)
        });
        let catalog = services.catalog.clone();
        Self { sources: own.into_iter().chain(others).collect(), is_seen: Box::new(move |kind| catalog.is_seen(kind)) }
    }

    /// The types by name: everything, everything of each channel, the kinds that plugins declare, and those of the catalog.
    fn types(&self, kinds: Vec<EventType>) -> Vec<EventType> {
        let described = |name: String, description: String| EventType { name, description, payload: None };
        let mut types = vec![described("*".to_owned(), "Every event that the subscriber may read".to_owned())];
        for (channel, source) in &self.sources {
            let Source { name, kinds } = source;
            types.push(described(format!("{channel}.*"), format!("Every event of channel `{channel}` ({name})")));
            types.extend(kinds.iter().flatten().map(|kind| {
                described(format!("{channel}.{kind}"), format!("`{kind}` of channel `{channel}` ({name})"))
            }));
        }
        // What is said last counts, if it says more.
        types.extend(kinds);
        types.sort_by(|one, other| one.name.cmp(&other.name));
        types.dedup_by(|later, first| {
            let is_same = later.name == first.name;
            if is_same && later.payload.is_some() {
                first.payload = later.payload.take();
            }
            is_same
        });
        types
    }

    /// At most `limit` types after `after` of which the grant may let events through, and whether more follow.
    pub(super) fn page(
        &self,
        kinds: Vec<EventType>,
        grant: &Filter,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<EventType>, bool) {
        let is_after = |name: &str| after.is_none_or(|after| name > after);
        let mut types = self.types(kinds);
        types.retain(|known| is_after(&known.name) && grant.may_pass(&known.name));
        let more = types.len() > limit;
        types.truncate(limit);
        (types, more)
    }

    /// Whether there can be events whose kinds match. A pattern that names no channel may match those of any.
    pub(super) fn knows(&self, name: &Pattern) -> bool {
        let (channel, kind) = name.as_str().split_once('.').unwrap_or((name.as_str(), ""));
        if channel.parse::<ChannelName>().is_err() {
            return !name.is_exact();
        }
        (self.is_seen)(name.as_str())
            || self.sources.get(channel).is_some_and(|source| match &source.kinds {
                None => !kind.is_empty(),
                Some(declared) => declared.iter().any(|declared| patterns_may_meet(declared, kind)),
            })
    }
}

impl Source {
    fn new(name: &str, kinds: Option<Vec<String>>) -> Self {
        Self { name: name.to_owned(), kinds }
    }

    fn of(manifest: &Arc<Manifest>) -> Self {
        let unknown = (manifest.on_unknown == OnUnknown::Keep).then(|| UNKNOWN.to_owned());
        let kinds = manifest.kinds.clone().map(|kinds| kinds.into_iter().chain(unknown).collect());
        Self::new(&manifest.name, kinds)
    }
}

impl EventType {
    /// The kinds that were seen or declared, with their schemas.
    pub(super) fn of_catalog(catalog: &Catalog) -> Vec<Self> {
        let known = |KindStatus { kind, channel, schema, .. }| Self {
            description: format!("`{kind}` of channel `{channel}`"),
            payload: schema.and(catalog.schemas().of_kind(&kind)).map(|(schema, _)| schema.document().clone()),
            name: kind,
        };
        catalog.kinds().into_iter().map(known).collect()
    }

    /// The type as clients see it (SEP-3415, "Listing Available Events").
    pub(super) fn described(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "delivery": ["poll", "push"],
            "inputSchema": self.input_schema(),
            "payloadSchema": self.payload_schema(),
        })
    }

    fn input_schema(&self) -> Value {
        let mut properties = json!({
            "subject": {"type": "string", "description": "A pattern that the subject of the event must match, such as `orders/*`"},
        });
        if self.name.contains('*') {
            properties["kind"] = json!({
                "type": "string", "description": "A pattern that the kind of the event must match, such as `*.created`",
            });
        }
        json!({"type": "object", "properties": properties, "additionalProperties": false})
    }

    /// `data` is the payload if that is an object; else it has it as a member, or says where it is.
    fn payload_schema(&self) -> Value {
        let Some(payload) = &self.payload else { return json!({"type": "object"}) };
        let is_object = payload.get("type").is_none_or(|kind| kind == "object");
        let within =
            if is_object { payload.clone() } else { json!({"properties": {"data": payload}, "required": ["data"]}) };
        let elsewhere = json!({"properties": {"dataref": {"type": "string"}}, "required": ["dataref"]});
        json!({"type": "object", "anyOf": [within, elsewhere]})
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::EventPatterns;

    pub(in super::super) fn catalog() -> TypeCatalog {
        let kinds = vec!["push".to_owned(), "issues.*".to_owned()];
        let sources = [("gateway", None), ("github", Some(kinds)), ("orders", None)];
        let sources = sources.map(|(channel, kinds)| (channel.to_owned(), Source::new(channel, kinds))).into();
        TypeCatalog { sources, is_seen: Box::new(|kind| kind == "gone.push") }
    }

    #[test]
    fn a_page_has_what_the_grant_lets_through() {
        let names = |channels: &[&str], kinds: &[&str], after, limit| {
            let all = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect();
            let patterns = EventPatterns { channels: all(channels), kinds: all(kinds), subjects: Vec::new() };
            let grant = Filter::default().and(patterns.into());
            let catalog = catalog();
            let (page, more) = catalog.page(Vec::new(), &grant, after, limit);
            (page.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(" "), more)
        };

        let all = "* github.* github.issues.* github.push orders.*";
        assert_eq!(names(&["*"], &[], None, 9), (all.to_owned(), false));
        assert_eq!(names(&["*"], &[], None, 2), ("* github.*".to_owned(), true));
        assert_eq!(names(&["*"], &[], Some("github.*"), 9), ("github.issues.* github.push orders.*".to_owned(), false));
        assert_eq!(names(&["gateway"], &[], None, 9), ("* gateway.*".to_owned(), false));
        let seen = EventType {
            name: "github.push".to_owned(),
            description: String::new(),
            payload: Some(json!({"required": ["ref"]})),
        };
        let (page, _) = catalog().page(vec![seen], &Filter::default(), Some("github.issues.*"), 1);
        assert_eq!((page[0].name.as_str(), page[0].payload.is_some()), ("github.push", true), "its schema is seen");
        assert_eq!(names(&["*"], &["*.issues.opened"], None, 9).0, "* github.* github.issues.* orders.*");
    }

    #[test]
    fn a_name_is_known_if_events_may_have_it() {
        for (name, expected) in [
            ("*", true),
            ("*.created", true),
            ("git*.push", true),
            ("github.push", true),
            ("github.*", true),
            ("github.issues.opened", true),
            ("github.pusch", false),
            ("github", false),
            ("orders.anything.at.all", true),
            ("orders", false),
            ("other.created", false),
            ("gone.push", true),
            ("Other.created", false),
            ("", false),
        ] {
            assert_eq!(catalog().knows(&Pattern::new(name).unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn a_schema_of_the_payload_is_one_of_the_data() {
        let schema = |payload| EventType { name: String::new(), description: String::new(), payload }.payload_schema();

        assert_eq!(schema(None), json!({"type": "object"}));
        let object = json!({"type": "object", "required": ["a"]});
        assert_eq!(schema(Some(object.clone()))["anyOf"][0], object);
        let list = json!({"type": "array"});
        assert_eq!(schema(Some(list.clone()))["anyOf"][0]["properties"]["data"], list);
    }
}
