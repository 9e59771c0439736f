//! A receiver of a consumer that settles what it gets at random.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::journal::Journal;
use crate::receipts::{Receipts, Received};
use crate::support::{Client, Frame, KEY, WebSocket, ws};

/// How long it waits for the next event before it settles something.
const MOMENT: Duration = Duration::from_millis(10);

/// A receiver of the consumer `audit`, for one turn.
pub(crate) struct Receiver<'a> {
    client: Client,
    journal: &'a Journal,
    receipts: &'a mut Receipts,
    /// Sent and not settled, by position.
    open: BTreeMap<u64, Open>,
    /// Taken back for another attempt, also those that have come again. Later events of their subjects may not have come yet, so
    /// that a cursor behind them would acknowledge what was never sent.
    retried: BTreeSet<u64>,
    /// Parked, and sent again.
    replayed: BTreeMap<u64, String>,
    /// Whether it has events sent again, or acknowledges more by cursor.
    may_retry: bool,
    /// Whether it acknowledges everything, at once.
    pub(crate) is_thorough: bool,
}

struct Open {
    event: String,
    cursor: String,
}

/// What it does about events.
#[derive(Clone)]
enum Deed {
    Ack(Value),
    /// With the position of an event that is parked.
    Nack(Value, Option<u64>),
}

impl<'a> Receiver<'a> {
    pub(crate) fn new(client: &Client, journal: &'a Journal, receipts: &'a mut Receipts) -> Self {
        Self {
            client: client.clone(),
            journal,
            receipts,
            open: BTreeMap::new(),
            retried: BTreeSet::new(),
            replayed: BTreeMap::new(),
            may_retry: below(2) == 0,
            is_thorough: false,
        }
    }

    /// Receives over WebSocket until the gateway is gone.
    pub(crate) async fn connect(mut self) {
        let path = "/api/subscribe?consumer=audit";
        let Ok(mut socket) = WebSocket::reach(self.client.address(), path, &[("api-key", KEY)]).await else { return };
        assert!(socket.head.starts_with("http/1.1 101 "), "{}", socket.head);
        loop {
            let frame = socket.frame_within(MOMENT).await;
            match &frame {
                Some(Frame::Text(text)) => self.hear(&serde_json::from_str(text).unwrap()),
                Some(Frame::Ping(payload)) => drop(socket.try_send(&ws::frame(ws::FIN | ws::PONG, payload)).await),
                Some(_) => return,
                None => {}
            }
            let Some(deed) = self.decide(frame.is_none()) else { continue };
            let (kind, Deed::Ack(mut message) | Deed::Nack(mut message, _)) = (deed.name(), deed);
            message["type"] = kind.into();
            if !socket.try_send(&ws::frame(ws::FIN | ws::TEXT, message.to_string().as_bytes())).await {
                return;
            }
        }
    }

    /// Pulls until the gateway is gone.
    pub(crate) async fn pull(mut self) {
        let mut lease = Value::Null;
        loop {
            let held = lease.as_str().map(|lease| format!("&lease={lease}")).unwrap_or_default();
            let path = format!("/api/consumers/audit/events?limit={}&wait=20ms{held}", 1 + below(40));
            let Some(pulled) = self.ask("GET", &path, &Value::Null).await else { return };
            lease = pulled["lease"].clone();
            pulled["messages"].as_array().unwrap().iter().for_each(|message| self.hear(message));
            for _ in 0..4 {
                let Some(deed) = self.decide(true) else { break };
                let path = format!("/api/consumers/audit/{}", deed.name());
                let (Deed::Ack(mut body) | Deed::Nack(mut body, _)) = deed.clone();
                body["lease"] = lease.clone();
                let Some(settled) = self.ask("POST", &path, &body).await else { return };
                self.confirm(&settled);
                if let Deed::Nack(_, Some(parked)) = deed {
                    self.receipts.confirmed(parked);
                }
            }
        }
    }

    /// `None` if there is no answer.
    async fn ask(&mut self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let reply = self.client.try_send(method, path, &[("api-key", KEY)], body).await.ok()?;
        if reply.status != 200 {
            self.receipts.wrong.push(format!("{method} {path} was answered {reply:?}"));
            return None;
        }
        Some(reply.json())
    }

