//! The public keys of issuers of tokens: fetched when they are needed, kept for a while, and kept on when a fetch fails.
//!
//! Whoever sends a token with an unknown key makes the gateway ask the issuer, so that is limited to once in an interval.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::verify::KeySet;

/// Where the keys of an issuer are, and how they are fetched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeySource {
    pub place: KeyPlace,
    /// How long a set counts as current.
    pub lifetime: Duration,
    /// The shortest time between two fetches.
    pub interval: Duration,
    /// How long one fetch may take.
    pub timeout: Duration,
    /// Bytes of the largest set.
    pub max: usize,
    /// Whether the name in the URL may resolve to addresses that are not public.
    pub private: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyPlace {
    Url(String),
    File(PathBuf),
}

/// Fetches sets of keys.
pub trait FetchKeys: Send + Sync {
    /// The set at `source`, or why there is none. Returns in time; counts and logs failures under the name of `caller`.
    fn fetch<'a>(&'a self, caller: &'a str, source: &'a KeySource) -> Fetching<'a>;
}

pub type Fetching<'a> = Pin<Box<dyn Future<Output = Option<KeySet>> + Send + 'a>>;

/// The sets of all issuers.
pub struct KeySets {
    fetch: Arc<dyn FetchKeys>,
    /// By their places alone: a source that is asked in another way from now on keeps its keys.
    sources: Mutex<HashMap<KeyPlace, Arc<Source>>>,
}

#[derive(Default)]
struct Source {
    known: Mutex<Known>,
    /// Held by the request that fetches; the others wait for its result.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Known {
    /// The last good set.
    set: Option<Arc<KeySet>>,
    fetched: Option<Instant>,
    /// The last fetch, whatever came of it.
    tried: Option<Instant>,
}

impl KeySets {
    pub fn new(fetch: Arc<dyn FetchKeys>) -> Self {
        Self { fetch, sources: Mutex::default() }
    }

    /// The keys at `source`, fetched if they are not current; the last good ones if that fails.
    pub(super) async fn current(&self, caller: &str, source: &KeySource) -> Option<Arc<KeySet>> {
        self.get(caller, source, |known| known.is_due(source, Instant::now())).await
    }

    /// The keys at `source` after the set `seen`, which did not have a key: fetched if that may be done now.
    pub(super) async fn after(
        &self,
        caller: &str,
        source: &KeySource,
        seen: Option<&Arc<KeySet>>,
    ) -> Option<Arc<KeySet>> {
        let is_same = |known: &Known| match (&known.set, seen) {
            (Some(known), Some(seen)) => Arc::ptr_eq(known, seen),
            (known, seen) => known.is_none() && seen.is_none(),
        };
        self.get(caller, source, |known| is_same(known) && known.may_fetch(source, Instant::now())).await
    }

    async fn get(&self, caller: &str, source: &KeySource, is_due: impl Fn(&Known) -> bool) -> Option<Arc<KeySet>> {
        let own = self.source(source);
        if is_due(&own.known()) {
            let _turn = own.turn.lock().await;
            // Another request may have fetched meanwhile.
            if is_due(&own.known()) {
                let fetched = self.fetch.fetch(caller, source).await;
                let now = Instant::now();
                let mut known = own.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.tried = Some(now);
                if let Some(set) = fetched {
                    known.set = Some(Arc::new(set));
                    known.fetched = Some(now);
                }
            }
        }
        own.known().set
    }

