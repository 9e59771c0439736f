//! The events of a gateway as they are stored, and what becomes of them.
//!
//! An event is followed until its deliveries are settled, as long as it is among the latest ones. A gateway that is gone is
//! tried again until it is back. Nothing is left behind in the gateway: it is only asked.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::Value;

use super::arguments::select::SelectArguments;
use super::client::{Client, NoAnswer};
use super::failure::Failure;
use super::list::shown;
use super::output;
use super::request::{EventFilter, LogRequest};
use crate::event::Timestamp;
use crate::event::names_kind;

/// The interval between polls.
const INTERVAL: Duration = Duration::from_millis(500);

/// The interval between tries to reach a gateway that is gone.
const PAUSE: Duration = Duration::from_secs(2);

/// Events of one request; if there are more, older pages follow. Events before the latest page are not followed any more.
const PAGE: u32 = 100;

/// Events of one poll in memory. With more, only the latest are shown.
const MOST: usize = 10_000;

/// Where somebody is who follows a gateway.
pub(super) struct Follower<'a> {
    client: &'a Client,
    filter: EventFilter,
    /// The position of the last event at the start.
    newest: u64,
    known: Known,
    /// Whether the gateway did not answer the last time.
    is_lost: bool,
}

/// The events that were seen.
struct Known {
    /// The position up to which.
    last: u64,
    /// Those that are not settled, by position, with their statuses.
    open: BTreeMap<u64, String>,
}

impl<'a> Follower<'a> {
    /// Begins with the events after `since`, or with the next one. `select` is what the caller waits for.
    ///
    /// # Errors
    /// The gateway does not answer, or has no such channel.
    pub(super) async fn start(
        client: &'a Client,
        since: Option<Timestamp>,
        select: &SelectArguments,
    ) -> Result<Self, Failure> {
        check_channel(client, select).await?;
        let newest = newest(&page(client, &EventFilter { limit: 1, ..EventFilter::new() }).await?);
        let mut filter = EventFilter { limit: PAGE, ..EventFilter::new() };
        filter.events.since = since;
        let last = if since.is_some() { 0 } else { newest };
        output::note(&format!("following {}, press Ctrl-C to stop", client.origin()));
        Ok(Self { client, filter, newest, known: Known { last, open: BTreeMap::new() }, is_lost: false })
    }

