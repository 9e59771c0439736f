//! Promises about the journal: old folders, damaged segments, and the room that it takes.

use super::super::engine::journal::segments_of;
use super::super::engine::sled::Confirmed;
use super::super::layout::meta::FORMAT;
use super::super::layout::record::{draft, seal};
use super::disk::store_of;
use super::*;

/// A folder as the program of format 2 has left it: all values in the store, and no journal.
async fn folder_of_format_2(bed: &Bed) -> (Epoch, Vec<Arc<Event>>) {
    let twin = Bed::memory();
    let log = twin.open();
    let mut accepted = Vec::new();
    for size in [10, 3000, 100_000, 2000] {
        accepted.push(accept(&log, NewEvent { data: vec![7; size].into(), ..routed(&["a"]) }).await);
    }
    checkpoint(&log, "audit", Seq(2)).await.unwrap();
    let epoch = log.snapshot().epoch;
    log.close().await;
    let memory = twin.memory.as_ref().unwrap();
    let pairs = memory.scan(&[]..&[u8::MAX], Direction::Up, usize::MAX).unwrap();
    let mut ops: Vec<_> = pairs.into_iter().map(|(key, value)| Op::Put(key.to_vec(), value.to_vec())).collect();
    let format = key::meta("format");
    ops.push(Op::Put(format.clone(), seal(&format, 2, [draft(1), vec![2]].concat())));
    let store = Sled::open(&bed.data_dir(), 16 << 20, 0, 0).unwrap();
    store.apply(ops, Some(5)).unwrap();
    store.sync().unwrap();
    store.confirm(Confirmed { writes: 5, head: Seq(4) });
    store.close();
    (epoch, accepted)
}

fn format_of(bed: &Bed) -> u8 {
    store_of(bed).get(key::meta("format")).unwrap().unwrap()[0]
}

#[tokio::test]
async fn a_log_of_format_2_is_taken_over_without_a_copy() {
    let bed = Bed::sled();
    let (epoch, accepted) = folder_of_format_2(&bed).await;
    assert_eq!(format_of(&bed), 2);
    let before: Vec<_> = store_of(&bed).range(vec![b'b']..vec![b'c']).map(|pair| pair.unwrap()).collect();
    assert!(!before.is_empty());

    let log = bed.open();

    assert_eq!((log.snapshot().epoch, log.stats().format, log.head()), (epoch, FORMAT, Seq(4)));
    for event in &accepted {
        assert_eq!(log.event(event.seq).unwrap().unwrap().event, **event);
    }
    assert_eq!(Consumer::open(&log, "audit").unwrap().position(), Seq(2));
    record(&log, DeliveryId { seq: Seq(1), index: 0 }, attempt(1, Outcome::Delivered), None).await.unwrap();
    assert_eq!(accept(&log, new_event(vec![8; 50_000])).await.seq, Seq(5));
    log.close().await;
    assert_eq!(format_of(&bed), FORMAT);
    let after: Vec<_> = store_of(&bed).range(vec![b'b']..vec![b'c']).map(|pair| pair.unwrap()).collect();
    assert_eq!(after[..before.len()], before, "old values stay where they are");
    assert!(verify(&bed.data_dir(), &mut |_| {}).unwrap().is_whole());
    assert_eq!(read(&bed.open(), Seq(0), 10).len(), 5);
}

