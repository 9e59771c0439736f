//! The versions of schemas in the log: those in force, and those that events may still name.
//!
//! A text is in pieces, because it can be longer than a value. When a version goes out of force, it is noted; the second upkeep after
//! that notes the last position that can name it, and one after that position is gone removes the version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::document::Schema;
use crate::event::Seq;
use crate::eventlog::{Batch, EventLog, EventLogError, Expected, Space, ValueChange};

const SPACE: Space = Space::of_module("schemas");
/// `current/<id of the entry>` is the version in force.
const CURRENT: &str = "current/";
/// `version/<version>/<number>` is a piece of its text.
const VERSION: &str = "version/";
/// `retired/<version>` is the last position that can name it; empty, and then [`SEEN`], before that is known.
const RETIRED: &str = "retired/";
const SEEN: &str = "seen";

/// Versions by the id of their entry.
type ById = BTreeMap<String, Arc<Schema>>;

#[derive(Clone)]
pub(super) struct Versions(EventLog);

/// What the log has.
pub(super) struct Stored {
    /// The versions in force, by the id of their entry.
    versions: BTreeMap<String, String>,
    /// Their texts.
    pub(super) current: BTreeMap<String, String>,
}

/// What has to be written so that other versions are in force.
#[derive(Default)]
pub(super) struct Change(Vec<ValueChange>);

impl Change {
    pub(super) fn new(stored: &Stored, wanted: ById) -> Self {
        let mut change = Self::default();
        let before: BTreeSet<_> = stored.versions.values().map(String::as_str).collect();
        let after: BTreeMap<_, _> = wanted.values().map(|schema| (schema.version(), schema.text())).collect();
        for (version, text) in after.iter().filter(|(version, _)| !before.contains(*version)) {
            for (number, piece) in text.as_bytes().chunks(ValueChange::MAX_VALUE).enumerate() {
                change.put(format!("{VERSION}{version}/{number:02}"), Some(Bytes::copy_from_slice(piece)));
            }
            change.put(format!("{RETIRED}{version}"), None);
        }
        for version in before.into_iter().filter(|version| !after.contains_key(version)) {
            change.put(format!("{RETIRED}{version}"), Some(Bytes::new()));
        }
        for (id, schema) in wanted
            .iter()
            .filter(|(id, schema)| stored.versions.get(*id).is_none_or(|version| version != schema.version()))
        {
            change.put(format!("{CURRENT}{id}"), Some(Bytes::copy_from_slice(schema.version().as_bytes())));
        }
        for id in stored.versions.keys().filter(|id| !wanted.contains_key(*id)) {
            change.put(format!("{CURRENT}{id}"), None);
        }
        change
    }

    fn put(&mut self, key: String, value: Option<Bytes>) {
        self.put_if(key, value, Expected::Anything);
    }

    /// Nothing of the change happens if the value is another one by then.
    fn put_if(&mut self, key: String, value: Option<Bytes>, expected: Expected) {
        self.0.push(ValueChange { space: SPACE, key, value, expected });
    }
}

impl Versions {
    pub(super) const fn new(log: EventLog) -> Self {
        Self(log)
    }

    /// What is in force by the log.
    pub(super) async fn stored(self) -> Result<Stored, EventLogError> {
        blocking(move || {
            let mut stored = Stored { versions: BTreeMap::new(), current: BTreeMap::new() };
            for (key, version) in self.0.values(&SPACE, CURRENT)? {
                let (id, version) = (key[CURRENT.len()..].to_owned(), text_of(&key, &version)?);
                if let Some(text) = self.text(&version)? {
                    stored.current.insert(id.clone(), text.to_string());
                }
                stored.versions.insert(id, version);
            }
            Ok(stored)
        })
        .await
    }

