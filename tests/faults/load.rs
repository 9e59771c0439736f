//! Sends requests from the journal to a gateway.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::journal::{Journal, Letter};
use crate::support::{Client, Reply, TestGateway};
use crate::trial::Trial;

/// Concurrent senders.
pub(crate) const WRITERS: usize = 8;

/// Senders that post their requests in sequence until a response is missing or is a refusal.
pub(crate) struct Load(JoinSet<Option<Reply>>);

impl Load {
    /// Starts the senders.
    pub(crate) fn start(gateway: &TestGateway, trial: &Trial) -> Self {
        let mut senders = JoinSet::new();
        for writer in 0..WRITERS {
            senders.spawn(send(gateway.client.clone(), Arc::clone(&trial.journal), writer));
        }
        Self(senders)
    }

    /// Waits for the end of all senders and returns the refusals.
    pub(crate) async fn end(self) -> Vec<Reply> {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.0.join_all()).await;
        ended.expect("the gateway still accepts requests, but was to stop").into_iter().flatten().collect()
    }
}

async fn send(client: Client, journal: Arc<Journal>, writer: usize) -> Option<Reply> {
    loop {
        let reply = deliver(&client, &journal, &journal.attempt(writer)).await?;
        if reply.status != 202 {
            return Some(reply);
        }
    }
}

/// Sends a request from the journal; returns `None` if there is no response.
pub(crate) async fn deliver(client: &Client, journal: &Journal, letter: &Letter) -> Option<Reply> {
    deliver_to(client, journal, letter, "dummy").await
}

/// As [`deliver`], to another channel.
pub(crate) async fn deliver_to(client: &Client, journal: &Journal, letter: &Letter, channel: &str) -> Option<Reply> {
    let headers = [("x-delivery-id", letter.id.as_str())];
    let reply = client.try_send("POST", &letter.path(channel), &headers, journal.body(&letter.id).into()).await.ok()?;
    if reply.status.is_success() {
        journal.acknowledge(letter, reply.json()["events"][0]["id"].as_str().unwrap());
    }
    Some(reply)
}

/// Sends `count` requests in sequence; each must be accepted.
pub(crate) async fn deliver_all(gateway: &TestGateway, trial: &Trial, count: usize) {
    for _ in 0..count {
        let letter = trial.journal.attempt(0);
        deliver(&gateway.client, &trial.journal, &letter).await.unwrap().expect_accepted();
    }
}

/// Sends some of the unanswered requests again. It does not send all, because a real sender may give up.
pub(crate) async fn resend_unanswered(gateway: &TestGateway, trial: &Trial) {
    for letter in trial.journal.unanswered(4) {
        let reply = deliver(&gateway.client, &trial.journal, &letter).await.unwrap();
        assert!([200, 202].contains(&reply.status.as_u16()), "{reply:?}");
    }
}

/// Sends the first and the last few acknowledged requests again. Each must be a duplicate.
pub(crate) async fn resend_acknowledged(gateway: &TestGateway, trial: &Trial) {
    for letter in trial.journal.acknowledged(3, 10) {
        let reply = deliver(&gateway.client, &trial.journal, &letter).await.unwrap().expect_status(200).json();
        assert_eq!(reply["events"][0]["status"], "duplicate", "{}: {reply}", letter.id);
    }
}
