//! The simplest durable log: one file that grows, one thread that writes to it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use tokio::sync::oneshot;

/// An append-only log with group commit: what waits while the disk is synced becomes durable with the next sync.
pub(super) struct AppendLog(Arc<Queue>);

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    some: Condvar,
}

/// What the next commit is made of: never more than there are connections.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    replies: Vec<oneshot::Sender<()>>,
}

impl AppendLog {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create_new(path).with_context(|| format!("cannot create `{}`", path.display()))?;
        let queue = Arc::new(Queue::default());
        let own = Arc::clone(&queue);
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            // Dropped replies report the failure to the callers.
            if let Err(error) = write(file, &own) {
                eprintln!("the log failed: {error:#}");
            }
        })?;
        Ok(Self(queue))
    }

    /// Returns when the record is durable. It is its length, its CRC-32, the id and the body.
    pub(super) async fn append(&self, id: &str, body: &[u8]) -> Result<()> {
        let mut crc = crc32fast::Hasher::new();
        crc.update(id.as_bytes());
        crc.update(body);
        let crc = crc.finalize().to_le_bytes();
        let length = u32::try_from(id.len() + body.len())?.to_le_bytes();
        let (reply, durable) = oneshot::channel();
        {
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            for part in [&length, &crc, id.as_bytes(), body] {
                waiting.bytes.extend_from_slice(part);
            }
            waiting.replies.push(reply);
        }
        self.0.some.notify_one();
        durable.await.context("the log failed")
    }
}

fn write(mut file: File, queue: &Queue) -> Result<()> {
    let mut commit = Waiting::default();
    loop {
        {
            let waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let mut waiting = queue
                .some
                .wait_while(waiting, |waiting| waiting.replies.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut commit, &mut waiting);
        }
        file.write_all(&commit.bytes)?;
        file.sync_data()?;
        commit.bytes.clear();
        for reply in commit.replies.drain(..) {
            // A caller that went away needs no answer.
            let _ = reply.send(());
        }
    }
}
