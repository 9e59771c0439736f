//! Promises about what events say of things.

use super::super::maintenance::verify_store;
use super::super::statement::tests::{Numbers, Said, is_told_right, trace};
use super::maintenance::{backed_up, restored};
use super::*;

engines! {
    a_state_that_comes_back_is_news
    of_equal_statements_at_once_one_is_accepted
    each_repetition_renews_a_state
    a_state_that_may_be_late_is_held
    a_held_event_is_dropped_or_told_also_after_a_restart
    a_held_event_stays_until_it_is_told
    an_operator_who_replays_a_held_event_tells_it
    no_more_states_are_kept_than_allowed
    old_states_leave_the_store
    a_backup_restores_what_was_told
    whatever_is_late_the_last_state_is_told_and_no_change_twice
}

const WINDOW: Duration = Duration::from_secs(90);

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + second * 1000)
}

/// An event that says something of `thing`, for the agent `a`.
pub(super) fn saying(second: i64, thing: &str, state: &str, peer: &str) -> NewEvent {
    let event = routed(&["a"]);
    let statement = Statement {
        thing: Identity::of_thing(&event.channel, "test", [thing]),
        state: Identity::of_state(state.as_bytes()),
        peer: Some(Identity::of_peer(peer)),
        time: None,
        late_window: WINDOW,
    };
    NewEvent { time: at(second), data: state.to_owned().into(), statement: Some(statement), ..event }
}

pub(super) fn delivered_as(id: &str, event: NewEvent) -> NewEvent {
    let identity = Identity::of_delivery(&event.channel, id, &[0; 32], 0);
    NewEvent { identity: Some(identity), ..event }
}

pub(super) async fn say(log: &EventLog, event: NewEvent) -> Appended {
    append(log, vec![event]).await.unwrap().remove(0)
}

async fn hold(log: &EventLog, event: NewEvent) -> Arc<Event> {
    match say(log, event).await {
        Appended::Held(event) => event,
        other => panic!("{other:?}"),
    }
}

/// Sets the clock, and has the writer look at it.
async fn pass(bed: &Bed, log: &EventLog, second: i64) {
    bed.clock.set(at(second));
    checkpoint(log, "clock", Seq(0)).await.unwrap();
}

fn status(log: &EventLog, id: EventId) -> (EventStatus, usize) {
    let stored = log.event(id).unwrap().unwrap();
    (stored.status(), stored.deliveries.len())
}

/// The states that agent `a` was told of, in order.
fn told(bed: &Bed, log: &EventLog) -> Vec<String> {
    let told = bed.told.commits.lock().unwrap();
    let delivered = told.iter().filter(|(_, deliveries)| !deliveries.is_empty());
    let state = |seq: Seq| String::from_utf8(log.event(seq).unwrap().unwrap().event.data.to_vec()).unwrap();
    delivered.map(|(seq, _)| state(*seq)).collect()
}

async fn a_state_that_comes_back_is_news(bed: Bed) {
    let log = bed.open();
    let first = accept(&log, delivered_as("1", saying(0, "x", "critical", "p"))).await;
    let second = accept(&log, delivered_as("2", saying(1, "x", "warning", "p"))).await;
    assert_eq!(say(&log, delivered_as("3", saying(2, "x", "warning", "p"))).await, Appended::Duplicate(second.id));
    let log = bed.reopen(log).await;
    accept(&log, saying(3, "x", "critical", "p")).await;

    // Deliveries that were seen are duplicates, also the one that repeated the last state of then.
    assert_eq!(say(&log, delivered_as("1", saying(4, "x", "critical", "p"))).await, Appended::Duplicate(first.id));
    for _ in 0..2 {
        assert_eq!(say(&log, delivered_as("3", saying(5, "x", "warning", "p"))).await, Appended::Duplicate(second.id));
    }
    accept(&log, saying(6, "y", "critical", "p")).await;
    let together = ["warning", "warning", "critical", "warning"].map(|state| saying(7, "x", state, "p"));
    let together = append(&log, together.to_vec()).await.unwrap();
    let ids: Vec<_> = together.iter().map(Appended::id).collect();
    assert_eq!(together[1], Appended::Duplicate(ids[0]));
    assert!(matches!(together[2..], [Appended::Accepted(_), Appended::Accepted(_)]));
    let counts = log.snapshot().channels[&first.channel];
    assert_eq!((counts.accepted, counts.duplicates), (7, 5));
}

