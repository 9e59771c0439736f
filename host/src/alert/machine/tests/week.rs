//! A simulated week of a company: what it says to agents, as the table in `docs/alerts.md`.
//!
//! 40 services in three environments on two clusters, watched by a pair of peers that repeat what fires every four hours; alerts that
//! come and go, some that flap, two that burn all week, three outages of many instances, a deployment every day, and a watchdog.
//! The deployments have a window of maintenance, what depends on an instance that is down is inhibited, and one alert is silenced.

use std::collections::BTreeMap;

use super::suppressing::silence;
use super::traces::Random;
use super::*;
use crate::alert::{InhibitionRule, Maintenance, Schedule, State, Window};

const PAGE: &str = include_str!("../../../../../docs/alerts.md");
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// What arrives, by time and order.
type Arrivals = BTreeMap<(Timestamp, u64), Vec<Alert>>;

struct Company {
    random: Random,
    arrivals: Arrivals,
    number: u64,
    start: Timestamp,
}

impl Company {
    fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_secs(from + self.random.below(to - from))
    }

    fn arrive(&mut self, at: Timestamp, alert: Alert) {
        self.number += 1;
        self.arrivals.insert((at, self.number), vec![alert]);
    }

    /// An alert that fires for a while: both peers tell of its begin, its repetitions and its end.
    fn fires(&mut self, alert: &Alert, from: Timestamp, lasts: Duration, repeats: Duration) {
        let end = from.after(lasts).min(self.start.after(WEEK));
        let alert = Alert { starts_at: from.to_string(), ..alert.clone() };
        for peer in ["http://am-1", "http://am-2"] {
            let skew = self.seconds(0, 15);
            let mut at = from;
            while at < end {
                self.arrive(at.after(skew), alert.of_peer(peer));
                at = at.after(repeats);
            }
            if end < self.start.after(WEEK) {
                self.arrive(end.after(skew), alert.resolved().of_peer(peer));
            }
        }
    }

    fn alert(&mut self, name: &str) -> Alert {
        let service = self.random.below(40);
        let environment = ["prod", "prod", "staging", "dev"][usize::try_from(self.random.below(4)).unwrap()];
        let severity = ["critical", "warning", "warning", "info"][usize::try_from(self.random.below(4)).unwrap()];
        Alert::new(name, &format!("svc-{service}-{}", self.random.below(12)))
            .label("env", environment)
            .label("namespace", &format!("svc-{service}"))
            .label("cluster", ["eu-1", "us-1"][usize::try_from(service % 2).unwrap()])
            .label("severity", severity)
    }

    fn week(seed: u64, start: Timestamp) -> Arrivals {
        let mut company = Self { random: Random(seed), arrivals: BTreeMap::new(), number: 0, start };
        const HOURS: u64 = 7 * 24;
        // What comes and goes.
        for name in ["HighLatency", "ErrorRate", "DiskWillFill", "PodNotReady", "QueueGrows", "CertificateExpires"] {
            for _ in 0..1_100 {
                let (alert, at, lasts) =
                    (company.alert(name), company.seconds(0, HOURS * 3600), company.seconds(180, 14_400));
                company.fires(&alert, start.after(at), lasts, 4 * HOUR);
            }
        }
        // What flaps: a minute or two on, a few off, for an hour.
        for _ in 0..60 {
            let (alert, mut at) = (company.alert("PodCrashLooping"), company.seconds(0, (HOURS - 2) * 3600));
            for _ in 0..15 {
                let lasts = company.seconds(60, 120);
                company.fires(&alert, start.after(at), lasts, 4 * HOUR);
                at += lasts + company.seconds(120, 240);
            }
        }
        // What burns all week, told every five minutes by an impatient configuration.
        for name in ["BackupMissing", "NodeClockSkew"] {
            let alert = Alert::new(name, "node-1");
            company.fires(&alert, start, WEEK, 5 * MINUTE);
        }
        // Outages: everything of a cluster within two minutes, for an hour, repeated every five minutes.
        for (outage, hour) in [(0, 30), (1, 77), (2, 141)] {
            for instance in 0..1_200 {
                let alert = Alert::new("TargetDown", &format!("host-{instance}"))
                    .label("cluster", ["eu-1", "us-1", "eu-1"][outage])
                    .label("namespace", &format!("svc-{}", instance % 40));
                let at = hour * HOUR + company.seconds(0, 120);
                company.fires(&alert, start.after(at), HOUR, 5 * MINUTE);
            }
        }
        // Deployments at noon: pods are not ready for a moment.
        for day in 0..7 {
            for pod in 0..30 {
                let alert = Alert::new("PodNotReady", &format!("pod-{pod}")).label("namespace", "deploy");
                let (at, lasts) = (day * 24 * HOUR + 2 * HOUR + company.seconds(0, 600), company.seconds(30, 300));
                company.fires(&alert, start.after(at), lasts, 4 * HOUR);
            }
        }
        // The watchdog.
        for beat in 0..HOURS * 60 / 5 {
            company
                .arrive(start.after(5 * MINUTE * u32::try_from(beat).unwrap()), Alert::new("Watchdog", "prometheus"));
        }
        company.arrivals
    }
}

