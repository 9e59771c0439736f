//! What the log says while the first plugins are loaded: how far it is, and in the end one line for all of them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::generation::Generation;

/// The shortest time between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// The loads of a start.
#[derive(Default)]
pub(super) struct StartProgress(Mutex<Option<Count>>);

struct Count {
    total: usize,
    begun: usize,
    told: Option<Instant>,
}

impl StartProgress {
    /// A start with this number of files begins.
    pub(super) fn begin(&self, total: usize) {
        *self.lock() = Some(Count { total, begun: 0, told: None });
    }

    /// The start is over.
    pub(super) fn end(&self) {
        *self.lock() = None;
    }

    /// Whether this is the load of a start.
    pub(super) fn begin_file(&self) -> bool {
        let mut state = self.lock();
        if let Some(state) = &mut *state {
            state.begun += 1;
        }
        state.is_some()
    }

    /// A file is compiled, which takes seconds.
    pub(super) fn compiling(&self) {
        if let Some(line) = self.line(Instant::now()) {
            tracing::info!("{line}");
        }
    }

    fn line(&self, now: Instant) -> Option<String> {
        let mut state = self.lock();
        let state = state.as_mut()?;
        if state.told.is_some_and(|told| now.saturating_duration_since(told) < INTERVAL) {
            return None;
        }
        state.told = Some(now);
        Some(format!("Compiling plugin {} of {}, the next start takes them from the cache", state.begun, state.total))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports a generation that serves. At the start there is one line for all of them.
pub(super) fn tell(generation: &Generation, is_start: bool) {
    let Generation { plugin, number, digest, manifest, .. } = generation;
    let (kind, version, digest) = (generation.kind().as_str(), &manifest.version, &digest.to_string()[..12]);
    if is_start {
        tracing::debug!(%plugin, kind, %version, generation = number, digest, "Plugin serves");
    } else {
        tracing::info!(%plugin, kind, %version, generation = number, digest, "Plugin serves");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_says_how_far_it_is_once_a_second() {
        let (progress, now) = (StartProgress::default(), Instant::now());
        assert!(!progress.begin_file(), "there is no start");
        assert_eq!(progress.line(now), None);

        progress.begin(3);
        assert!(progress.begin_file());
        assert!(progress.line(now).unwrap().starts_with("Compiling plugin 1 of 3, "));
        assert!(progress.begin_file());
        assert_eq!(progress.line(now + INTERVAL / 2), None);
        assert!(progress.begin_file());
        assert!(progress.line(now + INTERVAL).unwrap().starts_with("Compiling plugin 3 of 3, "));

        progress.end();
        assert_eq!(progress.line(now + 2 * INTERVAL), None);
    }
}
