//! Tests of the fault suite in `tests/faults`: it finds each kind of fault.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

#[path = "../faults/calls.rs"]
mod calls;
#[path = "../faults/report.rs"]
mod report;
#[path = "../faults/verdict.rs"]
mod verdict;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::shared::suite::{self, Ending, Format, Options, Plan, help, table};

use self::report::Report;
use self::verdict::{Arrival, Evidence, Row, Sent, Verdict};

/// Three events of one subject that were sent, stored and delivered correctly: `0-0`, `0-1` and `0-2`.
fn all_is_well() -> Evidence {
    let sent = |number: u64| Sent {
        id: format!("0-{number}"),
        subject: "s".to_owned(),
        sent: 2 * number,
        acknowledged: Some((2 * number + 1, format!("e{number}"))),
    };
    let row = |number: u64| Row { event: format!("e{number}"), status: "delivered".to_owned(), id: None };
    Evidence {
        sent: (0..3).map(sent).collect(),
        arrivals: (0..3).map(arrival).collect(),
        rows: (0..3).map(row).collect(),
        clean: BTreeSet::new(),
        all_kept: true,
    }
}

fn arrival(number: u64) -> Arrival {
    Arrival {
        id: format!("0-{number}"),
        event: format!("e{number}"),
        subject: "s".to_owned(),
        seq: number + 1,
        attempt: 1,
        run: 0,
        whole: true,
        accepted: true,
    }
}

/// The faults after `change` is applied to a run without one: lost, duplicated, out of order, never sent, stored in part.
fn found(change: impl FnOnce(&mut Evidence)) -> ([usize; 5], Verdict) {
    let mut evidence = all_is_well();
    change(&mut evidence);
    let verdict = Verdict::of(&evidence);
    let Verdict { lost, duplicated, disordered, phantom, torn, .. } = &verdict;
    ([lost, duplicated, disordered, phantom, torn].map(Vec::len), verdict)
}

#[test]
fn a_run_without_a_fault_has_none() {
    let (figures, verdict) = found(|_| {});

    assert_eq!(figures, [0; 5]);
    assert!(verdict.faults().is_empty());
    assert_eq!((verdict.sent, verdict.acknowledged, verdict.delivered, verdict.repeated), (3, 3, 3, 0));
}

#[test]
fn an_acknowledged_event_is_delivered_dead_pending_or_lost() {
    let check = |change: fn(&mut Evidence), lost: usize| {
        let (figures, verdict) = found(change);
        assert_eq!(figures, [lost, 0, 0, 0, 0], "{verdict}");
    };

    check(|evidence| drop(evidence.rows.remove(2)), 1);
    check(|evidence| drop(evidence.arrivals.remove(2)), 1);
    check(|evidence| evidence.arrivals[2].accepted = false, 1);
    for status in ["pending", "dead"] {
        let (figures, verdict) = found(|evidence| {
            evidence.arrivals.remove(2);
            evidence.rows[2].status = status.to_owned();
        });
        assert_eq!(figures, [0; 5], "{verdict}");
    }
    // With retention an event may be missing, but only a delivered one.
    check(
        |evidence| {
            evidence.all_kept = false;
            evidence.rows.clear();
            evidence.arrivals.remove(2);
        },
        1,
    );
}

#[test]
fn the_event_of_an_unanswered_request_may_be_stored_but_not_in_part() {
    let (figures, verdict) = found(|evidence| {
        evidence.sent[2].acknowledged = None;
        evidence.arrivals.remove(2);
        evidence.rows.remove(2);
    });
    assert_eq!((figures, verdict.unanswered), ([0; 5], 0), "{verdict}");

    let (figures, verdict) = found(|evidence| evidence.sent[2].acknowledged = None);
    assert_eq!((figures, verdict.unanswered), ([0; 5], 1), "{verdict}");

    let (figures, verdict) = found(|evidence| {
        evidence.sent[2].acknowledged = None;
        evidence.arrivals.remove(2);
        evidence.rows[2].status = "accepted".to_owned();
        evidence.rows[2].id = Some("0-2".to_owned());
    });
    assert_eq!(figures, [0, 0, 0, 0, 1], "{verdict}");
}

