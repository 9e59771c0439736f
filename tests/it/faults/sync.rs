use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::journal::Journal;
use super::load::{Load, all_delivered, compare, deliver};
use super::trace::{Call, Trace};
use super::{say, setup};
use crate::support::TestGateway;

/// What is traced of a connection, and of the log.
const CALLS: &str = "fdatasync,recvfrom,sendto,sendmsg,writev";

/// No answer is written before the disk has confirmed what it promises, and no commit asks the disk twice.
#[tokio::test]
async fn every_answer_is_covered_by_an_fdatasync_before_it() {
    const ALONE: usize = 30;
    const AT_ONCE: usize = 400;
    let trace = match Trace::new() {
        Ok(trace) => trace,
        Err(reason) => return say(&format!("skipped: watching system calls needs strace: {reason}")),
    };
    let journal = Arc::new(Journal::default());
    let gateway = trace.start(setup(), CALLS, &[]).await;
    let before = commits(&gateway).await;
    for _ in 0..ALONE {
        deliver(&gateway.client, &journal, &journal.attempt(0)).await.unwrap().expect_accepted();
        all_delivered(&gateway).await;
    }
    let between = commits(&gateway).await;
    let mut senders = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, journal) = (gateway.client.clone(), Arc::clone(&journal));
        senders.spawn(async move { deliver(&client, &journal, &journal.attempt(1)).await.unwrap().expect_accepted() });
    }
    senders.join_all().await;
    compare(&gateway, &journal).await.expect_nothing_lost();
    let after = commits(&gateway).await;
    let pid = gateway.pid();
    gateway.stop().await;

    let calls = trace.calls(pid).await;

    let asked: Vec<_> = calls.iter().filter(|call| call.text.contains("\"GET /metrics")).collect();
    let [first, second, third] = asked.as_slice() else { panic!("{asked:?}") };
    let syncs: Vec<_> = calls.iter().filter(|call| call.name == "fdatasync").collect();
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
        assert!(index >= ALONE || covering == 1, "{covering} fdatasyncs between {request:?} and {answer:?}");
    }
    let commits = after - between;
    say(&format!("{AT_ONCE} requests at once: {commits} commits and fdatasyncs, deliveries included"));
}

/// A failed fsync may have lost what it should have written, and a second one would not say so.
#[tokio::test]
async fn a_failed_fsync_stops_the_gateway_and_nothing_after_it_is_acknowledged() {
    let trace = match Trace::new() {
        Ok(trace) => trace,
        Err(reason) => return say(&format!("skipped: failing a system call needs strace: {reason}")),
    };
    for failing in ["1", "2", "60"] {
        let journal = Arc::new(Journal::default());
        let inject = format!("inject=fdatasync:error=EIO:when={failing}");
        let setup = setup();
        let (_, setup) = setup.start().await.stop().await;
        let gateway = trace.start(setup, CALLS, &["-e", &inject]).await;
        let pid = gateway.pid();
        let refusals = Load::start(&gateway.client, &journal).end().await;

        let ended = gateway.ended().await;

        assert_eq!(ended.code, Some(1), "{}", ended.log);
        let last = ended.log.lines().last().unwrap();
        assert!(last.starts_with("error: the event log stopped after a failed write: "), "{}", ended.log);
        for refusal in refusals {
            refusal.expect_problem(503, "store_unavailable");
        }
        let calls = trace.calls(pid).await;
        let failed = calls.iter().find(|call| call.text.contains("INJECTED")).unwrap();
        let late = calls.iter().find(|call| call.began > failed.ended && is_answer(call));
        assert!(late.is_none(), "{late:?} after {failed:?}");
        let gateway = ended.setup.start().await;
        let figures = compare(&gateway, &journal).await;
        say(&format!("fdatasync {failing} failed: {figures}"));
        figures.expect_nothing_lost();
    }
}

/// How many commits the gateway has counted.
async fn commits(gateway: &TestGateway) -> u64 {
    let metrics = gateway.metrics().await;
    let line = metrics.lines().find_map(|line| line.strip_prefix("gateway_eventlog_commits_total "));
    line.unwrap_or("0").parse().unwrap()
}

fn is_answer(call: &Call) -> bool {
    call.text.contains("\"HTTP/1.1 202 ")
}

/// Each 202, in the order in which they were written, with the last part of the request that it answers.
fn answers(calls: &[Call]) -> Vec<(&Call, &Call)> {
    let mut requests = BTreeMap::new();
    let mut answers = Vec::new();
    for call in calls {
        if call.name == "recvfrom" && !call.text.contains(" = -1 ") && !call.text.ends_with(" = 0") {
            requests.insert(&call.file, call);
        } else if is_answer(call) {
            answers.push((requests[&call.file], call));
        }
    }
    answers.sort_by_key(|(_, answer)| answer.began);
    answers
}
