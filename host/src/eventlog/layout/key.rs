//! Keys: a prefix byte and big-endian numbers, so that their order is the order of what they name.

use std::ops::Range;

use crate::event::Seq;

const EVENT: u8 = b'e';
const BODY: u8 = b'b';
const DELIVERIES: u8 = b'd';
const IDENTITIES: u8 = b'i';
const RUN: u8 = b'k';
const META: u8 = b'm';
const TOMBSTONE: u8 = b'g';
const VALUE: u8 = b's';
/// Of format 1.
const OLD_CONSUMER: u8 = b'c';
const OLD_REPLAY: u8 = b'r';

/// Between a space and a key of it; neither has it.
const NUL: u8 = 0;

/// The block whose first event is at `seq`.
pub(crate) fn block(seq: Seq) -> [u8; 9] {
    numbered(EVENT, seq.0)
}

/// All blocks that start at `from` or later.
pub(crate) fn blocks_from(from: Seq) -> Range<[u8; 9]> {
    block(from)..numbered(EVENT, u64::MAX)
}

/// All blocks that start at `to` or earlier.
pub(crate) fn blocks_to(to: Seq) -> Range<[u8; 9]> {
    block(Seq(0))..block(Seq(to.0.saturating_add(1)))
}

/// The position in the key of a block.
pub(crate) fn block_seq(key: &[u8]) -> Option<Seq> {
    let number = key.strip_prefix(&[EVENT])?;
    Some(Seq(u64::from_be_bytes(number.try_into().ok()?)))
}

/// Part `index` of the payload of the event at `seq`.
pub(crate) fn body(seq: Seq, index: u32) -> [u8; 13] {
    let mut key = [0; 13];
    key[..9].copy_from_slice(&numbered(BODY, seq.0));
    key[9..].copy_from_slice(&index.to_be_bytes());
    key
}

/// Part `index` of the deliveries of the events in `bucket`.
pub(crate) fn deliveries(bucket: u64, index: u16) -> [u8; 11] {
    let mut key = [0; 11];
    key[..9].copy_from_slice(&numbered(DELIVERIES, bucket));
    key[9..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The identities of the events of a commit, from the one at `seq` on.
pub(crate) fn identities(seq: Seq) -> [u8; 9] {
    numbered(IDENTITIES, seq.0)
}

/// All records of identities by commit.
pub(crate) fn all_identities() -> Range<[u8; 9]> {
    numbered(IDENTITIES, 0)..numbered(IDENTITIES, u64::MAX)
}

/// The position in the key of the identities of a commit.
pub(crate) fn identities_seq(key: &[u8]) -> Option<Seq> {
    let number = key.strip_prefix(&[IDENTITIES])?;
    Some(Seq(u64::from_be_bytes(number.try_into().ok()?)))
}

/// Part `index` of the sorted identities of run `run`.
pub(crate) fn run(run: u64, index: u16) -> [u8; 11] {
    let mut key = [0; 11];
    key[..9].copy_from_slice(&numbered(RUN, run));
    key[9..].copy_from_slice(&index.to_be_bytes());
    key
}

/// What is no longer there, from the position `first` on.
pub(crate) fn tombstone(first: Seq) -> [u8; 9] {
    numbered(TOMBSTONE, first.0)
}

/// All such ranges that start at `to` or earlier.
pub(crate) fn tombstones_to(to: Seq) -> Range<[u8; 9]> {
    tombstone(Seq(0))..tombstone(Seq(to.0.saturating_add(1)))
}

/// The position in the key of such a range.
pub(crate) fn tombstone_seq(key: &[u8]) -> Option<Seq> {
    let number = key.strip_prefix(&[TOMBSTONE])?;
    Some(Seq(u64::from_be_bytes(number.try_into().ok()?)))
}

/// All replays of format 1.
pub(crate) fn old_replays() -> Range<Vec<u8>> {
    starting_with(&[OLD_REPLAY])
}

/// The id in the key of a replay of format 1.
pub(crate) fn old_replay_id(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(&[OLD_REPLAY])?.try_into().ok()?))
}

