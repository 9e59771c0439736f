//! DUR5: a failing `fdatasync`.

use crate::calls::Call;
use crate::journal::Bodies;
use crate::load::{Load, resend_acknowledged};
use crate::report::Report;
use crate::suite::Scale;
use crate::trace::{Trace, answers, is_commit};
use crate::trial::Trial;

use super::Outcome;

/// The traced calls of connections and of the log.
const CALLS: &str = "fdatasync,recvfrom,sendto,sendmsg,writev";

/// A failed fsync may have lost data, and a second one would not report it.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        // The first ones belong to the start of the log.
        let failing = match round {
            0 | 1 => round + 1,
            _ => 20 * round,
        };
        let trace = Trace::new()?;
        let mut trial = Trial::new(Bodies::Usual).await;
        let gateway = trial.setup().start().await;
        let setup = trial.stop(gateway).await;
        let inject = format!("inject=fdatasync:error=EIO:when={failing}");
        let gateway = trace.start(setup, CALLS, &["-e", &inject]).await;
        let pid = gateway.pid();
        let refusals = Load::start(&gateway, &trial).end().await;

        let ended = trial.ended(gateway).await;

        assert_eq!(ended.code, Some(1), "{}", ended.log);
        let last = ended.log.lines().last().unwrap();
        assert!(last.starts_with("error: the event log stopped after a failed write: "), "{}", ended.log);
        for refusal in refusals {
            refusal.expect_problem(503, "store_unavailable");
        }
        let calls = trace.calls(pid).await;
        let failed = calls.iter().find(|call| call.text.contains("INJECTED")).unwrap();
        let is_good = |call: &Call| is_commit(call) && call.text.ends_with("= 0");
        // A response may still be in progress when the next fdatasync fails; an earlier one must cover it.
        let covers = |request: &Call, sync: &Call, answer: &Call| {
            is_good(sync) && request.ended < sync.began && sync.ended < answer.began
        };
        let uncovered = answers(&calls)
            .into_iter()
            .find(|(request, answer)| !calls.iter().any(|sync| covers(request, sync, answer)));
        report.expect(uncovered.is_none(), || format!("no fdatasync covers {uncovered:?}; {failed:?}"));
        let again = calls.iter().find(|call| is_good(call) && call.file == failed.file && call.began > failed.ended);
        report.expect(again.is_none(), || format!("a second fdatasync after the one that failed: {again:?}"));
        let gateway = trial.recover(ended.setup).await;
        resend_acknowledged(&gateway, &trial).await;
        report.add(&trial.judge(&gateway).await);
        report.recoveries.append(&mut trial.recoveries);
    }
    report.note("no 2xx that only it would cover, exit code 1");
    Ok(report)
}
