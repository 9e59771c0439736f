//! Promises about damaged records and folders.

use std::path::Path;
use std::process::Command;

use super::super::engine::journal::segments_of;
use super::super::layout::record::{draft, seal};
use super::*;

/// The store below a closed log. A thread of the store may not have let go of it yet.
pub(super) fn store_of(bed: &Bed) -> ::sled::Db {
    let asked = std::time::Instant::now();
    loop {
        match ::sled::Config::new().path(bed.data_dir()).segment_size(4 << 20).open() {
            Err(error) if error.to_string().contains("could not acquire lock") && asked.elapsed().as_secs() < 30 => {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            opened => return opened.unwrap(),
        }
    }
}

pub(super) fn flip(bed: &Bed, key: &[u8]) {
    flip_each(bed, [key]);
}

/// The same for several records.
pub(super) fn flip_each<'a>(bed: &Bed, keys: impl IntoIterator<Item = &'a [u8]>) {
    let db = store_of(bed);
    for key in keys {
        let mut value = db.get(key).unwrap().unwrap().to_vec();
        let last = value.len() - 1;
        value[last] ^= 1;
        db.insert(key, value).unwrap();
    }
    db.flush().unwrap();
}

#[tokio::test]
async fn damaged_records_are_errors() {
    let bed = Bed::sled();
    let log = bed.open();
    for index in 0..100 {
        accept(&log, NewEvent { data: vec![1; 40_000].into(), ..routed(&["a"]) }).await;
        record(&log, DeliveryId { seq: Seq(index + 1), index: 0 }, attempt(1, Outcome::Delivered), None).await.unwrap();
    }
    checkpoint(&log, "audit", Seq(5)).await.unwrap();
    log.close().await;
    for (damaged, name) in [
        (key::block(Seq(3)).to_vec(), "e/3"),
        (key::body(Seq(4), 1).to_vec(), "b/4/1"),
        (key::deliveries(0, 0).to_vec(), "d/0/0"),
        (key::value("consumers", "audit"), "s/consumers/audit"),
    ] {
        flip(&bed, &damaged);
        let log = bed.open();
        let error = match name {
            "e/3" => log.event(Seq(3)).unwrap_err(),
            "b/4/1" => log.event(Seq(4)).unwrap_err(),
            "d/0/0" => log.event(Seq(5)).unwrap_err(),
            _ => Consumer::open(&log, "audit").unwrap_err(),
        };
        assert!(matches!(&error, EventLogError::Corrupt { key, .. } if key == name), "{error}");
        assert_eq!(log.event(Seq(20)).unwrap().unwrap().event.data.len(), 40_000);
        log.close().await;
    }
}

#[tokio::test]
async fn a_damaged_tail_is_refused_at_the_start() {
    for damaged in [key::block(Seq(20)).to_vec(), key::body(Seq(20), 0).to_vec(), key::meta("state")] {
        let bed = Bed::sled();
        let log = bed.open();
        for _ in 0..20 {
            accept(&log, new_event(vec![1; 40_000])).await;
        }
        log.close().await;
        flip(&bed, &damaged);

        let error = bed.try_open().unwrap_err();

        assert!(matches!(error, EventLogError::Corrupt { .. }), "{error}");
        assert!(matches!(bed.try_open(), Err(EventLogError::Corrupt { .. })), "the lock is released");
    }
}

#[tokio::test]
async fn a_later_format_is_refused_with_both_numbers() {
    let bed = Bed::sled();
    bed.open().close().await;
    let key = key::meta("format");
    let db = store_of(&bed);
    db.insert(&key, seal(&key, 9, [draft(1), vec![9]].concat())).unwrap();
    drop(db);
    let refusal = EventLogError::Format { found: 9, expected: 3 };

    assert_eq!(bed.try_open().unwrap_err(), refusal);
    assert_eq!(verify(&bed.data_dir(), &mut |_| {}).unwrap_err(), refusal);
    assert_eq!(repair(&bed.data_dir(), Timestamp::now(), &mut |_| {}).unwrap_err(), refusal);
    assert_eq!(bed.try_open().unwrap_err(), refusal, "the folder is as it was");
}

#[tokio::test]
async fn a_second_log_is_locked_out() {
    let bed = Bed::sled();
    let log = bed.open();

    assert_eq!(bed.try_open().unwrap_err(), EventLogError::Locked { dir: bed.data_dir() });

    drop(log);
    bed.open().health().unwrap();
}

