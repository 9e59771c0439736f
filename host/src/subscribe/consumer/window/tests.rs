//! Acknowledgements, failures and restarts, one by one and at random.

use std::collections::HashMap;

use super::*;
use crate::event::Timestamp;

const TIMEOUT: Duration = Duration::from_secs(60);

fn id(seq: u64) -> EventId {
    EventId::new(Timestamp::from_millis(1), Seq(seq), 1)
}

fn head(seq: u64, subject: &str) -> Head {
    let subject = (!subject.is_empty()).then(|| subject.into());
    Head { seq: Seq(seq), id: id(seq), subject }
}

fn limits(size: usize, max_attempts: u32) -> WindowLimits {
    WindowLimits { size, ack_timeout: TIMEOUT, max_attempts, parked_max: 1000 }
}

fn window(size: usize, max_attempts: u32) -> Window {
    Window::new(limits(size, max_attempts), Seq(0), BTreeSet::new(), BTreeSet::new())
}

/// A window that has read everything up to 9, with these events parked.
fn window_with_parked(parked: &[u64]) -> Window {
    let mut window = Window::new(limits(8, 2), Seq(0), BTreeSet::new(), parked.iter().copied().map(Seq).collect());
    window.pass(Seq(9));
    window
}

/// Sends everything that may go, and returns the positions.
fn send_all(window: &mut Window, now: Instant) -> Vec<u64> {
    std::iter::from_fn(|| window.send(now)).map(|sending| sending.seq.0).collect()
}

#[test]
fn the_position_follows_the_first_event_that_is_not_settled() {
    let (mut window, now) = (window(8, 3), Instant::now());
    for seq in [1, 3, 4, 7] {
        window.add(head(seq, ""));
    }
    assert_eq!(send_all(&mut window, now), [1, 3, 4, 7]);
    assert_eq!((window.position(), window.room(), window.unacked()), (Seq(0), 4, 4));

    assert!(window.ack(id(3)) && window.ack(id(4)));
    assert!(!window.ack(id(4)), "it is settled");
    assert_eq!((window.position(), window.settled()), (Seq(0), [Seq(3), Seq(4)].into()));
    assert!(window.ack(id(1)));
    assert_eq!((window.position(), window.settled()), (Seq(6), [].into()));
    window.pass(Seq(9));
    window.ack_upto(Seq(7));
    assert_eq!((window.position(), window.room()), (Seq(9), 8));
}

#[test]
fn events_of_a_subject_wait_for_the_one_that_failed_and_others_go_on() {
    let (mut window, now) = (window(8, 3), Instant::now());
    window.add(head(1, "a"));
    window.add(head(2, "b"));
    assert_eq!(send_all(&mut window, now), [1, 2]);

    assert!(window.nack(id(1), NackAction::Retry, Duration::from_secs(5), "later", now));
    for (seq, subject) in [(3, "a"), (4, "b"), (5, "")] {
        window.add(head(seq, subject));
    }

    assert_eq!(send_all(&mut window, now), [4, 5]);
    assert_eq!(window.next_timer(), Some(now + Duration::from_secs(5)));
    let later = now + Duration::from_secs(5);
    let first = window.send(later).unwrap();
    assert_eq!((first.seq, first.attempt, first.parked), (Seq(1), 2, false));
    assert_eq!(send_all(&mut window, later), [3], "its subject is not blocked any more");
}

#[test]
fn an_event_is_parked_after_its_last_attempt() {
    let (mut window, mut now) = (window(8, 2), Instant::now());
    window.add(head(1, "a"));
    for attempt in 1..=2 {
        assert_eq!(window.send(now).unwrap().attempt, attempt);
        now += TIMEOUT;
        assert_eq!(window.expire(now), 1);
    }

    assert_eq!(window.send(now), None);
    assert_eq!(window.position(), Seq(1));
    let parking = Parking { seq: Seq(1), id: id(1), attempts: 2, reason: "not acknowledged in time".to_owned() };
    assert_eq!(window.take_parking_changes(), [(Seq(1), Some(parking))].into());
    assert!(!window.has_parking_changes());
}