    fn hear(&mut self, message: &Value) {
        match message["type"].as_str().unwrap() {
            "connection.ack" => {
                assert_eq!(message["consumer"]["role"], "active", "{message}");
                self.receipts.begins(seq_of(&message["cursor"]));
            }
            "event" => self.receive(message),
            "gap" => self.receipts.gap(seq_of(&message["from"]) + 1, seq_of(&message["cursor"])),
            "acked" => self.confirm(message),
            _ => self.receipts.wrong.push(message.to_string()),
        }
    }

    fn receive(&mut self, message: &Value) {
        let (seq, received) = (seq_of(&message["cursor"]), received(message));
        let data = message["event"]["data"].as_str().unwrap_or_default();
        let id = data.split(' ').next().unwrap();
        if !id.contains('-') || data != self.journal.body(id) {
            self.receipts.wrong.push(format!("{} at {seq} has other bytes", received.event));
        }
        self.receipts.sent(&received);
        if received.parked {
            self.replayed.insert(seq, received.event);
        } else {
            let cursor = message["cursor"].as_str().unwrap().to_owned();
            self.open.insert(seq, Open { event: received.event, cursor });
        }
    }

    fn confirm(&mut self, message: &Value) {
        self.receipts.confirmed_upto(seq_of(&message["cursor"]));
        for id in message["ids"].as_array().into_iter().flatten() {
            match self.receipts.seq(id.as_str().unwrap()) {
                Some(seq) => self.receipts.confirmed(seq),
                None => self.receipts.wrong.push(format!("{id} was confirmed, but never sent")),
            }
        }
    }

    /// What to do now, if anything. Without a new event it does something about the others.
    fn decide(&mut self, is_idle: bool) -> Option<Deed> {
        if let Some((seq, event)) = self.replayed.pop_first() {
            self.receipts.acks_replayed(seq);
            return Some(Deed::Ack(json!({"ids": [event]})));
        }
        let dice = if self.is_thorough { 0 } else { below(if is_idle { 60 } else { 100 }) };
        let upto = self.retried.first().copied().unwrap_or(u64::MAX);
        match dice {
            0..20 => {
                let within = self.open.range(..upto).count();
                let chosen = if self.is_thorough { within.checked_sub(1)? } else { below(within) };
                let (seq, cursor) =
                    self.open.range(..upto).nth(chosen).map(|(seq, open)| (*seq, open.cursor.clone()))?;
                self.open = self.open.split_off(&(seq + 1));
                self.receipts.acks_upto(seq);
                Some(Deed::Ack(json!({"cursor": cursor})))
            }
            20..48 => {
                let taken: Vec<_> = (0..=below(5)).filter_map(|_| self.take()).collect();
                taken.iter().for_each(|(seq, _)| self.receipts.acks(*seq));
                let ids: Vec<_> = taken.into_iter().map(|(_, open)| open.event).collect();
                (!ids.is_empty()).then(|| Deed::Ack(json!({"ids": ids})))
            }
            48..57 if self.may_retry => {
                let (seq, open) = self.take()?;
                self.retried.insert(seq);
                Some(Deed::Nack(json!({"id": open.event, "delay_ms": below(30)}), None))
            }
            57..60 => {
                let (seq, open) = self.take()?;
                self.receipts.parks(seq);
                let park = json!({"id": open.event, "action": "park", "reason": "at random"});
                Some(Deed::Nack(park, Some(seq)))
            }
            _ => None,
        }
    }

    /// Takes one of the open events.
    fn take(&mut self) -> Option<(u64, Open)> {
        let seq = *self.open.keys().nth(below(self.open.len()))?;
        self.open.remove_entry(&seq)
    }
}

impl Deed {
    const fn name(&self) -> &'static str {
        match self {
            Self::Ack(_) => "ack",
            Self::Nack(..) => "nack",
        }
    }
}

/// The event of a message.
pub(crate) fn received(message: &Value) -> Received {
    let event = &message["event"];
    Received {
        seq: seq_of(&message["cursor"]),
        event: event["id"].as_str().unwrap().to_owned(),
        subject: event["subject"].as_str().unwrap_or_default().to_owned(),
        parked: message["parked"] == true,
    }
}

/// The position of a cursor.
pub(crate) fn seq_of(cursor: &Value) -> u64 {
    cursor.as_str().and_then(|cursor| cursor.split_once('.')?.1.parse().ok()).expect("a cursor")
}

/// A random number below `limit`; 0 if there is none.
fn below(limit: usize) -> usize {
    getrandom::u32().unwrap() as usize % limit.max(1)
}