#[tokio::test]
async fn damaged_files_are_an_error_and_no_panic() {
    let bed = Bed::sled();
    let log = bed.open();
    for _ in 0..50 {
        accept(&log, new_event(vec![7; 30_000])).await;
    }
    log.close().await;
    let files = std::fs::read_dir(bed.data_dir()).unwrap().map(|entry| entry.unwrap().path());
    let snapshot = files.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."));
    let segments = segments_of(&bed.data_dir());
    for path in snapshot.into_iter().chain([bed.data_dir().join("db"), bed.data_dir().join("conf")]).chain(segments) {
        let whole = std::fs::read(&path).unwrap();
        let mut broken = whole.clone();
        for byte in broken.iter_mut().step_by(97) {
            *byte ^= 0xff;
        }
        for content in [&broken[..], &whole[..whole.len() / 3]] {
            std::fs::write(&path, content).unwrap();
            if let Ok(log) = bed.try_open() {
                match log.event(log.head()) {
                    Ok(stored) => assert_eq!(stored.unwrap().event.data, vec![7; 30_000]),
                    Err(error) => assert!(matches!(error, EventLogError::Corrupt { .. }), "{error}"),
                }
                log.close().await;
            }
        }
        std::fs::write(&path, &whole).unwrap();
    }
}

/// The store of keys and the segments as they are.
pub(super) fn files_of(bed: &Bed) -> Vec<(PathBuf, Vec<u8>)> {
    let files = segments_of(&bed.data_dir()).into_iter().chain([bed.data_dir().join("db")]);
    files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Puts the files back as they were.
pub(super) fn put_back(files: Vec<(PathBuf, Vec<u8>)>) {
    files.into_iter().for_each(|(path, content)| std::fs::write(path, content).unwrap());
}

/// For sled a damaged record is the end of its log, and for the journal the first one that is not whole: what was behind it
/// must not be forgotten without a word.
#[tokio::test]
async fn a_store_that_lost_its_end_is_refused() {
    let bed = Bed::sled();
    let log = bed.open();
    accept(&log, new_event("first")).await;
    log.close().await;
    let shorter = files_of(&bed);
    let log = bed.open();
    accept(&log, new_event("lost")).await;
    log.close().await;
    put_back(shorter);

    let error = bed.try_open().unwrap_err();

    assert!(
        matches!(&error, EventLogError::Corrupt { detail, .. } if detail.contains("the last 1 are lost")),
        "{error}"
    );
}

#[tokio::test]
async fn an_unfinished_snapshot_does_not_hinder_the_start() {
    let bed = Bed::sled();
    let log = bed.open();
    accept(&log, new_event("{}")).await;
    log.close().await;
    let leftover = bed.data_dir().join("snap.00000000000000FF.generating");
    std::fs::write(&leftover, b"half").unwrap();

    assert_eq!(bed.open().head(), Seq(1));
    assert!(!leftover.exists());
}

/// A small disk.
pub(super) struct Mount(TempDir);

impl Mount {
    pub(super) fn tmpfs(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(dir))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

/// Fills the disk with the log or with a foreign file, and frees it again.
async fn full_disk(reserve: bool) {
    let Some(mount) = Mount::tmpfs(80) else {
        return skip("a full disk needs root, to mount a small tmpfs");
    };
    let mut bed = Bed::sled();
    let dir = mount.0.path().join("data");
    bed.settings.engine = EngineKind::Sled { dir, cache_bytes: 8 << 20, ballast_bytes: 8 << 20, min_free: 0 };
    bed.reckless = !reserve;
    let log = bed.open();
    let mut acknowledged = Vec::new();
    for _ in 0..5 {
        acknowledged.push(accept(&log, NewEvent { data: vec![1; 100_000].into(), ..routed(&["a"]) }).await);
    }
    let filler = mount.0.path().join("filler");
    std::fs::write(&filler, vec![1; 20 << 20]).unwrap();
    let error = loop {
        let event = NewEvent { data: vec![2; 200_000].into(), ..routed(&["a"]) };
        match append(&log, vec![event]).await {
            Ok(appended) => acknowledged.extend(appended.into_iter().filter_map(|appended| match appended {
                Appended::Accepted(event) => Some(event),
                Appended::Held(_) | Appended::Repeat { .. } | Appended::Duplicate(_) => None,
            })),
            Err(error) => break error,
        }
        assert!(acknowledged.len() < 1000);
    };
    assert!(matches!(error, EventLogError::Full(_)), "{error}");
    assert!(matches!(log.health(), Err(EventLogError::Full(_))));
    if reserve {
        record(&log, DeliveryId { seq: Seq(1), index: 0 }, attempt(1, Outcome::Delivered), None).await.unwrap();
        assert_eq!(log.event(Seq(2)).unwrap().unwrap().event, *acknowledged[1]);
    }

    std::fs::remove_file(&filler).unwrap();

    let serving = serving(&log);
    tokio::time::timeout(Duration::from_secs(20), serving).await.unwrap();
    acknowledged.push(accept(&log, new_event("{}")).await);
    let log = bed.reopen(log).await;
    for event in &acknowledged {
        assert_eq!(log.event(event.seq).unwrap().unwrap().event, **event);
    }
    log.close().await;
}

pub(super) fn skip(reason: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "skipped: {reason}").unwrap();
}

#[tokio::test]
async fn a_full_disk_stops_intake_and_loses_nothing() {
    full_disk(true).await;
}

#[tokio::test]
async fn a_store_that_hits_the_end_of_the_disk_loses_nothing() {
    full_disk(false).await;
}
