//! Promises about scans.

use super::*;

engines! {
    scans_are_filtered_and_go_on_where_they_ended
    deliveries_are_found_in_both_directions
    open_deliveries_are_found_from_the_first_open_one
}

async fn scans_are_filtered_and_go_on_where_they_ended(bed: Bed) {
    let log = bed.open();
    for index in 0..30 {
        let channel = if index % 3 == 0 { "grafana" } else { "github" };
        let kind = format!("{channel}.{}", if index % 2 == 0 { "issue.opened" } else { "push" });
        let (time, subject) = (Timestamp::from_millis(index), Some(format!("subject/{}", index % 10)));
        accept(&log, NewEvent { channel: channel.parse().unwrap(), kind, time, subject, ..routed(&["a"]) }).await;
    }
    record(&log, DeliveryId { seq: Seq(5), index: 0 }, attempt(1, Outcome::Dead), None).await.unwrap();
    let of = |events| Query { events, ..Query::default() };
    let kind = |kind: &str| of(Selection { kind: Some(kind.to_owned()), ..Selection::default() });
    let from_to = |since, until| {
        of(Selection {
            since: Some(Timestamp::from_millis(since)),
            until: Some(Timestamp::from_millis(until)),
            ..Selection::default()
        })
    };
    for (query, expected) in [
        (&Query::default(), (1..=30).rev().collect::<Vec<u64>>()),
        (
            &of(Selection { channel: Some("grafana".parse().unwrap()), ..Selection::default() }),
            (0..10).rev().map(|index| index * 3 + 1).collect(),
        ),
        (&kind("github.push"), vec![30, 26, 24, 20, 18, 14, 12, 8, 6, 2]),
        (&kind("grafana.*"), vec![28, 25, 22, 19, 16, 13, 10, 7, 4, 1]),
        (&kind("github"), vec![]),
        (&of(Selection { subject: Some("subject/3".to_owned()), ..Selection::default() }), vec![24, 14, 4]),
        (&from_to(3, 6), vec![6, 5, 4]),
        (&Query { status: Some(EventStatus::Dead), ..Query::default() }, vec![5]),
    ] {
        for limits in [
            ScanLimits::items(1),
            ScanLimits::items(4),
            ScanLimits { scanned: 3, ..ScanLimits::items(100) },
            ScanLimits::items(100),
        ] {
            for order in [Order::NewestFirst, Order::OldestFirst] {
                let mut range = Range { first: Seq(1), last: Seq(u64::MAX), order };
                let mut found = Vec::new();
                loop {
                    let page = log.scan(query, range, limits).unwrap();
                    assert!(page.items.len() <= limits.items && page.items.len() <= limits.scanned);
                    found.extend(page.items.iter().map(|stored| stored.event.seq.0));
                    match (page.next, order) {
                        (None, _) => break,
                        (Some(next), Order::NewestFirst) => range.last = next,
                        (Some(next), Order::OldestFirst) => range.first = next,
                    }
                }
                if order == Order::OldestFirst {
                    found.reverse();
                }
                assert_eq!(found, expected, "{query:?} by {limits:?}");
            }
        }
    }
}

