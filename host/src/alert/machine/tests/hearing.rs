//! What becomes of an incident when deliveries end, what is left of damaged values, and what nobody knows any more.

use super::*;
use crate::alert::State;
use crate::alert::machine::{About, Report};

fn burning() -> World {
    let mut world = World::new(|_| ());
    world.send(&[Alert::new("Disk", "a")]);
    world
}

/// How the delivery of the event `tell` to triage ended.
fn report(tell: &Tell, said: Option<&str>) -> Report {
    let attribute =
        |name: &str| tell.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    Report {
        incident: tell.subject.parse().unwrap(),
        run: attribute("run").unwrap().parse().unwrap(),
        about: About::of(tell.kind, &attribute("reason").unwrap()),
        kind: tell.kind.as_str(),
        agent: "triage".to_owned(),
        is_accepted: true,
        is_lost: false,
        said: said.map(str::to_owned),
    }
}

impl World {
    fn hear(&mut self, report: &Report) {
        let now = self.now;
        self.machine().hear(report, now);
        self.commit();
    }

    fn noted(&self) -> (String, String) {
        let entry = self.incident().history.back().cloned().unwrap();
        (entry.what, entry.text)
    }
}

#[test]
fn the_word_on_an_event_that_begins_a_run_is_heard() {
    for (said, state) in [
        (None, State::InProgress),
        (Some("handled"), State::Handled),
        (Some("failed"), State::Failed),
        (Some("needs_human"), State::NeedsHuman),
        (Some("finished"), State::InProgress),
    ] {
        let mut world = burning();
        let opened = world.told[0].clone();
        world.hear(&report(&opened, said));
        assert_eq!(world.incident().state, state, "{said:?}");
    }
}

#[test]
fn the_word_on_an_escalation_is_heard() {
    let mut world = burning();
    for _ in 0..3 {
        world.pass(SECOND);
        world.send(&[Alert::new("Disk", "a")]);
    }
    let escalated = world.told.iter().find(|tell| tell.kind == Kind::Escalated).cloned().unwrap();

    world.hear(&report(&escalated, None));
    assert_eq!(world.incident().state, State::Open, "it is the agent that was asked to begin who begins");
    world.hear(&report(&escalated, Some("needs_human")));

    assert_eq!(world.incident().state, State::NeedsHuman);
}

#[test]
fn the_word_of_an_earlier_run_is_only_noted() {
    let mut world = burning();
    let first = world.told.remove(0);
    world.hear(&report(&first, Some("handled")));
    world.pass(30 * MINUTE);
    let second = world.told.remove(0);
    world.hear(&report(&second, None));
    assert_eq!((world.incident().runs, world.incident().state), (2, State::InProgress));

    world.hear(&report(&first, Some("failed")));

    assert_eq!((world.incident().state, world.incident().failures), (State::InProgress, 0), "another one works on it");
    assert_eq!(world.noted(), ("failed".to_owned(), "triage: of `opened` in run 1, changes nothing".to_owned()));
    let dead = Report { is_accepted: false, is_lost: true, ..report(&first, None) };
    world.hear(&dead);
    assert_eq!(world.incident().state, State::InProgress);
    assert_eq!(world.noted().0, "undelivered");
}

#[test]
fn the_word_on_an_end_changes_nothing_of_what_has_begun_again() {
    let mut world = burning();
    world.send(&[Alert::new("Disk", "a").resolved()]);
    let resolved = world.told.last().cloned().unwrap();
    world.pass(2 * MINUTE);
    world.send(&[Alert::new("Disk", "a")]);
    let before = world.incident();
    assert_ne!(before.state, State::Resolved);

    world.hear(&report(&resolved, Some("failed")));

    let after = world.incident();
    assert_eq!((after.state, after.failures, after.rests_until), (before.state, 0, before.rests_until));
}

#[test]
fn an_agent_that_says_handled_of_every_event_does_not_make_the_rest_longer() {
    let mut world = burning();
    let opened = world.told[0].clone();
    world.hear(&report(&opened, Some("handled")));
    let until = world.incident().rests_until;

    world.pass(SECOND);
    world.hear(&report(&opened, Some("handled")));

    assert_eq!((world.incident().rests_until, world.incident().rests), (until, 1));
}

#[test]
fn a_run_fails_when_no_agent_takes_it() {
    let mut world = burning();
    let opened = world.told[0].clone();
    let dead = Report { is_accepted: false, ..report(&opened, None) };

    world.hear(&dead);
    assert_eq!(world.incident().state, State::Open, "another agent may still take it");
    world.hear(&Report { is_lost: true, ..dead.clone() });
    world.hear(&Report { is_lost: true, ..dead });

    assert_eq!((world.incident().state, world.incident().failures), (State::Failed, 1), "it has failed once");
}

#[test]
fn a_damaged_value_is_left_out_and_what_burns_is_told_again() {
    let mut world = burning();
    world.send(&[Alert::new("Cpu", "a")]);
    let lost = world.machine.incidents().find(|it| it.title == "Disk").unwrap().id;
    let key = format!("incident/{lost}");
    world.store.insert(key.clone(), Bytes::from_static(b"{}"));
    world.store.insert("closing/none".to_owned(), Bytes::from_static(b"1"));
    world.store.insert("other".to_owned(), Bytes::new());
    world.told.clear();

    world.machine = Machine::new(Arc::clone(&world.settings), world.now);
    let left_out = world.machine.restore(world.store.clone().into_iter().collect(), world.now);
    world.machine.restored(world.now);

    let keys: Vec<_> = left_out.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["closing/none".to_owned(), key, "other".to_owned()]);
    assert_eq!(world.incident().title, "Cpu");
    world.send(&[Alert::new("Disk", "a"), Alert::new("Cpu", "a")]);
    assert_eq!(world.kinds(), ["opened"]);
    assert_eq!(state_of(&world.machine, "Disk"), Some(State::Open));
}

#[test]
fn what_nobody_knows_any_more_ends_without_a_word_and_may_begin_again() {
    let mut world = World::new(|settings| settings.storm.key.clear());
    let alerts: Vec<_> =
        (0..30).map(|number| Alert::new(&format!("Disk{}", number % 10), &number.to_string())).collect();
    world.send(&alerts);
    world.send(&[Alert::new("Disk0", "0").resolved(), Alert::new("Disk0", "0").of_peer("http://am-2")]);
    world.told.clear();
    world.pass(2 * HOUR);
    world.told.clear();

    let mut steps = 0;
    while let Some(step) = world.machine.abandon(7, world.now) {
        assert!(step.told.is_empty());
        assert!(step.values.len() <= 14, "{} values", step.values.len());
        for (key, value) in step.values {
            world.store.insert(key, value.unwrap());
        }
        steps += 1;
    }
    world.restart();

    assert!(steps > 4, "{steps}");
    assert!(world.machine.signals().all(|signal| !signal.is_firing() && signal.late.is_none()));
    assert!(world.machine.incidents().all(|incident| incident.state == State::Resolved));
    world.pass(HOUR);
    assert_eq!(world.kinds(), [""; 0]);
    world.send(&[Alert::new("Disk3", "3")]);
    assert_eq!(world.kinds(), ["opened"]);
}
