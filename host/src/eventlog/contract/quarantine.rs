//! Promises about events in quarantine.

use super::maintenance::{backed_up, restored};
use super::*;

engines! {
    an_event_in_quarantine_is_released_once
    a_backup_restores_what_is_in_quarantine
    a_released_event_is_removed_with_what_became_of_it
    an_event_in_quarantine_gets_no_deliveries
    a_restore_counts_only_releases_of_events_that_are_there
}

fn suspect() -> NewEvent {
    NewEvent { quarantine: Some("/amount: not a number".to_owned()), ..new_event("{}") }
}

/// Releases to the agent `a`.
async fn release(log: &EventLog, seq: Seq) -> Result<Arc<Event>, EventLogError> {
    let releases = vec![Release { seq, by: "ops".to_owned(), event: routed(&["a"]) }];
    Ok(log.commit(Batch { releases, ..Batch::default() }).await?.released.remove(0))
}

fn status(log: &EventLog, seq: Seq) -> EventStatus {
    log.event(seq).unwrap().unwrap().status()
}

fn counts(log: &EventLog) -> [u64; 4] {
    [EventStatus::Accepted, EventStatus::Pending, EventStatus::Quarantined, EventStatus::Released]
        .map(|status| log.snapshot().with_status(status))
}

async fn an_event_in_quarantine_is_released_once(bed: Bed) {
    let log = bed.open();
    accept(&log, new_event("{}")).await;
    let event = accept(&log, suspect()).await;
    let other = accept(&log, suspect()).await;
    assert_eq!((status(&log, event.seq), counts(&log)), (EventStatus::Quarantined, [1, 0, 2, 0]));
    assert_eq!(log.event(event.seq).unwrap().unwrap().event.quarantine, event.quarantine);

    let log = bed.reopen(log).await;
    assert_eq!((status(&log, event.seq), counts(&log)), (EventStatus::Quarantined, [1, 0, 2, 0]));
    let told = release(&log, event.seq).await.unwrap();
    for again in [event.seq, told.seq, Seq(1)] {
        assert!(matches!(release(&log, again).await, Err(EventLogError::Conflict(_))), "{again}");
    }
    assert!(matches!(release(&log, Seq(99)).await, Err(EventLogError::NotFound)));
    let both = vec![Release { seq: other.seq, by: "ops".to_owned(), event: routed(&["a"]) }; 2];
    let both = log.commit(Batch { releases: both, ..Batch::default() }).await;
    assert!(matches!(both, Err(EventLogError::Conflict(_))), "one batch releases it twice");

    let log = bed.reopen(log).await;
    assert_eq!((status(&log, event.seq), counts(&log)), (EventStatus::Released, [1, 1, 1, 1]));
    let released = log.release(event.seq).unwrap().unwrap();
    assert_eq!((released.event, released.by.as_str()), (told.id, "ops"));
    assert_eq!(log.release(other.seq).unwrap(), None);
    assert!(matches!(release(&log, event.seq).await, Err(EventLogError::Conflict(_))));
    let query = Query { status: Some(EventStatus::Quarantined), ..Query::default() };
    let found = log.scan(&query, Range::up_from(Seq(0)), ScanLimits::items(9)).unwrap();
    assert_eq!(found.items.iter().map(|stored| stored.event.seq).collect::<Vec<_>>(), [other.seq]);

    // A tail tells neither what is in quarantine nor what was.
    let mut tail = log.tail(Seq(0));
    let mut told_by_tail = Vec::new();
    let mut upto = Seq(0);
    while upto < log.head() {
        let page = tail.next().await.unwrap();
        upto = page.upto;
        told_by_tail.extend(page.events.iter().map(|event| event.seq.0));
    }
    assert_eq!(told_by_tail, [1, told.seq.0]);
}

async fn a_backup_restores_what_is_in_quarantine(bed: Bed) {
    let log = bed.open();
    let event = accept(&log, suspect()).await;
    let other = accept(&log, suspect()).await;
    let told = release(&log, event.seq).await.unwrap();

    let target = restored(&bed, &backed_up(&log));
    let restored = target.open();

    assert_eq!(counts(&restored), [0, 1, 1, 1]);
    assert_eq!(
        [event.seq, other.seq].map(|seq| status(&restored, seq)),
        [EventStatus::Released, EventStatus::Quarantined]
    );
    assert_eq!(restored.release(event.seq).unwrap().map(|released| released.event), Some(told.id));
}

async fn an_event_in_quarantine_gets_no_deliveries(bed: Bed) {
    let log = bed.open();
    let event = accept(&log, suspect()).await;
    assert!(matches!(redeliver(&log, event.id, recipients(&["a"])).await, Err(EventLogError::Conflict(_))));
    release(&log, event.seq).await.unwrap();
    assert!(matches!(redeliver(&log, event.id, recipients(&["a"])).await, Err(EventLogError::Conflict(_))));
}

async fn a_restore_counts_only_releases_of_events_that_are_there(bed: Bed) {
    let log = bed.open();
    let event = accept(&log, suspect()).await;
    let stray = ValueChange {
        space: Space::of_module("releases"),
        key: format!("{:016x}", 77),
        value: Some(Bytes::from_static(b"{}")),
        expected: Expected::Anything,
    };
    log.commit(Batch { values: vec![stray], ..Batch::default() }).await.unwrap();

    let target = restored(&bed, &backed_up(&log));
    let twin = target.open();

    assert_eq!(counts(&twin)[2..], [1, 0]);
    assert_eq!(twin.values(&Space::of_module("releases"), "").unwrap(), []);
    release(&twin, event.seq).await.unwrap();
    assert_eq!(counts(&twin)[2..], [0, 1]);
}

async fn a_released_event_is_removed_with_what_became_of_it(mut bed: Bed) {
    let day = Duration::from_secs(24 * 3600);
    let old = Timestamp::now().before(3 * day);
    let log = bed.open();
    let event = accept(&log, NewEvent { time: old, ..suspect() }).await;
    let waits = accept(&log, NewEvent { time: old, ..suspect() }).await;
    release(&log, event.seq).await.unwrap();
    bed.settings.retention.max_age = Some(day);

    let log = bed.reopen(log).await;
    while log.snapshot().floor <= waits.seq {
        checkpoint(&log, "clock", Seq(0)).await.unwrap();
    }

    assert_eq!(counts(&log)[2..], [0, 0]);
    assert_eq!(log.release(event.seq).unwrap(), None);
    assert_eq!(log.values(&Space::of_module("releases"), "").unwrap(), []);
}
