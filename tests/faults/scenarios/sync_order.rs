//! SYNC: the order of `fdatasync` and responses.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::calls::Call;
use crate::journal::Bodies;
use crate::load::deliver;
use crate::report::Report;
use crate::suite::Scale;
use crate::support::TestGateway;
use crate::trace::{Trace, answers, is_commit};
use crate::trial::{Trial, metric};

use super::Outcome;

/// The traced calls of connections and of the log.
const CALLS: &str = "fdatasync,recvfrom,sendto,sendmsg,writev";

const ALONE: usize = 30;
const AT_ONCE: usize = 400;

pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        let commits = watch(&mut report).await?;
        report.note(format!("{AT_ONCE} requests at once: {commits} commits and fdatasyncs"));
    }
    Ok(report)
}

/// Checks the system calls of one run; returns the number of commits for the concurrent requests.
async fn watch(report: &mut Report) -> Result<u64, crate::suite::Skipped> {
    let trace = Trace::new()?;
    let trial = Trial::new(Bodies::Usual).await;
    let gateway = trace.start(trial.setup(), CALLS, &[]).await;
    let before = commits(&gateway).await;
    for _ in 0..ALONE {
        let letter = trial.journal.attempt(0);
        deliver(&gateway.client, &trial.journal, &letter).await.unwrap().expect_accepted();
        trial.settled(&gateway).await;
    }
    let between = commits(&gateway).await;
    let mut senders = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, journal) = (gateway.client.clone(), Arc::clone(&trial.journal));
        senders.spawn(async move {
            let letter = journal.attempt(1);
            deliver(&client, &journal, &letter).await.unwrap().expect_accepted()
        });
    }
    senders.join_all().await;
    report.add(&trial.judge(&gateway).await);
    let after = commits(&gateway).await;
    let pid = gateway.pid();
    trial.stop(gateway).await;

    let calls = trace.calls(pid).await;

    let asked: Vec<_> = calls.iter().filter(|call| call.text.contains("\"GET /metrics")).collect();
    let [first, second, third] = asked.as_slice() else { panic!("{asked:?}") };
    // The store of keys is synced in the background; nobody waits for that.
    let syncs: Vec<_> = calls.iter().filter(|call| is_commit(call)).collect();
    let count = |from: &Call, to: &Call| {
        syncs.iter().filter(|sync| from.ended < sync.began && sync.began < to.began).count() as u64
    };
    assert_eq!(count(first, second), between - before, "one fdatasync for each commit, and no other");
    assert_eq!(count(second, third), after - between, "one fdatasync for each commit, and no other");
    assert_eq!(between - before, 2 * ALONE as u64, "one commit stores the event, one what became of its delivery");
    let answers = answers(&calls);
    assert_eq!(answers.len(), ALONE + AT_ONCE);
    for (index, (request, answer)) in answers.iter().enumerate() {
        let covers = |sync: &&&Call| request.ended < sync.began && sync.ended < answer.began;
        let covering = syncs.iter().filter(covers).inspect(|sync| assert!(sync.text.ends_with("= 0"), "{sync:?}"));
        let covering = covering.count();
        assert!(covering > 0, "no fdatasync between {request:?} and {answer:?}");
        // On a busy machine the outcome of the delivery may be on disk before the response is written.
        assert!(index >= ALONE || covering <= 2, "{covering} fdatasyncs between {request:?} and {answer:?}");
    }
    Ok(after - between)
}

/// The gateway's count of commits.
async fn commits(gateway: &TestGateway) -> u64 {
    metric(gateway, "gateway_eventlog_commits_total").await
}
