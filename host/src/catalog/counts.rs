//! How many events of each kind were stored.
//!
//! They are counted as they are committed, and written every few seconds together with the position up to which they count. What came
//! after that position is read again at a start, so nothing is counted twice or left out, whatever ends the gateway.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::event::{ChannelName, Event, Seq, Timestamp};
use crate::eventlog::{
    Batch, CommitSink, EventLog, EventLogError, Expected, NewDelivery, Query, Range, ScanLimits, Space, ValueChange,
};
use crate::lifecycle::Tasks;

/// The name of the task of [`KindCounts::start`].
pub const COUNTS: &str = "counts";

const SPACE: Space = Space::of_module("kinds");
/// `of/<digest of the kind>` is the count of a kind: a kind can be longer than a key.
const OF: &str = "of/";
/// The position up to which events are counted.
const UPTO: &str = "upto";

/// How often counts are written.
const FLUSH: Duration = Duration::from_secs(5);
/// How many kinds of a channel are counted apart.
const MAX_KINDS: usize = 1000;

/// The counts. Clones are the same.
#[derive(Clone, Default)]
pub struct KindCounts(Arc<Mutex<Counts>>);

/// The events of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    pub(super) events: u64,
    /// When the last one was received.
    pub(super) last: Timestamp,
}

#[derive(Default)]
struct Counts {
    by_kind: HashMap<ChannelName, HashMap<String, Counted>>,
    /// Events of further kinds.
    others: u64,
    /// Everything up to here is counted; `None` before it is known what is.
    upto: Option<Seq>,
    /// Positions up to `upto` that are still to be counted. Nothing is written before.
    missing: Option<Range>,
    is_changed: bool,
}

struct Counted {
    count: Count,
    /// Whether it has changed since it was written.
    is_changed: bool,
}

/// What is in the log of a kind.
#[derive(Serialize, Deserialize)]
struct StoredCount<'a> {
    channel: Cow<'a, str>,
    kind: Cow<'a, str>,
    #[serde(flatten)]
    count: Count,
}

/// What is in the log of all.
#[derive(Serialize, Deserialize)]
struct Upto {
    seq: Seq,
    others: u64,
}

impl KindCounts {
    /// Reads what was counted. Waits for the disk. What came after it is counted once the tasks are started.
    ///
    /// No event may be committed before.
    ///
    /// # Errors
    /// Those of reads of the log.
    pub fn load(&self, log: &EventLog) -> Result<(), EventLogError> {
        let (upto, mut counts) = Self::stored(log)?;
        let head = log.head();
        counts.missing = (upto < head).then(|| Range { last: head, ..Range::up_from(upto.next()) });
        counts.upto = Some(head);
        *self.lock() = counts;
        Ok(())
    }

    /// Counts a page of what is missing; whether more is.
    fn catch_up(&self, log: &EventLog) -> Result<bool, EventLogError> {
        let Some(range) = self.lock().missing else { return Ok(false) };
        let page = log.scan(&Query::default(), range, ScanLimits::items(ScanLimits::PAGE))?;
        let mut counts = self.lock();
        page.items.iter().for_each(|stored| counts.add(&stored.event));
        counts.missing = page.next.map(|first| Range { first, ..range });
        Ok(counts.missing.is_some())
    }

    fn stored(log: &EventLog) -> Result<(Seq, Counts), EventLogError> {
        let corrupt = |key: &str, error: serde_json::Error| EventLogError::Corrupt {
            key: format!("s/{}/{key}", SPACE.as_str()),
            detail: error.to_string(),
        };
        let mut counts = Counts::default();
        let upto = log.value(&SPACE, UPTO)?;
        let upto = upto.map(|value| serde_json::from_slice::<Upto>(&value)).transpose();
        let Some(Upto { seq, others }) = upto.map_err(|error| corrupt(UPTO, error))? else {
            return Ok((Seq(0), counts));
        };
        counts.others = others;
        for (key, value) in log.values(&SPACE, OF)? {
            let StoredCount { channel, kind, count } =
                serde_json::from_slice(&value).map_err(|error| corrupt(&key, error))?;
            let Ok(channel) = channel.parse() else { continue };
            counts.by_kind.entry(channel).or_default().insert(kind.into_owned(), Counted { count, is_changed: false });
        }
        Ok((seq.min(log.head()), counts))
    }

