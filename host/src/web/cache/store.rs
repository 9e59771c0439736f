//! Stored responses in memory, bounded in bytes.

use std::sync::Arc;

use http::header::HeaderMap;
use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};

use super::key::Key;
use super::policy::Variant;
use super::stored::Stored;

/// The largest number of variants of one key; the oldest makes room.
pub(crate) const MOST_VARIANTS: usize = 16;

/// What is assumed of a response to estimate how many there will be.
const USUAL_WEIGHT: usize = 16 << 10;

pub(crate) struct Store {
    resources: Cache<Key, Arc<Resource>, ByBytes>,
    /// Bytes of all variants of a key: they are in one shard, which must have room for them.
    max_resource: usize,
}

/// All variants of a key, the newest first. Never empty and never changed, only replaced.
struct Resource(Vec<Arc<Stored>>);

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Arc<Resource>> for ByBytes {
    fn weight(&self, key: &Key, resource: &Arc<Resource>) -> u64 {
        let variants: usize = resource.0.iter().map(|stored| stored.weight()).sum();
        (2 * key.len() + 128 + variants) as u64
    }
}

/// What there is for a request.
#[derive(Debug)]
pub(crate) enum Found {
    Stored(Arc<Stored>),
    /// Only for other requests.
    OtherVariants,
    Nothing,
}

impl Store {
    /// A store of at most `max_size` bytes for bodies of at most `max_object`.
    pub(crate) fn new(max_size: usize, max_object: usize) -> Self {
        let shards = (max_size / (4 * max_object)).clamp(1, 64);
        let shards = (shards + 1).next_power_of_two() / 2;
        let options = OptionsBuilder::new()
            .shards(shards)
            .weight_capacity(max_size as u64)
            .estimated_items_capacity((max_size / USUAL_WEIGHT).max(32 * shards))
            .build()
            .expect("capacities are given");
        let resources =
            Cache::with_options(options, ByBytes, Default::default(), quick_cache::sync::DefaultLifecycle::default());
        // A shard keeps a part of its room for newcomers.
        Self { resources, max_resource: max_size / shards / 10 * 9 }
    }

    pub(crate) fn find(&self, key: &Key, request: &HeaderMap) -> Found {
        let Some(resource) = self.resources.get(key) else { return Found::Nothing };
        match resource.0.iter().find(|stored| stored.head.variant.includes(request)) {
            Some(stored) => Found::Stored(Arc::clone(stored)),
            None => Found::OtherVariants,
        }
    }

    /// Adds the response to `request`, instead of one for the same request. Calls must not overlap.
    pub(crate) fn insert(&self, key: &Key, request: &HeaderMap, stored: Arc<Stored>) {
        let mut room = self.max_resource.saturating_sub(stored.weight());
        let others = self.others(key, request).take(MOST_VARIANTS - 1).take_while(|other| {
            let fits = other.weight() <= room;
            room = room.saturating_sub(other.weight());
            fits
        });
        let variants = std::iter::once(stored).chain(others).collect();
        self.resources.insert(key.clone(), Arc::new(Resource(variants)));
    }

    /// Removes the response to `request`. Calls must not overlap with those of `insert`.
    pub(crate) fn remove(&self, key: &Key, request: &HeaderMap) {
        let others: Vec<_> = self.others(key, request).collect();
        if others.is_empty() {
            self.resources.remove(key);
        } else {
            self.resources.insert(key.clone(), Arc::new(Resource(others)));
        }
    }

    fn others(&self, key: &Key, request: &HeaderMap) -> impl Iterator<Item = Arc<Stored>> {
        let variants = self.resources.peek(key).map(|resource| resource.0.clone()).unwrap_or_default();
        variants.into_iter().filter(|stored| !stored.head.variant.includes(request))
    }

    /// Removes all variants.
    pub(crate) fn remove_all(&self, key: &Key) {
        self.resources.remove(key);
    }

    /// Removes everything below `prefix` and returns how many responses that were.
    pub(crate) fn purge(&self, prefix: &str) -> usize {
        let below: Vec<(Key, usize)> = self
            .resources
            .iter()
            .filter(|(key, _)| key.is_below(prefix))
            .map(|(key, resource)| (key, resource.0.len()))
            .collect();
        below.into_iter().filter(|(key, _)| self.resources.remove(key).is_some()).map(|(_, variants)| variants).sum()
    }

    /// Bytes of everything that is stored.
    pub(crate) fn size(&self) -> u64 {
        self.resources.weight()
    }

