//! Keys whose last response was for one request only, so that requests do not wait for each other in vain.

use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use super::key::Key;

const REMEMBERED: usize = 16 << 10;
const FOR: Duration = Duration::from_secs(120);

pub(crate) struct Unshared(Cache<Key, Instant>);

impl Unshared {
    pub(crate) fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }

    pub(crate) fn remember(&self, key: &Key) {
        self.0.insert(key.clone(), Instant::now());
    }

    pub(crate) fn forget(&self, key: &Key) {
        self.0.remove(key);
    }

    pub(crate) fn contains(&self, key: &Key, now: Instant) -> bool {
        self.0.get(key).is_some_and(|since| now.saturating_duration_since(since) < FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_remembered_for_two_minutes() {
        let (unshared, key) = (Unshared::new(), Key::new("http", "h", "/"));
        let now = Instant::now();
        assert!(!unshared.contains(&key, now));
        unshared.remember(&key);
        assert!(unshared.contains(&key, now));
        assert!(unshared.contains(&key, now + FOR - Duration::from_secs(1)));
        assert!(!unshared.contains(&key, now + FOR + Duration::from_secs(1)));
        unshared.forget(&key);
        assert!(!unshared.contains(&key, now));
    }
}