    /// The text of a version. Waits for the disk.
    pub(super) fn text(&self, version: &str) -> Result<Option<Arc<str>>, EventLogError> {
        let prefix = format!("{VERSION}{version}/");
        if prefix.contains('\0') {
            return Ok(None);
        }
        let pieces = self.0.values(&SPACE, &prefix)?;
        if pieces.is_empty() {
            return Ok(None);
        }
        let whole: Vec<u8> = pieces.into_iter().flat_map(|(_, piece)| piece).collect();
        Ok(Some(text_of(&prefix, &whole)?.into()))
    }

    pub(super) async fn write(&self, change: Change) -> Result<(), EventLogError> {
        let values = change.0;
        self.0.commit(Batch { values, ..Batch::default() }).await.map(drop)
    }

    /// Removes versions that no event can name any more.
    pub(super) async fn forget_unused(&self) -> Result<(), EventLogError> {
        let versions = self.clone();
        let change = blocking(move || versions.unused()).await?;
        self.write(change).await
    }

    fn unused(&self) -> Result<Change, EventLogError> {
        let mut change = Change::default();
        let retired = self.0.values(&SPACE, RETIRED)?;
        let snapshot = self.0.snapshot();
        for (key, noted) in retired {
            let unchanged = Expected::Exactly(noted.clone());
            let last = match text_of(&key, &noted)?.as_str() {
                // Requests that began with it end before the next upkeep.
                "" => {
                    change.put_if(key, Some(SEEN.into()), unchanged);
                    continue;
                }
                SEEN => {
                    change.put_if(key, Some(snapshot.head.0.to_string().into()), unchanged);
                    continue;
                }
                text => text.parse().unwrap_or(u64::MAX),
            };
            if Seq(last) >= snapshot.floor {
                continue;
            }
            let version = &key[RETIRED.len()..];
            for (piece, _) in self.0.values(&SPACE, &format!("{VERSION}{version}/"))? {
                change.put(piece, None);
            }
            change.put_if(key, None, unchanged);
        }
        Ok(change)
    }
}

fn text_of(key: &str, value: &[u8]) -> Result<String, EventLogError> {
    String::from_utf8(value.to_vec()).map_err(|error| EventLogError::Corrupt {
        key: format!("s/{}/{key}", SPACE.as_str()),
        detail: error.to_string(),
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EventLogError> + Send + 'static,
) -> Result<T, EventLogError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::contract::{Bed, new_event};
    use crate::schema::Schema;

    fn wanted(entries: &[(&str, &str)]) -> ById {
        let read = |(id, text): &(&str, &str)| ((*id).to_owned(), Arc::new(Schema::read(text.as_bytes()).unwrap()));
        entries.iter().map(read).collect()
    }

    #[tokio::test]
    async fn a_version_stays_while_an_event_can_name_it() {
        let mut bed = Bed::memory();
        bed.keep_events(2);
        let log = bed.open();
        let versions = Versions::new(log.clone());
        let long = format!("{{\"title\":\"{}\"}}", "x".repeat(100_000));
        let put = async |entries: &[(&str, &str)]| {
            let stored = versions.clone().stored().await.unwrap();
            versions.write(Change::new(&stored, wanted(entries))).await.unwrap();
        };
        let accept = async || drop(log.commit(vec![new_event("{}")].into()).await.unwrap());
        let old = Schema::read(long.as_bytes()).unwrap();

        put(&[("a", &long), ("b", "{}")]).await;
        let stored = versions.clone().stored().await.unwrap();
        assert_eq!(stored.current.get("a"), Some(&long));
        accept().await;
        put(&[("a", "true"), ("b", "{}")]).await;

        for _ in 0..3 {
            versions.forget_unused().await.unwrap();
        }
        assert_eq!(versions.text(old.version()).unwrap().as_deref(), Some(long.as_str()));
        while log.snapshot().floor <= Seq(1) {
            accept().await;
        }
        versions.forget_unused().await.unwrap();
        assert_eq!(versions.text(old.version()).unwrap(), None);
        put(&[("b", "{}")]).await;
        assert_eq!(versions.clone().stored().await.unwrap().current.len(), 1);
    }
}