    /// The newest response for any request.
    pub(crate) fn known_variant(&self, key: &Key) -> Option<Variant> {
        self.resources.peek(key).map(|resource| resource.0[0].head.variant.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use bytes::Bytes;
    use http::{HeaderName, HeaderValue, StatusCode};

    use super::super::policy::{Directives, Exchange};
    use super::super::stored::Head;
    use super::*;

    fn key(path: &str) -> Key {
        Key::new("http", "h", path)
    }

    fn request(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static("x"), HeaderValue::from_str(value).unwrap())])
    }

    fn response(request: &HeaderMap, body: impl Into<Bytes>) -> Arc<Stored> {
        let vary = HeaderMap::from_iter([(http::header::VARY, HeaderValue::from_static("x"))]);
        let now = Instant::now();
        let head = Head {
            status: StatusCode::OK,
            variant: Variant::of(request, &vary).unwrap(),
            fields: vary,
            stated: Directives::default(),
            lifetime: Duration::from_secs(60),
            initial_age: Duration::ZERO,
            exchange: Exchange { requested: now, received: now, received_at: SystemTime::now() },
        };
        Arc::new(Stored { head, body: body.into() })
    }

    fn body(store: &Store, path: &str, value: &str) -> Option<Bytes> {
        match store.find(&key(path), &request(value)) {
            Found::Stored(stored) => Some(stored.body.clone()),
            Found::OtherVariants | Found::Nothing => None,
        }
    }

    fn insert(store: &Store, path: &str, value: &str, body: impl Into<Bytes>) {
        let request = request(value);
        store.insert(&key(path), &request, response(&request, body));
    }

    #[test]
    fn variants_are_kept_apart_and_the_newer_one_replaces_the_older() {
        let store = Store::new(1 << 20, 1 << 10);
        insert(&store, "/", "a", "1");
        insert(&store, "/", "b", "2");
        insert(&store, "/", "a", "3");
        assert_eq!(body(&store, "/", "a").unwrap(), "3");
        assert_eq!(body(&store, "/", "b").unwrap(), "2");
        assert!(matches!(store.find(&key("/"), &request("c")), Found::OtherVariants));
        assert!(matches!(store.find(&key("/other"), &request("a")), Found::Nothing));

        store.remove(&key("/"), &request("a"));
        assert_eq!((body(&store, "/", "a"), body(&store, "/", "b").unwrap()), (None, "2".into()));
        store.remove(&key("/"), &request("b"));
        assert!(matches!(store.find(&key("/"), &request("b")), Found::Nothing));
    }

    #[test]
    fn the_oldest_variant_makes_room() {
        let store = Store::new(1 << 20, 1 << 10);
        for number in 0..=MOST_VARIANTS {
            insert(&store, "/", &number.to_string(), "x");
        }
        assert_eq!(body(&store, "/", "0"), None);
        for number in 1..=MOST_VARIANTS {
            assert!(body(&store, "/", &number.to_string()).is_some(), "{number}");
        }
    }

    #[test]
    fn the_size_stays_below_the_limit() {
        let store = Store::new(4 << 20, 64 << 10);
        for number in 0..1000 {
            insert(&store, &format!("/{number}"), "a", vec![0; 50 << 10]);
            assert!(store.size() <= 4 << 20);
        }
        assert!(store.size() > 2 << 20, "{}", store.size());
    }

    #[test]
    fn variants_that_are_too_large_together_make_room_for_the_newest() {
        let store = Store::new(32 << 20, 1 << 20);
        for number in 0..MOST_VARIANTS {
            insert(&store, "/", &number.to_string(), vec![0; (1 << 20) - 4096]);
            assert!(body(&store, "/", &number.to_string()).is_some(), "{number}");
        }
        let kept = (0..MOST_VARIANTS).filter(|number| body(&store, "/", &number.to_string()).is_some()).count();
        assert_eq!(kept, 3);
    }

    #[test]
    fn purging_removes_what_is_below_a_prefix() {
        let store = Store::new(1 << 20, 1 << 10);
        for (path, value) in [("/a/1", "a"), ("/a/1", "b"), ("/a/2", "a"), ("/b", "a")] {
            insert(&store, path, value, "x");
        }
        assert_eq!(store.purge("/c"), 0);
        assert_eq!(store.purge("/a/"), 3);
        assert!(body(&store, "/a/1", "a").is_none() && body(&store, "/a/2", "a").is_none());
        assert_eq!(store.purge("http://h/"), 1);
        assert_eq!(store.size(), 0);
    }
}
