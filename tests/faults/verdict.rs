//! The verdict: compares the requests and responses, the deliveries, and the events that the gateway lists.
//!
//! It is pure, so that `tests/it/faults.rs` can prove that it finds each kind of fault.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// A request that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// `writer-counter`.
    pub(crate) id: String,
    pub(crate) subject: String,
    /// When it was sent first, by the journal's clock.
    pub(crate) sent: u64,
    /// When it was acknowledged, and the id of its event. If `None`, the event may be stored or not.
    pub(crate) acknowledged: Option<(u64, String)>,
}

/// A delivery that arrived at the agent.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The id of the request, from the payload.
    pub(crate) id: String,
    /// The id of the event, from `idempotency-key`.
    pub(crate) event: String,
    pub(crate) subject: String,
    /// The event's position in the log.
    pub(crate) seq: u64,
    /// The number of the attempt, from the envelope.
    pub(crate) attempt: u32,
    /// The run of the gateway that sent it.
    pub(crate) run: u32,
    /// Whether the payload is exactly the body of the request with this id.
    pub(crate) whole: bool,
    /// Whether the agent answered with a 2xx in time.
    pub(crate) accepted: bool,
}

/// An event that the gateway lists at the end.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) event: String,
    /// `pending`, `delivered`, `dead`, or `accepted` if it has no delivery.
    pub(crate) status: String,
    /// The id of the request, if the event was read.
    pub(crate) id: Option<String>,
}

/// All evidence at the end of a scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) sent: Vec<Sent>,
    /// In the order of their arrival.
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) rows: Vec<Row>,
    /// The runs that ended cleanly: by a signal, with the time to record every outcome.
    pub(crate) clean: BTreeSet<u32>,
    /// Whether the gateway still lists all events; with retention it lists only some.
    pub(crate) all_kept: bool,
}

/// The counts and the faults of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Requests.
    pub(crate) sent: usize,
    /// Requests with the id of an event in their response.
    pub(crate) acknowledged: usize,
    /// Events that the agent accepted.
    pub(crate) delivered: usize,
    /// Requests without a response whose events are stored, which is allowed.
    pub(crate) unanswered: usize,
    /// Repeated deliveries, because the gateway ended between the agent's answer and its record.
    pub(crate) repeated: usize,
    /// Acknowledged, but neither delivered nor dead nor pending; or listed as delivered, but never received by the agent.
    pub(crate) lost: Vec<String>,
    /// Stored more than once, or delivered again after the gateway had received the agent's 2xx.
    pub(crate) duplicated: Vec<String>,
    /// First delivered after a later event of the same subject.
    pub(crate) disordered: Vec<String>,
    /// Delivered or stored, but never sent in this form.
    pub(crate) phantom: Vec<String>,
    /// Stored in part: without its delivery.
    pub(crate) torn: Vec<String>,
}

impl Verdict {
    /// Compares all evidence.
    pub(crate) fn of(evidence: &Evidence) -> Self {
        let mut verdict = Self { sent: evidence.sent.len(), ..Self::default() };
        let sent: HashMap<&str, &Sent> = evidence.sent.iter().map(|sent| (sent.id.as_str(), sent)).collect();
        let rows: HashMap<&str, &Row> = evidence.rows.iter().map(|row| (row.event.as_str(), row)).collect();
        let mut accepted = BTreeSet::new();
        let mut events = BTreeMap::<&str, BTreeSet<&str>>::new();

        for arrival in &evidence.arrivals {
            if arrival.accepted {
                accepted.insert((arrival.event.as_str(), arrival.id.as_str()));
            }
            match sent.get(arrival.id.as_str()) {
                Some(sent) if arrival.whole && sent.subject == arrival.subject => {
                    events.entry(&arrival.id).or_default().insert(&arrival.event);
                }
                _ => verdict.phantom.push(format!("{} as event {} arrived", arrival.id, arrival.event)),
            }
        }
        let known: BTreeSet<&str> = events.values().flatten().copied().collect();
        verdict.delivered = accepted.len();
        for sent in &evidence.sent {
            let Some((_, event)) = &sent.acknowledged else { continue };
            verdict.acknowledged += 1;
            events.entry(&sent.id).or_default().insert(event);
            let row = rows.get(event.as_str());
            let shown = row.is_some_and(|row| row.status == "pending" || row.status == "dead");
            let kept = row.is_some() || !evidence.all_kept;
            if !(shown || kept && accepted.contains(&(event.as_str(), sent.id.as_str()))) {
                let status = row.map_or("not stored", |row| &row.status);
                verdict.lost.push(format!("{} as event {event}: {status}", sent.id));
            }
        }
        let answered: BTreeSet<&str> =
            evidence.sent.iter().filter_map(|sent| Some(sent.acknowledged.as_ref()?.1.as_str())).collect();
        for row in &evidence.rows {
            if row.status == "accepted" {
                verdict.torn.push(format!("event {} has no delivery", row.event));
            }
            let event = row.event.as_str();
            if let Some((id, _)) = row.id.as_ref().and_then(|id| sent.get_key_value(id.as_str())) {
                events.entry(id).or_default().insert(event);
            } else if !known.contains(event) && !answered.contains(event) {
                verdict.phantom.push(format!("event {event} is stored"));
            }
        }
        verdict.unanswered = events.keys().filter(|id| sent[**id].acknowledged.is_none()).count();
        for (id, events) in events.iter().filter(|(_, events)| events.len() > 1) {
            verdict.duplicated.push(format!("{id} is stored {} times: {events:?}", events.len()));
        }
        verdict.judge_deliveries(evidence, &sent);
        verdict
    }

