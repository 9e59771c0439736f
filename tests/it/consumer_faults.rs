//! Tests of what `tests/faults` notes of a consumer: it finds each kind of fault.

#[path = "../faults/receipts.rs"]
mod receipts;

use std::collections::BTreeSet;

use self::receipts::{Receipts, Received, Stored};

fn received(seq: u64) -> Received {
    Received { seq, event: format!("e{seq}"), subject: "s".to_owned(), parked: false }
}

fn stored(seq: u64, is_for_it: bool) -> Stored {
    Stored { seq, event: format!("e{seq}"), is_for_it }
}

/// Events 1, 2, 4 and 6 of one subject: 1 and 2 are acknowledged by cursor, 4 is parked, 6 is acknowledged by itself. 3 is not for
/// the consumer, 5 is told as a gap.
fn all_is_well() -> Receipts {
    let mut receipts = Receipts::default();
    receipts.begins(0);
    for seq in [1, 2, 4, 6] {
        receipts.sent(&received(seq));
    }
    receipts.gap(5, 5);
    receipts.acks_upto(2);
    receipts.confirmed_upto(2);
    receipts.parks(4);
    receipts.acks(6);
    receipts.confirmed(6);
    receipts
}

/// What is listed as skipped at the end, with these changes to what is stored and parked.
fn skipped(receipts: &Receipts, change: impl FnOnce(&mut Vec<Stored>, &mut BTreeSet<u64>)) -> Vec<String> {
    let mut rows = vec![stored(1, true), stored(2, true), stored(3, false), stored(4, true), stored(6, true)];
    let mut parked = BTreeSet::from([4]);
    change(&mut rows, &mut parked);
    receipts.skipped(&rows, &parked)
}

/// The counts of what came again, out of order and wrong after `change`.
fn found(change: impl FnOnce(&mut Receipts)) -> [usize; 3] {
    let mut receipts = all_is_well();
    change(&mut receipts);
    [receipts.again.len(), receipts.disordered.len(), receipts.wrong.len()]
}

#[test]
fn a_consumer_without_a_fault_has_none() {
    let mut receipts = all_is_well();

    assert_eq!((receipts.count(), receipts.settled(), receipts.seq("e4")), (4, 3, Some(4)));
    assert_eq!(skipped(&receipts, |_, _| {}), Vec::<String>::new());
    receipts.begins(2);
    receipts.sent(&received(4));
    assert_eq!((receipts.repeated, found(|_| {})), (1, [0; 3]));
}

#[test]
fn what_comes_again_after_it_was_confirmed_is_found() {
    assert_eq!(found(|receipts| receipts.sent(&received(2))), [1, 0, 0], "by cursor");
    assert_eq!(found(|receipts| receipts.sent(&received(6))), [1, 0, 0], "by itself");
    let replayed = Received { parked: true, ..received(4) };
    assert_eq!(found(|receipts| receipts.sent(&replayed)), [0; 3], "a parked one may come again");
    let ended = |receipts: &mut Receipts| {
        receipts.sent(&replayed);
        receipts.acks_replayed(4);
        receipts.confirmed(4);
        receipts.sent(&replayed);
    };
    assert_eq!(found(ended), [1, 0, 0], "not when it is parked no longer");
}

#[test]
fn what_overtakes_its_subject_is_found() {
    assert_eq!(found(|receipts| receipts.sent(&received(5))), [0, 1, 0]);
    let other = Received { subject: "other".to_owned(), ..received(5) };
    assert_eq!(found(|receipts| receipts.sent(&other)), [0; 3]);
}

#[test]
fn what_cannot_be_confirmed_is_found() {
    assert_eq!(found(|receipts| receipts.begins(1)), [0, 0, 1], "the position went back");
    assert_eq!(found(|receipts| receipts.confirmed_upto(1)), [0, 0, 1]);
    assert_eq!(found(|receipts| receipts.confirmed(7)), [0, 0, 1], "never sent");
    let passed = |receipts: &mut Receipts| {
        receipts.sent(&received(7));
        receipts.confirmed_upto(7);
    };
    assert_eq!(found(passed), [0, 0, 1], "never settled");
    let replayed = Received { parked: true, ..received(2) };
    assert_eq!(found(|receipts| receipts.sent(&replayed)), [0, 0, 1], "never parked");
    let other = Received { event: "other".to_owned(), ..received(4) };
    assert_eq!(found(|receipts| receipts.sent(&other)), [0, 0, 1], "another event");
}

#[test]
fn what_is_skipped_is_found() {
    let receipts = all_is_well();
    let check = |change: &dyn Fn(&mut Vec<Stored>, &mut BTreeSet<u64>), expected: &str| {
        assert_eq!(skipped(&receipts, change), [expected]);
    };
    check(&|rows, _| rows.push(stored(7, true)), "position 7 was never sent");
    check(&|rows, _| rows.push(stored(8, false)), "position 7 is in no gap");
    check(&|rows, _| rows[0].is_for_it = false, "position 1 is not for the consumer");
    check(&|rows, _| rows.push(stored(5, false)), "position 5 was told as a gap");
    check(&|rows, _| rows[1].event = "other".to_owned(), "position 2 is another event than was sent");
    check(&|_, parked| parked.clear(), "position 4 was passed, but neither acknowledged nor parked");
    let mut receipts = all_is_well();
    receipts.acks_replayed(4);
    receipts.confirmed(4);
    assert_eq!(skipped(&receipts, |_, _| {}), ["position 4 is still parked"]);
}
