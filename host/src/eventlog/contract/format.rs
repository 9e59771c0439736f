//! Promises about the formats of a log: an old one is taken over in one write, a later one is refused.

use super::super::layout::meta::{self, LogState};
use super::super::layout::record::{draft, seal};
use super::super::layout::{moved, v1};
use super::*;

/// The folder of a log of format 1: an event, a replay and a consumer.
fn format_1() -> Arc<Memory> {
    let memory = Memory::default();
    let put = |key: Vec<u8>, content: &[u8]| {
        let value = seal(&key, 1, [draft(0), content.to_vec()].concat());
        memory.write(vec![Op::Put(key, value)], Seq(1)).unwrap();
    };
    let (time, id) = (Timestamp::from_millis(1_700_000_000_000), EventId::new(Timestamp::from_millis(0), Seq(1), 0));
    let event = v1::Event {
        id,
        seq: Seq(1),
        channel: "github",
        plugin: "github",
        kind: "github.push",
        subject: None,
        time,
        verified_at: None,
        stored_at: time,
        content_type: "text/plain",
        attributes: Vec::new(),
        headers: Vec::new(),
        request_id: RequestId::new(),
    };
    let header = v1::EventHeader { event, identity: None, recipients: Vec::new(), overflow: 0 };
    let entry = [postcard::to_stdvec(&header).unwrap(), b"payload".to_vec()].concat();
    let block = [&u32::try_from(entry.len()).unwrap().to_le_bytes()[..], &entry].concat();
    let state = v1::LogState {
        head: Seq(1),
        floor: Seq(1),
        settled: Seq(2),
        statuses: [1, 0, 0, 0],
        bytes: block.len() as u64,
    };
    put(key::block(Seq(1)).to_vec(), &block);
    put(key::meta("state"), &postcard::to_stdvec(&state).unwrap());
    put([&b"r"[..], &7_u64.to_be_bytes()].concat(), b"replay");
    put(b"caudit".to_vec(), &[1]);
    put(key::meta("format"), &[1]);
    Arc::new(memory)
}

fn bed_of(memory: &Arc<Memory>) -> Bed {
    Bed { memory: Some(Arc::clone(memory)), ..Bed::memory() }
}

fn records(memory: &Memory) -> Vec<Pair> {
    memory.scan(&[]..&[u8::MAX], Direction::Up, usize::MAX).unwrap()
}

/// What a program of format 1 says to the folder: it compares the first byte of each record that it reads with 1.
fn opens_in_format_1(memory: &Memory) -> bool {
    memory.get(&key::meta("format")).unwrap().unwrap()[0] == 1
}

#[tokio::test]
async fn a_log_of_format_1_is_taken_over_with_everything_in_it() {
    let memory = format_1();
    let bed = bed_of(&memory);

    let log = bed.open();

    assert!(!opens_in_format_1(&memory));
    assert_eq!(meta::epoch(&log.0.reader.store).unwrap(), log.snapshot().epoch);
    let stored = log.event(Seq(1)).unwrap().unwrap();
    assert_eq!((&stored.event.data[..], stored.status()), (&b"payload"[..], EventStatus::Accepted));
    let store = &log.0.reader.store;
    assert_eq!(store.value(moved::REPLAYS, "7").unwrap().as_deref(), Some(&b"\x01replay"[..]));
    assert_eq!(store.value(moved::CONSUMERS, "audit").unwrap().as_deref(), Some(&[1, 1][..]));
    assert_eq!(moved::values(store), []);
    accept(&log, new_event("new")).await;
    let versions: Vec<_> = [key::block(Seq(1)), key::block(Seq(2))].iter().map(|key| memory.get(key)).collect();
    let versions: Vec<_> = versions.into_iter().map(|found| found.unwrap().unwrap()[0]).collect();
    assert_eq!(versions, [1, 2], "old records stay, new ones are of the current version");
    let epoch = log.snapshot().epoch;
    let log = bed.reopen(log).await;
    assert_eq!((log.snapshot().epoch, log.head()), (epoch, Seq(2)));
    assert_eq!(read(&log, Seq(0), 10).len(), 2);
}

/// There is one write, and each of both programs opens the folder on one side of it.
#[tokio::test]
async fn a_kill_while_a_log_is_taken_over_leaves_one_of_both_formats() {
    let memory = format_1();
    let before = records(&memory);
    let bed = bed_of(&memory);
    bed.fail_with(EngineError::Failed("killed before".to_owned()));
    bed.try_open().unwrap_err();
    assert_eq!(records(&memory), before, "nothing but that write changes anything");
    assert!(opens_in_format_1(&memory));

    *bed.fault.lock().unwrap() = None;
    bed.fail_after_write(EngineError::Failed("killed".to_owned()));
    bed.try_open().unwrap_err();
    assert!(!opens_in_format_1(&memory));
    let after = records(&memory);

    *bed.after_write.lock().unwrap() = None;
    let log = bed.open();
    assert_eq!(records(&memory), after, "it is complete");
    assert_eq!(log.event(Seq(1)).unwrap().unwrap().event.data, "payload");
    let epoch = log.snapshot().epoch;
    assert_eq!(bed.reopen(log).await.snapshot().epoch, epoch);
}

#[tokio::test]
async fn a_record_of_a_later_version_is_refused_and_named() {
    let bed = Bed::memory();
    let log = bed.open();
    accept(&log, new_event("{}")).await;
    log.close().await;
    let memory = bed.memory.as_ref().unwrap();
    let state = key::meta("state");
    memory.write(vec![Op::Put(state.clone(), seal(&state, 3, draft(0)))], Seq(1)).unwrap();

    let error = bed.try_open().unwrap_err();

    assert_eq!(error, EventLogError::Version { key: "m/state".to_owned(), found: 3, expected: 2 });
    assert_eq!(
        error.to_string().lines().next(),
        Some("record `m/state` of the event log has version 3, expected at most 2")
    );
}

/// A block may hold an entry that a later program has written.
#[tokio::test]
async fn an_entry_of_a_later_version_is_refused_and_its_neighbours_are_read() {
    let bed = Bed::memory();
    let log = bed.open();
    append(&log, vec![new_event("one"), new_event("two")]).await.unwrap();
    let memory = bed.memory.as_ref().unwrap();
    let block = key::block(Seq(1));
    let mut value = memory.get(&block).unwrap().unwrap().to_vec();
    let second = 5 + 4 + u32::from_le_bytes(value[5..9].try_into().unwrap()) as usize;
    value[second + 4] = 9;
    memory.write(vec![Op::Put(block.to_vec(), seal(&block, 2, value))], Seq(2)).unwrap();

    assert_eq!(log.event(Seq(1)).unwrap().unwrap().event.data, "one");
    let refusal = EventLogError::Version { key: "e/1".to_owned(), found: 9, expected: 2 };
    assert_eq!(log.event(Seq(2)).unwrap_err(), refusal);
}

#[test]
fn the_figures_of_an_empty_log_are_read_back() {
    use super::super::layout::record::{decode, encode};
    let key = key::meta("state");
    assert_eq!(decode::<LogState>(&key, &encode(&key, &LogState::EMPTY).into()), Ok(LogState::EMPTY));
}