#[test]
fn a_parked_event_that_is_sent_again_touches_no_position() {
    let (mut window, now) = (window_with_parked(&[4]), Instant::now());
    assert!(window.replay(head(4, "a")));
    window.add(head(10, "a"));

    assert_eq!(window.send(now).unwrap().seq, Seq(10), "it waits for no parked event");
    let again = window.send(now).unwrap();
    assert_eq!((again.seq, again.parked), (Seq(4), true));
    assert!(window.ack(id(4)));

    assert_eq!(window.position(), Seq(9));
    assert_eq!(window.take_parking_changes(), [(Seq(4), None)].into());
}

#[test]
fn a_replay_brings_nothing_back_that_was_settled_and_is_not_written_yet() {
    let skip: fn(&mut Window, EventId) -> bool =
        |window, id| window.nack(id, NackAction::Skip, Duration::ZERO, "", Instant::now());
    for settle in [Window::ack, skip] {
        let (mut window, now) = (window_with_parked(&[4]), Instant::now());
        assert!(window.replay(head(4, "a")));
        assert_eq!(send_all(&mut window, now), [4]);
        assert!(settle(&mut window, id(4)));

        // Whoever replays has read from the log that it is parked.
        assert!(!window.replay(head(4, "a")));
        let unwritten = window.take_parking_changes();
        assert!(!window.replay(head(4, "a")), "also while that is being written");
        window.keep_parking_changes(unwritten.clone());
        assert!(!window.replay(head(4, "a")), "also when that has failed");

        assert_eq!((send_all(&mut window, now), window.parked()), (vec![], 0));
        assert_eq!((window.take_parking_changes(), unwritten), ([(Seq(4), None)].into(), [(Seq(4), None)].into()));
    }
}

#[test]
fn what_was_parked_last_is_written_last() {
    let (mut window, now) = (window_with_parked(&[4]), Instant::now());
    assert!(window.replay(head(4, "")));
    window.send(now);
    assert!(window.ack(id(4)));
    window.seek(Seq(3));
    window.add(head(4, ""));
    window.send(now);
    let unwritten = window.take_parking_changes();
    assert!(window.nack(id(4), NackAction::Park, Duration::ZERO, "again", now));

    window.keep_parking_changes(unwritten);

    assert_eq!(window.parked(), 1);
    assert!(window.take_parking_changes()[&Seq(4)].as_ref().is_some_and(|parking| parking.reason == "again"));
}

#[test]
fn a_move_keeps_what_is_parked_and_what_is_to_come_again() {
    let (mut window, now) = (window_with_parked(&[4]), Instant::now());
    for seq in [10, 11] {
        window.add(head(seq, ""));
    }
    assert!(window.replay(head(4, "")));
    assert_eq!(send_all(&mut window, now), [10, 11, 4]);
    assert!(window.nack(id(11), NackAction::Park, Duration::ZERO, "bad", now));

    window.seek(Seq(20));

    assert_eq!((window.position(), window.parked(), window.room()), (Seq(20), 2, 8));
    assert_eq!(window.take_parking_changes().into_keys().collect::<Vec<_>>(), [Seq(11)]);
    assert_eq!(send_all(&mut window, now), [4], "its receiver may not have got it");
}

#[test]
fn an_event_that_is_settled_while_it_is_read_is_not_sent() {
    let (mut window, now) = (window(8, 3), Instant::now());
    window.add(head(1, ""));
    window.send(now);
    window.expire(now + TIMEOUT);
    let again = window.send(now + TIMEOUT).unwrap();
    assert!(window.is_sent(again));

    assert!(window.ack(id(1)));

    assert!(!window.is_sent(again));
}

#[test]
fn what_was_settled_before_a_restart_is_not_sent_again() {
    let mut window = Window::new(limits(8, 2), Seq(5), [Seq(7), Seq(8)].into(), BTreeSet::new());
    assert_eq!(window.settled(), [Seq(7), Seq(8)].into(), "also before it is read");
    for seq in 6..=9 {
        window.add(head(seq, "a"));
    }

    assert_eq!(send_all(&mut window, Instant::now()), [6, 9]);
    assert!(window.ack(id(6)));
    assert_eq!(window.position(), Seq(8));
}

#[test]
fn what_was_sent_can_be_extended_and_taken_back() {
    let (mut window, now) = (window(8, 3), Instant::now());
    window.add(head(1, ""));
    window.send(now);
    let later = now + TIMEOUT / 2;
    window.extend(later);
    assert_eq!(window.expire(now + TIMEOUT), 0);

    window.take_back();

    assert_eq!(window.send(later).unwrap().attempt, 2);
}

