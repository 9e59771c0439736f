//! When many alerts are one storm: distinct signals, and distinct things, that begin to fire within a window.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::id::{Fact, GroupId};
use super::labels::Labels;
use super::settings::StormSettings;
use crate::event::Timestamp;

/// What began to fire lately, by the key of a storm. Only the newest as many as a threshold needs are kept.
///
/// After a restart it is derived from the signals that fire.
#[derive(Debug, Default)]
pub(super) struct Onsets {
    keys: HashMap<GroupId, Onset>,
    /// When it was looked last for what is over.
    looked_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Onset {
    signals: Recent,
    resources: Recent,
}

/// The newest distinct things.
#[derive(Debug, Default)]
struct Recent(VecDeque<(Timestamp, Fact)>);

impl Recent {
    /// Whether there are as many as `most` within `window`, now that `thing` has come.
    fn add(&mut self, thing: Fact, most: usize, window: Duration, now: Timestamp) -> bool {
        if most == 0 {
            return false;
        }
        self.0.retain(|(at, known)| *known != thing && *at <= now && now.since(*at) <= window);
        self.0.push_back((now, thing));
        while self.0.len() > most {
            self.0.pop_front();
        }
        self.0.len() >= most
    }

    fn is_over(&self, window: Duration, now: Timestamp) -> bool {
        self.0.back().is_none_or(|(at, _)| now.since(*at) > window)
    }
}

impl Onsets {
    /// The most keys of storms that are watched at a time.
    const MOST: usize = 10_000;
    /// How long it is not looked again for what is over.
    const PAUSE: Duration = Duration::from_secs(1);

    /// Whether it storms, now that the signal has begun to fire.
    pub(super) fn add(
        &mut self,
        key: GroupId,
        signal: Fact,
        labels: &Labels,
        settings: &StormSettings,
        now: Timestamp,
    ) -> bool {
        if self.keys.len() >= Self::MOST && !self.keys.contains_key(&key) {
            self.forget(settings, now);
            if self.keys.len() >= Self::MOST {
                return false;
            }
        }
        let Onset { signals, resources } = self.keys.entry(key).or_default();
        let many = signals.add(signal, settings.signals, settings.signals_within, now);
        let resource = settings.resource_labels.iter().find_map(|name| Some((name, labels.get(name)?)));
        let wide = resource.is_some_and(|(name, value)| {
            let resource = Fact::of([name.as_bytes(), value.as_bytes()]);
            resources.add(resource, settings.resources, settings.resources_within, now)
        });
        many || wide
    }

    /// Forgets what is over. Not each time: there is much to look at.
    fn forget(&mut self, settings: &StormSettings, now: Timestamp) {
        if self.looked_at.is_some_and(|at| at <= now && now.since(at) < Self::PAUSE) {
            return;
        }
        self.looked_at = Some(now);
        self.keys.retain(|_, onset| {
            !onset.signals.is_over(settings.signals_within, now)
                || !onset.resources.is_over(settings.resources_within, now)
        });
    }
}
