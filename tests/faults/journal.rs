use std::sync::Mutex;

use crate::verdict::Sent;

/// What was sent and what was answered, kept outside the process under test.
///
/// A request is written down before it is sent. Its body follows from its id, so that it need not be kept.
pub(crate) struct Journal {
    bodies: Bodies,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    /// What has happened so far: every request and every acknowledgement counts one.
    now: u64,
    /// How many were sent before those in `sent`.
    forgotten: usize,
    sent: Vec<Sent>,
}

/// How large bodies are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bodies {
    /// About 600 bytes, sometimes 20 kB, seldom 300 kB.
    Usual,
    /// From 1 kB to 1 MB, each order of magnitude as often as the other.
    UpToOneMegabyte,
    /// All of about this size.
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
    /// Where it is sent to.
    pub(crate) fn path(&self, channel: &str) -> String {
        format!("/webhooks/{channel}?subject={}", self.subject.replace(' ', "+"))
    }
}

impl Journal {
    pub(crate) fn new(bodies: Bodies) -> Self {
        Self { bodies, pages: Mutex::default() }
    }

    /// Writes a new request of `writer` down. A writer has a subject of its own, and one event of four is about what all
    /// writers write of.
    pub(crate) fn attempt(&self, writer: usize) -> Letter {
        let pages = self.pages.lock().unwrap();
        let subject = if pages.sent.len().is_multiple_of(4) { "all".to_owned() } else { format!("writer {writer}") };
        Self::write(pages, writer, subject)
    }

    /// Writes a new request about `subject` down.
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

    /// The request was answered with the id of an event.
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

    /// How many were sent, and how many of them were acknowledged.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let pages = self.pages.lock().unwrap();
        (pages.sent.len(), pages.sent.iter().filter(|sent| sent.acknowledged.is_some()).count())
    }

    /// The `first` and the `last` ones that were acknowledged.
    pub(crate) fn acknowledged(&self, first: usize, last: usize) -> Vec<Letter> {
        self.letters(first, last, |sent| sent.acknowledged.is_some())
    }

    /// The `last` ones that were not answered.
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

    /// The id of the event that acknowledged this request.
    pub(crate) fn event(&self, letter: &Letter) -> Option<String> {
        let pages = self.pages.lock().unwrap();
        pages.sent[letter.number - pages.forgotten].acknowledged.as_ref().map(|(_, event)| event.clone())
    }

    /// Begins a new page: what was sent so far has been judged.
    pub(crate) fn forget(&self) {
        let mut pages = self.pages.lock().unwrap();
        pages.forgotten += pages.sent.len();
        pages.sent.clear();
    }

    /// All of it.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.pages.lock().unwrap().sent.clone()
    }

    /// The body that is sent with `id`, and with no other. No two of its lines are alike.
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
