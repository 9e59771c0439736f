use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::task::JoinSet;

use super::journal::{Journal, Sent, body};
use crate::support::{Client, Reply, TestGateway};

/// Requests that are sent at once.
const WRITERS: usize = 8;

/// Senders that post one request after the other until they get no answer, or one that is a refusal.
pub(super) struct Load(JoinSet<Option<Reply>>);

/// What the gateway has, compared with what it was sent.
pub(super) struct Figures {
    /// Attempts.
    pub(super) sent: usize,
    /// Answered 202, or 200 when they were sent again.
    pub(super) acknowledged: usize,
    /// Never answered, and stored all the same.
    pub(super) stored_unanswered: usize,
    /// Acknowledged, but not stored.
    pub(super) lost: usize,
    /// Stored more than once.
    pub(super) duplicated: usize,
    /// Stored, but never sent.
    pub(super) phantom: usize,
}

impl Load {
    /// Starts to send.
    pub(super) fn start(client: &Client, journal: &Arc<Journal>) -> Self {
        let mut senders = JoinSet::new();
        for writer in 0..WRITERS {
            senders.spawn(send(client.clone(), Arc::clone(journal), writer));
        }
        Self(senders)
    }

    /// Waits for the end of all senders and returns the refusals.
    pub(super) async fn end(self) -> Vec<Reply> {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.0.join_all()).await;
        ended.expect("the gateway still takes requests, and was to stop").into_iter().flatten().collect()
    }
}

async fn send(client: Client, journal: Arc<Journal>, writer: usize) -> Option<Reply> {
    loop {
        let id = journal.attempt(writer);
        let reply = deliver(&client, &journal, &id).await?;
        if reply.status != 202 {
            return Some(reply);
        }
    }
}

/// Sends the request with this id, which is in the journal; none when there is no answer.
pub(super) async fn deliver(client: &Client, journal: &Journal, id: &str) -> Option<Reply> {
    let headers = [("x-delivery-id", id)];
    let reply = client.try_send("POST", "/webhooks/dummy", &headers, body(id).into()).await.ok()?;
    if reply.status.is_success() {
        journal.acknowledge(id, reply.json()["events"][0]["id"].as_str().unwrap());
    }
    Some(reply)
}

/// Sends again what got no answer: some of it, because a sender may have given up.
pub(super) async fn resend_unanswered(client: &Client, journal: &Journal) {
    let sent = journal.sent();
    let unanswered = sent.iter().filter(|(_, sent)| **sent == Sent::Unanswered).map(|(id, _)| id);
    for id in unanswered.rev().take(4) {
        let reply = deliver(client, journal, id).await.unwrap();
        assert!([200, 202].contains(&reply.status.as_u16()), "{reply:?}");
    }
}

/// Sends again what was acknowledged: the first and the last few. Each must be known.
pub(super) async fn resend_acknowledged(client: &Client, journal: &Journal) {
    let sent = journal.sent();
    let acknowledged: Vec<_> = sent.iter().filter(|(_, sent)| **sent != Sent::Unanswered).map(|(id, _)| id).collect();
    for id in acknowledged.iter().take(3).chain(acknowledged.iter().rev().take(10)) {
        let reply = deliver(client, journal, id).await.unwrap().expect_status(200).json();
        assert_eq!(reply["events"][0]["status"], "duplicate", "{id}: {reply}");
    }
}

/// Waits until every event is delivered and that is on the disk.
pub(super) async fn all_delivered(gateway: &TestGateway) {
    gateway
        .until("the delivery of every event", async || {
            let stats = gateway.json("/admin/stats").await;
            (stats["head"] == stats["events"]["delivered"]).then_some(())
        })
        .await;
}

/// Waits until everything is delivered and compares each stored event with the journal.
pub(super) async fn compare(gateway: &TestGateway, journal: &Journal) -> Figures {
    all_delivered(gateway).await;
    let sent = journal.sent();
    let rows = all_events(gateway).await;
    let positions: Vec<_> = rows.iter().rev().map(|row| row["seq"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=rows.len() as u64).collect::<Vec<_>>(), "positions have gaps");
    let events = stream::iter(&rows).map(|row| event(gateway, row)).buffer_unordered(16).collect::<Vec<_>>().await;

    let mut stored = BTreeMap::<String, BTreeSet<String>>::new();
    for (id, delivery) in events {
        stored.entry(delivery).or_default().insert(id);
    }
    let holds = |id: &String, event: &String| stored.get(id).is_some_and(|events| events.contains(event));
    let lost = |(id, sent): &(&String, &Sent)| match sent {
        Sent::Acknowledged(event) => !holds(id, event),
        Sent::Unanswered => false,
    };
    Figures {
        sent: sent.len(),
        acknowledged: sent.values().filter(|sent| **sent != Sent::Unanswered).count(),
        stored_unanswered: stored.keys().filter(|id| sent.get(*id) == Some(&Sent::Unanswered)).count(),
        lost: sent.iter().filter(lost).count(),
        duplicated: stored.values().map(|events| events.len() - 1).sum(),
        phantom: stored.keys().filter(|id| !sent.contains_key(*id)).count(),
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, acknowledged, stored_unanswered, lost, duplicated, phantom } = self;
        write!(f, "{sent} sent, {acknowledged} acknowledged, {stored_unanswered} stored without an answer; ")?;
        write!(f, "{lost} lost, {duplicated} duplicated, {phantom} never sent")
    }
}

impl Figures {
    /// Panics unless the gateway has what it said it has, once, and nothing else.
    pub(super) fn expect_nothing_lost(&self) {
        assert_eq!((self.lost, self.duplicated, self.phantom), (0, 0, 0), "{self}");
    }
}

/// Every row of the list of events, newest first.
async fn all_events(gateway: &TestGateway) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut path = "/admin/events?limit=500".to_owned();
    loop {
        let page = gateway.json(&path).await;
        rows.extend(page["events"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { return rows };
        path = format!("/admin/events?limit=500&cursor={next}");
    }
}

/// The event's id and that of its delivery, after its body and its delivery were looked at.
async fn event(gateway: &TestGateway, row: &Value) -> (String, String) {
    let id = row["id"].as_str().unwrap();
    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!((&event["id"], &event["seq"]), (&row["id"], &row["seq"]));
    let delivery = event["headers"][0][1].as_str().unwrap();
    assert!(event["data"].as_str() == Some(&body(delivery)), "{id} has not the body of {delivery}");
    let deliveries = event["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 1, "{event}");
    assert_eq!(deliveries[0]["state"], "delivered", "{event}");
    (id.to_owned(), delivery.to_owned())
}
