//! The figures of the channels, as the commit that is being built leaves them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;

use crate::event::ChannelName;
use crate::eventlog::EventLogError;
use crate::eventlog::engine::{Direction, Op};
use crate::eventlog::layout::key;
use crate::eventlog::layout::meta::CHANNEL;
use crate::eventlog::layout::reader::Store;
use crate::eventlog::layout::record::{self, corrupt};
use crate::eventlog::metrics::LogMetrics;
use crate::eventlog::snapshot::ChannelCounts;
use crate::metrics::ByProvider;

/// The figures of all channels.
pub(super) struct Tallies {
    by_channel: HashMap<ChannelName, Tally>,
    metrics: Arc<LogMetrics>,
}

struct Tally {
    counts: ChannelCounts,
    accepted: Counter,
    duplicates: Counter,
    /// As it was in the store before this commit; `None` if nothing changed.
    before: Option<ChannelCounts>,
}

impl Tallies {
    pub(super) fn load(store: &Store, metrics: Arc<LogMetrics>) -> Result<Self, EventLogError> {
        let mut tallies = Self { by_channel: HashMap::new(), metrics };
        let prefix = key::meta(CHANNEL);
        let range = key::starting_with(&prefix);
        for (key, value) in store.engine.scan(&range.start..&range.end, Direction::Up, usize::MAX)? {
            let name = std::str::from_utf8(&key[prefix.len()..]).ok().and_then(|name| name.parse().ok());
            let name: ChannelName = name.ok_or_else(|| corrupt(&key, "no name of a channel".to_owned()))?;
            tallies.tally(&name).counts = record::decode(&key, &value)?;
        }
        Ok(tallies)
    }

    pub(super) fn counts(&self) -> BTreeMap<ChannelName, ChannelCounts> {
        self.by_channel.iter().map(|(name, tally)| (name.clone(), tally.counts)).collect()
    }

    /// The figures of a channel, to be changed.
    pub(super) fn change(&mut self, channel: &ChannelName) -> &mut ChannelCounts {
        let tally = self.tally(channel);
        tally.before.get_or_insert(tally.counts);
        &mut tally.counts
    }

    pub(super) fn write(&self, ops: &mut Vec<Op>) {
        for (name, tally) in self.by_channel.iter().filter(|(_, tally)| tally.before.is_some()) {
            let key = key::meta(&format!("{CHANNEL}{name}"));
            let value = record::encode(&key, &tally.counts);
            ops.push(Op::Put(key, value));
        }
    }

    /// Counts and shows what was written.
    pub(super) fn show(&mut self, channels: &mut Arc<BTreeMap<ChannelName, ChannelCounts>>) {
        for (name, tally) in &mut self.by_channel {
            if let Some(before) = tally.before.take() {
                tally.accepted.inc_by(tally.counts.accepted - before.accepted);
                tally.duplicates.inc_by(tally.counts.duplicates - before.duplicates);
                let channels = Arc::make_mut(channels);
                match channels.get_mut(name) {
                    Some(channel) => *channel = tally.counts,
                    None => drop(channels.insert(name.clone(), tally.counts)),
                }
            }
        }
    }

    fn tally(&mut self, channel: &ChannelName) -> &mut Tally {
        if !self.by_channel.contains_key(channel) {
            let label = ByProvider::new(channel);
            let accepted = self.metrics.events.get_or_create(&label).clone();
            let duplicates = self.metrics.duplicates.get_or_create(&label).clone();
            let tally = Tally { counts: ChannelCounts::default(), accepted, duplicates, before: None };
            self.by_channel.insert(channel.clone(), tally);
        }
        self.by_channel.get_mut(channel).expect("it was inserted above")
    }
}
