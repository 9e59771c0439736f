//! Which signals are one incident, and what its session is told of them.

use super::state_of;
use super::*;
use crate::alert::settings::Correlation;
use crate::event::Pattern;

fn glob(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

#[test]
fn signals_are_grouped_by_labels_within_their_channel() {
    let mut world = World::new(|settings| settings.group_by = vec!["service".to_owned()]);
    let of = |name: &str, service: &str| Alert::new(name, "a").label("service", service);
    let other_channel = Alert { channel: "grafana", ..of("Disk", "shop") };

    world.send(&[of("Disk", "shop"), of("Latency", "shop"), of("Disk", "mail"), other_channel]);

    assert_eq!(world.kinds(), ["opened", "opened", "opened"]);
    let mut sizes: Vec<usize> = world.machine.incidents().map(|it| world.machine.counts(it.id)[0]).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 2]);
}

#[test]
fn without_labels_a_channel_is_one_incident() {
    let mut world = World::new(|settings| settings.group_by.clear());
    world.send(&[Alert::new("Disk", "a"), Alert::new("Latency", "b")]);
    world.incident();
}

#[test]
fn a_rule_puts_signals_of_several_channels_together() {
    let mut world = World::new(|settings| {
        settings.correlate = vec![Correlation {
            name: "checkout".to_owned(),
            channels: vec![glob("*")],
            labels: vec![("service".to_owned(), glob("check*")), ("env".to_owned(), glob("prod"))],
            by: vec!["service".to_owned()],
        }];
    });
    let one = Alert::new("Disk", "a").label("service", "checkout");
    let other = Alert { channel: "grafana", ..Alert::new("Latency", "b").label("service", "checkout") };

    world.send(&[one, other, Alert::new("Disk", "c").label("service", "mail")]);

    assert_eq!(world.kinds(), ["opened", "opened"]);
    let correlated = world.machine.incidents().find(|incident| incident.rule == "checkout").unwrap();
    assert_eq!(world.machine.counts(correlated.id)[0], 2);
}

#[test]
fn signals_that_join_a_running_incident_are_told_to_its_session() {
    let mut world = World::new(|_| ());
    world.send(&[Alert::new("Disk", "a")]);
    world.kinds();
    world.pass(10 * SECOND);
    world.send(&[Alert::new("Disk", "b")]);
    world.pass(20 * SECOND);
    world.send(&[Alert::new("Disk", "c")]);
    assert_eq!(world.kinds(), [""; 0], "not each by itself");

    world.restart();
    world.pass(30 * SECOND);

    let tell = world.told.last().cloned().unwrap();
    assert_eq!(world.kinds(), ["changed joined"]);
    assert_eq!((tell.subject, &tell.data["joined"]), (world.incident().id.to_string(), &serde_json::json!(2)));
    let instances: Vec<_> =
        tell.data["alerts"].as_array().unwrap().iter().map(|it| it["labels"]["instance"].clone()).collect();
    assert_eq!(instances, ["b", "c", "a"], "those that have joined first");
    world.pass(10 * MINUTE);
    world.send(&[Alert::new("Disk", "d")]);
    assert_eq!(world.kinds(), ["changed joined"], "at once after a while");
}

#[test]
fn an_incident_is_over_when_its_last_signal_is() {
    let mut world = World::new(|_| ());
    let [a, b] = ["a", "b"].map(|instance| Alert::new("Disk", instance));
    world.send(&[a.clone(), b.clone()]);
    world.send(&[a.resolved()]);
    assert_eq!(world.kinds(), ["opened"]);

    world.send(&[b.resolved()]);

    assert_eq!(world.kinds(), ["resolved"]);
}

