//! Where attempts of an agent go: to the address in its settings, or to one of several. Each has a breaker of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::breaker::{Breaker, BreakerSettings, BreakerState};
use crate::event::Timestamp;
use crate::plugin::Binding;

/// One address of an agent.
pub(super) struct Endpoint {
    /// `None` if the settings of the plugin say it.
    pub(super) address: Option<String>,
    /// What the plugin is called with.
    pub(super) binding: Arc<Binding>,
    /// Outlives changes of the settings.
    known: Arc<Known>,
}

/// What is known of an address.
struct Known {
    breaker: Mutex<Breaker>,
    in_flight: AtomicUsize,
    health: Mutex<Option<Health>>,
}

/// What an endpoint last said of itself.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    pub ok: bool,
    pub at: Timestamp,
    /// Why it is not well.
    pub reason: Option<String>,
}

/// An attempt at an endpoint, for as long as it lasts.
pub(super) struct Load(Arc<Known>);

impl Endpoint {
    /// `before` is what was known of the address.
    pub(super) fn new(
        address: Option<String>,
        binding: Arc<Binding>,
        breaker: &BreakerSettings,
        before: Option<&Self>,
    ) -> Self {
        let new = || {
            let breaker = Mutex::new(Breaker::new(breaker.clone()));
            Arc::new(Known { breaker, in_flight: AtomicUsize::new(0), health: Mutex::default() })
        };
        Self { address, binding, known: before.map_or_else(new, |before| Arc::clone(&before.known)) }
    }

    pub(super) fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.known.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt while the result exists.
    pub(super) fn enter(&self) -> Load {
        self.known.in_flight.fetch_add(1, Ordering::Relaxed);
        Load(Arc::clone(&self.known))
    }

    /// Attempts in flight.
    pub(super) fn load(&self) -> usize {
        self.known.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn health(&self) -> Option<Health> {
        self.known.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_health(&self, health: Health) {
        *self.known.health.lock().unwrap_or_else(PoisonError::into_inner) = Some(health);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The endpoint for the next attempt: the least loaded of those whose breaker allows one. Otherwise, when the first of them will.
pub(super) fn choose(endpoints: &[Arc<Endpoint>], now: Instant) -> Result<&Arc<Endpoint>, Option<Instant>> {
    let allowed = endpoints.iter().filter(|endpoint| endpoint.breaker().allows(now));
    let chosen = allowed.min_by_key(|endpoint| endpoint.load());
    chosen.ok_or_else(|| endpoints.iter().filter_map(|endpoint| endpoint.breaker().open_until()).min())
}

/// The state of the endpoint that is best off. `endpoints` is not empty.
pub(super) fn best(endpoints: &[Arc<Endpoint>]) -> (&Arc<Endpoint>, BreakerState) {
    let states = endpoints.iter().map(|endpoint| (endpoint, endpoint.breaker().state()));
    states.min_by_key(|(_, state)| *state as u8).expect("an agent has an endpoint")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::breaker::AgentVerdict;
    use super::super::failure_class::FailureClass;
    use super::*;
    use crate::plugin::{CallLimits, Network};

    fn endpoint(address: &str) -> Arc<Endpoint> {
        let binding = Binding::new("a", BTreeMap::new(), Network::Closed, &CallLimits::default());
        let settings = BreakerSettings { failures: 1, ..BreakerSettings::default() };
        Arc::new(Endpoint::new(Some(address.to_owned()), Arc::new(binding), &settings, None))
    }

    #[test]
    fn the_least_loaded_endpoint_that_is_well_gets_the_next_attempt() {
        let endpoints = [endpoint("a"), endpoint("b")];
        let now = Instant::now();
        let chosen = || choose(&endpoints, now).map(|endpoint| endpoint.address.clone().unwrap()).map_err(|_| ());
        let fail = |endpoint: &Endpoint| {
            let epoch = endpoint.breaker().started();
            endpoint.breaker().ended(epoch, AgentVerdict::Failed { class: FailureClass::Faulty, after: None }, now);
        };

        assert_eq!(chosen(), Ok("a".to_owned()));
        let load = endpoints[0].enter();
        assert_eq!(chosen(), Ok("b".to_owned()));
        drop(load);
        fail(&endpoints[0]);
        assert_eq!(chosen(), Ok("b".to_owned()));
        assert_eq!(best(&endpoints).1, BreakerState::Closed);
        fail(&endpoints[1]);
        assert_eq!(chosen(), Err(()));
        assert_eq!(choose(&endpoints, now).err().unwrap(), Some(now + Duration::from_secs(5)));
        assert_eq!(best(&endpoints).1, BreakerState::Open);
    }

    #[test]
    fn what_is_known_of_an_address_outlives_its_settings() {
        let before = endpoint("a");
        let _load = before.enter();

        let binding = Arc::clone(&before.binding);
        let after = Endpoint::new(before.address.clone(), binding, &BreakerSettings::default(), Some(&before));

        assert_eq!(after.load(), 1);
    }
}