#[test]
fn other_bytes_another_subject_and_unknown_events_were_never_sent() {
    let check = |change: fn(&mut Evidence)| {
        let (figures, verdict) = found(change);
        assert_eq!(figures, [0, 0, 0, 1, 0], "{verdict}");
    };

    check(|evidence| {
        evidence.arrivals.push(Arrival { whole: false, seq: 9, event: "e9".to_owned(), ..arrival(2) });
    });
    check(|evidence| {
        evidence.arrivals.push(Arrival { subject: "t".to_owned(), seq: 9, event: "e9".to_owned(), ..arrival(2) });
    });
    check(|evidence| {
        evidence.arrivals.push(Arrival { id: "7-7".to_owned(), event: "e9".to_owned(), seq: 9, ..arrival(2) });
    });
    check(|evidence| {
        evidence.rows.push(Row { event: "e9".to_owned(), status: "delivered".to_owned(), id: None });
    });
}

#[test]
fn one_request_is_one_event() {
    let (figures, verdict) = found(|evidence| {
        evidence.arrivals.push(Arrival { event: "e9".to_owned(), seq: 9, ..arrival(1) });
        evidence.rows.push(Row { event: "e9".to_owned(), status: "delivered".to_owned(), id: None });
    });
    assert_eq!(figures, [0, 1, 0, 0, 0], "{verdict}");
}

/// Delivery is at least once: a kill may come between the agent's answer and its record, but a later one is no excuse.
#[test]
fn a_delivery_may_be_repeated_only_before_its_outcome_is_recorded() {
    let again = |number: u64, run: u32| Arrival { run, ..arrival(number) };

    let (figures, verdict) = found(|evidence| evidence.arrivals.push(again(2, 1)));
    assert_eq!((figures, verdict.repeated), ([0; 5], 1), "{verdict}");

    let (figures, verdict) = found(|evidence| evidence.arrivals.push(again(2, 0)));
    assert_eq!(figures, [0, 1, 0, 0, 0], "in the same run: {verdict}");

    let (figures, verdict) = found(|evidence| evidence.arrivals.push(again(1, 1)));
    assert_eq!(figures, [0, 1, 0, 0, 0], "after a later one of its subject: {verdict}");

    let (figures, verdict) = found(|evidence| {
        evidence.clean.insert(0);
        evidence.arrivals.push(again(2, 1));
    });
    assert_eq!(figures, [0, 1, 0, 0, 0], "after a clean stop: {verdict}");

    let (figures, verdict) = found(|evidence| {
        evidence.arrivals[2].accepted = false;
        evidence.arrivals.push(Arrival { attempt: 2, ..arrival(2) });
    });
    assert_eq!((figures, verdict.repeated), ([0; 5], 0), "a failed attempt: {verdict}");
}

#[test]
fn a_subject_keeps_its_order() {
    let (figures, verdict) = found(|evidence| evidence.arrivals.swap(0, 1));
    assert_eq!(figures, [0, 0, 1, 0, 0], "{verdict}");

    let (figures, verdict) = found(|evidence| {
        evidence.arrivals.swap(0, 1);
        evidence.sent[0].subject = "t".to_owned();
        evidence.arrivals[1].subject = "t".to_owned();
    });
    assert_eq!(figures, [0; 5], "subjects do not wait for each other: {verdict}");

    // Positions alone do not prove the order, because they may be assigned in the wrong order.
    let (figures, verdict) = found(|evidence| {
        evidence.arrivals.swap(0, 1);
        (evidence.arrivals[0].seq, evidence.arrivals[1].seq) = (1, 2);
    });
    assert_eq!(figures, [0, 0, 1, 0, 0], "{verdict}");

    let (figures, verdict) = found(|evidence| {
        evidence.arrivals.swap(0, 1);
        (evidence.arrivals[0].seq, evidence.arrivals[1].seq) = (1, 2);
        // Sent before the response to the other one, so either order is fine.
        evidence.sent[1].sent = 0;
    });
    assert_eq!(figures, [0; 5], "{verdict}");
}

