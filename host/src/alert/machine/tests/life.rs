//! From the first firing to the end.

use super::*;
use crate::alert::signal::Ending;

#[test]
fn an_alert_is_told_once_and_when_it_is_over() {
    let mut world = World::new(|_| ());
    let disk = Alert::new("Disk", "a");

    world.send(std::slice::from_ref(&disk));
    assert_eq!(world.kinds(), ["opened"]);
    world.pass(4 * HOUR);
    world.kinds();
    world.send(std::slice::from_ref(&disk));
    assert_eq!(world.kinds(), [""; 0]);
    let id = world.incident().id;
    assert!(world.decision().starts_with(&format!("repeat 1 of incident {id}, suppressed: ")), "{}", world.decision());
    world.send(&[disk.resolved()]);
    assert_eq!(world.kinds(), ["resolved"]);
    assert_eq!(world.incident().state, crate::alert::State::Resolved);

    world.pass(7 * 24 * HOUR);
    assert_eq!((world.machine().incidents().count(), world.machine().signals().count()), (0, 0), "they are forgotten");
    assert!(world.store.is_empty(), "{:?}", world.store.keys());
}

#[test]
fn what_begins_escalates_and_ends_in_one_step_is_told_as_in_several() {
    let disk = Alert::new("Disk", "a");
    let mut notifications = vec![disk.clone(); 7];
    notifications.extend([disk.resolved(), disk.clone(), disk.resolved()]);
    let told = |steps: &[&[Alert]]| {
        let mut world = World::new(|_| ());
        steps.iter().for_each(|alerts| world.send(alerts));
        let escalations: Vec<String> = world
            .told
            .iter()
            .flat_map(|tell| tell.data["escalations"].as_array().cloned().unwrap_or_default())
            .map(|it| it["rule"].as_str().unwrap().to_owned())
            .collect();
        let kinds: BTreeSet<String> =
            world.kinds().into_iter().map(|it| it.replace(" burst", "").replace(" total", "")).collect();
        (kinds, escalations)
    };
    let one_by_one: Vec<&[Alert]> = notifications.chunks(1).collect();

    let (kinds, escalations) = told(&one_by_one);

    assert_eq!(kinds, ["escalated", "opened", "resolved"].map(str::to_owned).into());
    assert_eq!(escalations, ["burst", "total", "burst"]);
    for size in 2..=notifications.len() {
        let steps: Vec<&[Alert]> = notifications.chunks(size).collect();
        assert_eq!(told(&steps), (kinds.clone(), escalations.clone()), "in steps of {size}");
    }
}

#[test]
fn escalations_that_wait_for_a_digest_are_told_before_the_end() {
    let mut world = World::new(|_| ());
    let storm: Vec<Alert> = (0..20).map(|number| Alert::new("Disk", &number.to_string())).collect();
    world.send(&storm);
    let escalate = |world: &mut World, alert: &Alert| world.send(&vec![alert.clone(); 5]);
    escalate(&mut world, &storm[18]);
    escalate(&mut world, &storm[19]);
    let told = world.kinds();
    assert_eq!(told.iter().filter(|kind| kind.starts_with("escalated")).count(), 1, "{told:?}");

    world.send(&storm.iter().map(Alert::resolved).collect::<Vec<_>>());

    let told = world.kinds();
    assert!(told[0].starts_with("escalated") && told[1] == "resolved", "{told:?}");
}

#[test]
fn an_event_shows_what_there_is_to_know() {
    let mut world = World::new(|_| ());
    let alert = Alert::new("Disk", "a").label("severity", "page");
    world.send(&[alert.clone(), alert.label("instance", "b")]);

    let tell = world.told.pop().unwrap();

    assert_eq!(tell.subject, world.incident().id.to_string());
    let attribute =
        |name: &str| tell.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(
        ["severity", "environment", "alertname"].map(attribute),
        [Some("critical"), Some("production"), Some("Disk")]
    );
    assert_eq!(tell.data["incident"]["severity"], serde_json::json!({"raw": "page", "level": "critical"}));
    assert_eq!(tell.data["incident"]["signals"], serde_json::json!({"total": 2, "firing": 2, "suppressed": 0}));
    assert_eq!(tell.data["alerts"].as_array().unwrap().len(), 2);
    assert_eq!(tell.data["alerts"][0]["labels"]["alertname"], "Disk");
}

