//! The state of a channel or agent: a small key-value store for its plugin.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use tokio::sync::Mutex;

const MAX_KEY: usize = 128;

/// Bytes of a value. It must fit into one record of the event log.
const MAX_VALUE: usize = 16 << 10;

/// The changes of a call: new values by key, `None` for a deleted key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChanges {
    entries: BTreeMap<String, Option<Bytes>>,
    /// Growth of the state in bytes, as the call sees it.
    growth: isize,
}

/// Why a change of the state is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("this instance was granted no state")]
    Denied,
    #[error("{0}")]
    Invalid(String),
    #[error("{used} bytes of state, {quota} are granted")]
    Quota {
        /// Bytes of all keys and values after the change.
        used: usize,
        quota: usize,
    },
}

impl StateError {
    /// The code of `state.error` in the WIT.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Invalid(_) => "invalid",
            Self::Quota { .. } => "quota",
        }
    }
}

/// The state of one channel or agent, as it is on disk.
///
/// It outlives the generations of the plugin. A call sees the kept state and its own changes.
#[derive(Debug)]
pub struct PluginState {
    /// The name under which the event log keeps it, such as `channels/github`.
    pub owner: String,
    /// Bytes of all keys and values together.
    quota: AtomicUsize,
    /// Whether it has the entries of earlier runs.
    loaded: AtomicBool,
    kept: RwLock<Kept>,
    /// Locked while changes are written, so that memory and disk get them in the same order.
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: BTreeMap<String, Bytes>,
    /// Bytes of all entries.
    used: usize,
}

impl PluginState {
    pub fn new(owner: String, quota: usize) -> Self {
        let (quota, loaded) = (AtomicUsize::new(quota), AtomicBool::new(false));
        Self { owner, quota, loaded, kept: RwLock::default(), writing: Mutex::default() }
    }

    /// Loads the entries of an earlier run.
    pub fn load(&self, entries: impl IntoIterator<Item = (String, Bytes)>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        entries.into_iter().for_each(|(key, value)| kept.put(key, Some(value)));
        self.loaded.store(true, Ordering::Release);
    }

    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// Changes the quota in bytes. A state above it may still shrink.
    pub(super) fn set_quota(&self, quota: usize) {
        self.quota.store(quota, Ordering::Relaxed);
    }

    pub fn used(&self) -> usize {
        self.kept().used
    }

    pub(super) fn get(&self, key: &str, changes: &StateChanges) -> Option<Bytes> {
        match changes.entries.get(key) {
            Some(changed) => changed.clone(),
            None => self.kept().entries.get(key).cloned(),
        }
    }