    /// Waits for events, oldest first. Before new ones are those whose status has changed, with a member `again`.
    pub(super) async fn next(&mut self) -> Vec<Value> {
        loop {
            match self.known.poll(self.client, &self.filter).await {
                Ok(rows) => {
                    if std::mem::take(&mut self.is_lost) {
                        output::note(&format!("following {} again", self.client.origin()));
                    }
                    // From now on the position says what is new.
                    if self.filter.events.since.take().is_some() {
                        self.known.last = self.known.last.max(self.newest);
                    }
                    if !rows.is_empty() {
                        return rows;
                    }
                    tokio::time::sleep(INTERVAL).await;
                }
                Err(reason) => {
                    if !std::mem::replace(&mut self.is_lost, true) {
                        let reason = anyhow::Error::from(reason).to_string();
                        let reason = reason.lines().next().unwrap_or_default();
                        output::note(&format!("{reason}; trying again until it answers"));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Known {
    /// The events after the last one, oldest first, and before them those whose status has changed, marked with `again`.
    async fn poll(&mut self, client: &Client, filter: &EventFilter) -> Result<Vec<Value>, NoAnswer> {
        let mut new = Vec::new();
        let mut changed = Vec::new();
        let mut filter = filter.clone();
        loop {
            let mut page = page(client, &filter).await?;
            if filter.cursor.is_none() && newest(&page) < self.last {
                // Another log is served there now, for example a restored one.
                *self = Self { last: newest(&page), open: BTreeMap::new() };
            }
            let Some(events) = page["events"].as_array_mut() else { break };
            let received = events.len();
            let (fresh, known): (Vec<_>, Vec<_>) = events.drain(..).partition(|row| seq(row) > self.last);
            if filter.cursor.is_none() {
                changed = self.changed(known);
            }
            let is_end =
                fresh.len() < received || received == 0 || fresh.last().is_none_or(|row| seq(row) <= self.last + 1);
            new.extend(fresh);
            match page["next"].as_str() {
                Some(next) if !is_end && new.len() < MOST => filter.cursor = Some(next.to_owned()),
                _ => break,
            }
        }
        new.reverse();
        for row in &new {
            self.last = self.last.max(seq(row));
            if is_open(row) {
                self.open.insert(seq(row), shown(&row["status"]));
            }
        }
        while self.open.len() > PAGE as usize {
            self.open.pop_first();
        }
        changed.extend(new);
        Ok(changed)
    }

    fn changed(&mut self, rows: Vec<Value>) -> Vec<Value> {
        let mut changed = Vec::new();
        for mut row in rows.into_iter().rev() {
            let status = shown(&row["status"]);
            if self.open.get(&seq(&row)).is_some_and(|before| *before != status) {
                if is_open(&row) {
                    self.open.insert(seq(&row), status)
                } else {
                    self.open.remove(&seq(&row))
                };
                row["again"] = true.into();
                changed.push(row);
            }
        }
        changed
    }
}

async fn page(client: &Client, filter: &EventFilter) -> Result<Value, NoAnswer> {
    client.get(&LogRequest::Events(filter.clone()).path()).await
}

fn newest(page: &Value) -> u64 {
    seq(&page["events"][0])
}

fn seq(row: &Value) -> u64 {
    row["seq"].as_u64().unwrap_or(0)
}

/// Whether the status of the event is to change.
fn is_open(row: &Value) -> bool {
    matches!(row["status"].as_str(), Some("pending" | "held"))
}

/// Checks that the channel that is waited for exists, because nothing would ever come of another.
pub(super) async fn check_channel(client: &Client, select: &SelectArguments) -> Result<(), Failure> {
    let Some(channel) = select.channel.as_ref().filter(|channel| !channel.is_built_in()) else { return Ok(()) };
    let listed = client.get("/admin/channels").await?;
    let mut rows = listed["channels"].as_array().into_iter().flatten();
    if rows.any(|row| row["name"] == channel.as_str()) {
        return Ok(());
    }
    Err(anyhow!("there is no channel `{channel}`\nhint: `gateway channels` lists them").into())
}

/// Whether an event is meant.
pub(super) fn is_selected(row: &Value, select: &SelectArguments) -> bool {
    let kind = shown(&row["kind"]);
    select.channel.as_ref().is_none_or(|channel| row["channel"] == channel.as_str())
        && select.kind.as_ref().is_none_or(|wanted| names_kind(wanted, &kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_selected_events_are_printed() {
        let row = json!({"channel": "github", "kind": "github.issues.opened"});
        let select = |channel: Option<&str>, kind: Option<&str>| SelectArguments {
            channel: channel.map(|name| name.parse().unwrap()),
            kind: kind.map(str::to_owned),
        };

        for (channel, kind, expected) in [
            (None, None, true),
            (Some("github"), None, true),
            (Some("grafana"), None, false),
            (None, Some("github.issues.*"), true),
            (None, Some("github.issues"), false),
        ] {
            assert_eq!(is_selected(&row, &select(channel, kind)), expected, "{channel:?} {kind:?}");
        }
    }

    #[test]
    fn an_event_comes_again_when_its_status_changes() {
        let row = |seq: u64, status: &str| json!({"seq": seq, "status": status});
        let mut known = Known { last: 8, open: [(7, "pending".to_owned()), (8, "held".to_owned())].into() };

        let changed = known.changed(vec![row(8, "pending"), row(7, "delivered"), row(6, "dead")]);

        let seen: Vec<_> = changed.iter().map(|row| (seq(row), shown(&row["status"]), row["again"] == true)).collect();
        assert_eq!(seen, [(7, "delivered".to_owned(), true), (8, "pending".to_owned(), true)]);
        assert_eq!(known.open, [(8, "pending".to_owned())].into());
        assert_eq!(known.changed(vec![row(8, "pending")]), Vec::<Value>::new());
    }
}