/// All positions of consumers of format 1.
pub(crate) fn old_consumers() -> Range<Vec<u8>> {
    starting_with(&[OLD_CONSUMER])
}

/// The name in the key of a consumer's position of format 1.
pub(crate) fn old_consumer_name(key: &[u8]) -> Option<String> {
    String::from_utf8(key.strip_prefix(&[OLD_CONSUMER])?.to_vec()).ok()
}

/// The value of `key` in `space`.
pub(crate) fn value(space: &str, key: &str) -> Vec<u8> {
    let mut name = named(VALUE, space);
    name.push(NUL);
    name.extend_from_slice(key.as_bytes());
    name
}

/// The values of `space` whose keys start with `prefix`.
pub(crate) fn values(space: &str, prefix: &str) -> Range<Vec<u8>> {
    starting_with(&value(space, prefix))
}

/// All values.
pub(crate) fn all_values() -> Range<Vec<u8>> {
    starting_with(&[VALUE])
}

/// The space and the key in the key of a value.
pub(crate) fn value_name(key: &[u8]) -> Option<(String, String)> {
    let name = std::str::from_utf8(key.strip_prefix(&[VALUE])?).ok()?;
    let (space, key) = name.split_once(char::from(NUL))?;
    Some((space.to_owned(), key.to_owned()))
}

/// A fact about the log as a whole.
pub(crate) fn meta(name: &str) -> Vec<u8> {
    named(META, name)
}

/// The keys that start with `prefix`.
pub(crate) fn starting_with(prefix: &[u8]) -> Range<Vec<u8>> {
    let mut end = prefix.to_vec();
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    prefix.to_vec()..end
}

/// The key for people.
pub(crate) fn display(key: &[u8]) -> String {
    let mut text = String::new();
    let Some((&prefix, rest)) = key.split_first() else { return text };
    text.push(char::from(prefix));
    text.push('/');
    let number = |bytes: &[u8]| bytes.iter().fold(0_u128, |number, &byte| number << 8 | u128::from(byte));
    match prefix {
        EVENT | BODY | DELIVERIES | IDENTITIES | RUN | OLD_REPLAY | TOMBSTONE => {
            let (first, second) = rest.split_at(rest.len().min(8));
            text.push_str(&number(first).to_string());
            if !second.is_empty() {
                text.push('/');
                text.push_str(&number(second).to_string());
            }
        }
        VALUE => text.push_str(&String::from_utf8_lossy(rest).replace(char::from(NUL), "/")),
        _ => text.push_str(&String::from_utf8_lossy(rest)),
    }
    text
}

fn numbered(prefix: u8, number: u64) -> [u8; 9] {
    let mut key = [prefix; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn named(prefix: u8, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(prefix);
    key.extend_from_slice(name.as_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_position_and_read_well() {
        assert!(block(Seq(255)) < block(Seq(256)));
        assert!(body(Seq(1), 300) < body(Seq(2), 0));
        assert_eq!(block_seq(&block(Seq(77))), Some(Seq(77)));
        let named = value_name(&value("channels/rss", "a/b"));
        assert_eq!(named, Some(("channels/rss".to_owned(), "a/b".to_owned())));
        assert!(!values("channels/rss", "").contains(&value("channels/rss-two", "cursor")));
        for (key, text) in [
            (block(Seq(256)).to_vec(), "e/256"),
            (body(Seq(3), 9).to_vec(), "b/3/9"),
            (deliveries(16, 0).to_vec(), "d/16/0"),
            (old_consumers().start, "c/"),
            (run(2, 65).to_vec(), "k/2/65"),
            (value("channels/rss", "cursor"), "s/channels/rss/cursor"),
        ] {
            assert_eq!(display(&key), text);
        }
    }
}
