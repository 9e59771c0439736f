//! Promises about lists.

use super::*;

engines! {
    lists_are_filtered_and_go_on_at_their_cursor
    deliveries_are_listed_newest_first
    open_deliveries_are_found_from_the_first_open_one
}

async fn lists_are_filtered_and_go_on_at_their_cursor(bed: Bed) {
    let log = bed.open();
    for index in 0..30 {
        let channel = if index % 3 == 0 { "grafana" } else { "github" };
        let kind = format!("{channel}.{}", if index % 2 == 0 { "issue.opened" } else { "push" });
        let time = Timestamp::from_millis(index);
        accept(&log, NewEvent { channel: channel.parse().unwrap(), kind, time, ..routed(&["a"]) }).await;
    }
    log.record(DeliveryId { seq: Seq(5), index: 0 }, attempt(1, Outcome::Dead), None).await.unwrap();
    let all = Filter::default();
    let of = |events| Filter { events, status: None };
    let kind = |kind: &str| of(Selection { kind: Some(kind.to_owned()), ..Selection::default() });
    let from_to = |since, until| {
        of(Selection {
            since: Some(Timestamp::from_millis(since)),
            until: Some(Timestamp::from_millis(until)),
            ..Selection::default()
        })
    };
    for (filter, expected) in [
        (&all, (1..=30).rev().collect::<Vec<u64>>()),
        (
            &of(Selection { channel: Some("grafana".parse().unwrap()), ..Selection::default() }),
            (0..10).rev().map(|index| index * 3 + 1).collect(),
        ),
        (&kind("github.push"), vec![30, 26, 24, 20, 18, 14, 12, 8, 6, 2]),
        (&kind("grafana.*"), vec![28, 25, 22, 19, 16, 13, 10, 7, 4, 1]),
        (&kind("github"), vec![]),
        (&from_to(3, 6), vec![6, 5, 4]),
        (&Filter { status: Some(EventStatus::Dead), ..all.clone() }, vec![5]),
    ] {
        for limit in [1, 4, 100] {
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let page = log.list(filter, before, limit).unwrap();
                assert!(page.items.len() <= limit);
                found.extend(page.items.iter().map(|stored| stored.event.seq.0));
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{filter:?} by {limit}");
        }
    }
}

async fn deliveries_are_listed_newest_first(bed: Bed) {
    let log = bed.open();
    for index in 0..5 {
        accept(&log, NewEvent { time: Timestamp::from_millis(index), ..routed(&["a", "b"]) }).await;
    }
    log.record(DeliveryId { seq: Seq(2), index: 1 }, attempt(1, Outcome::Delivered), None).await.unwrap();
    let filter = |state, agent: Option<&str>| DeliveryFilter {
        state,
        agent: agent.map(|agent| agent.parse().unwrap()),
        ..DeliveryFilter::default()
    };
    let at = |millis| Selection { since: Some(Timestamp::from_millis(millis)), ..Selection::default() };
    for (filter, expected) in [
        (filter(None, None), vec![(5, 1), (5, 0), (4, 1), (4, 0), (3, 1), (3, 0), (2, 1), (2, 0), (1, 1), (1, 0)]),
        (filter(Some(DeliveryState::Pending), Some("b")), vec![(5, 1), (4, 1), (3, 1), (1, 1)]),
        (filter(Some(DeliveryState::Delivered), None), vec![(2, 1)]),
        (DeliveryFilter { events: at(3), ..filter(None, Some("a")) }, vec![(5, 0), (4, 0)]),
    ] {
        for limit in [1, 3, 100] {
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let page = log.list_deliveries(&filter, before, limit).unwrap();
                found.extend(page.items.iter().map(|item| (item.id.seq.0, item.id.index)));
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{filter:?} by {limit}");
        }
    }
}

async fn open_deliveries_are_found_from_the_first_open_one(bed: Bed) {
    let log = bed.open();
    let mut events = Vec::new();
    for _ in 0..60 {
        events.push(accept(&log, routed(&["a", "b"])).await);
    }
    for seq in (1..=50).filter(|seq| *seq != 40).map(Seq) {
        log.record(DeliveryId { seq, index: 0 }, attempt(1, Outcome::Delivered), None).await.unwrap();
        log.record(DeliveryId { seq, index: 1 }, attempt(1, Outcome::Dead), None).await.unwrap();
    }
    let retry_at = Some(Timestamp::from_millis(9));
    log.record(DeliveryId { seq: Seq(40), index: 0 }, attempt(1, Outcome::Retry), retry_at).await.unwrap();
    let open = |log: &EventLog, agent: &str, from: u64, limit| {
        let to_agent = |delivery: &Delivery, _: Option<&str>| delivery.agent.as_str() == agent;
        let open = log.open_deliveries(Seq(from), Seq(u64::MAX), limit, to_agent).unwrap();
        (open.items.iter().map(|(id, _, _)| id.seq.0).collect::<Vec<_>>(), open.next.map(|next| next.0))
    };
    assert_eq!(log.0.publisher.settled(), Seq(40));
    let log = bed.reopen(log).await;

    assert_eq!(open(&log, "a", 0, 3), (vec![40, 51, 52], Some(53)));
    assert_eq!(open(&log, "a", 53, 100), ((53..=60).collect(), None));
    assert_eq!(open(&log, "c", 0, 100), (vec![], None));
    let of_subject = |_: &Delivery, subject: Option<&str>| subject == Some("octo/repo");
    let found = log.open_deliveries(Seq(0), Seq(41), 10, of_subject).unwrap();
    let (items, end) = (found.items, found.end);
    assert_eq!((items.len(), found.next, end), (2, None, Seq(41)));
    assert_eq!((items[0].1.state, items[0].1.next_attempt_at), (DeliveryState::Retrying, retry_at));
    assert_eq!(items[0].2.as_deref(), Some("octo/repo"));
    assert_eq!(log.open_deliveries(Seq(0), Seq(u64::MAX), 10, |_, _| false).unwrap().end, Seq(61));

    log.replay(events[6].id, recipients(&["b"]), "me").await.unwrap();
    let log = bed.reopen(log).await;
    assert_eq!(log.0.publisher.settled(), Seq(40));
    assert_eq!(open(&log, "b", 0, 2), (vec![7, 40], Some(41)));
    log.record(DeliveryId { seq: Seq(7), index: 2 }, attempt(1, Outcome::Delivered), None).await.unwrap();
    assert_eq!(open(&log, "b", 0, 1), (vec![40], Some(41)));

    for event in &events[..30] {
        log.replay(event.id, recipients(&["c"; 10]), "me").await.unwrap();
    }
    assert_eq!(open(&log, "c", 0, 1000).0.len(), 300);
}