async fn of_equal_statements_at_once_one_is_accepted(bed: Bed) {
    let log = bed.open();
    accept(&log, saying(0, "x", "resolved", "p")).await;

    let together =
        futures_util::future::join_all((0..40).map(|index| say(&log, saying(index % 3, "x", "firing", "p")))).await;

    let accepted: Vec<_> = together.iter().filter(|one| matches!(one, Appended::Accepted(_))).collect();
    assert_eq!(accepted.len(), 1);
    assert_eq!(together.iter().filter(|one| **one == Appended::Duplicate(accepted[0].id())).count(), 39);
}

async fn each_repetition_renews_a_state(mut bed: Bed) {
    bed.settings.dedup_window = Duration::from_secs(600);
    let mut log = bed.open();
    let first = accept(&log, saying(0, "x", "firing", "p")).await;
    for second in [500, 1000, 1599] {
        assert_eq!(say(&log, saying(second, "x", "firing", "p")).await, Appended::Duplicate(first.id));
        log = bed.reopen(log).await;
    }

    let again = accept(&log, saying(2199, "x", "firing", "p")).await;

    assert_eq!(say(&log, saying(2200, "x", "firing", "p")).await, Appended::Duplicate(again.id));
    drop(log);
    bed.settings.dedup_window = Duration::ZERO;
    let log = bed.open();
    for _ in 0..2 {
        accept(&log, saying(2200, "x", "firing", "p")).await;
    }
}

