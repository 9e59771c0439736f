//! Things as they are stored.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::event::{EventId, Seq, Timestamp};
use crate::eventlog::EventLogError;
use crate::eventlog::engine::Op;
use crate::eventlog::identity::Identity;
use crate::eventlog::layout::additions::{Additions, Unreadable};
use crate::eventlog::layout::key;
use crate::eventlog::layout::record::{self, corrupt, unreadable};
use crate::eventlog::statement::{Held, Thing, Told};

/// The space of the values.
pub(crate) const STATES: &str = "states";
/// The version of a value, its first byte.
const VERSION: u8 = 1;

/// The number of a value, when it was written, and what it has.
pub(super) type Read = (u64, Timestamp, Vec<(Identity, Thing)>);

#[derive(Serialize, Deserialize)]
struct StoredThing<'a> {
    thing: Identity,
    state: Identity,
    event: EventId,
    seen: Timestamp,
    peer: Option<Identity>,
    time: Option<Timestamp>,
    #[serde(borrow)]
    held: Option<StoredHeld<'a>>,
    additions: Additions,
}

#[derive(Serialize, Deserialize)]
struct StoredHeld<'a> {
    state: Identity,
    event: EventId,
    peer: Option<Identity>,
    time: Option<Timestamp>,
    due: Timestamp,
    channel: &'a str,
    is_routed: bool,
    additions: Additions,
}

impl<'a> StoredThing<'a> {
    fn of(id: Identity, thing: &'a Thing) -> Self {
        let Told { state, event, seen, peer, time } = thing.told;
        let held = thing.held.as_deref().map(StoredHeld::of);
        Self { thing: id, state, event, seen, peer, time, held, additions: Additions::NONE }
    }

    fn into_thing(self) -> Result<(Identity, Thing), Unreadable> {
        self.additions.skip()?;
        let Self { thing, state, event, seen, peer, time, held, .. } = self;
        let held = held.map(StoredHeld::into_held).transpose()?.map(Box::new);
        Ok((thing, Thing { told: Told { state, event, seen, peer, time }, held }))
    }
}

impl<'a> StoredHeld<'a> {
    fn of(held: &'a Held) -> Self {
        let Held { state, event, peer, time, due, is_routed, .. } = *held;
        let channel = held.channel.as_str();
        Self { state, event, peer, time, due, channel, is_routed, additions: Additions::NONE }
    }

    fn into_held(self) -> Result<Held, Unreadable> {
        self.additions.skip()?;
        let Self { state, event, peer, time, due, channel, is_routed, .. } = self;
        Ok(Held { state, event, peer, time, due, channel: channel.parse()?, is_routed })
    }
}

/// Writes the value `number`.
pub(super) fn put<'a>(number: u64, at: Timestamp, things: impl Iterator<Item = (Identity, &'a Thing)>) -> Op {
    let things: Vec<_> = things.map(|(id, thing)| StoredThing::of(id, thing)).collect();
    let content = postcard::to_extend(&(at, things), vec![VERSION]);
    let content = content.expect("a thing holds nothing that postcard refuses");
    let key = key_of(number);
    let value = record::encode(&key, &Bytes::from(content));
    Op::Put(key, value)
}

/// Removes the value `number`.
pub(super) fn remove(number: u64) -> Op {
    Op::Remove(key_of(number))
}