#[test]
fn operators_merge_and_split_incidents_and_the_sessions_are_told() {
    let mut world = World::new(|_| ());
    world.send(&[Alert::new("Disk", "a"), Alert::new("Disk", "b"), Alert::new("Latency", "a")]);
    world.told.clear();
    let by_title = |world: &World, title: &str| {
        let mut all: Vec<_> = world.machine.incidents().filter(|it| it.title == title).collect();
        all.sort_by_key(|it| it.opened_at);
        all.first().unwrap().id
    };
    let (disk, latency) = (by_title(&world, "Disk"), by_title(&world, "Latency"));
    let now = world.now;

    world.machine().merge(latency, disk, "ada", now).unwrap();
    world.commit();
    let told: Vec<_> = world.told.drain(..).map(|it| (it.subject, it.kind, it.data["reason"].clone())).collect();
    assert!(told.contains(&(disk.to_string(), Kind::Changed, "merged".into())), "{told:?}");
    assert!(told.contains(&(latency.to_string(), Kind::Resolved, "merged".into())), "{told:?}");
    assert_eq!(world.machine().counts(disk), [3, 3, 3]);
    world.send(&[Alert::new("Latency", "b")]);
    assert_eq!(world.machine().counts(disk)[0], 4, "what comes later goes there too");

    let later = world.now.after(SECOND);
    let moved: Vec<_> =
        world.machine().members(disk).filter(|it| &*it.alertname == "Latency").map(|it| it.id).collect();
    let apart = world.machine().split(disk, &moved, "ada", later).unwrap();
    world.now = later;
    world.told.clear();
    world.commit();
    assert_eq!((world.machine().counts(disk)[1], world.machine().counts(apart)[1]), (2, 2));
    let told: Vec<_> = world.told.drain(..).map(|it| (it.subject, it.kind)).collect();
    assert!(
        told.contains(&(apart.to_string(), Kind::Opened)) && told.contains(&(disk.to_string(), Kind::Changed)),
        "{told:?}"
    );

    let machine = world.machine();
    let first = moved[0];
    assert_eq!(
        machine.merge(disk, disk, "ada", later),
        Err(Refusal::Unfit("an incident cannot be merged into itself".to_owned()))
    );
    assert!(
        matches!(machine.split(disk, &[first], "ada", later), Err(Refusal::Unfit(why)) if why.contains("does not fire"))
    );
    assert!(matches!(machine.split(apart, &moved, "ada", later), Err(Refusal::Unfit(_))), "nothing would stay");
    assert_eq!(machine.merge(latency, disk, "ada", later), Err(Refusal::Resolved));
}

#[test]
fn an_operator_ends_an_incident_whatever_its_size() {
    let mut world = World::new(|settings| settings.storm.key.clear());
    let alerts: Vec<Alert> = (0..2_500).map(|n| Alert::new("Disk", &n.to_string())).collect();
    world.send(&alerts);
    world.kinds();
    let (id, now) = (world.incident().id, world.now);

    world.machine().resolve_all(id, "ada", "false alarm", now).unwrap();
    world.commit();
    world.restart();
    world.pass(SECOND);

    assert_eq!(world.kinds(), ["resolved"]);
    assert_eq!(world.machine().counts(id), [2_500, 0, 0]);
    let later = world.now;
    assert_eq!(world.machine().resolve_all(id, "ada", "", later), Err(Refusal::Resolved));
}

#[test]
fn no_more_incidents_are_known_than_allowed() {
    let mut world = World::new(|settings| {
        settings.max_incidents = 2;
        settings.storm.key.clear();
    });
    for name in ["a", "b", "c"] {
        world.send(&[Alert::new(name, "x")]);
    }
    assert_eq!(world.decision(), "left out: as many incidents as `alerts.max_incidents` allows");

    world.send(&[Alert::new("a", "x").resolved()]);
    world.send(&[Alert::new("c", "x")]);

    assert_eq!(world.machine().incidents().count(), 2);
    assert_eq!(state_of(world.machine(), "c"), Some(crate::alert::State::Open));
}

#[test]
fn what_was_merged_twice_is_found_and_its_escalations_are_told() {
    let mut world = World::new(|settings| settings.storm.key.clear());
    let names = ["Disk", "Latency", "Load"];
    world.send(&names.map(|name| Alert::new(name, "a")));
    let [disk, latency, load] = names.map(|name| world.machine.incidents().find(|it| it.title == name).unwrap().id);
    world.kinds();
    let now = world.now;

    world.machine().merge(disk, latency, "ada", now).unwrap();
    assert_eq!(world.machine().merge(latency, disk, "ada", now), Err(Refusal::Resolved), "no circles");
    world.commit();
    // Of the same step: the incident that has escalated is merged before that is told.
    let event = Alert::new("Latency", "a").event(90, now);
    for _ in 0..3 {
        let told = Notification::read(&event, &world.settings).unwrap();
        world.machine.notify(&told);
    }
    world.machine().merge(latency, load, "ada", now).unwrap();
    world.commit();
    assert!(world.kinds().contains(&"escalated burst".to_owned()));

    world.send(&[Alert::new("Disk", "b")]);
    assert_eq!(world.machine().counts(load), [4, 4, 4]);
}
