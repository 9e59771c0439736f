//! What other gateways for alerts got wrong.

use super::*;
use crate::alert::signal::Ending;

#[test]
fn a_problem_that_lasts_longer_than_any_window_is_told_once() {
    let mut world = World::new(|settings| settings.agent_timeout = 10_000 * HOUR);
    for _ in 0..30 {
        world.send(&[Alert::new("Disk", "a")]);
        world.pass(8 * HOUR);
    }
    let kinds = world.kinds();
    assert_eq!(kinds.iter().filter(|kind| *kind == "opened").count(), 1, "{kinds:?}");
}

#[test]
fn a_resolve_of_what_is_not_known_opens_nothing() {
    let mut world = World::new(|_| ());
    world.send(&[Alert::new("Disk", "a").resolved()]);

    assert_eq!(world.kinds(), [""; 0]);
    assert_eq!(world.decision(), "resolved, but it did not fire: nobody is told");
    assert_eq!(world.signal().counts.orphan_resolves, 1);
    world.pass(HOUR);
    assert!(world.store.is_empty(), "it is forgotten");
}

#[test]
fn the_status_of_a_group_is_not_that_of_its_alerts() {
    let mut world = World::new(|_| ());
    let alert = Alert::new("Disk", "a").resolved();
    world.send(&[alert, Alert::new("Disk", "b")]);

    assert_eq!(world.kinds(), ["opened"]);
    assert_eq!(world.machine().signals().filter(|signal| signal.is_firing()).count(), 1);
}

#[test]
fn an_old_start_is_no_reason_to_refuse_an_alert() {
    let mut world = World::new(|_| ());
    world.send(&[Alert { starts_at: "2019-01-01T00:00:00Z".to_owned(), ..Alert::new("Disk", "a") }]);
    assert_eq!(world.kinds(), ["opened"]);
}

#[test]
fn what_changes_with_the_configuration_of_a_sender_is_no_identity() {
    let mut world = World::new(|_| ());
    world.send(&[Alert::new("Disk", "a")]);
    let mut moved = Alert::new("Disk", "a");
    moved.group =
        serde_json::json!({"status": "firing", "receiver": "other", "groupKey": "{}:{new}", "groupLabels": {}});
    moved.annotations.insert("value".to_owned(), "17".to_owned());
    world.send(&[moved]);

    assert_eq!(world.signal().counts.repeats, 1);
}

#[test]
fn replicas_that_differ_by_a_label_are_one_signal() {
    let mut world = World::new(|_| ());
    for replica in ["p-0", "p-1"] {
        world.send(&[Alert::new("Disk", "a").label("prometheus_replica", replica)]);
    }
    assert_eq!(world.signal().counts.repeats, 1);
}

#[test]
fn a_pair_of_peers_and_a_change_of_the_group_do_not_escalate_production() {
    let mut world = World::new(|_| ());
    let disk = Alert::new("Disk", "a");
    world.send(std::slice::from_ref(&disk));
    world.pass(SECOND);
    world.send(&[disk.of_peer("http://am-2")]);
    world.pass(2 * MINUTE);
    world.send(&[disk.clone(), Alert::new("Disk", "b")]);
    world.pass(SECOND);
    let again = [disk, Alert::new("Disk", "b")].map(|alert| alert.of_peer("http://am-2"));
    world.send(&again);

    assert!(world.kinds().iter().all(|kind| !kind.starts_with("escalated")));
}

#[test]
fn a_watchdog_is_no_work_for_an_agent() {
    let mut world = World::new(|settings| {
        settings.heartbeats[0].missing_after = Some(10 * MINUTE);
    });
    for _ in 0..5 {
        world.send(&[Alert::new("Watchdog", "a")]);
        assert_eq!(world.decision(), "heartbeat `watchdog`");
        world.pass(5 * MINUTE);
    }
    assert_eq!(world.kinds(), [""; 0]);
    world.restart();

    world.pass(5 * MINUTE);
    assert_eq!(world.kinds(), ["heartbeat.missing"]);
    world.restart();
    world.pass(HOUR);
    assert_eq!(world.kinds(), [""; 0], "once");
    world.send(&[Alert::new("Watchdog", "a")]);
    assert_eq!(world.kinds(), ["heartbeat.restored"]);
}