#[test]
fn what_cannot_be_parked_is_tried_on() {
    let (mut window, mut now) = (window(8, 1), Instant::now());
    window.set_limits(WindowLimits { parked_max: 0, ..limits(8, 1) });
    window.add(head(1, ""));
    window.send(now);
    assert!(window.nack(id(1), NackAction::Park, Duration::ZERO, "bad", now));
    assert_eq!((window.position(), window.send(now)), (Seq(0), None));
    now += NO_ROOM_TO_PARK;
    assert_eq!(window.send(now).unwrap().attempt, 2);

    window.set_limits(WindowLimits { parked_max: 1, ..limits(8, 1) });
    assert!(window.nack(id(1), NackAction::Retry, Duration::ZERO, "bad", now));
    assert_eq!(window.take_parking_changes().len(), 1);
}

/// Random acknowledgements, failures and restarts against what must always hold.
#[test]
fn nothing_is_skipped_sent_again_after_it_was_settled_or_out_of_order() {
    const EVENTS: u64 = 400;
    for seed in 1..=50_u64 {
        let mut random = seed;
        let mut next = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut window = Window::new(limits(16, 4), Seq(0), BTreeSet::new(), BTreeSet::new());
        let mut now = Instant::now();
        let subject = |seq: u64| ["", "a", "b", "c"][(seq % 4) as usize];
        let mut sent: HashMap<u64, u32> = HashMap::new();
        let mut settled = BTreeSet::new();
        let mut parked = BTreeSet::new();
        let mut open: Vec<u64> = Vec::new();
        let mut read = 0;
        while window.position() < Seq(EVENTS) {
            match next(10) {
                0..=2 if window.room() > 0 && read < EVENTS => {
                    read += 1;
                    if read % 5 == 0 {
                        window.pass(Seq(read));
                        settled.insert(read);
                    } else {
                        window.add(head(read, subject(read)));
                    }
                }
                3..=5 => {
                    if let Some(Sending { seq: Seq(seq), attempt, .. }) = window.send(now) {
                        assert!(!settled.contains(&seq), "{seed}: {seq} was settled");
                        assert_eq!(attempt, sent.get(&seq).copied().unwrap_or(0) + 1);
                        let is_first = attempt == 1;
                        let earlier =
                            (1..seq).filter(|other| subject(*other) == subject(seq) && !subject(seq).is_empty());
                        let unsent = earlier.filter(|other| !settled.contains(other) && !open.contains(other));
                        assert_eq!(unsent.count(), 0, "{seed}: {seq} overtakes, first: {is_first}");
                        sent.insert(seq, attempt);
                        open.push(seq);
                    }
                }
                6 | 7 if !open.is_empty() => {
                    let seq = open.swap_remove(usize::try_from(next(open.len() as u64)).unwrap());
                    if next(2) == 0 {
                        assert!(window.ack(id(seq)));
                        settled.insert(seq);
                    } else {
                        assert!(window.nack(id(seq), NackAction::Retry, Duration::from_secs(next(3)), "no", now));
                    }
                }
                8 => {
                    now += Duration::from_secs(next(50));
                    let before = open.len();
                    let expired = window.expire(now);
                    if expired == before {
                        open.clear();
                    } else if expired > 0 {
                        window.take_back();
                        open.clear();
                    }
                }
                9 if next(8) == 0 => {
                    let (position, kept) = (window.position(), window.settled());
                    for parking in window.take_parking_changes().into_values().flatten() {
                        assert!(parked.insert(parking.seq.0), "{seed}: parked twice");
                        settled.insert(parking.seq.0);
                    }
                    window = Window::new(limits(16, 4), position, kept, parked.iter().copied().map(Seq).collect());
                    read = position.0;
                    sent.retain(|seq, _| *seq <= position.0);
                    open.clear();
                }
                _ => {}
            }
            for parking in window.take_parking_changes().into_values().flatten() {
                assert!(parking.attempts >= 4);
                assert!(parked.insert(parking.seq.0), "{seed}: parked twice");
                settled.insert(parking.seq.0);
            }
            let position = window.position().0;
            assert!((1..=position).all(|seq| settled.contains(&seq)), "{seed}: {position} skips something");
        }
    }
}
