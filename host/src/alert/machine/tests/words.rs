//! What agents and people say.

use super::*;
use crate::alert::State;

fn burning(change: impl FnOnce(&mut Settings)) -> World {
    let mut world = World::new(|settings| {
        settings.stale_after = 10_000 * HOUR;
        change(settings);
    });
    world.send(&[Alert::new("Disk", "a")]);
    assert_eq!(world.kinds(), ["opened"]);
    world
}

/// An alert that burns for a week and is told every four hours, with an agent that says this each time it is run.
fn week(said: Option<Outcome>) -> (usize, World) {
    let mut world = burning(|_| ());
    let mut runs = 1;
    for _ in 0..7 * 24 * 60 {
        if let Some(said) = said.filter(|_| world.incident().state == State::Open) {
            world.say(said);
        }
        world.pass(MINUTE);
        if world.now.since(world.incident().opened_at).as_secs() % (4 * 3600) == 0 {
            world.send(&[Alert::new("Disk", "a")]);
        }
        runs += world.kinds().iter().filter(|kind| kind.starts_with("changed")).count();
    }
    (runs, world)
}

#[test]
fn an_agent_is_not_run_for_ever_by_an_alert_that_burns_for_a_week() {
    for said in [Some(Outcome::Handled), Some(Outcome::Failed), None] {
        let (runs, world) = week(said);

        assert!((2..=12).contains(&runs), "{said:?}: {runs}");
        assert_eq!(world.incident().runs as usize, runs);
    }
    let (runs, _) = week(Some(Outcome::Acknowledged));
    assert_eq!(runs, 1, "a person has it");
}

#[test]
fn an_agent_that_has_finished_does_not_end_the_alert() {
    let mut world = burning(|_| ());
    world.say(Outcome::Handled);
    world.pass(29 * MINUTE);
    world.send(&[Alert::new("Disk", "a")]);
    assert!(
        world.decision().contains("suppressed: handled, rests until 2026-03-01T10:30:00.000Z"),
        "{}",
        world.decision()
    );
    assert_eq!(world.kinds(), [""; 0]);
    world.pass(MINUTE);
    assert_eq!(world.kinds(), ["changed still_firing"]);
    world.say(Outcome::Handled);
    world.pass(HOUR - SECOND);
    assert_eq!(world.kinds(), [""; 0], "twice as long");
    world.pass(SECOND);
    assert_eq!(world.kinds(), ["changed still_firing"]);
}

#[test]
fn three_failures_in_a_row_block_an_incident() {
    let mut world = burning(|settings| settings.cooldown = MINUTE);
    for _ in 0..2 {
        world.say(Outcome::Failed);
        world.pass(10 * MINUTE);
    }
    assert_eq!(world.kinds(), ["changed still_firing", "changed still_firing"]);
    world.restart();

    world.say(Outcome::Failed);

    let tell = world.told.last().cloned().unwrap();
    assert_eq!(world.kinds(), ["blocked"]);
    assert_eq!((world.incident().state, &tell.data["failures"]), (State::Blocked, &serde_json::json!(3)));
    world.pass(HOUR - SECOND);
    assert_eq!(world.kinds(), [""; 0]);
    world.pass(SECOND);
    assert_eq!(world.kinds(), ["changed still_firing"]);
    world.say(Outcome::Handled);
    assert_eq!(world.incident().failures, 0);
}

#[test]
fn no_agent_is_run_while_one_works() {
    let mut world = burning(|_| ());
    let id = world.incident().id;
    let now = world.now;
    world.machine().delivered(id, "triage", true, now);
    world.commit();
    assert_eq!((world.incident().state, world.incident().state_by.as_str()), (State::InProgress, "triage"));
    world.pass(6 * MINUTE);
    world.send(&[Alert::new("Disk", "a")]);
    assert!(world.decision().ends_with("suppressed: in progress"), "{}", world.decision());

    world.pass(54 * MINUTE - SECOND);
    assert_eq!(world.kinds(), [""; 0]);
    world.pass(SECOND);
    assert_eq!(world.incident().state, State::Handled, "it has said nothing for an hour");
    world.pass(30 * MINUTE);
    assert_eq!(world.kinds(), ["changed still_firing"]);
}

