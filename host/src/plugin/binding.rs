//! What a configured channel or agent grants its plugin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::CallError;
use super::limits::CallLimits;
use super::manifest::Manifest;
use super::network::Network;
use super::state::PluginState;

/// One configured channel or agent as its plugin sees it: settings, grants and permits for calls.
///
/// It outlives the generations of the plugin, so that a swap does not change how many calls are in flight.
pub struct Binding {
    /// The name of the channel or agent.
    pub name: String,
    /// The `config` table: strings as they are, everything else as JSON.
    pub config: BTreeMap<String, String>,
    /// Replaces the setting that the plugin's manifest names as its address.
    pub address: Option<String>,
    pub network: Network,
    pub state: Option<Arc<PluginState>>,
    /// Wall-clock time that one call may take.
    pub time: Duration,
    settings: ArcSwapOption<Settings>,
    permits: Semaphore,
    waiting: AtomicUsize,
    queue: usize,
}

/// The settings of a plugin with the defaults of its manifest.
struct Settings {
    manifest: Arc<Manifest>,
    /// An object of strings.
    json: Arc<str>,
}

impl Binding {
    /// A binding with the time, concurrency and queue of `limits`.
    pub fn new(name: &str, config: BTreeMap<String, String>, network: Network, limits: &CallLimits) -> Self {
        Self {
            name: name.to_owned(),
            config,
            address: None,
            network,
            state: None,
            time: limits.time,
            settings: ArcSwapOption::empty(),
            permits: Semaphore::new(limits.concurrency),
            waiting: AtomicUsize::new(0),
            queue: limits.queue,
        }
    }

    pub fn with_address(mut self, address: Option<String>) -> Self {
        self.address = address;
        self
    }

    pub fn with_state(mut self, state: Option<Arc<PluginState>>) -> Self {
        self.state = state;
        self
    }

    /// The settings with the defaults of this manifest, as a JSON object of strings. Made once for each version of the plugin.
    pub(super) fn settings(&self, manifest: &Arc<Manifest>) -> Arc<str> {
        if let Some(known) = &*self.settings.load()
            && Arc::ptr_eq(&known.manifest, manifest)
        {
            return Arc::clone(&known.json);
        }
        let defaults = manifest.config.iter().filter_map(|(name, key)| Some((name.clone(), key.default_text.clone()?)));
        let mut all: BTreeMap<String, String> = defaults.collect();
        all.extend(self.config.clone());
        all.extend(manifest.address.clone().zip(self.address.clone()));
        let json: Arc<str> = serde_json::to_string(&all).expect("strings can be written as JSON").into();
        self.settings.store(Some(Arc::new(Settings { manifest: Arc::clone(manifest), json: Arc::clone(&json) })));
        json
    }

    /// Whether a call would be refused now. Cheap.
    pub fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= self.queue && self.permits.available_permits() == 0
    }

    /// Takes a permit, waiting until `deadline` at most; `Busy` at once when the queue is full.
    pub(super) async fn enter(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, CallError> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let _waiter = Waiter::new(self).ok_or(CallError::Busy)?;
        match tokio::time::timeout_at(deadline.into(), self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(CallError::Busy),
        }
    }
}

/// Counts one waiting call while it exists.
struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn new(binding: &'a Binding) -> Option<Self> {
        let waiter = Self(&binding.waiting);
        let before = waiter.0.fetch_add(1, Ordering::Relaxed);
        (before < binding.queue).then_some(waiter)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_take_precedence_over_defaults_of_the_version_that_is_called() {
        let manifest = |defaults: &str| {
            let text = format!(r#"{{"name": "a", "version": "1.0.0", "summary": "a", "config": {{{defaults}}}}}"#);
            Arc::new(Manifest::parse(&text).unwrap())
        };
        let config = [("a".to_owned(), "\"1\"".to_owned()), ("c".to_owned(), "é\n".to_owned())].into();
        let binding = Binding::new("dummy", config, Network::Closed, &CallLimits::default());
        let first = manifest(
            r#""a": {"type": "string", "summary": "a", "default": "x"}, "b": {"type": "array", "summary": "b", "default": ["y"]}, "d": {"type": "string", "summary": "d"}"#,
        );

        let json = binding.settings(&first);
        assert_eq!(&*json, r#"{"a":"\"1\"","b":"[\"y\"]","c":"é\n"}"#);
        assert!(Arc::ptr_eq(&json, &binding.settings(&first)));
        assert_eq!(&*binding.settings(&manifest("")), r#"{"a":"\"1\"","c":"é\n"}"#);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let limits = CallLimits { concurrency: 1, queue: 0, ..CallLimits::default() };
        let binding = Binding::new("dummy", BTreeMap::new(), Network::Closed, &limits);
        let deadline = Instant::now() + Duration::from_secs(60);
        assert!(!binding.is_full());
        let permit = binding.enter(deadline).await.unwrap();

        assert!(matches!(binding.enter(deadline).await, Err(CallError::Busy)));
        assert!(binding.is_full());
        drop(permit);
        assert!(binding.enter(deadline).await.is_ok());
    }
}
