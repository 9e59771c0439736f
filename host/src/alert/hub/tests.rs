//! How alerts begin, end and go on, on a log that fails now and then.

use std::panic::panic_any;

use serde_json::json;

use super::*;
use crate::alert::{Incident, State};
use crate::event::{DeliveryId, Event, Outcome as Attempted, Priority, Recipient};
use crate::eventlog::contract::{Bed, EngineError, attempt, new_event, serving};
use crate::eventlog::{
    Appended, EndedDelivery, EngineKind, Expected, FinishedAttempt, NewEvent, Query, Range, ScanLimits,
};
use crate::lifecycle::{Running, Step, Within};

fn settings() -> Settings {
    Settings { channels: vec!["alertmanager".parse().unwrap()], ..Settings::default() }
}

fn alerts(settings: Settings) -> Alerts {
    Alerts::new(settings, &Metrics::new())
}

fn memory() -> EventLog {
    EventLog::open(&crate::eventlog::Settings::new(EngineKind::Memory), &Metrics::new(), Vec::new()).unwrap()
}

fn nobody() -> Recipients {
    Box::new(|_| Vec::new())
}

/// Alerts that are loaded and process, until the result is dropped.
async fn running(alerts: &Alerts, log: &EventLog) -> Running {
    alerts.load(log).await.unwrap();
    started(alerts, log, nobody())
}

fn started(alerts: &Alerts, log: &EventLog, recipients: Recipients) -> Running {
    let mut running = Running::new(&[Step(ALERTS, Within::Rest)]);
    running.add(alerts.start(log, recipients));
    running
}