    /// Forgets the keys of every source but these.
    pub fn forget_all_but<'a>(&self, sources: impl IntoIterator<Item = &'a KeySource>) {
        let stay: HashSet<_> = sources.into_iter().map(|source| &source.place).collect();
        self.lock().retain(|place, _| stay.contains(place));
    }

    /// Has the keys in files read again when they are needed next, because a file has changed.
    pub fn expire_files(&self) {
        for (place, source) in self.lock().iter() {
            if let KeyPlace::File(_) = place {
                let mut known = source.known.lock().unwrap_or_else(PoisonError::into_inner);
                (known.fetched, known.tried) = (None, None);
            }
        }
    }

    fn source(&self, source: &KeySource) -> Arc<Source> {
        Arc::clone(self.lock().entry(source.place.clone()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyPlace, Arc<Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Known {
    fn is_due(&self, source: &KeySource, now: Instant) -> bool {
        let is_current = |fetched: Instant| now.saturating_duration_since(fetched) < source.lifetime;
        !self.fetched.is_some_and(is_current) && self.may_fetch(source, now)
    }

    fn may_fetch(&self, source: &KeySource, now: Instant) -> bool {
        self.tried.is_none_or(|tried| now.saturating_duration_since(tried) >= source.interval)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const SET: &str = r#"{"keys": [{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

    /// Answers the first fetch, and counts all of them.
    struct Once(AtomicUsize);

    impl FetchKeys for Once {
        fn fetch<'a>(&'a self, _: &'a str, _: &'a KeySource) -> Fetching<'a> {
            let is_first = self.0.fetch_add(1, Ordering::Relaxed) == 0;
            Box::pin(async move {
                tokio::task::yield_now().await;
                is_first.then(|| KeySet::parse(SET.as_bytes()).unwrap())
            })
        }
    }

    fn source(lifetime: Duration, interval: Duration) -> KeySource {
        let place = KeyPlace::File("keys.json".into());
        KeySource { place, lifetime, interval, timeout: Duration::from_secs(1), max: 1000, private: false }
    }

    #[tokio::test]
    async fn keys_are_fetched_once_and_serve_on_when_a_fetch_fails() {
        let fetch = Arc::new(Once(AtomicUsize::new(0)));
        let sets = KeySets::new(Arc::clone(&fetch) as Arc<dyn FetchKeys>);
        let fetches = || fetch.0.load(Ordering::Relaxed);
        let long = source(Duration::MAX, Duration::MAX);
        let all = futures_util::future::join_all((0..10).map(|_| sets.current("ci", &long))).await;
        assert!(all.iter().all(Option::is_some));
        assert_eq!(fetches(), 1, "they wait for one fetch");
        let seen = all.into_iter().next().flatten();
        assert!(sets.after("ci", &long, seen.as_ref()).await.is_some());
        assert_eq!(fetches(), 1, "an unknown key fetches once in an interval");

        let fetch = Arc::new(Once(AtomicUsize::new(0)));
        let sets = KeySets::new(Arc::clone(&fetch) as Arc<dyn FetchKeys>);
        let fetches = || fetch.0.load(Ordering::Relaxed);
        let short = source(Duration::ZERO, Duration::ZERO);
        let seen = sets.current("ci", &short).await;
        assert!(sets.current("ci", &short).await.is_some(), "the last good set serves on");
        assert!(sets.after("ci", &short, seen.as_ref()).await.is_some());
        assert_eq!(fetches(), 3);
        assert!(sets.after("ci", &short, None).await.is_some());
        assert_eq!(fetches(), 3, "another request has fetched since");
    }

    #[tokio::test]
    async fn keys_in_a_file_are_read_again_after_it_has_changed() {
        let fetch = Arc::new(Once(AtomicUsize::new(0)));
        let sets = KeySets::new(Arc::clone(&fetch) as Arc<dyn FetchKeys>);
        let file = source(Duration::MAX, Duration::MAX);
        let url = KeySource { place: KeyPlace::Url("https://issuer.example".to_owned()), ..file.clone() };
        for source in [&file, &url, &file, &url] {
            sets.current("ci", source).await;
        }
        assert_eq!(fetch.0.load(Ordering::Relaxed), 2);

        sets.expire_files();

        assert!(sets.current("ci", &file).await.is_some(), "the last good set serves on");
        sets.current("ci", &url).await;
        assert_eq!(fetch.0.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn the_keys_of_a_source_stay_until_it_is_gone() {
        let sets = KeySets::new(Arc::new(Once(AtomicUsize::new(0))));
        let before = source(Duration::MAX, Duration::MAX);
        assert!(sets.current("ci", &before).await.is_some());

        let after = source(Duration::ZERO, Duration::ZERO);
        sets.forget_all_but([&after]);
        assert!(sets.current("ci", &after).await.is_some(), "it is asked in another way, and does not answer");
        sets.forget_all_but([]);
        assert!(sets.current("ci", &before).await.is_none());
    }
}