/// Reads the value called `name`.
pub(super) fn read(name: &str, value: &Bytes) -> Result<Read, EventLogError> {
    let key = key::value(STATES, name);
    let number = u64::from_str_radix(name, 16).map_err(|_| corrupt(&key, "no number in the key".to_owned()))?;
    let content = match value.split_first() {
        Some((&VERSION, content)) => content,
        Some((&found, _)) => {
            return Err(EventLogError::Version { key: key::display(&key), found, expected: VERSION });
        }
        None => return Err(corrupt(&key, "it is empty".to_owned())),
    };
    let read = || -> Result<_, Unreadable> {
        let (at, things): (Timestamp, Vec<StoredThing<'_>>) = postcard::from_bytes(content)?;
        Ok((number, at, things.into_iter().map(StoredThing::into_thing).collect::<Result<_, _>>()?))
    };
    read().map_err(|error| unreadable(&key, error))
}

/// A value of a log that is restored up to `head`. What later events told is not known, and what was told before it is not
/// the last state either.
pub(crate) fn restored(name: &str, value: &Bytes, head: Seq) -> Result<Op, EventLogError> {
    const NEVER: Timestamp = Timestamp::from_millis(0);
    let (number, at, mut things) = read(name, value)?;
    for (_, thing) in &mut things {
        if thing.told.event.seq() > head {
            thing.told.seen = NEVER;
        }
        thing.held = thing.held.take().filter(|held| held.event.seq() <= head && thing.told.event.seq() <= head);
    }
    Ok(put(number, at, things.iter().map(|(id, thing)| (*id, thing))))
}

/// The names of values sort as their numbers do.
fn key_of(number: u64) -> Vec<u8> {
    key::value(STATES, &format!("{number:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(seq: u64) -> EventId {
        EventId::new(Timestamp::from_millis(1_700_000_000_000), Seq(seq), 9)
    }

    fn thing(held: Option<Box<Held>>) -> Thing {
        let (state, peer) = (Identity([2; 16]), Some(Identity([3; 16])));
        let time = Some(Timestamp::from_millis(-5));
        Thing { told: Told { state, event: id(7), seen: Timestamp::from_millis(11), peer, time }, held }
    }

    fn held() -> Held {
        Held {
            state: Identity([4; 16]),
            event: id(8),
            peer: None,
            time: None,
            due: Timestamp::from_millis(90_000),
            channel: "alerts".parse().unwrap(),
            is_routed: true,
        }
    }

    fn stored(things: &[(Identity, Thing)]) -> Bytes {
        let op = put(1, Timestamp::from_millis(5), things.iter().map(|(id, thing)| (*id, thing)));
        let Op::Put(key, value) = op else { panic!("a value") };
        assert!(value.len() <= record::MAX_VALUE);
        record::decode(&key, &value.into()).unwrap()
    }

    /// What is on disks: a change of these bytes is a new version.
    #[test]
    fn the_bytes_of_the_version_stay() {
        let things = [(Identity([1; 16]), thing(Some(Box::new(held()))))];

        let value = stored(&things);

        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = concat!(
            "010a01",
            "01010101010101010101010101010101",
            "02020202020202020202020202020202",
            "10018bcfe56800700080090000000000071601",
            "03030303030303030303030303030303010901",
            "04040404040404040404040404040404",
            "10018bcfe568007000800900000000000800",
            "00a0fe0a06616c657274730100",
            "00",
        );
        assert_eq!(hex, expected);
        assert_eq!(read("0000000000000001", &value).unwrap(), (1, Timestamp::from_millis(5), things.to_vec()));
    }

    #[test]
    fn a_value_of_things_that_all_hold_something_fits_into_a_record() {
        let channel = "c".repeat(63).parse().unwrap();
        let held =
            Held { channel, peer: Some(Identity([9; 16])), time: Some(Timestamp::from_millis(i64::MAX)), ..held() };
        let things = vec![(Identity([1; 16]), thing(Some(Box::new(held)))); super::super::States::VALUE];

        assert_eq!(read("1", &stored(&things)).unwrap().2, things);
    }

    #[test]
    fn a_later_version_and_what_is_no_value_are_refused() {
        assert!(matches!(read("1", &Bytes::from_static(&[2])), Err(EventLogError::Version { found: 2, .. })));
        assert!(matches!(read("1", &Bytes::new()), Err(EventLogError::Corrupt { .. })));
        assert!(matches!(read("x", &Bytes::from_static(&[1])), Err(EventLogError::Corrupt { .. })));
        assert!(matches!(read("1", &Bytes::from_static(&[1, 0, 9])), Err(EventLogError::Corrupt { .. })));
    }
}