/// A notification of the alert with this name, from this long ago.
fn notification(name: &str, status: &str, age: Duration) -> NewEvent {
    let data = json!({"labels": {"alertname": name}}).to_string();
    let attributes = [("fingerprint", name), ("status", status)];
    NewEvent {
        channel: "alertmanager".parse().unwrap(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        time: Timestamp::now().before(age),
        ..new_event(data)
    }
}

async fn notify(log: &EventLog, name: &str, status: &str) {
    accept(log, notification(name, status, Duration::ZERO)).await;
}

async fn accept(log: &EventLog, event: NewEvent) -> Arc<Event> {
    match log.commit(vec![event].into()).await.unwrap().events.remove(0) {
        Appended::Accepted(event) => event,
        other => panic!("{other:?}"),
    }
}

/// Waits until something is the case, which follows from a commit.
async fn until<T>(what: &str, log: &EventLog, mut look: impl FnMut() -> Option<T>) -> T {
    let mut snapshots = log.watch();
    loop {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::timeout(Duration::from_secs(30), snapshots.changed()).await.expect(what).unwrap();
    }
}

/// Waits until something is the case that follows from no commit.
async fn eventually(mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
}

async fn incident(alerts: &Alerts, log: &EventLog, title: &str, state: State) -> Incident {
    let is_it = |incident: &&Incident| incident.title == title && incident.state == state;
    until(title, log, || alerts.read(|machine| machine.incidents().find(is_it).cloned())).await
}

/// The kinds of what was told.
fn told(log: &EventLog) -> Vec<String> {
    let page = log.scan(&Query::whole(), Range::up_from(Seq(1)), ScanLimits::items(1000));
    let events = page.unwrap().items.into_iter().map(|stored| stored.event);
    events.filter(|event| event.channel.as_str() == "alerts").map(|event| event.kind).collect()
}

#[tokio::test]
async fn what_comes_before_the_first_processing_begins_is_told() {
    let log = memory();
    alerts(settings()).load(&log).await.unwrap();
    // It is killed before it processes anything.
    notify(&log, "Disk", "firing").await;

    let next = alerts(settings());
    let _running = running(&next, &log).await;

    incident(&next, &log, "Disk", State::Open).await;
}

#[tokio::test]
async fn a_panic_is_shown() {
    let (log, alerts) = (memory(), alerts(settings()));
    alerts.load(&log).await.unwrap();
    let _running = started(&alerts, &log, Box::new(|_| panic_any("routes are broken")));
    notify(&log, "Disk", "firing").await;

    eventually(|| alerts.problem().is_some()).await;

    assert_eq!(alerts.problem(), Some("a bug: the processor has panicked"));
    assert_eq!(alerts.0.stopped.get(), 1);
    let id = "0011223344556677".parse().unwrap();
    let refused = alerts.remark(id, "ann".to_owned(), "x".to_owned()).await;
    assert!(matches!(refused, Err(AlertError::Stopped(_))), "{refused:?}");
}

#[tokio::test]
async fn alerts_begin_when_the_log_has_room_again() {
    let bed = Bed::memory();
    let (log, alerts) = (bed.open(), alerts(settings()));
    bed.fail_with(EngineError::Full("no space".to_owned()));
    log.commit(vec![new_event("{}")].into()).await.unwrap_err();
    alerts.load(&log).await.unwrap();
    let _running = started(&alerts, &log, nobody());
    bed.heal();
    serving(&log).await;

    notify(&log, "Disk", "firing").await;

    incident(&alerts, &log, "Disk", State::Open).await;
    assert_eq!(alerts.problem(), None);
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_left_out() {
    let log = memory();
    let first = alerts(settings());
    {
        let _running = running(&first, &log).await;
        notify(&log, "Disk", "firing").await;
        incident(&first, &log, "Disk", State::Open).await;
    }
    let value = |key: &str| ValueChange {
        space: SPACE,
        key: key.to_owned(),
        value: Some("{}".into()),
        expected: Expected::Anything,
    };
    let values = vec![value("silence/1"), value("incident/zz"), value("unknown/1")];
    // Those with a prefix that nobody reads are not found.
    log.commit(Batch { values, ..Batch::default() }).await.unwrap();

    let next = alerts(settings());
    let _running = running(&next, &log).await;

    assert_eq!(next.0.unreadable.get(), 2);
    let known = incident(&next, &log, "Disk", State::Open).await;
    next.remark(known.id, "ann".to_owned(), "seen".to_owned()).await.unwrap();
}

#[tokio::test]
async fn a_resolve_is_never_too_old() {
    let (log, alerts) = (memory(), alerts(settings()));
    let _running = running(&alerts, &log).await;
    notify(&log, "Disk", "firing").await;
    incident(&alerts, &log, "Disk", State::Open).await;
    let ten_hours = Duration::from_hours(10);

    accept(&log, notification("Cpu", "firing", ten_hours)).await;
    accept(&log, notification("Disk", "resolved", ten_hours)).await;

    incident(&alerts, &log, "Disk", State::Resolved).await;
    assert_eq!(told(&log), ["alerts.opened", "alerts.resolved"], "an old firing is");
}

#[tokio::test]
async fn alerts_that_are_off_tell_nothing_and_nothing_old_later() {
    let (log, alerts) = (memory(), alerts(settings()));
    let running = running(&alerts, &log).await;
    for name in ["Disk", "Cpu"] {
        notify(&log, name, "firing").await;
        incident(&alerts, &log, name, State::Open).await;
    }
    let off = || Settings { channels: Vec::new(), ..settings() };
    alerts.replace(off(), log.head());
    let id = "0011223344556677".parse().unwrap();
    assert_eq!(alerts.remark(id, String::new(), String::new()).await, Err(AlertError::Off));
    assert_eq!(alerts.read(|machine| (machine.signals().count(), machine.due())), (0, None), "nothing is known");
    // It is over, and nobody hears of it.
    notify(&log, "Disk", "resolved").await;

    alerts.replace(settings(), log.head());
    let disk = incident(&alerts, &log, "Disk", State::Resolved).await;
    incident(&alerts, &log, "Cpu", State::Resolved).await;
    alerts.remark(disk.id, "ann".to_owned(), "it processes".to_owned()).await.unwrap();
    assert_eq!(told(&log), ["alerts.opened"; 2]);

    // Off over a restart is the same.
    drop(running);
    let stopped = Alerts::new(off(), &Metrics::new());
    stopped.load(&log).await.unwrap();
    notify(&log, "Other", "firing").await;
    let next = Alerts::new(settings(), &Metrics::new());
    let _running = self::running(&next, &log).await;
    notify(&log, "Cpu", "firing").await;
    incident(&next, &log, "Cpu", State::Open).await;
    assert_eq!(told(&log), ["alerts.opened"; 3]);
    assert_eq!(next.read(|machine| machine.incidents().filter(|it| it.title == "Other").count()), 0);
}

#[tokio::test]
async fn what_was_not_stored_is_not_counted_twice() {
    let (log, alerts) = (memory(), alerts(settings()));
    let _running = running(&alerts, &log).await;
    notify(&log, "Disk", "firing").await;
    let known = incident(&alerts, &log, "Disk", State::Open).await;

    // Somebody else moves the position, over an event that nothing follows from: what is decided next is decided twice.
    let other = accept(&log, new_event("{}")).await;
    Consumer::open(&log, NAME).unwrap().advance(other.seq, Batch::default()).await.unwrap();
    notify(&log, "Disk", "firing").await;

    let repeats = || alerts.read(|machine| machine.tally().notifications.get("repeat").copied());
    until("the repetition", &log, || repeats().filter(|_| note_of_last(&log))).await;
    alerts.remark(known.id, "ann".to_owned(), "it processes".to_owned()).await.unwrap();
    assert_eq!(repeats(), Some(1));
}

#[tokio::test]
async fn a_word_from_before_the_start_is_heard_once() {
    let (log, first) = (memory(), alerts(settings()));
    first.load(&log).await.unwrap();
    let triage = || Recipient { agent: "triage".parse().unwrap(), priority: Priority::Normal };
    {
        let _running = started(&first, &log, Box::new(move |_| vec![triage()]));
        notify(&log, "Disk", "firing").await;
        incident(&first, &log, "Disk", State::Open).await;
    }
    let opened = log.head();
    let id = DeliveryId { seq: opened, index: 0 };
    let attempts =
        vec![FinishedAttempt { delivery: id, attempt: attempt(1, Attempted::Delivered), next_attempt_at: None }];
    // Another one is of an event that is gone, and one of an event of another channel.
    let other = accept(&log, new_event("{}")).await;
    let ends = [(opened.0, "needs_human"), (other.seq.0, "failed"), (900, "failed")];
    let ends = ends.map(|(seq, said)| {
        let id = DeliveryId { seq: Seq(seq), index: 0 };
        EndedDelivery { id, is_accepted: true, said: Some(said.to_owned()) }
    });
    let values = ends.iter().map(EndedDelivery::kept).collect();
    log.commit(Batch { attempts, values, ..Batch::default() }).await.unwrap();

    let next = alerts(settings());
    let _running = running(&next, &log).await;

    let known = incident(&next, &log, "Disk", State::NeedsHuman).await;
    assert_eq!(known.state_by, "triage");
    until("the ends to go", &log, || EndedDelivery::unheard(&log, 1).unwrap().is_empty().then_some(())).await;
    next.remark(known.id, "ann".to_owned(), "it processes".to_owned()).await.unwrap();
    eventually(|| next.0.heard.get() == 3).await;
}

/// Whether something is noted about the last notification.
fn note_of_last(log: &EventLog) -> bool {
    let page = log.scan(&Query::whole(), Range::up_from(Seq(1)), ScanLimits::items(1000)).unwrap();
    let last = page.items.iter().rfind(|stored| stored.event.channel.as_str() == "alertmanager").unwrap();
    log.note(last.event.seq).unwrap().is_some()
}