async fn deliveries_are_found_in_both_directions(bed: Bed) {
    let log = bed.open();
    for index in 0..5 {
        accept(&log, NewEvent { time: Timestamp::from_millis(index), ..routed(&["a", "b"]) }).await;
    }
    accept(&log, routed(&[])).await;
    record(&log, DeliveryId { seq: Seq(2), index: 1 }, attempt(1, Outcome::Delivered), None).await.unwrap();
    repeat(&log, DeliveryId { seq: Seq(2), index: 1 }).await.unwrap();
    let selection = |state, agent: Option<&str>, stage| DeliverySelection {
        state,
        agent: agent.map(|agent| agent.parse().unwrap()),
        stage,
        ..DeliverySelection::default()
    };
    let any = DeliveryStage::Any;
    for (selection, expected) in [
        (
            selection(None, None, any),
            vec![(1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (4, 0), (4, 1), (5, 0), (5, 1)],
        ),
        (selection(Some(DeliveryState::Pending), Some("b"), any), vec![(1, 1), (2, 2), (3, 1), (4, 1), (5, 1)]),
        (selection(Some(DeliveryState::Delivered), None, any), vec![(2, 1)]),
        (selection(Some(DeliveryState::Delivered), None, DeliveryStage::Repeatable), vec![]),
        (DeliverySelection { level: Some(Level::Replay), ..selection(None, None, any) }, vec![(2, 2)]),
        (
            DeliverySelection { level: Some(Level::Normal), ..selection(None, Some("b"), DeliveryStage::Open) },
            vec![(1, 1), (3, 1), (4, 1), (5, 1)],
        ),
    ] {
        let query = Query { deliveries: Some(selection.clone()), ..Query::default() };
        for range in [Range::up_from(Seq(0)), Range::down_from(None)] {
            let page = log.scan(&query, range, ScanLimits::items(100)).unwrap();
            let mut found: Vec<_> = page.deliveries(&selection).map(|(id, ..)| (id.seq.0, id.index)).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{selection:?}");
        }
        let page = log.scan(&query, Range::up_from(Seq(0)), ScanLimits::items(1)).unwrap();
        assert!(page.items.len() <= 1);
    }
}

async fn open_deliveries_are_found_from_the_first_open_one(bed: Bed) {
    let log = bed.open();
    let mut events = Vec::new();
    for _ in 0..60 {
        events.push(accept(&log, routed(&["a", "b"])).await);
    }
    for seq in (1..=50).filter(|seq| *seq != 40).map(Seq) {
        record(&log, DeliveryId { seq, index: 0 }, attempt(1, Outcome::Delivered), None).await.unwrap();
        record(&log, DeliveryId { seq, index: 1 }, attempt(1, Outcome::Dead), None).await.unwrap();
    }
    let retry_at = Some(Timestamp::from_millis(9));
    record(&log, DeliveryId { seq: Seq(40), index: 0 }, attempt(1, Outcome::Retry), retry_at).await.unwrap();
    let open = |log: &EventLog, agent: &str, from: u64, limit| {
        let (found, page) = open_deliveries(log, Some(agent), Range::up_from(Seq(from)), limit);
        (found.iter().map(|(id, _)| id.seq.0).collect::<Vec<_>>(), page.next.map(|next| next.0))
    };
    assert_eq!(log.snapshot().settled, Seq(40));
    let log = bed.reopen(log).await;

    assert_eq!(open(&log, "a", 0, 3), (vec![40, 51, 52], Some(53)));
    assert_eq!(open(&log, "a", 53, 100), ((53..=60).collect(), None));
    assert_eq!(open(&log, "c", 0, 100), (vec![], None));
    let range = Range { first: Seq(0), last: Seq(40), order: Order::OldestFirst };
    let (found, page) = open_deliveries(&log, None, range, 10);
    assert_eq!((found.len(), page.next, page.head), (2, None, Seq(60)));
    assert_eq!((found[0].1.state, found[0].1.next_attempt_at), (DeliveryState::Retrying, retry_at));
    assert_eq!(page.items[0].event.subject.as_deref(), Some("octo/repo"));

    redeliver(&log, events[6].id, recipients(&["b"])).await.unwrap();
    let log = bed.reopen(log).await;
    assert_eq!(log.snapshot().settled, Seq(40));
    assert_eq!(open(&log, "b", 0, 2), (vec![7, 40], Some(41)));
    record(&log, DeliveryId { seq: Seq(7), index: 2 }, attempt(1, Outcome::Delivered), None).await.unwrap();
    assert_eq!(open(&log, "b", 0, 1), (vec![40], Some(41)));

    for event in &events[..30] {
        redeliver(&log, event.id, recipients(&["c"; 10])).await.unwrap();
    }
    assert_eq!(open(&log, "c", 0, 1000).0.len(), 300);
}
