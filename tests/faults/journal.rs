//! Records the requests of the senders.

use std::sync::Mutex;

use crate::verdict::Sent;

/// All requests and their acknowledgements, kept outside the process under test.
///
/// A request is recorded before it is sent. Its body is derived from its id and so is not recorded.
pub(crate) struct Journal {
    bodies: Bodies,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    /// A logical clock: the number of requests and acknowledgements so far.
    now: u64,
    /// The number of requests before those in `sent`.
    forgotten: usize,
    sent: Vec<Sent>,
}

/// The sizes of bodies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bodies {
    /// About 600 bytes, sometimes 20 kB, rarely 300 kB.
    Usual,
    /// From 1 kB to 1 MB, each order of magnitude with the same frequency.
    UpToOneMegabyte,
    /// About this size.
    Of(usize),
}

/// A request that is about to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) number: usize,
    /// `writer-counter`.
    pub(crate) id: String,
    pub(crate) subject: String,
}

impl Letter {
    /// The path and query of the request.
    pub(crate) fn path(&self, channel: &str) -> String {
        format!("/webhooks/{channel}?subject={}", self.subject.replace(' ', "+"))
    }
}

impl Journal {
    pub(crate) fn new(bodies: Bodies) -> Self {
        Self { bodies, pages: Mutex::default() }
    }

    /// Records a new request of `writer`. Each writer has its own subject, but every fourth event has a subject that all
    /// writers share.
    pub(crate) fn attempt(&self, writer: usize) -> Letter {
        let pages = self.pages.lock().unwrap();
        let subject = if pages.sent.len().is_multiple_of(4) { "all".to_owned() } else { format!("writer {writer}") };
        Self::write(pages, writer, subject)
    }

    /// Records a new request about `subject`.
    pub(crate) fn attempt_about(&self, subject: impl Into<String>) -> Letter {
        Self::write(self.pages.lock().unwrap(), 0, subject.into())
    }

    fn write(mut pages: std::sync::MutexGuard<'_, Pages>, writer: usize, subject: String) -> Letter {
        let number = pages.forgotten + pages.sent.len();
        pages.now += 1;
        let id = format!("{writer}-{number}");
        let sent = Sent { id: id.clone(), subject: subject.clone(), sent: pages.now, acknowledged: None };
        pages.sent.push(sent);
        Letter { number, id, subject }
    }

    /// Records that the response had the id of an event.
    pub(crate) fn acknowledge(&self, letter: &Letter, event: &str) {
        let mut pages = self.pages.lock().unwrap();
        pages.now += 1;
        let (now, index) = (pages.now, letter.number - pages.forgotten);
        let sent = &mut pages.sent[index];
        match &sent.acknowledged {
            None => sent.acknowledged = Some((now, event.to_owned())),
            Some((_, before)) => assert_eq!(before, event, "{} is another event than before", letter.id),
        }
    }

    /// The numbers of sent and of acknowledged requests.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let pages = self.pages.lock().unwrap();
        (pages.sent.len(), pages.sent.iter().filter(|sent| sent.acknowledged.is_some()).count())
    }

    /// The `first` and the `last` acknowledged requests.
    pub(crate) fn acknowledged(&self, first: usize, last: usize) -> Vec<Letter> {
        self.letters(first, last, |sent| sent.acknowledged.is_some())
    }

    /// The `last` unanswered requests.
    pub(crate) fn unanswered(&self, last: usize) -> Vec<Letter> {
        self.letters(0, last, |sent| sent.acknowledged.is_none())
    }

    fn letters(&self, first: usize, last: usize, which: impl Fn(&Sent) -> bool) -> Vec<Letter> {
        let pages = self.pages.lock().unwrap();
        let letter =
            |(number, sent): (usize, &Sent)| Letter { number, id: sent.id.clone(), subject: sent.subject.clone() };
        let mut found: Vec<_> = pages.sent.iter().enumerate().filter(|(_, sent)| which(sent)).take(first).collect();
        found.extend(pages.sent.iter().enumerate().rev().filter(|(_, sent)| which(sent)).take(last));
        found.into_iter().map(letter).collect()
    }

    /// The id of the event in the acknowledgement of this request.
    pub(crate) fn event(&self, letter: &Letter) -> Option<String> {
        let pages = self.pages.lock().unwrap();
        pages.sent[letter.number - pages.forgotten].acknowledged.as_ref().map(|(_, event)| event.clone())
    }

    /// Forgets all requests so far, once they have been judged.
    pub(crate) fn forget(&self) {
        let mut pages = self.pages.lock().unwrap();
        pages.forgotten += pages.sent.len();
        pages.sent.clear();
    }

    /// All requests.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.pages.lock().unwrap().sent.clone()
    }

    /// The body of the request `id`, which differs from all others. All of its lines are different too.
    pub(crate) fn body(&self, id: &str) -> String {
        const LINE: usize = 20;
        let number: usize = id.rsplit('-').next().unwrap().parse().unwrap();
        let bytes = match self.bodies {
            Bodies::Usual => match number % 100 {
                0 => 300_000,
                1..5 => 20_000,
                _ => 600,
            },
            Bodies::UpToOneMegabyte => 1000 * 10_usize.pow((number % 3) as u32 + 1) / (1 + number % 10),
            Bodies::Of(bytes) => bytes,
        };
        (0..=bytes / LINE).map(|line| format!("{id} line {line:06}\n")).collect()
    }
}
