//! Random traces: two peers that tell the same alerts up to a minute apart, retries, agents that take their time, and kills.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::alert::State;

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

const PEERS: [&str; 2] = ["http://am-1", "http://am-2"];

/// What happens when, in the order of arrival, and the periods in which alerts really burn, by alert and start.
struct Trace {
    arrivals: BTreeMap<(Timestamp, u64), Vec<Alert>>,
    periods: BTreeSet<(String, String)>,
    end: Timestamp,
}

fn trace(random: &mut Random, start: Timestamp) -> Trace {
    let (mut arrivals, mut periods, mut number) = (BTreeMap::new(), BTreeSet::new(), 0);
    let mut end = start;
    for name in ["Disk", "Latency", "Down"] {
        for instance in 0..1 + random.below(3) {
            let mut begins = start.after(SECOND * u32::try_from(random.below(3600)).unwrap());
            for _ in 0..1 + random.below(3) {
                let lasts = Duration::from_secs(200 + random.below(7200));
                let alert = Alert { starts_at: begins.to_string(), ..Alert::new(name, &instance.to_string()) };
                periods.insert((format!("{name}/{instance}"), begins.to_string()));
                let every = Duration::from_secs(20 + random.below(600));
                for peer in PEERS {
                    // One sender's notifications of an alert arrive in their order.
                    let skew = Duration::from_secs(random.below(60));
                    let mut at = begins;
                    while at < begins.after(lasts) {
                        for _ in 0..1 + random.below(4) / 3 {
                            number += 1;
                            arrivals.entry((at.after(skew), number)).or_insert_with(Vec::new).push(alert.of_peer(peer));
                        }
                        at = at.after(every);
                    }
                    number += 1;
                    let over = alert.resolved().of_peer(peer);
                    arrivals.insert((begins.after(lasts).after(skew), number), vec![over]);
                }
                begins = begins.after(lasts).after(Duration::from_secs(240 + random.below(7200)));
                end = end.max(begins);
            }
        }
    }
    Trace { arrivals, periods, end: end.after(4 * HOUR) }
}

/// What is to be compared: everything that was told, and what is left.
type Course = (Vec<(Timestamp, Kind, String)>, BTreeMap<String, Bytes>);

/// Lets the trace happen, with an agent that takes its time.
fn course(seed: u64, kills: bool) -> Course {
    let mut random = Random(seed);
    let mut world = World::new(|settings| settings.storm.key.clear());
    let trace = trace(&mut random, world.now);
    let (mut dice, mut fate) = (Random(seed ^ 1), Random(seed ^ 2));
    let (mut told, mut begun, mut over) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut working: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut escalated = BTreeSet::new();
    let mut moments: Vec<(Timestamp, Vec<Alert>)> = trace.arrivals.into_iter().map(|((at, _), it)| (at, it)).collect();
    moments.push((trace.end, Vec::new()));
    for (at, alerts) in moments {
        while world.now < at {
            let step = at.since(world.now).min(5 * SECOND);
            world.pass(step);
            work(&mut world, &mut working, &mut told, &mut dice, &mut escalated);
        }
        world.kills = kills && fate.below(3) == 0;
        world.send(&alerts);
        for signal in world.machine.signals() {
            let name = format!("{}/{}", signal.alertname, signal.labels.get("instance").unwrap_or_default());
            let Some(starts_at) = signal.starts_at else { continue };
            let key = (name, starts_at.to_string());
            if signal.is_firing() {
                assert!(!over.contains(&key), "seed {seed}: {key:?} fires again");
                begun.insert(key);
            } else if begun.contains(&key) {
                over.insert(key);
            }
        }
        work(&mut world, &mut working, &mut told, &mut dice, &mut escalated);
    }
    assert_eq!(begun, trace.periods, "seed {seed}: what has begun");
    assert_eq!(over, trace.periods, "seed {seed}: what is over");
    (told, world.store)
}

/// Has the agent take what it was told, and finish what it has begun a while ago.
fn work(
    world: &mut World,
    working: &mut BTreeMap<String, Timestamp>,
    told: &mut Vec<(Timestamp, Kind, String)>,
    dice: &mut Random,
    escalated: &mut BTreeSet<(String, String, String)>,
) {
    let now = world.now;
    for tell in std::mem::take(&mut world.told) {
        let reason = tell.data["reason"].as_str().unwrap_or_default();
        let is_run = tell.kind == Kind::Opened || reason == "recurred" || reason == "still_firing";
        if is_run {
            assert!(!working.contains_key(&tell.subject), "an agent works on {} already", tell.subject);
            let id = tell.subject.parse().unwrap();
            world.machine.delivered(id, "triage", true, now);
            world.commit();
            working.insert(tell.subject.clone(), now.after(Duration::from_secs(dice.below(900))));
        }
        for it in tell.data["escalations"].as_array().into_iter().flatten() {
            let signal = it["signal"].as_str().unwrap();
            let episode =
                world.machine.signal(signal.parse().unwrap()).map(|it| it.onset.to_string()).unwrap_or_default();
            let new = escalated.insert((signal.to_owned(), it["rule"].to_string(), episode));
            assert!(new, "{it} was told before");
        }
        told.push((now, tell.kind, tell.subject));
    }
    let done: Vec<String> = working.iter().filter(|(_, until)| **until <= now).map(|(id, _)| id.clone()).collect();
    for id in done {
        working.remove(&id);
        let id: IncidentId = id.parse().unwrap();
        if world.machine.incident(id).is_some_and(|incident| incident.state == State::InProgress) {
            let said = [Outcome::Handled, Outcome::Failed][usize::from(dice.below(4) == 0)];
            world.machine.say(id, said, Speaker::Agent("triage"), "", now).unwrap();
            world.commit();
        }
    }
}

#[test]
fn the_episodes_are_those_of_the_source_whatever_happens_on_the_way() {
    for seed in 0..60 {
        let (killed, store) = course(seed, true);
        let (told, left) = course(seed, false);

        assert_eq!(killed, told, "seed {seed}");
        assert_eq!(store, left, "seed {seed}");
        let count = |kind: Kind| told.iter().filter(|(_, told, _)| *told == kind).count();
        assert!(count(Kind::Opened) > 0);
    }
}
