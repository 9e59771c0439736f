//! Promises about notes.

use super::maintenance::{backed_up, restored};
use super::*;

engines! {
    a_note_goes_with_its_event
    a_note_about_an_event_that_is_gone_is_not_kept
    a_backup_restores_notes
}

fn note(seq: u64, text: &str) -> ValueChange {
    let at = Timestamp::from_millis(1_700_000_000_000);
    Note { by: "alert".to_owned(), at, text: text.to_owned() }.about(Seq(seq))
}

async fn take(log: &EventLog, values: Vec<ValueChange>) {
    log.commit(Batch { values, ..Batch::default() }).await.unwrap();
}

fn text(log: &EventLog, seq: u64) -> Option<String> {
    log.note(Seq(seq)).unwrap().map(|note| note.text)
}

/// The positions of all notes.
fn noted(log: &EventLog) -> Vec<u64> {
    let notes = log.values(&Space::of_module("notes"), "").unwrap();
    notes.iter().map(|(key, _)| u64::from_str_radix(key, 16).unwrap()).collect()
}

/// Waits until retention has left these events.
async fn held(log: &EventLog, expected: &[u64]) {
    let found = || read(log, Seq(0), 1000).iter().map(|stored| stored.event.seq.0).collect::<Vec<_>>();
    while found() != expected {
        checkpoint(log, "clock", Seq(0)).await.unwrap();
    }
}

async fn a_note_goes_with_its_event(mut bed: Bed) {
    let log = bed.open();
    // An open event keeps its place, and others go around it.
    for agents in [&[][..], &[], &["a"], &[], &[]] {
        accept(&log, routed(agents)).await;
    }
    take(&log, (1..=4).map(|seq| note(seq, "repeat 1 of incident 3")).collect()).await;
    take(&log, vec![note(2, "suppressed: in progress"), note(3, &"x".repeat(5000))]).await;
    let log = bed.reopen(log).await;
    assert_eq!(text(&log, 2).as_deref(), Some("suppressed: in progress"), "the last one is kept");
    assert_eq!((text(&log, 3).map(|text| text.len()), text(&log, 5)), (Some(1024), None));
    assert_eq!(log.note(Seq(1)).unwrap().map(|note| note.by).as_deref(), Some("alert"));

    bed.settings.retention.max_events = Some(2);
    let log = bed.reopen(log).await;
    held(&log, &[3, 5]).await;

    assert_eq!(noted(&log), [3]);
    record(&log, DeliveryId { seq: Seq(3), index: 0 }, attempt(1, Outcome::Delivered), None).await.unwrap();
    accept(&log, new_event("{}")).await;
    held(&log, &[5, 6]).await;
    assert_eq!(noted(&log), [0; 0]);
}

async fn a_note_about_an_event_that_is_gone_is_not_kept(mut bed: Bed) {
    bed.settings.retention.max_events = Some(2);
    let log = bed.open();
    for agents in [&["a"][..], &[], &[]] {
        accept(&log, routed(agents)).await;
    }
    held(&log, &[1, 3]).await;
    let stray = ValueChange { key: "stray".to_owned(), ..note(1, "") };

    take(&log, vec![note(2, "late"), note(1, "in time"), note(9, "early"), stray]).await;
    assert_eq!(noted(&log), [1]);

    // What removes an event and notes something of it is one commit.
    let batch = Batch { events: vec![new_event("{}")], values: vec![note(3, "last")], ..Batch::default() };
    log.commit(batch).await.unwrap();
    held(&log, &[1, 4]).await;
    assert_eq!(noted(&log), [1]);
}

async fn a_backup_restores_notes(bed: Bed) {
    let log = bed.open();
    append(&log, (0..300).map(|_| new_event("{}")).collect()).await.unwrap();
    take(&log, [1, 77, 300].map(|seq| note(seq, &format!("note {seq}"))).to_vec()).await;

    let target = restored(&bed, &backed_up(&log));
    let twin = target.open();

    assert_eq!(noted(&twin), [1, 77, 300]);
    assert_eq!((text(&twin, 77).as_deref(), text(&twin, 78)), (Some("note 77"), None));
}