#[test]
fn a_delivery_that_is_dead_is_a_failure() {
    let mut world = burning(|_| ());
    let (id, now) = (world.incident().id, world.now);

    world.machine().delivered(id, "triage", false, now);
    world.commit();

    assert_eq!((world.incident().state, world.incident().failures), (State::Failed, 1));
}

#[test]
fn a_word_about_what_is_over_or_unknown_changes_nothing() {
    let mut world = burning(|_| ());
    let (id, now) = (world.incident().id, world.now);
    world.send(&[Alert::new("Disk", "a").resolved()]);

    world.say(Outcome::Failed);

    assert_eq!(world.incident().state, State::Resolved);
    assert_eq!(world.incident().history.back().map(|entry| entry.what.as_str()), Some("failed"), "it is noted");
    let none = "0011223344556677".parse().unwrap();
    assert_eq!(world.machine().say(none, Outcome::Failed, Speaker::Agent("x"), "", now), Err(Refusal::NotFound));
    assert_eq!(world.machine().remark(none, "x", "", now), Err(Refusal::NotFound));
    world.machine().remark(id, "ada", "was the cleaner", now).unwrap();
    assert_eq!(world.incident().history.back().map(|entry| entry.text.as_str()), Some("ada: was the cleaner"));
}

#[test]
fn what_people_have_taken_runs_no_agent_and_its_end_is_told() {
    for said in [Outcome::NeedsHuman, Outcome::Acknowledged] {
        let mut world = burning(|_| ());
        world.say(said);
        world.pass(100 * HOUR);
        world.send(&[Alert::new("Disk", "b")]);
        world.pass(HOUR);
        assert_eq!(world.kinds(), [""; 0], "{said:?}");

        world.send(&["a", "b"].map(|instance| Alert::new("Disk", instance).resolved()));

        assert_eq!(world.kinds(), ["resolved"]);
    }
}

#[test]
fn a_long_history_keeps_its_beginning_and_its_end() {
    let mut world = burning(|_| ());
    let (id, now) = (world.incident().id, world.now);
    for n in 0..100 {
        world.machine().remark(id, "ada", &format!("{n} {}", "ü".repeat(1000)), now).unwrap();
    }

    let history = world.incident().history;

    assert_eq!((history.len(), history[0].what.as_str()), (Incident::HISTORY, "opened"));
    assert!(history.back().unwrap().text.starts_with("ada: 99 "));
    assert!(serde_json::to_vec(&world.incident()).unwrap().len() < 24 * 1024, "a value of the log");
}

#[test]
fn a_late_word_of_an_agent_takes_nothing_from_people() {
    for taken in [Outcome::NeedsHuman, Outcome::Acknowledged] {
        for said in [Outcome::InProgress, Outcome::Handled, Outcome::Failed, Outcome::NeedsHuman] {
            let mut world = burning(|_| ());
            world.say(taken);
            let state = world.incident().state;

            world.say(said);

            assert_eq!((world.incident().state, world.incident().rests), (state, 0), "{said:?} after {taken:?}");
            assert_eq!(world.incident().history.back().map(|entry| entry.what.as_str()), Some(said.as_str()));
            let (id, now) = (world.incident().id, world.now);
            world.machine().say(id, Outcome::Handled, Speaker::Person("ada"), "", now).unwrap();
            assert_eq!(world.incident().state, State::Handled, "people may give it back");
        }
    }
}

#[test]
fn no_rest_is_longer_than_its_limit_and_all_times_can_be_read_back() {
    let mut world = burning(|_| ());
    for _ in 0..40 {
        world.say(Outcome::Handled);
    }
    world.say(Outcome::InProgress);
    world.send(&[Alert::new("Disk", "a").resolved()]);

    world.restart();

    let rest = world.incident().rests_until.unwrap().since(world.now);
    assert_eq!(rest, world.settings.cooldown_max);
}