fn settings(settings: &mut Settings) {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    // Two hours after the week begins at ten, and so each day.
    let daily = Schedule::weekly(&days.map(str::to_owned), "12:00", "12:30", "UTC").unwrap();
    let window = Window::new("deployment".to_owned(), r#"namespace="deploy""#.parse().unwrap(), daily);
    settings.maintenance = Maintenance::new(vec![window.unwrap()]);
    let (down, consequence) = (r#"alertname="TargetDown""#, r#"alertname=~"HighLatency|ErrorRate""#);
    let equal = ["cluster", "namespace"].map(str::to_owned);
    settings.inhibit =
        vec![InhibitionRule::new(down.parse().unwrap(), consequence.parse().unwrap(), equal.into()).unwrap()];
}

#[test]
fn the_table_of_a_simulated_week_is_in_the_documents() {
    let mut world = World::new(settings);
    let start = world.now;
    silence(&mut world, r#"alertname="NodeClockSkew""#, 3 * 24 * HOUR);
    let mut quiet = BTreeSet::new();
    let (mut notifications, mut runs, mut told) = (0_u64, 0_u64, BTreeMap::<&str, u64>::new());
    let (mut signals, mut incidents) = (BTreeSet::new(), BTreeSet::new());
    let mut working: BTreeMap<Timestamp, Vec<IncidentId>> = BTreeMap::new();
    for ((at, _), alerts) in Company::week(7, start) {
        // The agent needs ten minutes, and looks at the clock every minute.
        while world.now < at {
            let next = working.first_key_value().map_or(at, |(due, _)| (*due).min(at));
            world.pass(next.since(world.now));
            for id in working.remove(&world.now).unwrap_or_default() {
                if world.machine().incident(id).is_some_and(|incident| incident.state == State::InProgress) {
                    let now = world.now;
                    world.machine().say(id, Outcome::Handled, Speaker::Agent("triage"), "", now).unwrap();
                    world.commit();
                }
            }
            for tell in std::mem::take(&mut world.told) {
                *told.entry(tell.kind.as_str()).or_default() += 1;
                let reason = tell.data["reason"].as_str().unwrap_or_default();
                let Ok(id) = tell.subject.parse::<IncidentId>() else { continue };
                incidents.insert(id);
                if ["opened", "storm_started", "recurred", "still_firing"].contains(&reason) {
                    runs += 1;
                    let now = world.now;
                    world.machine().delivered(id, "triage", true, now);
                    world.commit();
                    working.entry(now.after(10 * MINUTE)).or_default().push(id);
                }
            }
        }
        notifications += alerts.len() as u64;
        world.send(&alerts);
        for signal in world.machine.signals().filter(|signal| signal.last_seen == at) {
            signals.insert(signal.id);
            let why = signal
                .episode
                .as_ref()
                .and_then(|episode| Some((episode.since, episode.suppressed.as_ref()?.reason())));
            quiet.extend(why.map(|(since, reason)| (reason, signal.id, since)));
        }
    }
    let tally = world.machine().tally().clone();
    let row = |what: &str, count: u64| format!("| {what} | {count} |\n");
    let fate = |name: &str| tally.notifications.get(name).copied().unwrap_or_default();
    let kind = |name: &str| told.get(name).copied().unwrap_or_default();
    let mut table = String::new();
    table += &row("notifications", notifications);
    table += &row("… copies of the other peer", fate("copy") + fate("late"));
    table += &row("… repetitions", fate("repeat"));
    table += &row("… resolves of what was over already", fate("orphan_resolve"));
    table += &row("… heartbeats", fate("heartbeat"));
    table += &row("signals", signals.len() as u64);
    table += &row("episodes", fate("began"));
    for reason in ["silence", "maintenance", "inhibition"] {
        let count = quiet.iter().filter(|(why, ..)| *why == reason).count();
        table += &row(&format!("… suppressed by {reason}"), count as u64);
    }
    table += &row("incidents that agents were told of", incidents.len() as u64);
    table += &row("agent runs", runs);
    table += &row("escalations, of one signal each", tally.escalations.values().sum());
    table += &row("… events that told them", kind("escalated"));
    table += &row("storms", kind("storm.started"));
    table += &row("events to agents", told.values().sum());

    assert!(PAGE.contains(&table), "docs/alerts.md has another table than this:\n{table}");
}
