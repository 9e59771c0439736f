use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was sent and what was answered, kept outside the process under test.
///
/// A request is written down before it is sent. Its body follows from its id, so that it need not be kept.
#[derive(Default)]
pub(super) struct Journal {
    count: AtomicU64,
    sent: Mutex<BTreeMap<String, Sent>>,
}

/// What is known of one delivery id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It may be stored, or not.
    Unanswered,
    /// It is stored, as the event with this id.
    Acknowledged(String),
}

impl Journal {
    /// Writes a new request of `writer` down and returns its id.
    pub(super) fn attempt(&self, writer: usize) -> String {
        let id = format!("{writer}-{}", self.count.fetch_add(1, Ordering::Relaxed));
        assert_eq!(self.sent.lock().unwrap().insert(id.clone(), Sent::Unanswered), None);
        id
    }

    /// The request was answered with the id of an event.
    pub(super) fn acknowledge(&self, id: &str, event: &str) {
        let new = Sent::Acknowledged(event.to_owned());
        let old = self.sent.lock().unwrap().insert(id.to_owned(), new.clone()).unwrap();
        assert!(old == Sent::Unanswered || old == new, "{id} was {old:?} before and is {new:?} now");
    }

    /// Everything, by delivery id.
    pub(super) fn sent(&self) -> BTreeMap<String, Sent> {
        self.sent.lock().unwrap().clone()
    }
}

/// The body that is sent with `id`: about 600 bytes, sometimes 20 kB, seldom 300 kB. No two lines are alike.
pub(super) fn body(id: &str) -> String {
    let (_, number) = id.split_once('-').unwrap();
    let lines = match number.parse::<u64>().unwrap() % 100 {
        0 => 15_000,
        1..5 => 1_000,
        _ => 30,
    };
    (0..lines).map(|line| format!("{id} line {line:06}\n")).collect()
}
