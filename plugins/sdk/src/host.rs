//! What the host offers every plugin: settings, state, log, clock and random bytes.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::bindings::channel::gateway::plugin::log;
pub use crate::bindings::channel::gateway::plugin::state::Error as StateError;
use crate::bindings::channel::gateway::plugin::{host as imports, state};
use crate::config;

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
///
/// What it calls is decided where it is made, so that a component imports only what its calls can need.
#[derive(Debug)]
pub struct Host {
    stand_in: Option<StandIn>,
    /// The settings that came with the call.
    settings: String,
    config: fn(&Host, &str) -> Option<String>,
    log: fn(&Host, Level, &str),
}

#[derive(Debug, Default)]
struct StandIn {
    config: BTreeMap<String, String>,
    state: RefCell<BTreeMap<String, Vec<u8>>>,
    logged: RefCell<Vec<(Level, String)>>,
}

impl Host {
    /// The host of a call that brings nothing along.
    pub(crate) fn real() -> Self {
        let config = |_: &Host, key: &str| imports::config(key);
        let log = |_: &Host, level: Level, line: &str| log_text(level, line);
        Host { stand_in: None, settings: String::new(), config, log }
    }

    /// The host of a call that brings its settings along: a JSON object of strings.
    pub(crate) fn with_settings(settings: String) -> Self {
        let config = |host: &Host, key: &str| config::find(&host.settings, key);
        let log = |_: &Host, level: Level, line: &str| log_numbers(level, line);
        Host { stand_in: None, settings, config, log }
    }

    pub(crate) fn stand_in() -> Self {
        let config = |host: &Host, key: &str| host.stand_in.as_ref()?.config.get(key).cloned();
        let log = |host: &Host, level: Level, line: &str| {
            if let Some(stand_in) = &host.stand_in {
                stand_in.logged.borrow_mut().push((level, line.to_owned()));
            }
        };
        Host { stand_in: Some(StandIn::default()), settings: String::new(), config, log }
    }

    pub(crate) fn is_stand_in(&self) -> bool {
        self.stand_in.is_some()
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
        (self.config)(self, key)
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
        (self.log)(self, level, message);
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

/// Logs through `host.log`.
#[doc(hidden)]
pub fn log_text(level: Level, line: &str) {
    imports::log(level.name(), line);
}

/// Logs through `log.write`, which makes no instance slower.
#[doc(hidden)]
pub fn log_numbers(level: Level, line: &str) {
    for part in parts(line) {
        log::write(level as u32, part);
    }
}

/// A line, eight bytes at a time, and the rest, which ends it. A zero would end it too and becomes a space.
fn parts(line: &str) -> impl Iterator<Item = u64> {
    let number = |part: &[u8]| {
        let mut bytes = [0; 8];
        for (byte, from) in bytes.iter_mut().zip(part) {
            *byte = if *from == 0 { b' ' } else { *from };
        }
        u64::from_le_bytes(bytes)
    };
    let (whole, rest) = line.as_bytes().as_chunks::<8>();
    whole.iter().map(move |part| number(part)).chain([number(rest)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_numbers_of_which_the_last_one_is_not_full() {
        let check = |line: &str, expected: &[&[u8; 8]]| {
            assert_eq!(
                parts(line).map(u64::to_le_bytes).collect::<Vec<_>>(),
                expected.iter().map(|part| **part).collect::<Vec<_>>()
            );
        };

        check("", &[&[0; 8]]);
        check("gone", &[b"gone\0\0\0\0"]);
        check("too\0late", &[b"too late", &[0; 8]]);
        check("panicked at", &[b"panicked", b" at\0\0\0\0\0"]);
    }
}
