//! Promises about values and consumers.

use super::*;

engines! {
    values_change_only_as_expected
    values_change_in_one_step_with_their_events
    a_consumer_goes_on_where_it_was
}

const SPACE: Space = Space::of_module("things");

fn put(key: &str, value: Option<&str>, expected: Expected) -> Batch {
    let value = value.map(|value| Bytes::from(value.to_owned()));
    let values = vec![ValueChange { space: SPACE, key: key.to_owned(), value, expected }];
    Batch { values, ..Batch::default() }
}

fn exactly(value: &str) -> Expected {
    Expected::Exactly(Bytes::from(value.to_owned()))
}

async fn values_change_only_as_expected(bed: Bed) {
    let log = bed.open();
    let conflicts = |committed| matches!(committed, Err(EventLogError::Conflict(key)) if key == "s/things/a");
    log.commit(put("a", Some("1"), Expected::Absent)).await.unwrap();
    log.commit(put("ab", Some("x"), Expected::Anything)).await.unwrap();

    assert!(conflicts(log.commit(put("a", Some("2"), Expected::Absent)).await));
    assert!(conflicts(log.commit(put("a", Some("2"), exactly("0"))).await));
    log.commit(put("a", Some("2"), exactly("1"))).await.unwrap();

    let log = bed.reopen(log).await;
    let key = |key: &str, value: &str| (key.to_owned(), Bytes::from(value.to_owned()));
    assert_eq!(log.value(&SPACE, "a").unwrap().unwrap(), "2");
    assert_eq!(log.values(&SPACE, "").unwrap(), [key("a", "2"), key("ab", "x")]);
    assert_eq!(log.values(&SPACE, "ab").unwrap(), [key("ab", "x")]);
    assert_eq!(log.values(&Space::of_module("thing"), "").unwrap(), []);
    // Those who come together are in one commit: one of them is first.
    let raced = futures_util::future::join_all(
        (0..8).map(|number| log.commit(put("a", Some(&format!("winner {number}")), exactly("2")))).collect::<Vec<_>>(),
    )
    .await;
    assert_eq!(raced.iter().filter(|committed| committed.is_ok()).count(), 1);
    let refused = Batch { events: vec![new_event("{}")], ..put("a", None, exactly("2")) };
    assert!(conflicts(log.commit(refused).await));
    assert_eq!(log.head(), Seq(0), "nothing of a refused batch is stored");
    log.commit(put("a", None, Expected::Anything)).await.unwrap();
    assert_eq!(log.value(&SPACE, "a").unwrap(), None);
    let large = ValueChange {
        space: SPACE,
        key: "a".to_owned(),
        value: Some(vec![0; 25_000].into()),
        expected: Expected::Anything,
    };
    let large = log.commit(Batch { values: vec![large], ..Batch::default() }).await;
    assert!(matches!(large, Err(EventLogError::TooLarge { .. })));
}

async fn values_change_in_one_step_with_their_events(bed: Bed) {
    let space = Space::of_plugin("channels/rss");
    let with_cursor = |event: NewEvent, cursor: Option<&str>| {
        let entries = vec![("cursor".to_owned(), cursor.map(|cursor| Bytes::from(cursor.to_owned())))];
        Batch { events: vec![event], values: ValueChange::all(&space, entries), ..Batch::default() }
    };
    let kept = |log: &EventLog| log.values(&space, "").unwrap();
    let log = bed.open();
    log.commit(with_cursor(known_as("one", 0), Some("1"))).await.unwrap();
    log.commit(with_cursor(known_as("one", 0), Some("2"))).await.unwrap();

    let log = bed.reopen(log).await;

    assert_eq!(kept(&log), [("cursor".to_owned(), Bytes::from("2"))]);
    assert_eq!(log.values(&Space::of_plugin("channels/rss-two"), "").unwrap(), []);
    log.commit(with_cursor(known_as("one", 0), None)).await.unwrap();
    assert_eq!(kept(&log), []);
    bed.fail_with(EngineError::Failed("input/output error".to_owned()));
    log.commit(with_cursor(known_as("two", 0), Some("3"))).await.unwrap_err();
    bed.heal();
    let log = bed.reopen(log).await;
    assert_eq!((kept(&log), log.head()), (Vec::new(), Seq(1)));
}

async fn a_consumer_goes_on_where_it_was(bed: Bed) {
    let log = bed.open();
    assert_eq!(Consumer::open(&log, "audit").unwrap().position(), Seq(0));
    checkpoint(&log, "audit", Seq(7)).await.unwrap();
    checkpoint(&log, "other", Seq(9)).await.unwrap();
    let mut late = Consumer::open(&log, "audit").unwrap();
    checkpoint(&log, "audit", Seq(8)).await.unwrap();

    let taken_over = late.advance(Seq(9), vec![new_event("{}")].into()).await;

    assert!(matches!(taken_over, Err(EventLogError::Conflict(_))), "{taken_over:?}");
    let log = bed.reopen(log).await;
    assert_eq!(log.head(), Seq(0));
    let positions = Consumer::positions(&log).unwrap();
    assert_eq!(positions, [("audit".to_owned(), Seq(8)), ("other".to_owned(), Seq(9))]);
}