    /// Writes counts now and then, and at the end.
    pub fn start(&self, log: &EventLog) -> Tasks {
        let (mut tasks, counts, log) = (Tasks::new(COUNTS), self.clone(), log.clone());
        tasks.spawn(|stop: CancellationToken| async move {
            let (missed, read) = (counts.clone(), log.clone());
            let stopped = stop.clone();
            let caught_up = tokio::task::spawn_blocking(move || {
                while !stopped.is_cancelled() && missed.catch_up(&read)? {}
                Ok::<_, EventLogError>(())
            });
            match caught_up.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "Kinds of earlier events are not counted"),
                Err(error) => tracing::error!(%error, "Kinds of earlier events are not counted"),
            }
            while stop.run_until_cancelled(tokio::time::sleep(FLUSH)).await.is_some() {
                counts.flush(&log).await;
            }
            counts.flush(&log).await;
        });
        tasks
    }

    /// Writes what has changed. What cannot be written is counted again at the next start.
    async fn flush(&self, log: &EventLog) {
        let values = self.lock().changes();
        if !values.is_empty()
            && let Err(error) = log.commit(Batch { values, ..Batch::default() }).await
        {
            // What was written last, and its position, belong together still.
            self.lock().is_unwritten();
            tracing::warn!(%error, "Counts of kinds are written later");
        }
    }

    pub(super) fn all(&self) -> Vec<(ChannelName, String, Count)> {
        let counts = self.lock();
        let kinds = counts.by_kind.iter().flat_map(|(channel, kinds)| {
            kinds.iter().map(|(kind, counted)| (channel.clone(), kind.clone(), counted.count))
        });
        kinds.collect()
    }

    pub(super) fn has(&self, kind: &str) -> bool {
        let channel = kind.split('.').next().and_then(|name| name.parse::<ChannelName>().ok());
        channel.is_some_and(|channel| self.lock().by_kind.get(&channel).is_some_and(|kinds| kinds.contains_key(kind)))
    }

    pub(super) fn others(&self) -> u64 {
        self.lock().others
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CommitSink for KindCounts {
    fn committed(&self, event: &Arc<Event>, _: &[NewDelivery]) {
        let mut counts = self.lock();
        // A redelivery is of an event that was counted.
        if counts.upto.is_some_and(|upto| event.seq > upto) {
            counts.add(event);
            counts.upto = Some(event.seq);
        }
    }
}

impl Counts {
    fn add(&mut self, event: &Event) {
        // That an upto moves on without it is not worth a write.
        if event.repeat_of.is_some() {
            return;
        }
        self.is_changed = true;
        if !self.by_kind.contains_key(&event.channel) {
            self.by_kind.insert(event.channel.clone(), HashMap::new());
        }
        let Some(kinds) = self.by_kind.get_mut(&event.channel) else { return };
        if let Some(Counted { count, is_changed }) = kinds.get_mut(&event.kind) {
            count.events += 1;
            count.last = count.last.max(event.time);
            *is_changed = true;
        } else if kinds.len() < MAX_KINDS {
            let count = Count { events: 1, last: event.time };
            kinds.insert(event.kind.clone(), Counted { count, is_changed: true });
        } else {
            self.others += 1;
        }
    }

    fn is_unwritten(&mut self) {
        self.is_changed = true;
        self.by_kind.values_mut().flat_map(HashMap::values_mut).for_each(|counted| counted.is_changed = true);
    }

    /// What has to be written, which counts as written then.
    fn changes(&mut self) -> Vec<ValueChange> {
        let is_due = self.missing.is_none() && std::mem::take(&mut self.is_changed);
        let Some(seq) = self.upto.filter(|_| is_due) else { return Vec::new() };
        let mut entries = vec![(UPTO.to_owned(), json(&Upto { seq, others: self.others }))];
        for (channel, kinds) in &mut self.by_kind {
            for (kind, counted) in kinds.iter_mut().filter(|(_, counted)| counted.is_changed) {
                counted.is_changed = false;
                let key = format!("{OF}{}", hex::encode(&Sha256::digest(kind)[..16]));
                let stored = StoredCount { channel: channel.as_str().into(), kind: kind.into(), count: counted.count };
                entries.push((key, json(&stored)));
            }
        }
        let change = |(key, value)| ValueChange { space: SPACE, key, value: Some(value), expected: Expected::Anything };
        entries.into_iter().map(change).collect()
    }
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("it is JSON").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::contract::new_event;
    use crate::eventlog::{EngineKind, NewEvent, Settings};
    use crate::metrics::Metrics;

    fn counted() -> (KindCounts, EventLog) {
        let counts = KindCounts::default();
        let sinks: Vec<Arc<dyn CommitSink>> = vec![Arc::new(counts.clone())];
        let log = EventLog::open(&Settings::new(EngineKind::Memory), &Metrics::new(), sinks).unwrap();
        counts.load(&log).unwrap();
        (counts, log)
    }

    async fn store(log: &EventLog, channel: &str, kind: &str) {
        let event = NewEvent {
            channel: channel.parse().unwrap(),
            kind: kind.to_owned(),
            time: Timestamp::now(),
            ..new_event("{}")
        };
        log.commit(vec![event].into()).await.unwrap();
    }

    /// What another process would find.
    fn again(log: &EventLog) -> Vec<(String, u64)> {
        let counts = KindCounts::default();
        counts.load(log).unwrap();
        while counts.catch_up(log).unwrap() {}
        let mut all: Vec<_> = counts.all().into_iter().map(|(_, kind, count)| (kind, count.events)).collect();
        all.sort();
        all
    }

    #[tokio::test]
    async fn what_was_written_and_what_came_after_it_make_the_count() {
        let (counts, log) = counted();
        store(&log, "a", "a.x").await;
        store(&log, "a", "a.x").await;
        assert_eq!(again(&log), [("a.x".to_owned(), 2)], "nothing is written yet");

        counts.flush(&log).await;
        store(&log, "a", "a.y").await;
        store(&log, "a", "a.x").await;

        assert_eq!(again(&log), [("a.x".to_owned(), 3), ("a.y".to_owned(), 1)]);
        counts.flush(&log).await;
        assert_eq!(again(&log), [("a.x".to_owned(), 3), ("a.y".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn what_repeats_an_event_is_none_of_its_kind() {
        let (counts, log) = counted();
        store(&log, "github", "github.push").await;
        let first = log.event(Seq(1)).unwrap().unwrap().event.id;
        let repeat = NewEvent { repeat_of: Some(first), ..new_event("{}") };

        log.commit(vec![repeat].into()).await.unwrap();

        let expected = [("github.push".to_owned(), 1)];
        assert_eq!(counts.all().into_iter().map(|(_, kind, count)| (kind, count.events)).collect::<Vec<_>>(), expected);
        assert_eq!((log.head(), again(&log)), (Seq(2), expected.to_vec()), "also when it is read again");
    }

    #[tokio::test]
    async fn a_kind_that_is_longer_than_a_key_is_written_too() {
        let (counts, log) = counted();
        let channel = "a".repeat(63);
        let kind = format!("{channel}.{}", "k".repeat(192));
        store(&log, &channel, &kind).await;

        counts.flush(&log).await;

        assert!(log.value(&SPACE, UPTO).unwrap().is_some());
        assert_eq!(again(&log), [(kind, 1)]);
    }

    #[tokio::test]
    async fn one_channel_with_too_many_kinds_leaves_room_for_the_others() {
        let (counts, log) = counted();
        for number in 0..MAX_KINDS + 5 {
            store(&log, "a", &format!("a.{number}")).await;
        }
        store(&log, "b", "b.x").await;

        assert_eq!((counts.all().len(), counts.others()), (MAX_KINDS + 1, 5));
    }
}
