//! Reads a backup, to check it or to write it into an empty store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;

use super::BackupSummary;
use super::frame::Frame;
use super::stream::{FrameReader, broken};
use crate::event::{AgentName, ChannelName, Delivery, Event, EventStatus, Recipient, Seq};
use crate::eventlog::engine::{Engine, Op};
use crate::eventlog::epoch::Epoch;
use crate::eventlog::identity::Identity;
use crate::eventlog::layout::block::{BlockWriter, first_deliveries};
use crate::eventlog::layout::deliveries::{bucket_of, bucket_values};
use crate::eventlog::layout::identities::Identities;
use crate::eventlog::layout::key;
use crate::eventlog::layout::meta::{
    self, CHANNEL, LogState, OPEN_REPLAYS, QUARANTINE, Quarantine, REPEATS, STATE, WITHHELD, open_replays,
};
use crate::eventlog::layout::reader::Store;
use crate::eventlog::layout::record::{self, Tombstone};
use crate::eventlog::layout::states::{STATES, restored};
use crate::eventlog::quarantine::{RELEASES, Released};
use crate::eventlog::{ChannelCounts, EventLogError};

/// Reads the backup in `input` to its end and believes nothing without its checksum; `progress` is told of each event.
///
/// # Errors
/// `Backup` when it is not whole, `Io` when it cannot be read.
pub fn check(input: impl Read, progress: &mut dyn FnMut(Seq)) -> Result<BackupSummary, EventLogError> {
    read(input, progress, &mut |_, _| Ok(()))
}

/// Writes the backup in `input` into the empty `engine`. Before this has returned, it is no log.
pub(crate) fn restore_into(
    input: impl Read,
    engine: &Arc<dyn Engine>,
    progress: &mut dyn FnMut(Seq),
) -> Result<BackupSummary, EventLogError> {
    let store = Store::new(Arc::clone(engine));
    let mut making = Making {
        ops: Vec::new(),
        bytes: 0,
        state: LogState::EMPTY,
        block: BlockWriter::new(engine.block_bytes()),
        bucket: Vec::new(),
        first_held: None,
        first_open: None,
        counted: HashMap::new(),
        channels: BTreeMap::new(),
        replays: BTreeMap::new(),
        withheld: 0,
        quarantine: Quarantine::default(),
        repeats: 0,
        released: BTreeSet::new(),
        identities: Identities::load(&store, usize::MAX, Counter::default())?,
        store,
    };
    let contents = read(input, progress, &mut |frame, data| making.take(frame, data))?;
    making.end(contents.head)?;
    Ok(contents)
}

fn read(
    input: impl Read,
    progress: &mut dyn FnMut(Seq),
    take: &mut dyn FnMut(Frame, Bytes) -> Result<(), EventLogError>,
) -> Result<BackupSummary, EventLogError> {
    let mut reader = FrameReader::new(input)?;
    let mut contents = BackupSummary::default();
    let mut next = Seq(1);
    loop {
        let at = reader.at();
        let Some((frame, data)) = reader.next()? else { break };
        match &frame {
            Frame::Head { head } => contents.head = *head,
            Frame::Event { event, .. } => {
                if event.seq != next {
                    return Err(broken(at, &format!("event {} where {next} belongs", event.seq)));
                }
                next = next.next();
                contents.events += 1;
                contents.bytes += data.len() as u64;
                progress(event.seq);
            }
            Frame::Tombstone { first, gone } => {
                if *first != next || gone.last < *first {
                    return Err(broken(at, &format!("a gap at {first} where {next} belongs")));
                }
                next = gone.last.next();
            }
            Frame::Lost(loss) => contents.lost.push(loss.clone()),
            Frame::End { events, .. } if *events != contents.events => {
                return Err(broken(at, &format!("{} events, expected {events}", contents.events)));
            }
            _ => {}
        }
        take(frame, data)?;
    }
    if next != contents.head.next() {
        return Err(broken(reader.at(), &format!("it ends before event {next} of {}", contents.head)));
    }
    Ok(contents)
}

/// A store that is being made.
struct Making {
    store: Store,
    ops: Vec<Op>,
    bytes: usize,
    state: LogState,
    block: BlockWriter,
    /// The deliveries of the bucket at hand that are not as they were at first.
    bucket: Vec<(Seq, Vec<Delivery>)>,
    first_held: Option<Seq>,
    first_open: Option<Seq>,
    counted: HashMap<ChannelName, ChannelCounts>,
    channels: BTreeMap<ChannelName, ChannelCounts>,
    replays: BTreeMap<AgentName, u64>,
    withheld: u64,
    quarantine: Quarantine,
    repeats: u64,
    /// The events of which a value says that they were released, and that did not come yet.
    released: BTreeSet<Seq>,
    identities: Identities,
}

