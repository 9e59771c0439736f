//! Positions and identities.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use super::time::Timestamp;

/// Position of an event in the log: starts at 1, grows by 1, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The position after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identity of an event: a UUID of version 7 whose last 48 bits are the event's [`Seq`].
///
/// RFC 9562, section 6.2 allows a counter in the random bits. With the position inside the id the log needs no index from ids
/// to positions, which saves one key per event. 26 random bits remain, so that ids of two logs never collide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Uuid);

impl EventId {
    /// The id of the event at `seq`, received at `time`; `random` fills the remaining bits.
    pub fn new(time: Timestamp, seq: Seq, random: u32) -> Self {
        let millis = u64::try_from(time.as_millis()).unwrap_or(0);
        let mut rest = [0; 10];
        rest[..4].copy_from_slice(&random.to_be_bytes());
        rest[4..].copy_from_slice(&seq.0.to_be_bytes()[2..]);
        Self(Builder::from_unix_timestamp_millis(millis, &rest).into_uuid())
    }

    /// The id with these bytes; `None` if they are not 16.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }

    pub const fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// When the event was received, in milliseconds: the first 48 bits (RFC 9562, section 5.7).
    pub fn received_at(self) -> Timestamp {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.0.as_bytes()[..6]);
        Timestamp::from_millis(i64::from_be_bytes(bytes))
    }

    /// The position in this id. An id from elsewhere also contains a position: compare it with the stored id.
    pub fn seq(self) -> Seq {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.0.as_bytes()[10..]);
        Seq(u64::from_be_bytes(bytes))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Identity of an HTTP request, in its response, its log lines and its events.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new id, ordered by its millisecond. Its 74 other bits are the system's randomness, so nobody can guess an id.
    #[expect(clippy::new_without_default, reason = "two defaults would differ")]
    pub fn new() -> Self {
        let millis = u64::try_from(Timestamp::now().as_millis()).unwrap_or(0);
        let random = RANDOM.with_borrow_mut(Randomness::take);
        Self(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl FromStr for RequestId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

thread_local! {
    static RANDOM: RefCell<Randomness> = const { RefCell::new(Randomness::EMPTY) };
}

/// Randomness of the system, read for many ids at once: a system call costs as much as the rest of an id.
struct Randomness {
    bytes: [u8; Self::IDS * Self::ID],
    /// How many of the bytes are not used up.
    left: usize,
}

impl Randomness {
    const IDS: usize = 64;
    const ID: usize = 10;
    const EMPTY: Self = Self { bytes: [0; Self::IDS * Self::ID], left: 0 };

    fn take(&mut self) -> [u8; Self::ID] {
        if self.left == 0 {
            getrandom::fill(&mut self.bytes).expect("the randomness of a system that has started does not fail");
            self.left = self.bytes.len();
        }
        self.left -= Self::ID;
        let (id, _) = self.bytes[self.left..].split_first_chunk().expect("what is left is a multiple of an id");
        *id
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_event_id_names_its_position_and_sorts_by_time() {
        let early = EventId::new(Timestamp::from_millis(1_700_000_000_000), Seq(0xffff_0000_0001), u32::MAX);
        let late = EventId::new(Timestamp::from_millis(1_700_000_000_001), Seq(2), 0);

        assert_eq!(early.seq(), Seq(0xffff_0000_0001));
        assert_eq!(late.seq(), Seq(2));
        assert_eq!(late.received_at(), Timestamp::from_millis(1_700_000_000_001));
        assert!(early < late);
        assert_eq!(early.0.get_version_num(), 7);
        assert_eq!(early.to_string().parse::<EventId>().unwrap(), early);
    }

    /// More ids than are made of one read, on several threads.
    #[test]
    fn request_ids_are_of_version_7_and_never_the_same() {
        let several = || (0..5 * Randomness::IDS).map(|_| RequestId::new()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(several)).collect();
        let ids: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();

        let now = Timestamp::now();
        assert!(ids.iter().all(|id| id.0.get_version_num() == 7 && EventId(id.0).received_at() <= now));
        let random: HashSet<_> = ids.iter().map(|id| &id.0.as_bytes()[6..]).collect();
        assert_eq!(random.len(), ids.len());
    }
}