    /// Checks that each subject keeps its order, and that no delivery is repeated after the gateway had its outcome.
    ///
    /// The gateway makes the deliveries of a subject one at a time. The next one begins when the outcome of the previous one is
    /// on disk. So a later delivery of the same subject in the same run proves that the gateway had the answer.
    fn judge_deliveries(&mut self, evidence: &Evidence, sent: &HashMap<&str, &Sent>) {
        let mut subjects = BTreeMap::<&str, Vec<&Arrival>>::new();
        for arrival in &evidence.arrivals {
            subjects.entry(&arrival.subject).or_default().push(arrival);
        }
        for arrivals in subjects.values() {
            let mut settled = HashMap::<&str, u32>::new();
            let mut confirmed = BTreeSet::<&str>::new();
            let mut last: Option<(&str, u32)> = None;
            let mut firsts = Vec::new();
            let mut seen = BTreeSet::new();
            for arrival in arrivals {
                let event = arrival.event.as_str();
                if let Some((before, run)) = last
                    && before != event
                    && run == arrival.run
                {
                    confirmed.insert(before);
                }
                if let Some(run) = settled.get(event) {
                    let stopped = evidence.clean.range(run..&arrival.run).next().is_some();
                    if *run == arrival.run || stopped || confirmed.contains(event) {
                        let Arrival { id, attempt, run: again, .. } = arrival;
                        let text =
                            format!("{id} as event {event} of run {run} came again in run {again}, attempt {attempt}");
                        self.duplicated.push(text);
                    } else {
                        self.repeated += 1;
                    }
                }
                if arrival.accepted {
                    settled.entry(event).or_insert(arrival.run);
                    last = Some((event, arrival.run));
                }
                if seen.insert(event) {
                    firsts.push(*arrival);
                }
            }
            self.judge_order(&firsts, sent);
        }
    }

    /// Checks that `firsts`, the first deliveries of one subject, are in the order of the log and of the senders.
    fn judge_order(&mut self, firsts: &[&Arrival], sent: &HashMap<&str, &Sent>) {
        // The earliest acknowledgement and the first position among the later ones.
        let (mut answered, mut first) = (u64::MAX, u64::MAX);
        for arrival in firsts.iter().rev() {
            let Some(sent) = sent.get(arrival.id.as_str()) else { continue };
            // A second event of the same request is counted as a duplicate and has no place in the order.
            if sent.acknowledged.as_ref().is_some_and(|(_, event)| *event != arrival.event) {
                continue;
            }
            if answered < sent.sent || first < arrival.seq {
                self.disordered.push(format!("{} as event {}, position {}", arrival.id, arrival.event, arrival.seq));
            }
            if let Some((at, _)) = &sent.acknowledged {
                answered = answered.min(*at);
            }
            first = first.min(arrival.seq);
        }
    }

    /// The faults for people; empty if there are none.
    pub(crate) fn faults(&self) -> Vec<String> {
        let Self { lost, duplicated, disordered, phantom, torn, .. } = self;
        let kinds = [
            ("lost", lost),
            ("duplicated", duplicated),
            ("out of order", disordered),
            ("never sent", phantom),
            ("stored in part", torn),
        ];
        let summary = |(what, found): (&str, &Vec<String>)| {
            let some: Vec<_> = found.iter().take(5).map(String::as_str).collect();
            (!found.is_empty()).then(|| format!("{} {what}: {}", found.len(), some.join("; ")))
        };
        kinds.into_iter().filter_map(summary).collect()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, acknowledged, delivered, unanswered, repeated, .. } = self;
        write!(f, "{sent} sent, {acknowledged} acknowledged, {delivered} delivered, ")?;
        write!(f, "{unanswered} stored without an answer, {repeated} repeated")?;
        self.faults().iter().try_for_each(|fault| write!(f, "; {fault}"))
    }
}
