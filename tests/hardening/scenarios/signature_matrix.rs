//! SIG1: every verification scheme against every manipulation of a request.

use crate::report::Report;
use crate::signatures::{self, SCHEMES};
use crate::suite::Scale;

use super::Outcome;

/// The bodies of a round.
const BODIES: u64 = 100;

/// Checks the whole matrix, each time with another body.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        for number in 0..BODIES {
            let mut next = signatures::random(1 + u64::from(round) * BODIES + number);
            for cell in signatures::matrix(&body(&mut next)) {
                report.attacks += 1;
                report.expect(cell.holds(), || cell.to_string());
            }
        }
    }
    report.note(format!("{} schemes: only signed requests pass, with either key during a rotation", SCHEMES.len()));
    Ok(report)
}

/// Unusually formatted JSON of up to a few kilobytes.
fn body(next: &mut impl FnMut() -> u64) -> Vec<u8> {
    let members = 1 + next() % 64;
    let member = |_| format!(r#" "{:x}" : [ {}, "\u{:04x}é" ]"#, next(), next() % 1000, 0x20 + next() % 0xd000);
    format!("{{{}}}", (0..members).map(member).collect::<Vec<_>>().join(",")).into_bytes()
}
