//! Many alerts at once.

use super::*;

fn alerts(count: usize) -> Vec<Alert> {
    (0..count).map(|n| Alert::new("Down", &format!("host-{n}")).label("namespace", &format!("ns-{n}"))).collect()
}

fn world() -> World {
    // Each signal is an incident of its own outside of storms; only their number makes a storm.
    World::new(|settings| settings.storm.resources = 0)
}

#[test]
fn so_many_signals_within_the_window_are_a_storm() {
    for (count, gap, expected) in [(9, 0, 0), (10, 0, 1), (10, 6_666, 1), (10, 6_667, 0)] {
        let mut world = world();
        for alert in alerts(count) {
            world.send(&[alert]);
            world.pass(Duration::from_millis(gap));
        }
        let started = world.kinds().iter().filter(|kind| *kind == "storm_started" || *kind == "storm.started").count();
        assert_eq!(started, expected, "{count} signals, {gap} ms apart");
    }
}

#[test]
fn so_many_things_within_the_window_are_a_storm() {
    for (count, gap, expected) in [(4, 0, 0), (5, 0, 1), (5, 30_000, 1), (5, 30_001, 0)] {
        let mut world = World::new(|settings| settings.storm.signals = 0);
        for alert in alerts(count) {
            world.send(&[alert]);
            world.pass(Duration::from_millis(gap));
        }
        let started = world.kinds().iter().filter(|kind| *kind == "storm.started").count();
        assert_eq!(started, expected, "{count} things, {gap} ms apart");
    }
}

#[test]
fn a_storm_is_told_once_then_in_digests_and_when_it_has_ended() {
    let mut world = world();
    world.send(&alerts(100));
    assert_eq!(world.kinds().iter().filter(|kind| *kind == "opened").count(), 9);
    let storm = world.machine().incidents().find(|incident| incident.storm.is_some()).unwrap().id;
    assert_eq!(world.machine().counts(storm), [91, 91, 91]);

    let all = alerts(400);
    for chunk in all[100..].chunks(10) {
        world.send(chunk);
        world.pass(3 * SECOND);
    }
    assert_eq!(world.kinds(), ["storm.updated"], "after a minute");
    world.pass(4 * MINUTE);
    assert_eq!(world.kinds(), ["storm.updated"], "what came after that, and nothing when nothing has changed");
    world.pass(2 * MINUTE);
    let tell = world.told.last().cloned().unwrap();
    assert_eq!(world.kinds(), ["storm.ended"]);
    assert_eq!(tell.data["label_values"]["instance"], 391);
    assert_eq!(tell.data["alerts"].as_array().unwrap().len(), 20);
    assert_eq!(tell.data["more_alerts"], 371);

    world.send(&[Alert::new("Down", "later")]);
    assert_eq!(world.kinds(), ["opened"], "after the storm");
    let over: Vec<Alert> = all.iter().map(Alert::resolved).collect();
    world.send(&over);
    assert_eq!(world.kinds(), ["resolved"; 10]);
}

#[test]
fn a_storm_of_fifty_thousand_alerts_is_few_events_and_loses_none() {
    let mut world = world();
    world.settings = Arc::new(Settings { max_incidents: 100, ..(*world.settings).clone() });
    world.restart();
    for chunk in alerts(50_000).chunks(1_000) {
        world.send(chunk);
        world.pass(Duration::from_millis(1_200));
    }
    world.pass(20 * MINUTE);

    let told = world.kinds();

    assert!(told.len() <= 20, "{} {told:?}", told.len());
    assert_eq!(world.machine().signals().filter(|signal| signal.is_firing()).count(), 50_000);
    assert!(told.contains(&"storm.ended".to_owned()), "{told:?}");
    // All of them repeat until they escalate: the nine from before the storm by themselves, all others together.
    for chunk in alerts(50_000).chunks(10_000).cycle().take(20) {
        world.send(chunk);
    }
    let mut escalated = world.kinds();
    escalated.retain(|kind| kind.starts_with("escalated"));
    assert_eq!(escalated.len(), 10, "{escalated:?}");
}

#[test]
fn a_storm_goes_on_after_a_kill() {
    let run = |kills: bool| {
        let mut world = world();
        world.kills = kills;
        for chunk in alerts(60).chunks(3) {
            world.send(chunk);
            world.pass(5 * SECOND);
        }
        world.pass(10 * MINUTE);
        (world.kinds(), world.store)
    };

    assert_eq!(run(true), run(false));
}

#[test]
fn a_storm_that_comes_back_after_its_end_waits_for_its_rest() {
    let mut world = world();
    let all = alerts(12);
    world.send(&all);
    world.send(&all.iter().map(Alert::resolved).collect::<Vec<_>>());
    world.pass(3 * MINUTE);
    world.kinds();

    world.send(&all[11..]);
    world.pass(20 * MINUTE);

    assert_eq!(world.kinds(), [""; 0]);
    world.pass(10 * MINUTE);
    assert_eq!(world.kinds(), ["changed recurred"]);
}

#[test]
fn what_an_operator_does_with_a_storm_is_told_to_its_session() {
    let mut world = world();
    world.send(&alerts(30));
    world.send(&[Alert::new("Latency", "a")]);
    world.told.clear();
    let id_of =
        |world: &World, found: fn(&Incident) -> bool| world.machine.incidents().find(|it| found(it)).unwrap().id;
    let (storm, other) = (id_of(&world, |it| it.storm.is_some()), id_of(&world, |it| it.title == "Latency"));
    let reasons = |world: &mut World| -> Vec<String> {
        let of_storm = world.told.drain(..).filter(|tell| tell.subject == storm.to_string());
        of_storm.map(|tell| tell.data["reason"].as_str().unwrap().to_owned()).collect()
    };

    let now = world.now;
    world.machine().merge(other, storm, "ada", now).unwrap();
    world.commit();
    assert_eq!(reasons(&mut world), ["merged"]);
    world.pass(2 * MINUTE);
    assert_eq!(reasons(&mut world), ["storm_updated"], "a digest counts it");

    let (now, moved) = (world.now, world.machine().members(storm).next().unwrap().id);
    world.machine().split(storm, &[moved], "ada", now).unwrap();
    world.commit();
    assert_eq!(reasons(&mut world), ["split"]);
}

#[test]
fn signals_whose_silence_ends_at_the_same_time_are_a_storm() {
    let mut world = world();
    super::suppressing::silence(&mut world, r#"alertname="Down""#, HOUR);
    world.send(&alerts(500));
    assert_eq!(world.kinds(), [""; 0]);

    world.pass(HOUR);

    let told = world.kinds();
    let count = |kind: &str| told.iter().filter(|told| *told == kind).count();
    assert_eq!((told.len(), count("opened"), count("storm.started")), (10, 9, 1), "{told:?}");
    let storm = world.machine().incidents().find(|incident| incident.storm.is_some()).unwrap().id;
    assert_eq!(world.machine().counts(storm), [491, 491, 491]);
}