#[test]
fn a_late_firing_of_a_peer_does_not_reopen_what_is_over() {
    let mut world = World::new(|_| ());
    let disk = Alert::new("Disk", "a");
    world.send(std::slice::from_ref(&disk));
    world.pass(HOUR);
    world.send(&[disk.resolved()]);
    world.kinds();
    world.pass(20 * SECOND);

    world.send(&[disk.of_peer("http://am-2")]);
    assert!(world.decision().starts_with("may be a late copy"), "{}", world.decision());
    world.pass(20 * SECOND);
    world.send(&[disk.resolved().of_peer("http://am-2")]);
    world.pass(HOUR);
    assert_eq!(world.kinds(), [""; 0]);

    // The peer means it: the other one is cut off.
    let mut world = World::new(|_| ());
    world.send(std::slice::from_ref(&disk));
    world.pass(HOUR);
    world.send(&[disk.resolved()]);
    world.pass(20 * SECOND);
    world.send(&[disk.of_peer("http://am-2")]);
    world.restart();
    world.pass(90 * SECOND);
    assert!(world.signal().is_firing(), "nothing is lost");

    // What the same peer says is so, with the same start too.
    let mut world = World::new(|_| ());
    world.send(std::slice::from_ref(&disk));
    world.send(&[disk.resolved()]);
    world.send(&[disk]);
    assert!(world.signal().is_firing());
}

#[test]
fn a_resolved_group_ends_what_was_cut_off_too() {
    let mut world = World::new(|_| ());
    let all: Vec<Alert> = (0..4).map(|n| Alert::new("Disk", &n.to_string())).collect();
    world.send(&all);
    world.pass(HOUR);
    let mut last = all[0].resolved();
    last.group["status"] = "resolved".into();
    last.group["truncatedAlerts"] = 3.into();
    world.kinds();

    world.send(&[last]);

    assert_eq!(world.kinds(), ["resolved"]);
    let endings: Vec<_> = world.machine().signals().filter_map(|signal| signal.ended).map(|ended| ended.why).collect();
    assert_eq!(endings.iter().filter(|why| **why == Ending::BundleResolved).count(), 3);

    // Where the group fires, what is not told of means nothing.
    let mut world = World::new(|_| ());
    world.send(&all);
    let mut other = all[0].clone();
    other.group["truncatedAlerts"] = 3.into();
    world.send(&[other]);
    assert_eq!(world.machine().signals().filter(|signal| signal.is_firing()).count(), 4);
}

#[test]
fn a_resolved_group_of_any_size_ends_also_after_a_kill() {
    let mut world = World::new(|_| ());
    world.kills = true;
    let all: Vec<Alert> = (0..2_500).map(|n| Alert::new("Disk", &n.to_string())).collect();
    world.send(&all);
    let mut last = all[0].resolved();
    last.group["status"] = "resolved".into();
    world.pass(SECOND);

    world.send(&[last]);
    world.pass(SECOND);

    assert_eq!(world.machine().signals().filter(|signal| signal.is_firing()).count(), 0);
    assert!(world.store.keys().all(|key| !key.starts_with("closing/")), "it is done");
}

#[test]
fn an_escalation_is_told_once_whatever_is_killed() {
    let run = |kills: bool| {
        let mut world = World::new(|_| ());
        world.kills = kills;
        for _ in 0..20 {
            world.send(&[Alert::new("Disk", "a")]);
            world.pass(MINUTE);
        }
        (world.kinds(), world.store)
    };

    let (kinds, store) = run(true);

    assert_eq!(kinds.iter().filter(|kind| kind.starts_with("escalated")).count(), 2, "total and burst");
    assert_eq!((kinds, store), run(false));
}

