//! What the host offers every plugin: settings, state, log, clock and random bytes.

use std::cell::RefCell;
use std::collections::BTreeMap;

pub use crate::bindings::channel::gateway::plugin::state::Error as StateError;
use crate::bindings::channel::gateway::plugin::{host as imports, state};

/// The severity of a log line, by who should act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the author of the plugin.
    Debug,
    /// A person's action took effect.
    Info,
    /// Unexpected, but handled.
    Warn,
    /// An operator must act.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// The host as a plugin sees it: in a component the real one, in a test a stand-in with the test's settings.
#[derive(Debug)]
pub struct Host {
    stand_in: Option<StandIn>,
}

#[derive(Debug, Default)]
struct StandIn {
    config: BTreeMap<String, String>,
    state: RefCell<BTreeMap<String, Vec<u8>>>,
    logged: RefCell<Vec<(Level, String)>>,
}

impl Host {
    pub(crate) fn real() -> Self {
        Host { stand_in: None }
    }

    pub(crate) fn stand_in() -> Self {
        Host { stand_in: Some(StandIn::default()) }
    }

    pub(crate) fn set_config(&mut self, key: &str, value: &str) {
        self.stand_in
            .as_mut()
            .expect("only a stand-in has its settings set")
            .config
            .insert(key.to_owned(), value.to_owned());
    }

    /// A value of the `config` table: a string as it is, anything else as JSON text.
    pub fn config(&self, key: &str) -> Option<String> {
        match &self.stand_in {
            None => imports::config(key),
            Some(stand_in) => stand_in.config.get(key).cloned(),
        }
    }

    /// A value of the plugin's state, including what this call has set.
    pub fn state(&self, key: &str) -> Option<Vec<u8>> {
        match &self.stand_in {
            None => state::get(key),
            Some(stand_in) => stand_in.state.borrow().get(key).cloned(),
        }
    }

    /// Sets a value of the plugin's state. The host stores it when the call succeeds. A stand-in has no quota.
    pub fn set_state(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        match &self.stand_in {
            None => state::set(key, value),
            Some(stand_in) => {
                stand_in.state.borrow_mut().insert(key.to_owned(), value.to_vec());
                Ok(())
            }
        }
    }

    /// Removes a value of the plugin's state.
    pub fn delete_state(&self, key: &str) -> Result<(), StateError> {
        match &self.stand_in {
            None => state::delete(key),
            Some(stand_in) => {
                stand_in.state.borrow_mut().remove(key);
                Ok(())
            }
        }
    }

    /// The keys of the plugin's state that begin with `prefix`, sorted.
    pub fn state_keys(&self, prefix: &str) -> Vec<String> {
        match &self.stand_in {
            None => state::keys(prefix),
            Some(stand_in) => stand_in.state.borrow().keys().filter(|key| key.starts_with(prefix)).cloned().collect(),
        }
    }

    /// Writes one line to the gateway's log under the plugin's name.
    pub fn log(&self, level: Level, message: &str) {
        match &self.stand_in {
            None => imports::log(level.name(), message),
            Some(stand_in) => stand_in.logged.borrow_mut().push((level, message.to_owned())),
        }
    }

    /// The lines logged so far. Only a stand-in records them; the real host returns none.
    pub fn logged(&self) -> Vec<(Level, String)> {
        self.stand_in.as_ref().map(|stand_in| stand_in.logged.borrow().clone()).unwrap_or_default()
    }

    /// The host's clock: RFC 3339, UTC, milliseconds. A stand-in always returns the same time.
    pub fn now(&self) -> String {
        match &self.stand_in {
            None => imports::now(),
            Some(_) => String::from("2026-01-01T00:00:00.000Z"),
        }
    }

    /// `count` random bytes, at most 1024. A stand-in returns zeros.
    pub fn random(&self, count: u32) -> Vec<u8> {
        match &self.stand_in {
            None => imports::random(count),
            Some(_) => (0..count.min(1024)).map(|_| 0).collect(),
        }
    }
}