#[test]
fn a_recurrence_belongs_to_the_incident_and_runs_no_agent_before_its_rest_is_over() {
    let mut world = World::new(|_| ());
    let disk = Alert::new("Disk", "a");
    world.send(std::slice::from_ref(&disk));
    world.send(&[disk.resolved()]);
    world.kinds();

    world.pass(10 * MINUTE);
    world.send(std::slice::from_ref(&disk));
    assert_eq!(world.kinds(), [""; 0], "the agent has just had it");
    assert_eq!((world.signal().counts.recurrences, world.signal().counts.episodes), (1, 2));
    world.pass(19 * MINUTE);
    assert_eq!(world.kinds(), [""; 0]);
    world.pass(MINUTE);
    assert_eq!(world.kinds(), ["changed recurred"]);
    world.send(&[disk.resolved()]);
    assert_eq!(world.kinds(), ["resolved"]);

    world.pass(31 * MINUTE);
    world.send(&[disk]);
    assert_eq!(world.kinds(), ["opened"], "much later it is another incident");
}

#[test]
fn what_nobody_tells_of_any_more_is_over() {
    let mut world = World::new(|settings| settings.agent_timeout = 1000 * HOUR);
    world.send(&[Alert::new("Disk", "a")]);
    world.kinds();

    world.pass(9 * HOUR - SECOND);
    assert_eq!(world.kinds(), [""; 0]);
    world.pass(SECOND);

    assert_eq!(world.kinds(), ["stale"]);
    assert_eq!(world.signal().ended.unwrap().why, Ending::Stale);
}

#[test]
fn what_was_not_told_while_the_gateway_was_down_is_not_over() {
    let mut world = World::new(|settings| settings.agent_timeout = 1000 * HOUR);
    world.send(&[Alert::new("Disk", "a")]);
    world.now = world.now.after(20 * HOUR);
    world.machine = Machine::new(Arc::clone(&world.settings), world.now);
    assert_eq!(world.machine.restore(world.store.clone().into_iter().collect(), world.now), []);
    world.machine.restored(world.now);

    world.pass(HOUR);
    assert!(world.signal().is_firing());
    world.pass(9 * HOUR);
    assert!(!world.signal().is_firing());
}

#[test]
fn a_severity_that_rises_is_told_at_once_and_one_that_falls_is_not() {
    let mut world = World::new(|_| ());
    let of = |severity: &str| {
        let mut alert = Alert::new("Disk", "a");
        alert.annotations.insert("x".to_owned(), severity.to_owned());
        alert
    };
    // Some senders keep the fingerprint when the severity changes.
    let send = |world: &mut World, severity: &str| {
        let mut event = of("warning").event(1000 + u64::from(world.decisions.len() as u32), world.now);
        let data = serde_json::json!({"labels": {"alertname": "Disk", "env": "prod", "severity": severity}});
        event.data = data.to_string().into();
        let notification = Notification::read(&event, &world.settings).unwrap();
        let decision = world.machine.notify(&notification);
        world.decisions.push(decision);
        world.commit();
        world.pass(6 * MINUTE);
    };
    send(&mut world, "warning");
    assert_eq!(world.kinds(), ["opened"]);

    send(&mut world, "critical");
    assert_eq!(world.kinds(), ["changed severity"]);
    send(&mut world, "info");
    send(&mut world, "critical");
    assert_eq!(world.kinds(), [""; 0]);
}

#[test]
fn copies_of_peers_are_counted_apart() {
    let mut world = World::new(|_| ());
    let disk = Alert::new("Disk", "a");
    world.send(std::slice::from_ref(&disk));
    world.pass(SECOND);
    world.send(&[disk.of_peer("http://am-2")]);
    assert_eq!(world.decision(), "copy of what another peer has told");
    world.pass(5 * MINUTE);
    world.send(std::slice::from_ref(&disk));
    world.pass(90 * SECOND);
    world.send(&[disk.of_peer("http://am-2")]);
    world.pass(91 * SECOND);
    world.send(&[disk]);

    let counts = world.signal().counts;
    assert_eq!((counts.notifications, counts.copies, counts.repeats), (5, 2, 2));
}

