//! Silences, windows of maintenance and inhibition.

use super::*;
use crate::alert::silence::SilenceDraft;
use crate::alert::{InhibitionRule, Schedule, Window};

fn silence(world: &mut World, matchers: &str, lasts: Duration) -> SilenceId {
    let now = world.now;
    let draft = SilenceDraft {
        id: None,
        matchers: matchers.parse().unwrap(),
        starts_at: None,
        ends_at: now.after(lasts),
        created_by: "ada".to_owned(),
        comment: "disk swap".to_owned(),
    };
    let put = world.machine().put_silences(vec![draft], &[[7; 16]], now).unwrap();
    world.commit();
    put[0].id
}

#[test]
fn what_is_silenced_is_told_when_the_silence_ends_while_it_burns() {
    for kills in [false, true] {
        let mut world = World::new(|_| ());
        world.kills = kills;
        let id = silence(&mut world, r#"alertname="Disk""#, HOUR);
        world.send(&[Alert::new("Disk", "a"), Alert::new("Latency", "a")]);
        assert_eq!(world.kinds(), ["opened"], "of the other one");
        assert!(world.decisions[0].ends_with(&format!("suppressed: silence {id}")), "{}", world.decisions[0]);
        world.pass(30 * MINUTE);
        world.send(&[Alert::new("Disk", "a")]);
        assert!(world.decision().ends_with(&format!("suppressed: silence {id}")), "{}", world.decision());
        world.pass(30 * MINUTE - SECOND);
        assert_eq!(world.kinds(), [""; 0]);

        world.pass(SECOND);

        assert_eq!(world.kinds(), ["opened"]);
    }
}

#[test]
fn what_ends_while_it_is_silenced_is_never_told() {
    let mut world = World::new(|_| ());
    silence(&mut world, r#"alertname="Disk""#, HOUR);
    world.send(&[Alert::new("Disk", "a")]);
    world.send(&[Alert::new("Disk", "a").resolved()]);
    world.pass(2 * HOUR);

    assert_eq!(world.kinds(), [""; 0]);
}

#[test]
fn the_end_of_what_was_told_is_told_whatever_is_silenced() {
    let mut world = World::new(|_| ());
    world.send(&[Alert::new("Disk", "a")]);
    silence(&mut world, r#"alertname="Disk""#, HOUR);
    world.send(&[Alert::new("Disk", "a").resolved()]);

    assert_eq!(world.kinds(), ["opened", "resolved"]);
}

#[test]
fn a_silence_that_is_ended_early_tells_at_once_what_burns() {
    let mut world = World::new(|_| ());
    let id = silence(&mut world, r#"env=~"prod.*""#, HOUR);
    world.send(&[Alert::new("Disk", "a")]);
    let now = world.now;

    world.machine().expire_silence(id, now).unwrap();
    world.commit();

    assert_eq!(world.kinds(), ["opened"]);
    world.pass(121 * HOUR);
    assert!(world.store.keys().all(|key| !key.starts_with("silence/")), "it is forgotten");
}

#[test]
fn a_silence_counts_what_it_keeps_quiet() {
    let mut world = World::new(|_| ());
    world.send(&[Alert::new("Disk", "a"), Alert::new("Disk", "b"), Alert::new("Latency", "a")]);
    let id = silence(&mut world, r#"alertname="Disk""#, HOUR);
    let count = |world: &mut World| {
        let now = world.now;
        world.machine().silenced(now).get(&id).copied()
    };

    assert_eq!(count(&mut world), Some(2));
    world.send(&[Alert::new("Disk", "b").resolved()]);
    assert_eq!(count(&mut world), Some(1));
    world.pass(HOUR);
    assert_eq!(count(&mut world), None);
}

#[test]
fn a_signal_of_a_running_incident_joins_it_when_its_silence_ends() {
    let mut world = World::new(|_| ());
    silence(&mut world, r#"instance="b""#, HOUR);
    world.send(&[Alert::new("Disk", "a"), Alert::new("Disk", "b")]);
    let now = world.now;
    let id = world.incident().id;
    world.machine().say(id, Outcome::InProgress, "triage", "", now).unwrap();
    world.commit();
    assert_eq!(world.kinds(), ["opened"]);

    world.pass(50 * MINUTE);
    let later = world.now;
    world.machine().say(id, Outcome::InProgress, "triage", "", later).unwrap();
    world.commit();
    world.pass(10 * MINUTE);

    assert_eq!(world.kinds(), ["changed joined"]);
}

#[test]
fn repetitions_count_and_do_not_escalate_while_they_are_silenced() {
    let mut world = World::new(|_| ());
    silence(&mut world, r#"alertname="Disk""#, HOUR);
    for _ in 0..10 {
        world.send(&[Alert::new("Disk", "a")]);
    }
    world.pass(HOUR);
    assert_eq!(world.kinds(), ["opened"]);

    world.send(&[Alert::new("Disk", "a")]);

    assert_eq!(world.kinds(), ["escalated total"], "of the episode; the burst was long ago");
}

#[test]
fn windows_of_maintenance_begin_and_end_by_themselves() {
    let window = Window::new(
        "upgrade".to_owned(),
        r#"instance="a""#.parse().unwrap(),
        Schedule::once("2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z").unwrap(),
    );
    let mut world = World::new(|settings| settings.maintenance = crate::alert::Maintenance::new(vec![window.unwrap()]));
    world.pass(90 * MINUTE);
    world.send(&[Alert::new("Disk", "a")]);
    assert!(world.decision().ends_with("suppressed: maintenance `upgrade`"), "{}", world.decision());
    world.restart();
    world.pass(30 * MINUTE);
    assert_eq!(world.kinds(), ["opened"]);
}

#[test]
fn a_consequence_is_told_when_its_cause_is_over() {
    let rule = |settings: &mut Settings| {
        let rule = InhibitionRule::new(
            r#"alertname="Down""#.parse().unwrap(),
            r#"severity=~"warning|info""#.parse().unwrap(),
            ["cluster".to_owned()].into(),
        );
        settings.inhibit = vec![rule.unwrap()];
    };
    let down = Alert::new("Down", "a").label("severity", "critical").label("cluster", "eu");
    let disk = Alert::new("Disk", "a").label("cluster", "eu");
    for order in [[disk.clone(), down.clone()], [down.clone(), disk.clone()]] {
        let mut world = World::new(rule);
        world.send(&order);
        assert_eq!(world.kinds(), ["opened"], "whatever comes first in a notification");
        world.restart();
        world.send(&[Alert::new("Disk", "b").label("cluster", "us")]);
        assert_eq!(world.kinds(), ["opened"], "another cluster");

        world.send(&[down.resolved()]);

        let mut kinds = world.kinds();
        kinds.sort();
        assert_eq!(kinds, ["opened", "resolved"]);
    }
}
