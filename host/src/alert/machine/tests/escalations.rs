//! The table of L3 at its boundaries.

use super::*;
use crate::event::Priority;

const ENVIRONMENTS: [(&str, u32, u32, Duration, Priority, &str); 3] = [
    ("production", 5, 3, Duration::from_secs(300), Priority::High, "immediate"),
    ("staging", 8, 5, Duration::from_secs(600), Priority::Normal, "normal"),
    ("development", 10, 8, Duration::from_secs(900), Priority::Low, "low"),
];

fn world() -> World {
    World::new(|settings| settings.agent_timeout = 1000 * HOUR)
}

fn alert(environment: &str) -> Alert {
    Alert::new("Disk", "a").label("env", environment)
}

#[test]
fn the_total_escalates_with_exactly_as_many_duplicates() {
    for (environment, total, _, within, priority, name) in ENVIRONMENTS {
        for restarts in [false, true] {
            let mut world = world();
            let alert = alert(environment);
            world.send(std::slice::from_ref(&alert));
            for _ in 1..total {
                world.pass(within);
                world.send(std::slice::from_ref(&alert));
            }
            assert_eq!(world.kinds(), ["opened"], "{environment}: one less");
            if restarts {
                world.restart();
            }
            world.pass(within);

            world.send(std::slice::from_ref(&alert));

            let tell = world.told.last().cloned().unwrap();
            assert_eq!((tell.kind, tell.priority), (Kind::Escalated, priority), "{environment}: exact");
            assert_eq!(tell.data["priority"], name);
            assert_eq!(tell.data["escalations"][0]["count"], total);
            assert_eq!(world.kinds(), ["escalated total"]);
            if restarts {
                world.restart();
            }
            for _ in 0..3 {
                world.pass(within);
                world.send(std::slice::from_ref(&alert));
            }
            assert_eq!(world.kinds(), [""; 0], "{environment}: once in an episode");
        }
    }
}

#[test]
fn the_burst_escalates_at_the_edge_of_its_window_and_not_beyond() {
    for (environment, _, burst, within, priority, _) in ENVIRONMENTS {
        for (span, expected) in [(within, &["escalated burst"][..]), (within + Duration::from_millis(1), &[])] {
            for restarts in [false, true] {
                let mut world = world();
                let alert = alert(environment);
                world.send(std::slice::from_ref(&alert));
                world.pass(HOUR);
                // The first duplicate, then all but one at the end of the window.
                world.send(std::slice::from_ref(&alert));
                world.kinds();
                world.pass(span - SECOND);
                for _ in 2..burst {
                    world.send(std::slice::from_ref(&alert));
                }
                assert_eq!(world.kinds(), [""; 0], "{environment}: one less");
                if restarts {
                    world.restart();
                }
                world.pass(SECOND);

                world.send(std::slice::from_ref(&alert));

                let told = world.told.clone();
                assert_eq!(world.kinds(), expected, "{environment} within {span:?}");
                assert!(told.iter().all(|tell| tell.priority == priority));
                world.restart();
                world.send(&[]);
                assert_eq!(world.kinds(), [""; 0]);
            }
        }
    }
}

#[test]
fn a_new_episode_escalates_anew() {
    let mut world = world();
    let alert = alert("prod");
    for _ in 0..2 {
        for _ in 0..6 {
            world.send(std::slice::from_ref(&alert));
            world.pass(SECOND);
        }
        world.send(&[alert.resolved()]);
        world.pass(HOUR);
    }

    let escalated = ["escalated burst", "escalated total"];
    let once = ["opened", escalated[0], escalated[1], "resolved"];
    assert_eq!(world.kinds(), [once, once].concat());
}

#[test]
fn an_environment_that_no_label_says_has_the_fast_rule() {
    let mut world = world();
    let alert = alert("blue");
    for _ in 0..4 {
        world.send(std::slice::from_ref(&alert));
    }

    assert_eq!(world.kinds(), ["opened", "escalated burst"]);
    assert_eq!(world.machine().tally().escalations[&(crate::alert::Environment::Production, "burst")], 1);
    assert!(world.machine().tally().without_environment > 0);
}

#[test]
fn what_nobody_acknowledges_escalates_and_again() {
    let unacked = |settings: &mut Settings| {
        settings.agent_timeout = 1000 * HOUR;
        settings.stale_after = 1000 * HOUR;
        let rules = &mut settings.escalation[0];
        (rules.unacked_after, rules.repeat_every, rules.max_repeats) = (Some(30 * MINUTE), Some(10 * MINUTE), 2);
    };
    let mut world = World::new(unacked);
    world.send(&[alert("prod")]);
    world.kinds();
    world.pass(30 * MINUTE - SECOND);
    assert_eq!(world.kinds(), [""; 0]);
    world.pass(SECOND);
    assert_eq!(world.kinds(), ["escalated unacked"]);
    world.restart();
    world.pass(24 * HOUR);
    assert_eq!(world.kinds(), ["escalated unacked", "escalated unacked"], "as often as it is set to");

    let mut world = World::new(unacked);
    world.send(&[alert("prod")]);
    world.say(Outcome::Acknowledged);
    world.kinds();
    world.pass(24 * HOUR);
    assert_eq!(world.kinds(), [""; 0], "somebody has taken it");
}

#[test]
fn an_escalation_goes_before_a_rest() {
    let mut world = world();
    let alert = alert("prod");
    world.send(std::slice::from_ref(&alert));
    world.say(Outcome::Handled);
    world.kinds();

    for _ in 0..3 {
        world.send(std::slice::from_ref(&alert));
    }

    assert_eq!(world.kinds(), ["escalated burst"]);
}

#[test]
fn signals_that_escalate_in_one_notification_are_one_event() {
    let mut world = World::new(|settings| settings.storm.key.clear());
    let alerts: Vec<Alert> = (0..50).map(|n| alert("prod").label("disk", &n.to_string())).collect();
    let mut world_of = |times: usize| {
        for _ in 0..times {
            world.send(&alerts);
        }
        let told = world.told.clone();
        (world.kinds(), told)
    };
    world_of(3);

    let (kinds, told) = world_of(1);

    assert_eq!(kinds, ["escalated burst"]);
    assert_eq!(told[0].data["escalations_count"], 50);
    assert_eq!(told[0].data["escalations"].as_array().unwrap().len(), 20);
}

#[test]
fn a_clock_that_is_set_back_brings_no_escalation_forward() {
    let mut world = world();
    let alert = alert("prod");
    world.send(std::slice::from_ref(&alert));
    world.pass(HOUR);
    world.send(std::slice::from_ref(&alert));
    world.send(std::slice::from_ref(&alert));
    world.now = world.now.before(HOUR);

    world.send(std::slice::from_ref(&alert));

    assert_eq!(world.kinds(), ["opened"], "duplicates of the future do not count");
}
