//! Which kinds of events there are: those that were seen, with their counts, and those that somebody declares.

mod counts;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

pub use self::counts::{COUNTS, KindCounts};
use crate::event::{ChannelName, Timestamp, names_kind};
use crate::schema::{SchemaStatus, Schemas};

/// The kinds that plugins declare, by channel; a `*` at the end stands for any rest.
pub type Declared = Box<dyn Fn() -> Vec<(ChannelName, String)> + Send + Sync>;

/// All kinds. Clones are the same.
#[derive(Clone)]
pub struct Catalog(Arc<Sources>);

struct Sources {
    counts: KindCounts,
    schemas: Schemas,
    declared: Declared,
}

/// A kind as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct KindStatus {
    /// A `*` at the end stands for any rest: such a kind was declared, and none of its events was seen.
    pub kind: String,
    pub channel: ChannelName,
    /// Whether the channel's plugin or a schema says that there is such a kind.
    pub declared: bool,
    /// How many were stored, also those that are gone.
    pub events: u64,
    pub last_event_at: Option<Timestamp>,
    pub schema: Option<SchemaStatus>,
}

impl Catalog {
    pub fn new(counts: KindCounts, schemas: Schemas, declared: Declared) -> Self {
        Self(Arc::new(Sources { counts, schemas, declared }))
    }

    pub fn schemas(&self) -> &Schemas {
        &self.0.schemas
    }

    /// All kinds, by name.
    pub fn kinds(&self) -> Vec<KindStatus> {
        let Sources { counts, schemas, declared } = &*self.0;
        // Events of the gateway itself are not checked.
        let is_checked = |channel: &ChannelName| !ChannelName::BUILT_IN.contains(&channel.as_str());
        let schema = |channel: &ChannelName, kind: &str| {
            schemas.of_kind(kind).filter(|_| is_checked(channel)).map(|(_, status)| status)
        };
        let mut kinds: BTreeMap<String, KindStatus> = BTreeMap::new();
        for (channel, kind, count) in counts.all() {
            let status = KindStatus {
                kind: kind.clone(),
                declared: false,
                events: count.events,
                last_event_at: Some(count.last),
                schema: schema(&channel, &kind),
                channel,
            };
            kinds.insert(kind, status);
        }
        let of_schemas = schemas.declared().into_iter().filter_map(|kind| {
            let channel = kind.split('.').next()?.parse().ok()?;
            Some((channel, kind))
        });
        for (channel, pattern) in declared().into_iter().chain(of_schemas) {
            let seen =
                kinds.values_mut().filter(|status| status.channel == channel && names_kind(&pattern, &status.kind));
            let mut is_seen = false;
            for status in seen {
                (status.declared, is_seen) = (true, true);
            }
            if !is_seen {
                let schema = schema(&channel, &pattern);
                let kind = pattern.clone();
                let status = KindStatus { kind, channel, declared: true, events: 0, last_event_at: None, schema };
                kinds.insert(pattern, status);
            }
        }
        kinds.into_values().collect()
    }

    /// Whether an event of this kind was counted.
    pub fn is_seen(&self, kind: &str) -> bool {
        self.0.counts.has(kind)
    }

    /// Events of kinds that are not counted apart, because there are too many kinds.
    pub fn other_events(&self) -> u64 {
        self.0.counts.others()
    }
}