/// A program of format 2 reads the first byte of the format first, and opens nothing that is later.
#[tokio::test]
async fn a_program_of_format_2_refuses_the_folder_from_the_first_write_on() {
    let bed = Bed::sled();
    folder_of_format_2(&bed).await;
    // A killed process leaves the files as they are at any moment.
    let format_after_a_kill = || {
        let copy = tempfile::tempdir().unwrap();
        let files = std::fs::read_dir(bed.data_dir()).unwrap().map(|entry| entry.unwrap().path());
        for path in files.filter(|path| path.is_file()) {
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
        let store = Sled::open(copy.path(), 16 << 20, 0, 0).unwrap();
        let format = store.get(&key::meta("format")).unwrap().unwrap()[0];
        store.close();
        format
    };
    assert_eq!(format_after_a_kill(), 2);

    let log = bed.open();

    assert_eq!(format_after_a_kill(), 3);
    accept(&log, new_event(vec![8; 5000])).await;
    assert_eq!(format_after_a_kill(), 3);
    log.close().await;
    assert_eq!(format_after_a_kill(), 3);
}

/// What fails behind the writes is noticed although nobody writes.
#[tokio::test]
async fn a_failure_behind_the_writes_ends_the_log() {
    let bed = Bed::memory();
    let log = bed.open();
    log.health().unwrap();
    *bed.failed_behind.lock().unwrap() = Some(EngineError::Failed("the disk is gone".to_owned()));

    let failed = tokio::time::timeout(Duration::from_secs(30), log.failed()).await.unwrap();

    assert!(matches!(&failed, EventLogError::Poisoned(detail) if detail.contains("the disk is gone")), "{failed}");
    log.health().unwrap_err();
}

/// A full disk behind the writes is one of the log, which goes on when there is room again.
#[tokio::test]
async fn a_full_disk_behind_the_writes_is_noticed() {
    let bed = Bed::memory();
    let log = bed.open();
    let mut snapshots = log.watch();
    let full = EngineError::Full("no block".to_owned());
    bed.fail_with(full.clone());
    *bed.failed_behind.lock().unwrap() = Some(full);
    let noticed = snapshots.wait_for(|snapshot| matches!(snapshot.writer, WriterState::Down(_)));
    tokio::time::timeout(Duration::from_secs(30), noticed).await.unwrap().unwrap();

    bed.failed_behind.lock().unwrap().take();
    bed.heal();

    tokio::time::timeout(Duration::from_secs(20), serving(&log)).await.unwrap();
    accept(&log, new_event("{}")).await;
}

/// How many events are lost.
fn events_in(contents: &BackupSummary) -> u64 {
    let events = contents.lost.iter().filter(|loss| loss.what == LostKind::Events);
    events.map(|loss| loss.last.unwrap().0 + 1 - loss.first.unwrap().0).sum()
}

/// Damage in a segment is found by the start or by the reader, and concerns no other record.
#[tokio::test]
async fn damage_in_a_segment_is_reported_and_never_wrong_bytes() {
    let bed = Bed::small_segments();
    let log = bed.open();
    let mut accepted = Vec::new();
    for index in 0..130 {
        accepted.push(accept(&log, new_event(vec![index; 5000])).await);
    }
    log.close().await;
    let segments = segments_of(&bed.data_dir());
    assert!(segments.len() > 6, "{segments:?}");
    let (mut refused, mut errors) = (0, 0);
    for (index, path) in segments.iter().enumerate() {
        let whole = std::fs::read(path).unwrap();
        for damage in 0..3 {
            let at = 70 + (index * 7919 + damage * 15_000) % (whole.len() - 100);
            let mut broken = whole.clone();
            match damage {
                0 => broken[at] ^= 0x55,
                1 => broken[at..].iter_mut().take(4096).for_each(|byte| *byte = 0),
                _ => broken.truncate(at),
            }
            std::fs::write(path, &broken).unwrap();
            match bed.try_open() {
                // The last events are read by the start.
                Err(EventLogError::Corrupt { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
                Ok(log) => {
                    let mut lost = 0;
                    for event in &accepted {
                        match log.event(event.seq) {
                            Ok(stored) => assert_eq!(stored.unwrap().event, **event),
                            Err(error) => {
                                assert!(matches!(error, EventLogError::Corrupt { .. }), "{error}");
                                lost += 1;
                            }
                        }
                    }
                    errors += lost;
                    log.close().await;
                    let verified = verify(&bed.data_dir(), &mut |_| {}).unwrap();
                    assert_eq!(events_in(&verified.contents), lost);
                }
            }
            std::fs::write(path, &whole).unwrap();
        }
    }
    assert!(refused > 0 && errors > 0, "{refused} refused, {errors} errors");
    assert!(verify(&bed.data_dir(), &mut |_| {}).unwrap().is_whole());
}

/// What a repair cannot save of a damaged segment is reported, and everything else is there.
#[tokio::test]
async fn a_repair_saves_what_other_segments_have() {
    let bed = Bed::small_segments();
    let log = bed.open();
    let mut accepted = Vec::new();
    for index in 0..60 {
        accepted.push(accept(&log, new_event(vec![index; 5000])).await);
    }
    log.close().await;
    let path = &segments_of(&bed.data_dir())[1];
    let mut broken = std::fs::read(path).unwrap();
    broken[64..30_000].fill(0);
    std::fs::write(path, &broken).unwrap();

    let repaired = repair(&bed.data_dir(), Timestamp::now(), &mut |_| {}).unwrap();

    let lost = events_in(&repaired.contents);
    assert!((1..12).contains(&lost), "{repaired:?}");
    assert_eq!(std::fs::read(segments_of(&repaired.kept)[1].clone()).unwrap(), broken, "the old folder is as it was");
    let log = bed.open();
    let held = read(&log, Seq(0), 100);
    assert_eq!(held.len() as u64, 60 - lost);
    for stored in held {
        assert_eq!(stored.event, *accepted[stored.event.seq.0 as usize - 1]);
    }
}

/// Segments are used again, and one that an open delivery keeps is emptied: the room does not depend on how much went through.
#[tokio::test]
async fn the_room_of_what_is_gone_is_used_again() {
    let mut bed = Bed::small_segments();
    bed.settings.retention.max_events = Some(20);
    let log = bed.open();
    let mut kept = Vec::new();
    for round in 0..10 {
        kept.push(accept(&log, NewEvent { data: vec![round; 3000].into(), ..routed(&["dead"]) }).await);
        for _ in 0..40 {
            accept(&log, new_event(vec![1; 3000])).await;
        }
    }
    let stats = || log.stats().journal.unwrap();
    let began = std::time::Instant::now();
    let bound = |stats: JournalStats| 2 * stats.live + 12 * bed.sizes.segment;
    while stats().bytes > bound(stats()) {
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", stats());
        accept(&log, new_event(vec![1; 3000])).await;
    }

    for event in &kept {
        assert_eq!(log.event(event.seq).unwrap().unwrap().event, **event);
    }
    let log = bed.reopen(log).await;
    for event in &kept {
        assert_eq!(log.event(event.seq).unwrap().unwrap().event, **event);
    }
}