impl Making {
    /// What is written at once, about.
    const BATCH: usize = 4 << 20;

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.ops.push(Op::Put(key, value));
    }

    fn take(&mut self, frame: Frame, data: Bytes) -> Result<(), EventLogError> {
        match frame {
            Frame::Head { head } => self.state.head = head,
            Frame::Event { event, identity, recipients, deliveries } => {
                self.event(Event { data, ..event }, identity, &recipients, deliveries);
            }
            Frame::Tombstone { first, gone } => self.gone(first, gone),
            Frame::Identities(entries) => self.identities.restore(entries, self.state.head, &mut self.ops),
            Frame::Value { space, key, value } if space == STATES => {
                let op = restored(&key, &value, self.state.head)?;
                self.bytes += op.size();
                self.ops.push(op);
            }
            Frame::Value { space, key, value } => {
                if space == RELEASES.as_str() {
                    self.released.extend(Released::seq_of(&key));
                }
                let key = key::value(&space, &key);
                let value = record::encode(&key, &value);
                self.put(key, value);
            }
            Frame::Channel(name, counts) => drop(self.channels.insert(name, counts)),
            Frame::Lost(_) | Frame::End { .. } => {}
        }
        if self.bytes >= Self::BATCH { self.write() } else { Ok(()) }
    }

    fn event(
        &mut self,
        event: Event,
        identity: Option<Identity>,
        recipients: &[Recipient],
        deliveries: Option<Vec<Delivery>>,
    ) {
        let seq = event.seq;
        self.first_held.get_or_insert(seq);
        let (ops, mut bytes) = (&mut self.ops, 0);
        self.state.bytes += self.block.add(&event, identity, recipients, &mut |key, value| {
            bytes += key.len() + value.len();
            ops.push(Op::Put(key, value));
        });
        self.bytes += bytes;
        if self.bucket.first().is_some_and(|(first, _)| bucket_of(*first) != bucket_of(seq)) {
            self.end_bucket();
        }
        let is_changed = deliveries.is_some();
        let deliveries = deliveries.unwrap_or_else(|| first_deliveries(&event, recipients));
        self.state.statuses[EventStatus::of(&deliveries) as usize] += 1;
        if deliveries.iter().any(|delivery| delivery.state.is_open()) {
            self.first_open.get_or_insert(seq);
        }
        self.withheld += u64::from(deliveries.is_empty() && !recipients.is_empty());
        if event.quarantine.is_some() && deliveries.is_empty() {
            let is_released = self.released.remove(&seq);
            let count = if is_released { &mut self.quarantine.released } else { &mut self.quarantine.quarantined };
            *count += 1;
        }
        for agent in open_replays(&deliveries) {
            *self.replays.entry(agent).or_default() += 1;
        }
        if is_changed {
            self.bucket.push((seq, deliveries));
        }
        self.repeats += u64::from(event.repeat_of.is_some());
        self.counted.entry(event.channel.clone()).or_default().add(&event);
    }

    fn gone(&mut self, first: Seq, gone: Tombstone) {
        self.end_block();
        let key = key::tombstone(first);
        self.put(key.to_vec(), record::encode(&key, &gone));
    }

    fn end_block(&mut self) {
        let ops = &mut self.ops;
        self.block.finish(&mut |key, value| ops.push(Op::Put(key, value)));
    }

    fn end_bucket(&mut self) {
        let Some((first, _)) = self.bucket.first() else { return };
        let entries: Vec<_> = self.bucket.iter().map(|(seq, deliveries)| (*seq, deliveries.as_slice())).collect();
        for (key, value) in bucket_values(bucket_of(*first), &entries) {
            self.bytes += key.len() + value.len();
            self.ops.push(Op::Put(key, value));
        }
        self.bucket.clear();
    }

    fn write(&mut self) -> Result<(), EventLogError> {
        self.bytes = 0;
        Ok(self.store.engine.write(std::mem::take(&mut self.ops), self.state.head)?)
    }

    /// Writes what makes the store one: without it, it is not opened.
    fn end(mut self, head: Seq) -> Result<(), EventLogError> {
        self.end_block();
        self.end_bucket();
        self.identities.restored(head, &mut self.ops);
        // A figure that was lost is at least what is still there.
        for (name, counted) in std::mem::take(&mut self.counted) {
            self.channels.entry(name).or_insert(counted);
        }
        for (name, counts) in std::mem::take(&mut self.channels) {
            let key = key::meta(&format!("{CHANNEL}{name}"));
            let value = record::encode(&key, &counts);
            self.put(key, value);
        }
        self.ops.push(meta::put(OPEN_REPLAYS, &self.replays));
        self.ops.push(meta::put(WITHHELD, &self.withheld));
        self.ops.push(meta::put(QUARANTINE, &self.quarantine));
        self.ops.push(meta::put(REPEATS, &self.repeats));
        // Their events are gone.
        let stray = std::mem::take(&mut self.released).into_iter().map(|seq| Op::Remove(Released::stored_key(seq)));
        self.ops.extend(stray);
        self.state.floor = self.first_held.unwrap_or(head.next());
        self.state.settled = self.first_open.unwrap_or(head.next());
        self.ops.push(meta::put(STATE, &self.state));
        // Positions that others keep of the log that was backed up may be wrong here: what came after it is gone.
        self.ops.extend(meta::identity(Epoch::new()?));
        self.write()
    }
}
