//! Promises about verify, backup, restore and repair.

use std::fs;

use super::disk::{files_of, flip, flip_each, put_back, store_of};
use super::*;

engines! {
    a_backup_restores_the_same_log
    a_backup_that_is_not_whole_is_refused
    a_backup_ends_at_the_head_of_its_beginning
}

/// A backup of the log as it is.
pub(super) fn backed_up(log: &EventLog) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sink = |piece: Bytes| {
        bytes.extend_from_slice(&piece);
        Ok(())
    };
    let contents = log.backup(&mut sink, &mut |_| {}).unwrap();
    assert_eq!(contents.lost, []);
    bytes
}

/// A log with something of everything.
async fn filled(bed: &mut Bed) -> EventLog {
    bed.settings.retention.max_events = Some(60);
    let log = bed.open();
    for index in 0..100 {
        let known = known_as(&index.to_string(), index);
        let data = vec![index as u8; if index % 20 == 0 { 40_000 } else { 300 }];
        let agents: &[&str] = if index % 30 == 0 { &["dead"] } else { &["a", "b"] };
        accept(&log, NewEvent { data: data.into(), recipients: recipients(agents), ..known }).await;
    }
    for seq in (1..=100).filter(|seq| (seq - 1) % 30 != 0 && *seq != 77).map(Seq) {
        for index in 0..2 {
            let _ = record(&log, DeliveryId { seq, index }, attempt(1, Outcome::Delivered), None).await;
        }
    }
    let id = log.event(Seq(90)).unwrap().unwrap().event.id;
    redeliver(&log, id, recipients(&["b"])).await.unwrap();
    checkpoint(&log, "audit", Seq(42)).await.unwrap();
    log
}

pub(super) fn restored(bed: &Bed, backup: &[u8]) -> Bed {
    let mut copy = Bed::sled();
    copy.settings.dedup_window = bed.settings.dedup_window;
    restore(backup, &copy.data_dir(), &mut |_| {}).unwrap();
    assert!(verify(&copy.data_dir(), &mut |_| {}).unwrap().is_whole());
    copy
}

async fn a_backup_restores_the_same_log(mut bed: Bed) {
    let log = filled(&mut bed).await;

    let backup = backed_up(&log);

    let copy = restored(&bed, &backup);
    let twin = copy.open();
    let (counts, known) = (log.snapshot(), twin.snapshot());
    assert_eq!(
        (known.head, known.floor, known.bytes, &known.channels),
        (Seq(100), counts.floor, counts.bytes, &counts.channels)
    );
    assert_eq!((statuses(&twin), known.oldest), (statuses(&log), counts.oldest));
    assert_eq!(read(&twin, Seq(0), 1000), read(&log, Seq(0), 1000));
    assert_eq!(Consumer::open(&twin, "audit").unwrap().position(), Seq(42));
    assert_eq!(twin.snapshot().open_redeliveries, log.snapshot().open_redeliveries);
    let open = |log: &EventLog| open_deliveries(log, None, Range::up_from(Seq(1)), 100);
    assert_eq!(open(&twin), open(&log));
    for index in [1, 50, 99] {
        let duplicate = append(&log, vec![known_as(&index.to_string(), 200)]).await.unwrap();
        assert!(matches!(duplicate[..], [Appended::Duplicate(_)]), "{index}");
        assert_eq!(append(&twin, vec![known_as(&index.to_string(), 200)]).await.unwrap(), duplicate);
    }
    assert_eq!(accept(&twin, new_event("{}")).await.seq, Seq(101));
    twin.close().await;
    let error = restore(&backup[..], &copy.data_dir(), &mut |_| {}).unwrap_err();
    assert!(matches!(&error, EventLogError::Io(detail) if detail.contains("is not empty")), "{error}");
}

async fn a_backup_that_is_not_whole_is_refused(bed: Bed) {
    let log = bed.open();
    for _ in 0..3 {
        accept(&log, routed(&["a"])).await;
    }
    let backup = backed_up(&log);
    let check = |bytes: &[u8]| check_backup(bytes, &mut |_| {});
    assert_eq!(check(&backup).unwrap().events, 3);

    for at in 0..backup.len() {
        let mut flipped = backup.clone();
        flipped[at] ^= 0x04;
        assert!(matches!(check(&flipped), Err(EventLogError::Backup(_))), "{at}");
        assert!(matches!(check(&backup[..at]), Err(EventLogError::Backup(_))), "{at}");
    }
    assert!(matches!(check(&[&backup[..], b"x"].concat()), Err(EventLogError::Backup(_))));
    let later = [b"gateway event log backup 3", &backup[26..]].concat();
    let refusal = "it has format 3, expected at most 2 (at byte 0)".to_owned();
    assert_eq!(check(&later), Err(EventLogError::Backup(refusal)));
    let dir = bed.dir.path().join("new");
    restore(&backup[..backup.len() - 1], &dir, &mut |_| {}).unwrap_err();
    assert!(!dir.exists(), "nothing is left of it");
}

async fn a_backup_ends_at_the_head_of_its_beginning(bed: Bed) {
    let log = bed.open();
    for _ in 0..5 {
        accept(&log, routed(&["a"])).await;
    }
    let (more, mut bytes) = (log.clone(), Vec::new());
    let mut first = true;
    let handle = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut sink = |piece: Bytes| {
            if std::mem::take(&mut first) {
                handle.block_on(accept(&more, routed(&["a"])));
            }
            bytes.extend_from_slice(&piece);
            Ok(())
        };
        let contents = more.backup(&mut sink, &mut |_| {}).unwrap();
        assert_eq!((contents.head, contents.events), (Seq(5), 5));
    })
    .await
    .unwrap();
    assert_eq!(log.head(), Seq(6));
}