#[test]
fn a_peer_whose_other_is_gone_repeats() {
    for every in [20, 60, 80] {
        let mut world = World::new(|_| ());
        world.send(&[Alert::new("Disk", "a")]);
        for _ in 0..10 {
            world.pass(every * SECOND);
            world.send(&[Alert::new("Disk", "a").of_peer("http://am-2")]);
        }

        let counts = world.signal().counts;
        assert_eq!((counts.copies, counts.repeats), (1, 9), "every {every} s");
        assert!(world.kinds().contains(&"escalated total".to_owned()), "every {every} s");
    }
}

#[test]
fn a_firing_that_was_held_is_told_as_it_is_now() {
    let mut world = World::new(|_| ());
    let disk = Alert::new("Disk", "a");
    world.send(std::slice::from_ref(&disk));
    world.send(&[disk.resolved()]);
    world.pass(20 * SECOND);
    let worse = |severity: &str| {
        let mut event = disk.of_peer("http://am-2").event(50, world.now);
        let data = serde_json::json!({"labels": {"alertname": "Disk", "env": "prod", "severity": severity}});
        event.data = data.to_string().into();
        Notification::read(&event, &world.settings).unwrap()
    };
    let (first, second) = (worse("warning"), worse("critical"));
    for told in [first, second] {
        let decision = world.machine.notify(&told);
        assert!(decision.starts_with("may be a late copy"), "{decision}");
        world.commit();
    }

    world.pass(90 * SECOND);

    assert!(world.signal().is_firing());
    assert_eq!((&*world.signal().severity, world.incident().severity.as_str()), ("critical", "critical"));
}

#[test]
fn the_end_that_a_sender_expects_is_not_the_end() {
    for ends_at in ["2026-03-01T09:00:00Z", "2026-03-01T10:04:00Z", "0001-01-01T00:00:00Z"] {
        let mut world = World::new(|_| ());
        let mut event = Alert::new("Disk", "a").event(1, world.now);
        let mut data: serde_json::Value = serde_json::from_slice(&event.data).unwrap();
        data["endsAt"] = ends_at.into();
        event.data = data.to_string().into();
        world.machine.notify(&Notification::read(&event, &world.settings).unwrap());
        world.commit();

        world.pass(HOUR);

        assert!(world.signal().is_firing(), "{ends_at}");
    }
}

#[test]
fn an_identity_is_what_the_sender_says_whatever_is_configured_or_known() {
    let event = Alert::new("Disk", "a").event(1, World::new(|_| ()).now);
    let id_with = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        Notification::read(&event, &settings).unwrap().signal
    };

    let id = id_with(|_| ());

    assert_eq!(id_with(|settings| settings.group_by = vec!["cluster".to_owned()]), id);
    assert_eq!(id_with(|settings| settings.environment.default = crate::alert::Environment::Development), id);
}

#[test]
fn a_storm_keeps_agents_from_being_run_for_each_of_its_alerts() {
    let mut world = World::new(|settings| settings.storm.resources = 0);
    for number in 0..100 {
        world.send(&[Alert::new("Down", "x")
            .label("namespace", &number.to_string())
            .label("instance", &number.to_string())]);
    }

    assert_eq!(world.machine().tally().runs, 10, "nine alerts, and the storm");
}

#[test]
fn counts_stay_at_their_largest_value_and_are_kept_by_few_words() {
    let mut world = World::new(|_| ());
    let disk = Alert::new("Disk", "a");
    world.send(std::slice::from_ref(&disk));
    let id = world.signal().id;
    world.machine().change(id, |signal| {
        let counts = &mut signal.counts;
        (counts.notifications, counts.repeats, counts.episodes) = (u32::MAX, u32::MAX, u32::MAX);
        signal.episode.as_mut().unwrap().duplicates = u32::MAX;
    });

    for number in 0..300 {
        world.send(&[disk.clone(), Alert::new(&format!("Other{number}"), &number.to_string())]);
    }

    let counts = world.machine().signal(id).unwrap().counts;
    assert_eq!((counts.notifications, counts.repeats), (u32::MAX, u32::MAX));
    let tally = world.machine().tally();
    let words: Vec<_> = tally.notifications.keys().chain(tally.told.keys()).copied().collect();
    assert!(words.len() < 12, "{words:?}");
}
