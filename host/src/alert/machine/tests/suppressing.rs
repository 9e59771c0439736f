//! Silences, windows of maintenance and inhibition.

use super::*;
use crate::alert::silence::SilenceDraft;
use crate::alert::{InhibitionRule, Schedule, Window};

pub(super) fn silence(world: &mut World, matchers: &str, lasts: Duration) -> SilenceId {
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
    world.machine().say(id, Outcome::InProgress, Speaker::Agent("triage"), "", now).unwrap();
    world.commit();
    assert_eq!(world.kinds(), ["opened"]);

    world.pass(50 * MINUTE);
    let later = world.now;
    world.machine().say(id, Outcome::InProgress, Speaker::Agent("triage"), "", later).unwrap();
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

#[test]
fn however_many_signals_a_silence_covers_a_step_stays_small() {
    let mut world = World::new(|settings| settings.storm.key.clear());
    let alerts: Vec<Alert> = (0..3_000).map(|n| Alert::new(&format!("Disk{n}"), "a")).collect();
    for alerts in alerts.chunks(200) {
        world.send(alerts);
    }
    world.pass(SECOND);
    assert_eq!(world.kinds().len(), 3_000);

    for kills in [false, true] {
        (world.kills, world.largest) = (kills, 0);
        let silence = silence(&mut world, r#"alertname=~"Disk.*""#, 100 * HOUR);
        world.pass(SECOND);
        assert_eq!(world.machine.suppressed.len(), 3_000);
        let now = world.now;
        world.machine().expire_silence(silence, now).unwrap();
        world.commit();
        world.pass(SECOND);
        assert_eq!(world.machine.suppressed.len(), 0);
        assert!(world.largest <= 2_100, "a step changed {} values", world.largest);
    }
}

#[test]
fn labels_that_change_are_compared_with_what_keeps_signals_quiet() {
    let mut world = World::new(|_| ());
    silence(&mut world, r#"severity="info""#, 100 * HOUR);
    let told_as = |severity: &str, world: &World| {
        let mut event = Alert::new("Disk", "a").event(100 + world.decisions.len() as u64, world.now);
        let labels = serde_json::json!({"alertname": "Disk", "env": "prod", "severity": severity});
        event.data = serde_json::json!({"labels": labels}).to_string().into();
        Notification::read(&event, &world.settings).unwrap()
    };
    let send = |world: &mut World, severity: &str| {
        let notification = told_as(severity, world);
        let decision = world.machine.notify(&notification);
        world.decisions.push(decision);
        world.commit();
        world.kinds()
    };

    assert_eq!(send(&mut world, "info"), [""; 0]);
    assert_eq!(send(&mut world, "critical"), ["opened"]);
    send(&mut world, "info");
    assert!(!world.signal().is_visible());
}

#[test]
fn a_signal_that_is_silenced_does_not_raise_the_severity() {
    let mut world = World::new(|_| ());
    silence(&mut world, r#"severity="critical""#, HOUR);
    world.send(&[Alert::new("Disk", "a")]);
    world.kinds();

    world.send(&[Alert::new("Disk", "b").label("severity", "critical")]);
    assert_eq!(world.kinds(), [""; 0]);
    world.say(Outcome::InProgress);
    world.pass(HOUR);

    assert_eq!(world.kinds(), ["changed severity"]);
}

#[test]
fn what_a_person_has_taken_runs_no_agent_when_its_silence_ends() {
    let mut world = World::new(|_| ());
    silence(&mut world, r#"alertname="Disk""#, HOUR);
    world.send(&[Alert::new("Disk", "a")]);
    let (id, now) = (world.incident().id, world.now);
    world.machine().say(id, Outcome::Acknowledged, Speaker::Person("ada"), "", now).unwrap();
    world.commit();

    world.pass(2 * HOUR);

    assert_eq!(world.kinds(), [""; 0]);
}

#[test]
fn a_cause_that_was_left_out_keeps_nothing_quiet() {
    let mut world = World::new(|settings| {
        settings.max_incidents = 1;
        let (source, target) = (r#"alertname="Down""#, r#"alertname="Disk""#);
        let rule = InhibitionRule::new(source.parse().unwrap(), target.parse().unwrap(), BTreeSet::new());
        settings.inhibit = vec![rule.unwrap()];
    });
    world.send(&[Alert::new("Disk", "a")]);

    world.send(&[Alert::new("Down", "a")]);

    assert!(world.decision().starts_with("left out: "), "{}", world.decision());
    assert!(world.signal().is_visible(), "of the one that is known");
}