#[test]
fn the_command_line_is_that_of_a_test_and_of_a_suite() {
    let check = |line: &str, expected: Result<Plan, &str>| {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        assert_eq!(Options::parse(&arguments), expected.map(Options::Run).map_err(str::to_owned), "{line}");
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();

    check("", Ok(Plan::default()));
    check("dur1 --nocapture --test-threads 4 --color=always", Ok(Plan { names: names(&["dur1"]), ..Plan::default() }));
    check(
        "--long --rounds 7 --format=markdown DUR1 DEL2",
        Ok(Plan { long: true, rounds: Some(7), format: Format::Markdown, names: names(&["DUR1", "DEL2"]) }),
    );
    check("--rounds 0", Err("`--rounds 0`: expected a number from 1"));
    check("--rounds", Err("`--rounds` needs a value"));
    check("--format json", Err("`--format json`: expected `text` or `markdown`"));
    check("--fast", Err("no option `--fast`"));
    assert_eq!(Options::parse(&["--help".to_owned()]), Ok(Options::Help));
    assert_eq!(Options::parse(&["--list".to_owned()]), Ok(Options::List));
    for option in ["--rounds N", "--format FORMAT", "--list", "--help"] {
        assert!(help("faults", "Breaks it.").contains(&format!("\n  {option} ")), "{option}");
    }
}

#[test]
fn a_name_chooses_and_an_unknown_one_is_an_error_only_where_names_are_whole() {
    let check = |long: bool, names: &[&str], expected: Result<&[&str], &str>| {
        let plan = Plan { long, names: names.iter().map(|name| (*name).to_owned()).collect(), ..Plan::default() };
        let chosen = plan.choose("faults", &["DUR1", "DUR10", "DEL1"]);
        assert_eq!(chosen, expected.map(<[_]>::to_vec).map_err(str::to_owned), "{long} {names:?}");
    };

    check(false, &[], Ok(&["DUR1", "DUR10", "DEL1"]));
    check(false, &["dur1"], Ok(&["DUR1"]));
    check(false, &["dur"], Ok(&["DUR1", "DUR10"]));
    check(false, &["faults"], Ok(&["DUR1", "DUR10", "DEL1"]));
    check(false, &["skill::scan"], Ok(&[]));
    check(true, &["del1", "DUR1"], Ok(&["DUR1", "DEL1"]));
    check(true, &["DUR"], Err("no scenario `DUR`; there are DUR1, DUR10, DEL1"));
}

#[test]
fn the_table_shows_counts_notes_and_faults() {
    let mut good = Report { recoveries: vec![Duration::from_millis(90)], ..Report::new(3) };
    good.add(&found(|_| {}).1);
    good.note("quiet");
    let mut bad = Report::new(1);
    bad.add(&found(|evidence| drop(evidence.rows.remove(2))).1);
    bad.expect(true, || unreachable!());
    bad.expect(false, || "too slow".to_owned());
    let endings = [
        ("DUR1", Ending::Done(good)),
        ("DUR2", Ending::Skipped("no\nroot".to_owned())),
        ("DUR3", Ending::Done(bad)),
        ("DUR4", Ending::Broken("panicked".to_owned())),
    ];

    let text = table(&endings, Format::Text);
    let markdown = table(&endings, Format::Markdown);

    let failed: Vec<_> = endings.iter().map(|(_, ending)| ending.is_failure()).collect();
    assert_eq!(failed, [false, false, true, true]);
    let words = |number: usize| text.lines().nth(number).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(words(1), ["DUR1", "3", "3", "0", "0", "0", "0", "90ms", "90ms", "quiet"]);
    assert_eq!(words(2), ["DUR2", "skipped:", "no", "root"]);
    assert_eq!(words(3)[..8], ["DUR3", "1", "3", "1", "0", "0", "0", "FAILED:"]);
    assert!(text.lines().nth(3).unwrap().ends_with("; too slow"), "{text}");
    assert_eq!(words(4), ["DUR4", "FAILED:", "panicked"]);
    let columns: BTreeSet<_> = markdown.lines().map(|line| line.matches('|').count()).collect();
    assert_eq!(columns, BTreeSet::from([11]), "{markdown}");
}

#[test]
fn a_split_call_is_joined() {
    let trace = "\
        8  writev(5<socket:[7]>, [{iov_base=\"HTTP/1.1 202 Accepted\"..., iov_len=9}], 1) = 9\n\
        10 fdatasync(21</data/db> <unfinished ...>\n\
        9  recvfrom(5<socket:[7]>, \"POST /\"..., 99, 0, NULL, NULL) = 42\n\
        10 <... fdatasync resumed>) = -1 EIO (Input/output error) (INJECTED)\n\
        9  +++ exited with 0 +++\n";

    let calls = calls::parse(trace);

    let shown: Vec<_> =
        calls.iter().map(|call| (call.name.as_str(), call.file.as_str(), call.began, call.ended)).collect();
    assert_eq!(
        shown,
        [("writev", "5<socket:[7]>", 0, 0), ("recvfrom", "5<socket:[7]>", 2, 2), ("fdatasync", "21</data/db>", 1, 3)]
    );
    assert_eq!(calls.iter().filter(|call| call.is_acknowledgement()).count(), 1);
    assert!(calls[2].text.ends_with(") = -1 EIO (Input/output error) (INJECTED)"), "{}", calls[2].text);
}
