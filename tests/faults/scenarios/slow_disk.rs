//! DUR9: a slow disk.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::journal::Bodies;
use crate::load::{deliver, resend_acknowledged};
use crate::report::Report;
use crate::suite::{Scale, memory};
use crate::trace::Trace;
use crate::trial::Trial;

use super::Outcome;

/// Concurrent senders, far more than such a disk can serve.
const WRITERS: usize = 512;

/// The memory limit for requests in this scenario; more are shed.
const BOUND_MIB: u64 = 32;

/// The allowed memory for everything else meanwhile: plugins, connections, the allocator's reserve.
const REST_MIB: u64 = 256;

pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(scale.rounds);
    let (mut most, mut shed_in_all) = (0, 0);
    for round in 0..scale.rounds {
        scale.progress(round);
        let trace = Trace::new()?;
        let mut trial = Trial::new(Bodies::Of(100_000)).await;
        let bound = format!("{BOUND_MIB}MiB");
        let setup = trial
            .setup()
            .env("GATEWAY__HTTP__MAX_BUFFERED", &bound)
            .env("GATEWAY__EVENTLOG__QUEUE_BYTES", &bound)
            .env("GATEWAY__EVENTLOG__QUEUE", "64");
        let slow = "inject=fdatasync:delay_enter=300000";
        let gateway = trace.start(setup, "fdatasync", &["-e", slow]).await;
        let idle = memory(gateway.pid(), "VmRSS:");
        let mut senders = JoinSet::new();
        for writer in 0..WRITERS {
            let (client, journal) = (gateway.client.clone(), Arc::clone(&trial.journal));
            senders.spawn(async move {
                let (mut taken, mut shed) = (0, 0);
                loop {
                    let Some(reply) = deliver(&client, &journal, &journal.attempt(writer)).await else {
                        return (taken, shed);
                    };
                    if reply.status == 202 {
                        taken += 1;
                        continue;
                    }
                    assert_eq!(reply.status, 503, "{reply:?}");
                    assert!(reply.headers.contains_key("retry-after"), "{reply:?}");
                    shed += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        }
        tokio::time::sleep(scale.either(Duration::from_secs(4), Duration::from_secs(20))).await;

        let peak = memory(gateway.pid(), "VmHWM:");
        let setup = trial.kill(gateway).await;

        let (taken, shed) =
            senders.join_all().await.into_iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        report.expect(shed > 0 && taken > 0, || format!("{taken} taken, {shed} shed"));
        let allowed = (2 * BOUND_MIB + REST_MIB) << 20;
        report.expect(peak < idle + allowed, || format!("{peak} bytes of memory at the peak, {idle} idle"));
        let gateway = trial.recover(setup).await;
        resend_acknowledged(&gateway, &trial).await;
        report.add(&trial.judge(&gateway).await);
        report.recoveries.append(&mut trial.recoveries);
        most = most.max(peak >> 20);
        shed_in_all += shed;
    }
    report.note(format!("at most {most} MiB of memory, {shed_in_all} requests shed with 503"));
    Ok(report)
}