    pub(super) fn keys(&self, prefix: &str, changes: &StateChanges) -> Vec<String> {
        let kept = self.kept();
        let unchanged = kept.entries.keys().filter(|key| !changes.entries.contains_key(*key));
        let changed = changes.entries.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key);
        let mut keys: Vec<_> = unchanged.chain(changed).filter(|key| key.starts_with(prefix)).cloned().collect();
        keys.sort();
        keys
    }

    /// Adds a change to the others of the call, or refuses it.
    pub(super) fn change(
        &self,
        changes: &mut StateChanges,
        key: String,
        value: Option<Bytes>,
    ) -> Result<(), StateError> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(StateError::Invalid(format!("a key of {} bytes, expected 1 to {MAX_KEY}", key.len())));
        }
        let length = value.as_ref().map_or(0, Bytes::len);
        if length > MAX_VALUE {
            return Err(StateError::Invalid(format!("a value of {length} bytes, expected at most {MAX_VALUE}")));
        }
        let before = self.get(&key, changes).map_or(0, |value| size(&key, &value));
        let after = value.as_ref().map_or(0, |value| size(&key, value));
        let growth = changes.growth + after.cast_signed() - before.cast_signed();
        self.check(growth)?;
        changes.growth = growth;
        changes.entries.insert(key, value);
        Ok(())
    }

    /// Writes the changes of a successful call with `write`. Then other calls see them.
    ///
    /// # Errors
    /// `Quota` if concurrent calls exceed it together, and the errors of `write`. Nothing changes then.
    pub async fn keep<T, E: From<StateError>, F>(
        &self,
        changes: StateChanges,
        write: impl FnOnce(Vec<(String, Option<Bytes>)>) -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let _turn = self.writing.lock().await;
        let growth = {
            let kept = self.kept();
            let grows = |(key, value): (&String, &Option<Bytes>)| {
                let before = kept.entries.get(key).map_or(0, |value| size(key, value));
                value.as_ref().map_or(0, |value| size(key, value)).cast_signed() - before.cast_signed()
            };
            changes.entries.iter().map(grows).sum()
        };
        self.check(growth)?;
        let written = write(changes.entries.clone().into_iter().collect()).await?;
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        changes.entries.into_iter().for_each(|(key, value)| kept.put(key, value));
        Ok(written)
    }

    /// Refuses growth beyond the quota. A state above a lowered quota may still shrink step by step.
    fn check(&self, growth: isize) -> Result<(), StateError> {
        let used = self.used().saturating_add_signed(growth);
        let quota = self.quota.load(Ordering::Relaxed);
        if growth > 0 && used > quota {
            return Err(StateError::Quota { used, quota });
        }
        Ok(())
    }

    fn kept(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn put(&mut self, key: String, value: Option<Bytes>) {
        let length = key.len();
        let before = match value {
            Some(value) => {
                self.used += length + value.len();
                self.entries.insert(key, value)
            }
            None => self.entries.remove(&key),
        };
        self.used -= before.map_or(0, |before| length + before.len());
    }
}

impl StateChanges {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn size(key: &str, value: &Bytes) -> usize {
    key.len() + value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(quota: usize) -> PluginState {
        PluginState::new("channels/test".to_owned(), quota)
    }

    async fn kept(state: &PluginState, changes: StateChanges) -> Result<usize, StateError> {
        state.keep(changes, async move |entries| Ok(entries.len())).await
    }

    #[tokio::test]
    async fn a_call_sees_its_own_changes_and_others_see_them_once_they_are_kept() {
        let state = state(100);
        let mut own = StateChanges::default();

        state.change(&mut own, "cursor".to_owned(), Some("7".into())).unwrap();

        assert_eq!(state.get("cursor", &own).unwrap(), "7");
        assert_eq!(state.get("cursor", &StateChanges::default()), None);
        assert_eq!(kept(&state, own).await, Ok(1));
        assert_eq!(state.get("cursor", &StateChanges::default()).unwrap(), "7");
        assert_eq!(state.keys("cur", &StateChanges::default()), ["cursor"]);
        let mut gone = StateChanges::default();
        state.change(&mut gone, "cursor".to_owned(), None).unwrap();
        assert_eq!(state.keys("", &gone), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_is_not_written_is_not_seen() {
        let state = state(100);
        let mut own = StateChanges::default();
        state.change(&mut own, "a".to_owned(), Some("1".into())).unwrap();

        let failed = state.keep(own, async |_| Err::<(), _>(StateError::Denied)).await;

        assert_eq!(failed, Err(StateError::Denied));
        assert_eq!(state.used(), 0);
    }

    #[tokio::test]
    async fn the_quota_counts_keys_and_values_of_all_calls() {
        let state = state(10);
        let [mut one, mut two] = [StateChanges::default(), StateChanges::default()];
        assert_eq!(
            state.change(&mut one, "key".to_owned(), Some("12345678".into())),
            Err(StateError::Quota { used: 11, quota: 10 })
        );
        assert!(one.is_empty());

        state.change(&mut one, "a".to_owned(), Some("12345678".into())).unwrap();
        state.change(&mut two, "b".to_owned(), Some("12345678".into())).unwrap();

        assert_eq!(kept(&state, one).await, Ok(1));
        assert_eq!(kept(&state, two).await, Err(StateError::Quota { used: 18, quota: 10 }));
        assert!(matches!(
            state.change(&mut StateChanges::default(), "k".repeat(MAX_KEY + 1), None),
            Err(StateError::Invalid(_))
        ));
    }
}
