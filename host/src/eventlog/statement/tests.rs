//! The rule as tables, and a property: whatever is late, and however often it comes, the last state is told, and no change
//! is told twice.

use super::*;
use crate::event::Seq;

const WINDOW: Duration = Duration::from_secs(90);

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + second * 1000)
}

/// One statement of one thing: when it comes, what it says, who sends it, and the provider's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) second: i64,
    pub(crate) state: &'static str,
    pub(crate) peer: &'static str,
    pub(crate) time: Option<i64>,
}

impl Said {
    pub(crate) fn statement(&self) -> Statement {
        Statement {
            thing: Identity([0; 16]),
            state: Identity::of_state(self.state.as_bytes()),
            peer: Some(self.peer).filter(|peer| !peer.is_empty()).map(Identity::of_peer),
            time: self.time.map(at),
            late_window: WINDOW,
        }
    }
}

/// The rule with the least around it: what is known of one thing, and what was told of it, in order.
#[derive(Default)]
pub(crate) struct Model {
    thing: Option<Thing>,
    held: Option<&'static str>,
    pub(crate) told: Vec<&'static str>,
    events: u64,
}

impl Model {
    pub(crate) fn say(&mut self, said: Said) -> &'static str {
        let now = at(said.second);
        self.pass(said.second);
        let statement = said.statement();
        let verdict = self.thing.as_ref().map_or(Verdict::News, |thing| thing.judge(&statement, now));
        match (verdict, &mut self.thing) {
            (Verdict::Repeat(_), Some(thing)) => {
                thing.confirm(&statement, now);
                "repeat"
            }
            (Verdict::RepeatOfHeld(_), _) => "repeat of held",
            (Verdict::Late, Some(thing)) => {
                let Statement { state, peer, time, late_window, .. } = statement;
                let (due, channel) = (now.after(late_window), "c".parse().unwrap());
                self.events += 1;
                let event = EventId::new(now, Seq(self.events), 0);
                thing.held = Some(Box::new(Held { state, event, peer, time, due, channel, is_routed: true }));
                self.held = Some(said.state);
                "held"
            }
            (_, _) => {
                self.events += 1;
                self.thing = Some(Thing::new(&statement, EventId::new(now, Seq(self.events), 0), now));
                self.told.push(said.state);
                "news"
            }
        }
    }

    /// Tells what is due until then.
    pub(crate) fn pass(&mut self, second: i64) {
        if let Some(thing) = &mut self.thing
            && thing.is_due(at(second))
            && thing.tell(at(second)).is_some()
        {
            self.told.extend(self.held.take());
        }
    }
}

/// What each of `said` is: second, state, peer, time of the provider. Then what was told once all windows are over.
fn check(said: &[(i64, &'static str, &'static str, Option<i64>)], expected: &[&str], told: &[&str]) {
    let mut model = Model::default();
    let said = said.iter().map(|&(second, state, peer, time)| Said { second, state, peer, time });
    let found: Vec<_> = said.clone().map(|said| model.say(said)).collect();
    assert_eq!(found, expected, "{:?}", said.collect::<Vec<_>>());
    model.pass(1_000_000);
    assert_eq!(model.told, told);
}

#[test]
fn what_equals_the_last_state_is_a_repetition_and_what_comes_back_is_news() {
    let one = |second, state| (second, state, "", None);
    check(
        &[one(0, "firing"), one(1, "resolved"), one(2, "firing"), one(3, "resolved")],
        &["news"; 4],
        &["firing", "resolved", "firing", "resolved"],
    );
    check(
        &[one(0, "critical"), one(0, "critical"), one(1, "warning"), one(9, "warning"), one(9, "critical")],
        &["news", "repeat", "news", "repeat", "news"],
        &["critical", "warning", "critical"],
    );
}

#[test]
fn times_that_differ_while_a_state_lasts_are_no_news() {
    let one = |second, state, time| (second, state, "a", Some(time));
    check(
        &[one(0, "firing", 5), one(1, "firing", 3), one(2, "firing", 9), one(3, "resolved", 3)],
        &["news", "repeat", "repeat", "news"],
        &["firing", "resolved"],
    );
}

#[test]
fn another_state_of_another_sender_is_held_within_the_window() {
    let (a, b) = (|second, state| (second, state, "a", None), |second, state| (second, state, "b", None));
    // Refuted by any sender.
    check(
        &[
            a(0, "firing"),
            a(100, "resolved"),
            b(101, "firing"),
            b(102, "resolved"),
            b(102, "firing"),
            a(103, "resolved"),
        ],
        &["news", "news", "held", "repeat", "held", "repeat"],
        &["firing", "resolved"],
    );
    // Told at the end of its window, which a repetition does not move.
    check(
        &[a(0, "firing"), a(100, "resolved"), b(101, "firing"), b(150, "firing"), a(192, "resolved")],
        &["news", "news", "held", "repeat of held", "news"],
        &["firing", "resolved", "firing", "resolved"],
    );
    // Said by the one who told the last state: told at once, and once.
    check(
        &[a(0, "firing"), a(100, "resolved"), b(101, "firing"), a(102, "firing"), b(103, "firing")],
        &["news", "news", "held", "news", "repeat"],
        &["firing", "resolved", "firing"],
    );
    check(&[a(0, "firing"), b(91, "resolved")], &["news", "news"], &["firing", "resolved"]);
    check(&[a(0, "firing"), b(90, "resolved")], &["news", "held"], &["firing", "resolved"]);
    // The last word counts among those that are held.
    check(&[a(0, "critical"), b(5, "warning"), b(9, "resolved")], &["news", "held", "held"], &["critical", "resolved"]);
}