#[test]
fn labels_of_any_type_and_number_are_taken() {
    let mut world = World::new(|_| ());
    let mut event = Alert::new("Disk", "a").event(1, world.now);
    let mut labels: serde_json::Map<String, serde_json::Value> =
        (0..10_000).map(|n| (format!("l{n}"), serde_json::json!(n))).collect();
    labels.insert("a".to_owned(), serde_json::json!({"b": [1, null]}));
    event.data = serde_json::json!({"labels": labels, "annotations": 7}).to_string().into();

    let notification = Notification::read(&event, &world.settings).unwrap();
    world.machine.notify(&notification);
    world.commit();

    assert!(notification.cut);
    assert_eq!(notification.labels.get("a"), Some(r#"{"b":[1,null]}"#));
    assert_eq!(world.kinds(), ["opened"]);
    assert_eq!(world.machine().tally().cut, 1);
}

#[test]
fn what_is_no_alert_is_said_so() {
    let settings = Settings::default();
    let mut event = Alert::new("Disk", "a").event(1, Timestamp::from_millis(0));
    let mut read = |name: &str, value: &str| {
        let attributes = std::mem::take(&mut event.attributes);
        event.attributes = attributes.into_iter().filter(|(known, _)| known != name).collect();
        if !value.is_empty() {
            event.attributes.push((name.to_owned(), value.to_owned()));
        }
        Notification::read(&event, &settings).map(|notification| notification.status)
    };

    assert_eq!(read("status", "Resolved"), Ok(Status::Resolved));
    assert_eq!(read("status", "burning"), Err("no alert: its status is `burning`".to_owned()));
    assert_eq!(read("status", ""), Err("no alert: it has no attribute `status`".to_owned()));
    assert_eq!(read("status", "firing"), Ok(Status::Firing));
    assert_eq!(read("fingerprint", ""), Err("no alert: it has no attribute `fingerprint`".to_owned()));
}

#[test]
fn no_more_signals_are_known_than_allowed() {
    let mut world = World::new(|settings| settings.max_signals = 3);
    for name in ["a", "b", "c", "d"] {
        world.send(&[Alert::new(name, "x")]);
    }
    assert_eq!(world.decision(), "left out: 3 signals fire, as many as `alerts.max_signals` allows");
    assert_eq!(world.machine().tally().crowded, 1);

    world.send(&[Alert::new("a", "x").resolved()]);
    world.send(&[Alert::new("d", "x")]);

    assert!(world.decision().starts_with("opened incident"), "the oldest that is over has gone: {}", world.decision());
    world.restart();
    assert_eq!(world.machine().signals().count(), 3);
}

#[test]
fn whatever_a_sender_says_can_be_stored() {
    let mut world = World::new(|settings| settings.group_by = vec!["alertname".to_owned(), "team".to_owned()]);
    let hostile = ["\u{1}", "\"", "\\", "\n", "ü", "\u{7f}"].concat().repeat(400);
    for number in 0..200 {
        let mut alert = Alert::new(&hostile, &number.to_string()).label("team", &hostile).label("severity", &hostile);
        (0..50).for_each(|n| drop(alert.annotations.insert(format!("{n}{hostile}"), hostile.clone())));
        world.send(std::slice::from_ref(&alert));
        world.send(&[alert.resolved()]);
        let ids: Vec<IncidentId> = world.machine().incidents().map(|it| it.id).collect();
        let now = world.now;
        for id in ids {
            world.machine().say(id, Outcome::Acknowledged, Speaker::Person(&hostile), &hostile, now).unwrap();
        }
        world.commit();
    }

    let longest = world.store.values().map(Bytes::len).max().unwrap();
    assert!(longest <= Machine::MOST_VALUE, "{longest}");
    world.restart();
    assert!(world.machine().signals().count() > 0);
}

#[test]
fn settings_that_are_replaced_do_not_let_time_begin_anew() {
    let mut world = World::new(|settings| {
        settings.channels = ["alertmanager".parse().unwrap()].into();
        settings.heartbeats[0].missing_after = Some(10 * MINUTE);
        settings.agent_timeout = 1000 * HOUR;
    });
    world.send(&[Alert::new("Watchdog", "a"), Alert::new("Disk", "a")]);
    let mut told = world.kinds();

    for minute in 0..9 * 60 {
        let (now, mut settings) = (world.now, Settings::clone(&world.settings));
        settings.keep += minute % 2 * SECOND;
        world.machine().replace(Arc::new(settings), now);
        world.commit();
        world.pass(MINUTE);
        told.extend(world.kinds());
    }

    assert_eq!(told, ["opened", "heartbeat.missing", "stale"]);
}