#[tokio::test]
async fn every_damaged_record_is_found() {
    // Each of the many starts reads a segment or two.
    let mut bed = Bed::small_segments();
    filled(&mut bed).await.close().await;
    assert_eq!(verify(&bed.data_dir(), &mut |_| {}).unwrap().problems, Vec::<String>::new());
    let db = store_of(&bed);
    let keys: Vec<_> = db.range(..vec![u8::MAX]).keys().map(|key| key.unwrap().to_vec()).collect();
    drop(db);
    assert!(keys.len() > 20);

    let mut before: Option<&[u8]> = None;
    for key in &keys {
        // Damages this one and mends the one before.
        flip_each(&bed, before.replace(key).into_iter().chain([&key[..]]));
        let verified = verify(&bed.data_dir(), &mut |_| {}).unwrap();
        assert!(!verified.is_whole(), "{}", key::display(key));
    }
    flip_each(&bed, before);

    assert!(verify(&bed.data_dir(), &mut |_| {}).unwrap().is_whole());
}

#[tokio::test]
async fn a_repair_saves_what_can_be_read_and_tells_the_rest() {
    let bed = Bed::sled();
    let log = bed.open();
    let mut accepted = Vec::new();
    for _ in 0..40 {
        accepted.push(accept(&log, NewEvent { data: vec![1; 3_000].into(), ..routed(&["a"]) }).await);
    }
    record(&log, DeliveryId { seq: Seq(17), index: 0 }, attempt(1, Outcome::Delivered), None).await.unwrap();
    log.close().await;
    flip(&bed, &key::block(Seq(5)));
    flip(&bed, &key::deliveries(1, 0));
    flip(&bed, &key::block(Seq(40)));
    assert!(matches!(bed.try_open(), Err(EventLogError::Corrupt { .. })), "its end is damaged");

    let repaired = repair(&bed.data_dir(), Timestamp::now(), &mut |_| {}).unwrap();

    let lost = |what| {
        let losses = repaired.contents.lost.iter().filter(move |loss| loss.what == what);
        losses.map(|loss| (loss.first.unwrap().0, loss.last.unwrap().0)).collect::<Vec<_>>()
    };
    assert_eq!(lost(LostKind::Events), [(5, 5), (40, 40)]);
    assert_eq!(lost(LostKind::Deliveries), [(16, 31)]);
    assert!(fs::exists(repaired.kept.join("db")).unwrap());
    assert!(
        matches!(
            verify(&repaired.kept, &mut |_| {}),
            Ok(verified) if !verified.is_whole()
        ),
        "the damaged store is as it was"
    );
    let log = bed.open();
    for event in &accepted {
        let found = log.event(event.seq).unwrap().map(|stored| stored.event);
        assert_eq!(found.as_ref(), Some(&**event).filter(|event| ![5, 40].contains(&event.seq.0)));
    }
    assert_eq!(log.event(Seq(17)).unwrap().unwrap().status(), EventStatus::Pending, "it is delivered again");
    assert_eq!(accept(&log, new_event("{}")).await.seq, Seq(41));
    log.close().await;
    let verified = verify(&bed.data_dir(), &mut |_| {}).unwrap();
    assert!(verified.is_whole(), "{verified:?}");
    assert_eq!(verified.lost_before, [(Seq(5), Seq(5)), (Seq(40), Seq(40))]);
}

/// Positions that somebody keeps of a log mean nothing in the one that was made of its backup.
#[tokio::test]
async fn an_epoch_ends_with_a_restore_and_a_repair() {
    let bed = Bed::sled();
    let log = bed.open();
    accept(&log, new_event("{}")).await;
    let (epoch, backup) = (log.snapshot().epoch, backed_up(&log));
    let log = bed.reopen(log).await;
    assert_eq!((log.snapshot().epoch, log.stats().epoch), (epoch, epoch));

    let restored = restored(&bed, &backup);
    log.close().await;
    repair(&bed.data_dir(), Timestamp::now(), &mut |_| {}).unwrap();

    let epochs = [epoch, restored.open().snapshot().epoch, bed.open().snapshot().epoch];
    assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2] && epochs[2] != epochs[0], "{epochs:?}");
}

#[tokio::test]
async fn a_repair_knows_how_much_of_the_end_is_lost() {
    let bed = Bed::sled();
    let log = bed.open();
    accept(&log, new_event("first")).await;
    log.close().await;
    let shorter = files_of(&bed);
    let log = bed.open();
    for _ in 0..3 {
        accept(&log, new_event("lost")).await;
    }
    log.close().await;
    put_back(shorter);

    let repaired = repair(&bed.data_dir(), Timestamp::now(), &mut |_| {}).unwrap();

    let [loss] = &repaired.contents.lost[..] else { panic!("{repaired:?}") };
    assert_eq!((loss.what, loss.first, loss.last), (LostKind::Events, Some(Seq(2)), Some(Seq(4))));
    let log = bed.open();
    assert_eq!(read(&log, Seq(0), 10).len(), 1);
    assert_eq!(accept(&log, new_event("{}")).await.seq, Seq(5), "no position is used again");
}