#[test]
fn a_state_with_an_older_time_is_held_within_the_window() {
    let one = |second, state, time| (second, state, "", time);
    check(
        &[one(0, "resolved", Some(50)), one(1, "firing", Some(20)), one(2, "resolved", Some(50))],
        &["news", "held", "repeat"],
        &["resolved"],
    );
    check(&[one(0, "resolved", Some(50)), one(1, "firing", Some(20))], &["news", "held"], &["resolved", "firing"]);
    for time in [Some(50), Some(51), None] {
        check(&[one(0, "resolved", Some(50)), one(1, "firing", time)], &["news", "news"], &["resolved", "firing"]);
    }
    check(&[one(0, "resolved", Some(50)), one(91, "firing", Some(20))], &["news", "news"], &["resolved", "firing"]);
}

#[test]
fn a_thing_is_forgotten_when_nothing_was_said_of_it_for_the_window() {
    let said = Said { second: 0, state: "firing", peer: "", time: None }.statement();
    let mut thing = Thing::new(&said, EventId::new(at(0), Seq(1), 0), at(0));
    let window = Duration::from_secs(600);

    assert!(!thing.is_forgotten(at(599), window) && thing.is_forgotten(at(600), window));
    thing.confirm(&said, at(500));
    assert!(!thing.is_forgotten(at(1099), window) && thing.is_forgotten(at(1100), window));
    assert!(thing.is_forgotten(at(-100), window), "a clock that was far ahead");
    assert!(thing.is_forgotten(at(500), Duration::ZERO));
}

/// Numbers that are the same in each run (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// Below `end`.
    pub(crate) fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap() % end
    }
}

/// A source whose true changes are further apart than the window, and what reaches the gateway of it: two peers tell each
/// change, and repeat the state as they see it; each message is late by up to the window, those of one peer stay in order,
/// and some come twice. Returns the messages in the order in which they come, and the changes.
pub(crate) fn trace(numbers: &mut Numbers) -> (Vec<Said>, Vec<&'static str>) {
    const STATES: [&str; 2] = ["firing", "resolved"];
    let window = i64::try_from(WINDOW.as_secs()).unwrap();
    let changes = 1 + numbers.below(6);
    let (mut second, mut begins) = (0, Vec::new());
    for _ in 0..changes {
        begins.push(second);
        second += window + 1 + numbers.below(3 * window);
    }
    let with_times = numbers.below(2) == 0;
    let mut messages = Vec::new();
    for peer in ["a", "b"] {
        // Replicas of Prometheus see a state a tick apart.
        let tick = numbers.below(5);
        let mut arrived = 0;
        for (index, begin) in begins.iter().enumerate() {
            let end = begins.get(index + 1).copied().unwrap_or(second);
            let mut sent = vec![*begin];
            for _ in 0..numbers.below(4) {
                sent.push(begin + numbers.below(end - begin));
            }
            sent.sort_unstable();
            for sent in sent {
                arrived = arrived.max(sent + numbers.below(window + 1));
                let time = with_times.then_some(begin + tick);
                let said = Said { second: arrived, state: STATES[index % 2], peer, time };
                messages.extend(std::iter::repeat_n(said, usize::try_from(1 + numbers.below(2)).unwrap()));
            }
        }
    }
    messages.sort_by_key(|said| said.second);
    let changes = (0..begins.len()).map(|index| STATES[index % 2]).collect();
    (messages, changes)
}

/// Whether the agent was told right: it ends with the last state, and of no change twice.
pub(crate) fn is_told_right(told: &[&str], changes: &[&str]) -> bool {
    let alternates = told.windows(2).all(|pair| pair[0] != pair[1]);
    told.last() == changes.last() && alternates && told.len() <= changes.len()
}

#[test]
fn whatever_is_late_the_last_state_is_told_and_no_change_twice() {
    let mut numbers = Numbers(20_260_301);
    for round in 0..10_000 {
        let (messages, changes) = trace(&mut numbers);
        let mut model = Model::default();
        for said in &messages {
            model.say(*said);
        }
        model.pass(1_000_000);

        assert!(is_told_right(&model.told, &changes), "round {round}: {:?} {changes:?} {messages:?}", model.told);
    }
}
