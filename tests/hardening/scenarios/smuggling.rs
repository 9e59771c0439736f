//! WEB1: requests that two servers could parse differently.

mod cases;

use tokio::task::JoinSet;

use crate::raw::{exchange, statuses};
use crate::report::Report;
use crate::suite::Scale;
use crate::victim::Victim;

use self::cases::{Case, Expected};
use super::Outcome;

/// The gateway's timeouts. After them it ends a connection, so that the client reads all responses.
const LIMIT: &str = "2s";

/// Sends all requests at once, each over its own connection. Each request, and the one hidden in it or sent after it, has its own
/// subject, so that the log shows which bytes were parsed as a request.
pub(super) async fn run(scale: Scale) -> Outcome {
    let limits = [("header_timeout", LIMIT), ("body_timeout", LIMIT), ("idle_timeout", LIMIT)];
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        let victim = Victim::start(&limits).await;
        let address = victim.gateway.client.address();
        let cases = cases::all();
        let mut exchanges = JoinSet::new();
        for (number, case) in cases.iter().enumerate() {
            let bytes = case.bytes.clone();
            exchanges.spawn(async move { (number, exchange(address, &bytes).await) });
        }
        let mut answers = vec![Vec::new(); cases.len()];
        for (number, answer) in exchanges.join_all().await {
            let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", cases[number].name));
            answers[number] = statuses(&answer);
        }
        let subjects = victim.subjects().await;
        let stored = |subject: &str| subjects.get(subject).copied().unwrap_or(0);
        for (case, statuses) in cases.iter().zip(&answers) {
            let events = [stored(case.name), stored(&case.hidden())];
            report.expect(case.holds(statuses, events), || {
                format!("{}: answered {statuses:?}, events {events:?}, expected {:?}", case.name, case.expected)
            });
        }
        report.attacks += cases.len();
        let refused = cases.iter().filter(|case| case.expected == Expected::Refused).count();
        let one = cases.iter().filter(|case| case.expected == Expected::One).count();
        if round == 0 {
            report.note(format!("of {} requests {refused} refused, {one} exactly one request, never two", cases.len()));
        }
    }
    Ok(report)
}

impl Case {
    /// Whether the responses, and the events of the request and of the hidden one, are as expected.
    fn holds(&self, statuses: &[u16], events: [usize; 2]) -> bool {
        let is_refusal = |status: &u16| (400..500).contains(status) || *status == 501 || *status == 505;
        match self.expected {
            Expected::Refused => events == [0, 0] && statuses.len() == 1 && statuses.iter().all(is_refusal),
            Expected::One => events == [1, 0] && statuses == [202],
            Expected::OneThenRefused => {
                events == [1, 0] && statuses.len() == 2 && statuses[0] == 202 && is_refusal(&statuses[1])
            }
            Expected::Both => events == [1, 1] && statuses == [202, 202],
            Expected::Elsewhere(status) => events == [0, 0] && statuses == [status],
        }
    }
}
