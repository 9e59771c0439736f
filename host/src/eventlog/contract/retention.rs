//! Promises about retention.

use super::*;

engines! {
    settled_events_go_when_they_are_old
    an_open_event_stays_and_holds_nothing_up
    no_more_events_and_bytes_are_kept_than_allowed
    a_removed_event_is_not_found_and_not_damaged
    a_scan_reports_what_it_skipped
    an_identity_outlives_its_event
    a_hold_keeps_events_from_going_by_age_and_by_nothing_else
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Received so long ago.
fn aged(age: Duration, agents: &[&str]) -> NewEvent {
    NewEvent { time: Timestamp::now().before(age), ..routed(agents) }
}

async fn settle(log: &EventLog, seq: Seq) {
    record(log, DeliveryId { seq, index: 0 }, attempt(1, Outcome::Delivered), None).await.unwrap();
}

/// Waits until the log holds exactly the events at `expected`.
async fn held(log: &EventLog, expected: impl IntoIterator<Item = u64>) {
    let expected: Vec<u64> = expected.into_iter().collect();
    let found = || read(log, Seq(0), 10_000).iter().map(|stored| stored.event.seq.0).collect::<Vec<_>>();
    let start = std::time::Instant::now();
    while found() != expected {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}, expected {expected:?}", found());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A commit is readable a moment before its snapshot is shown; after a further one it is.
    checkpoint(log, "held", Seq(0)).await.unwrap();
}

/// The keys that begin with `prefix`.
fn keys(log: &EventLog, prefix: u8) -> Vec<String> {
    let found = log.0.reader.store.engine.scan(&[prefix]..&[prefix + 1], Direction::Up, 100_000).unwrap();
    found.iter().map(|(key, _)| key::display(key)).collect()
}

async fn settled_events_go_when_they_are_old(mut bed: Bed) {
    bed.settings.retention.max_age = Some(DAY);
    let log = bed.open();
    for _ in 0..300 {
        accept(&log, aged(3 * DAY, &[])).await;
    }
    append(&log, (0..300).map(|_| aged(3 * DAY, &[])).collect()).await.unwrap();
    accept(&log, NewEvent { data: vec![1; 100_000].into(), ..aged(3 * DAY, &[]) }).await;
    for age in [DAY / 2, Duration::ZERO, DAY / 3] {
        accept(&log, aged(age, &["a"])).await;
    }

    held(&log, 602..=604).await;

    let counts = log.snapshot();
    assert_eq!((counts.head, counts.with_status(EventStatus::Accepted)), (Seq(604), 0));
    assert_eq!(counts.channels[&"github".parse::<ChannelName>().unwrap()].accepted, 604);
    let log = bed.reopen(log).await;
    held(&log, 602..=604).await;
    assert_eq!(log.snapshot().floor, Seq(602));
    assert_eq!(log.snapshot().oldest, Some(log.event(Seq(602)).unwrap().unwrap().event.time));
    assert_eq!((keys(&log, b'g'), keys(&log, b'b')), (vec!["g/1".to_owned()], vec![]));
    assert_eq!(bed.metrics.removed.get_or_create(&crate::metrics::ByReason::new("age")).get(), 601);
    assert_eq!(accept(&log, new_event("{}")).await.seq, Seq(605));
}

async fn an_open_event_stays_and_holds_nothing_up(mut bed: Bed) {
    bed.settings.retention.max_age = Some(DAY);
    let log = bed.open();
    for seq in 1..=200 {
        accept(&log, aged(3 * DAY, &[if seq % 50 == 7 { "dead" } else { "alive" }])).await;
    }
    append(&log, (0..100).map(|_| aged(3 * DAY, &["alive"])).collect()).await.unwrap();
    let is_open = |seq: &u64| *seq <= 200 && seq % 50 == 7;
    for seq in (1..=300).filter(|seq| !is_open(seq)).map(Seq) {
        settle(&log, seq).await;
    }

    held(&log, [7, 57, 107, 157]).await;

    assert_eq!(statuses(&log), [0, 4, 0, 0]);
    let log = bed.reopen(log).await;
    held(&log, [7, 57, 107, 157]).await;
    let (open, page) = open_deliveries(&log, Some("dead"), Range::up_from(Seq(1)), 10);
    assert_eq!(open.iter().map(|(id, _)| id.seq.0).collect::<Vec<_>>(), [7, 57, 107, 157]);
    assert_eq!(page.next, None);
    let listed = log.scan(&Query::default(), Range::down_from(None), ScanLimits::items(10)).unwrap();
    assert_eq!(listed.items.len(), 4);
    assert_eq!(keys(&log, b'd'), Vec::<String>::new(), "the deliveries of removed events are gone");
    let event = log.event(Seq(57)).unwrap().unwrap().event;
    settle(&log, Seq(57)).await;
    held(&log, [7, 107, 157]).await;
    assert_eq!(redeliver(&log, event.id, recipients(&["a"])).await, Err(EventLogError::NotFound));
    for seq in [157, 7, 107].map(Seq) {
        settle(&log, seq).await;
    }
    held(&log, []).await;
    assert_eq!(keys(&log, b'g'), ["g/1"]);
    assert_eq!((log.snapshot().bytes, statuses(&log)), (0, vec![0; 4]));
    let log = bed.reopen(log).await;
    assert_eq!(accept(&log, aged(Duration::ZERO, &["a"])).await.seq, Seq(301));
    held(&log, [301]).await;
}

async fn no_more_events_and_bytes_are_kept_than_allowed(mut bed: Bed) {
    bed.settings.retention.max_events = Some(20);
    let log = bed.open();
    accept(&log, routed(&["dead"])).await;
    for _ in 0..100 {
        accept(&log, new_event(vec![1; 10_000])).await;
    }
    held(&log, [1].into_iter().chain(83..=101)).await;
    let bytes = log.snapshot().bytes;
    assert!((190_000..220_000).contains(&bytes), "{bytes}");
    log.close().await;

    bed.settings.retention = RetentionLimits { max_bytes: Some(52_000), ..RetentionLimits::default() };
    let log = bed.open();
    held(&log, [1].into_iter().chain(97..=101)).await;
    assert!(log.snapshot().bytes <= 52_000);
    accept(&log, new_event(vec![1; 20_000])).await;
    held(&log, [1].into_iter().chain(99..=102)).await;
}

async fn a_removed_event_is_not_found_and_not_damaged(mut bed: Bed) {
    bed.settings.retention.max_age = Some(DAY);
    let log = bed.open();
    let receipt = [["a"], ["dead"], ["a"]].map(|agents| aged(2 * DAY, &agents)).to_vec();
    let accepted = append(&log, receipt).await.unwrap();
    let ids: Vec<_> = accepted
        .into_iter()
        .filter_map(|appended| match appended {
            Appended::Accepted(event) => Some(event.id),
            Appended::Held(_) | Appended::Repeat { .. } | Appended::Duplicate(_) => None,
        })
        .collect();
    settle(&log, Seq(1)).await;
    settle(&log, Seq(3)).await;
    held(&log, [2]).await;

    for seq in [1, 3] {
        assert_eq!(log.event(Seq(seq)).unwrap(), None);
        assert_eq!(log.event(ids[seq as usize - 1]).unwrap(), None);
        let id = DeliveryId { seq: Seq(seq), index: 0 };
        assert_eq!(record(&log, id, attempt(2, Outcome::Dead), None).await, Err(EventLogError::NotFound));
    }
    assert_eq!(log.event(ids[1]).unwrap().unwrap().event.id, ids[1]);
    log.health().unwrap();
}

async fn an_identity_outlives_its_event(mut bed: Bed) {
    bed.settings.retention.max_age = Some(DAY);
    bed.settings.dedup_window = 3 * DAY;
    let log = bed.open();
    let known = |age| NewEvent { time: Timestamp::now().before(age), ..known_as("one", 0) };
    let first = accept(&log, known(2 * DAY)).await;
    held(&log, []).await;

    assert_eq!(append(&log, vec![known(DAY)]).await.unwrap(), [Appended::Duplicate(first.id)]);
}

async fn a_scan_reports_what_it_skipped(mut bed: Bed) {
    bed.settings.retention.max_age = Some(DAY);
    let log = bed.open();
    for agents in [&["a"][..], &[], &[], &["a"], &[], &["a"]] {
        accept(&log, aged(3 * DAY, agents)).await;
    }
    accept(&log, aged(Duration::ZERO, &[])).await;
    held(&log, [1, 4, 6, 7]).await;
    let skipped = |range, limit| {
        let page = log.scan(&Query::default(), range, ScanLimits::items(limit)).unwrap();
        assert!(page.skipped.iter().all(|skipped| skipped.reason == SkipReason::Retention));
        page.skipped.iter().map(|skipped| (skipped.first.0, skipped.last.0)).collect::<Vec<_>>()
    };

    assert_eq!(skipped(Range::up_from(Seq(1)), 100), [(2, 3), (5, 5)]);
    assert_eq!(skipped(Range::down_from(None), 100), [(5, 5), (2, 3)]);
    assert_eq!(skipped(Range::up_from(Seq(3)), 100), [(3, 3), (5, 5)]);
    assert_eq!(skipped(Range::down_from(Some(Seq(3))), 100), [(2, 2)]);
    assert_eq!(skipped(Range::up_from(Seq(1)), 1), []);
    let page = log.scan(&Query::whole(), Range::up_from(Seq(2)), ScanLimits::items(1)).unwrap();
    assert_eq!((page.items[0].event.seq, page.next, page.head), (Seq(4), Some(Seq(5)), Seq(7)));

    settle(&log, Seq(1)).await;
    settle(&log, Seq(4)).await;
    held(&log, [6, 7]).await;
    assert_eq!(skipped(Range::up_from(Seq(1)), 100), [(1, 5)], "also before the first event");
    assert_eq!(skipped(Range::up_from(Seq(3)), 100), [(3, 5)]);
    assert_eq!(skipped(Range::down_from(None), 100), []);
}

async fn a_hold_keeps_events_from_going_by_age_and_by_nothing_else(mut bed: Bed) {
    let hold = |after, days| Hold { after: Seq(after), max_age: days * DAY };
    let log = bed.open();
    for age in [9, 5, 5, 3, 3] {
        accept(&log, aged(age * DAY, &[])).await;
    }
    accept(&log, aged(DAY / 2, &[])).await;
    log.set_holds(vec![hold(3, 4), hold(0, 6)]);
    bed.settings.retention = RetentionLimits { max_age: Some(DAY), ..RetentionLimits::default() };
    log.set_retention(bed.settings.retention);
    held(&log, 2..=6).await;

    log.set_holds(vec![hold(3, 4)]);
    held(&log, 4..=6).await;
    log.set_holds(vec![hold(4, 4)]);
    held(&log, 5..=6).await;

    bed.settings.retention.max_events = Some(1);
    log.set_retention(bed.settings.retention);
    held(&log, [6]).await;
    let log = bed.reopen(log).await;
    bed.settings.retention.max_bytes = Some(1);
    log.set_holds(vec![hold(0, 9)]);
    log.set_retention(bed.settings.retention);
    held(&log, []).await;
}