async fn a_state_that_may_be_late_is_held(bed: Bed) {
    bed.clock.set(at(0));
    let log = bed.open();
    accept(&log, saying(0, "x", "resolved", "a")).await;

    let late = hold(&log, delivered_as("1", saying(10, "x", "firing", "b"))).await;

    assert_eq!(status(&log, late.id), (EventStatus::Held, 0));
    let stored = log.event(late.id).unwrap().unwrap();
    assert_eq!((stored.withheld, &stored.event), (Some(Withheld::Until(at(100))), &*late));
    assert_eq!(say(&log, saying(11, "x", "firing", "b")).await, Appended::Duplicate(late.id));
    assert_eq!(say(&log, delivered_as("1", saying(12, "x", "firing", "b"))).await, Appended::Duplicate(late.id));
    let query = Query { status: Some(EventStatus::Held), ..Query::default() };
    let held = || log.scan(&query, Range::up_from(Seq(0)), ScanLimits::items(9)).unwrap().items.len();
    assert_eq!((held(), log.snapshot().with_status(EventStatus::Held)), (1, 1));
    assert_eq!(bed.told(), [(1, 1), (2, 0)]);

    pass(&bed, &log, 100).await;
    assert_eq!(status(&log, late.id), (EventStatus::Held, 0), "its window is not over");
    pass(&bed, &log, 101).await;

    assert_eq!(status(&log, late.id), (EventStatus::Pending, 1));
    assert_eq!((held(), told(&bed, &log)), (0, vec!["resolved".to_owned(), "firing".to_owned()]));
    let (open, _) = open_deliveries(&log, Some("a"), Range::up_from(Seq(0)), 9);
    assert_eq!(open.iter().map(|(id, _)| id.seq.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(say(&log, saying(102, "x", "firing", "a")).await, Appended::Duplicate(late.id));
    accept(&log, saying(103, "x", "resolved", "a")).await;
    // What comes after the end of a window finds what was held told, whether or not the writer's clock is there.
    let other = hold(&log, saying(104, "x", "firing", "b")).await;
    assert_eq!(say(&log, saying(195, "x", "firing", "b")).await, Appended::Duplicate(other.id));
    assert_eq!(status(&log, other.id), (EventStatus::Pending, 1));
    assert_eq!(statuses(&log), [0, 4, 0, 0]);
}

async fn a_held_event_is_dropped_or_told_also_after_a_restart(bed: Bed) {
    bed.clock.set(at(0));
    let log = bed.open();
    for thing in ["x", "y", "z"] {
        accept(&log, saying(0, thing, "resolved", "a")).await;
    }
    let refuted = hold(&log, saying(10, "x", "firing", "b")).await;
    let due = hold(&log, saying(20, "y", "firing", "b")).await;
    let unrouted = hold(&log, NewEvent { recipients: Vec::new(), ..saying(20, "z", "firing", "b") }).await;

    let log = bed.reopen(log).await;
    assert_eq!(log.snapshot().with_status(EventStatus::Held), 3);
    assert!(matches!(say(&log, saying(30, "x", "resolved", "b")).await, Appended::Duplicate(_)));
    assert_eq!(status(&log, refuted.id), (EventStatus::Dropped, 0));
    let log = bed.reopen(log).await;

    assert_eq!(status(&log, refuted.id), (EventStatus::Dropped, 0));
    assert_eq!(status(&log, due.id), (EventStatus::Held, 0));
    log.clone().close().await;
    drop(log);
    bed.clock.set(at(111));
    let log = bed.open();
    pass(&bed, &log, 111).await;
    assert_eq!(status(&log, due.id), (EventStatus::Pending, 1), "its window ended while the log was closed");
    assert_eq!(status(&log, unrouted.id), (EventStatus::Accepted, 0));
    let counts = |log: &EventLog| {
        let snapshot = log.snapshot();
        EventStatus::ALL.map(|status| snapshot.with_status(status))
    };
    assert_eq!(counts(&log), [1, 4, 0, 0, 0, 1, 0, 0, 0]);
    let log = bed.reopen(log).await;
    assert_eq!(counts(&log), [1, 4, 0, 0, 0, 1, 0, 0, 0]);
    let verified = verify_store(&log.0.reader.store, &mut |_| {});
    assert!(verified.is_whole(), "{verified:?}");
    // A statement that is one with its refutation in one commit.
    let together =
        [saying(200, "x", "firing", "b"), saying(200, "x", "resolved", "a"), saying(201, "x", "firing", "b")];
    assert!(matches!(
        append(&log, together.to_vec()).await.unwrap()[..],
        [Appended::Accepted(_), Appended::Held(_), Appended::Duplicate(_)]
    ));
}

async fn a_held_event_stays_until_it_is_told(mut bed: Bed) {
    bed.settings.retention.max_events = Some(1);
    bed.clock.set(at(0));
    let log = bed.open();
    let first = accept(&log, NewEvent { recipients: Vec::new(), ..saying(0, "x", "resolved", "a") }).await;
    let late = hold(&log, saying(10, "x", "firing", "b")).await;
    let dropped = accept(&log, NewEvent { recipients: Vec::new(), ..saying(11, "y", "resolved", "a") }).await;
    accept(&log, NewEvent { recipients: Vec::new(), ..new_event("{}") }).await;
    let gone = async |id: EventId| {
        let start = std::time::Instant::now();
        while log.event(id).unwrap().is_some() {
            assert!(start.elapsed() < Duration::from_secs(20), "{id} is still there");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    gone(first.id).await;
    gone(dropped.id).await;

    assert_eq!(status(&log, late.id).0, EventStatus::Held);
    pass(&bed, &log, 101).await;
    assert_eq!(status(&log, late.id), (EventStatus::Pending, 1));
    record(&log, DeliveryId { seq: late.seq, index: 0 }, attempt(1, Outcome::Delivered), None).await.unwrap();
    accept(&log, new_event("{}")).await;
    gone(late.id).await;
}

async fn an_operator_who_replays_a_held_event_tells_it(bed: Bed) {
    bed.clock.set(at(0));
    let log = bed.open();
    accept(&log, saying(0, "x", "resolved", "a")).await;
    let late = hold(&log, saying(10, "x", "firing", "b")).await;

    redeliver(&log, late.id, recipients(&["b"])).await.unwrap();

    assert_eq!(status(&log, late.id), (EventStatus::Pending, 1));
    pass(&bed, &log, 101).await;
    assert_eq!(status(&log, late.id), (EventStatus::Pending, 1), "it is told once");
    assert_eq!(say(&log, saying(102, "x", "firing", "a")).await, Appended::Duplicate(late.id));
    accept(&log, saying(103, "x", "resolved", "b")).await;
}

async fn no_more_states_are_kept_than_allowed(mut bed: Bed) {
    bed.settings.states_max = 300;
    bed.settings.held_max = 2;
    bed.clock.set(at(0));
    let log = bed.open();
    for thing in ["x", "y", "z"] {
        accept(&log, saying(0, thing, "resolved", "a")).await;
    }
    hold(&log, saying(1, "x", "firing", "b")).await;
    hold(&log, saying(1, "y", "firing", "b")).await;
    accept(&log, saying(1, "z", "firing", "b")).await;

    for index in 0..1000 {
        accept(&log, saying(2, &index.to_string(), "firing", "a")).await;
    }

    assert!(bed.metrics.states_forgotten.get() >= 600, "{}", bed.metrics.states_forgotten.get());
    assert!(bed.metrics.states.get() <= 400, "{}", bed.metrics.states.get());
    let log = bed.reopen(log).await;
    assert!(matches!(say(&log, saying(3, "999", "firing", "a")).await, Appended::Duplicate(_)));
    accept(&log, saying(3, "0", "firing", "a")).await;
    assert_eq!(log.snapshot().with_status(EventStatus::Held), 2, "what is held is not forgotten");
    pass(&bed, &log, 92).await;
    assert_eq!(log.snapshot().with_status(EventStatus::Held), 0);
}

async fn old_states_leave_the_store(mut bed: Bed) {
    bed.settings.dedup_window = Duration::from_secs(600);
    let log = bed.open();
    let values = |log: &EventLog| log.values(&Space::of_module("states"), "").unwrap().len();
    for index in 0..400 {
        accept(&log, saying(index, &index.to_string(), "firing", "a")).await;
    }
    assert_eq!(values(&log), 400);
    for second in 400..800 {
        accept(&log, saying(second, "x", ["firing", "resolved"][usize::try_from(second % 2).unwrap()], "a")).await;
    }
    assert!(values(&log) < 900, "{}", values(&log));

    for second in [1500, 1501, 1502] {
        accept(&log, saying(second, &second.to_string(), "firing", "a")).await;
    }

    assert!(values(&log) <= 4, "{}", values(&log));
    let log = bed.reopen(log).await;
    assert!(matches!(say(&log, saying(1503, "1500", "firing", "a")).await, Appended::Duplicate(_)));
}

async fn a_backup_restores_what_was_told(bed: Bed) {
    bed.clock.set(at(0));
    let log = bed.open();
    accept(&log, saying(0, "x", "resolved", "a")).await;
    accept(&log, saying(0, "y", "resolved", "a")).await;
    let dropped = hold(&log, saying(1, "y", "firing", "b")).await;
    say(&log, saying(2, "y", "resolved", "a")).await;
    let late = hold(&log, saying(3, "x", "firing", "b")).await;

    let twin = restored(&bed, &backed_up(&log));

    twin.clock.set(at(4));
    let twin_log = twin.open();

    assert_eq!(status(&twin_log, dropped.id), (EventStatus::Dropped, 0));
    assert_eq!(status(&twin_log, late.id), (EventStatus::Held, 0));
    assert_eq!(twin_log.snapshot().with_status(EventStatus::Dropped), 1);
    assert!(matches!(say(&twin_log, saying(5, "y", "resolved", "a")).await, Appended::Duplicate(_)));
    pass(&twin, &twin_log, 94).await;
    assert_eq!(status(&twin_log, late.id), (EventStatus::Pending, 1));
}

/// The rule alone has 10,000 traces.
async fn whatever_is_late_the_last_state_is_told_and_no_change_twice(bed: Bed) {
    let mut numbers = Numbers(7);
    let log = bed.open();
    for round in 0..100 {
        let (messages, changes) = trace(&mut numbers);
        bed.told.commits.lock().unwrap().clear();
        let thing = round.to_string();
        for Said { second, state, peer, time } in &messages {
            bed.clock.set(at(*second));
            let mut event = saying(*second, &thing, state, peer);
            if let Some(statement) = &mut event.statement {
                statement.time = time.map(at);
            }
            say(&log, event).await;
        }
        pass(&bed, &log, 1_000_000).await;
        bed.clock.set(at(0));

        let told = told(&bed, &log);
        let told: Vec<_> = told.iter().map(String::as_str).collect();
        assert!(is_told_right(&told, &changes), "round {round}: {told:?} {changes:?} {messages:?}");
    }
}
