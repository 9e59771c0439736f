//! `gateway events find`: asks page after page until enough is found, or everything was searched.

use serde_json::{Value, json};

use super::arguments::output::TableArguments;
use super::client::{Absent, Client, NoAnswer};
use super::connection::Connection;
use super::failure::Failure;
use super::list::{self, Listing};
use super::offline;
use super::output::note;
use super::progress::Progress;
use super::request::{EventFilter, LogRequest};

/// Searches until Ctrl-C at the latest; what was found by then is printed, with the cursor to go on.
pub(super) async fn run(connection: &Connection, filter: EventFilter, table: TableArguments) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    let mut found = Found::new(filter);
    tokio::select! {
        searched = found.search(connection, &client) => searched?,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(anyhow::Error::from)?,
    }
    list::print(Listing::Found, &found.answer(), table)
}

struct Found {
    filter: EventFilter,
    rows: Vec<Value>,
    searched: u64,
    back_to: Value,
    next: Value,
}

impl Found {
    fn new(filter: EventFilter) -> Self {
        Self { filter, rows: Vec::new(), searched: 0, back_to: Value::Null, next: Value::Null }
    }

    async fn search(&mut self, connection: &Connection, client: &Client) -> Result<(), Failure> {
        let mut progress = Progress::new("events searched:");
        let mut is_offline = false;
        loop {
            let request = LogRequest::Events(self.filter.clone());
            let page = match client.get(&request.path()).await {
                Ok(page) => page,
                Err(NoAnswer::Refused(absent)) => {
                    let Some(log) = connection.eventlog()? else { return Err(NoAnswer::Refused(absent).into()) };
                    let Absent { origin, .. } = absent;
                    if !std::mem::replace(&mut is_offline, true) {
                        note(&format!("no gateway is running at {origin}, {}", offline::fallback(&log)));
                    }
                    offline::answer(&log, &|| None, &request)?
                }
                Err(error) => return Err(error.into()),
            };
            if self.take(page) {
                return Ok(());
            }
            progress.count(self.searched);
        }
    }

    /// Takes a page; returns whether it was the last.
    fn take(&mut self, mut page: Value) -> bool {
        let rows = page["events"].as_array_mut().map(std::mem::take).unwrap_or_default();
        self.filter.limit = self.filter.limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        self.rows.extend(rows);
        self.searched += page["searched"]["events"].as_u64().unwrap_or(0);
        if !page["searched"]["back_to"].is_null() {
            self.back_to = page["searched"]["back_to"].take();
        }
        self.next = page["next"].take();
        self.filter.cursor = self.next.as_str().map(str::to_owned);
        self.next.is_null() || self.filter.limit == 0
    }

    fn answer(self) -> Value {
        let searched = json!({"events": self.searched, "back_to": self.back_to});
        json!({"events": self.rows, "next": self.next, "searched": searched})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_goes_on_until_enough_is_found_or_nothing_is_left() {
        let page = |rows: usize, next: Option<&str>| {
            let rows = vec![json!({}); rows];
            json!({"events": rows, "next": next, "searched": {"events": 10, "back_to": next.map(|_| "then")}})
        };
        let mut found = Found::new(EventFilter { limit: 3, ..EventFilter::new() });

        assert!(!found.take(page(0, Some("9"))));
        assert_eq!((found.filter.limit, found.filter.cursor.as_deref()), (3, Some("9")));
        assert!(!found.take(page(2, Some("5"))));
        assert_eq!((found.filter.limit, found.filter.cursor.as_deref()), (1, Some("5")));
        assert!(found.take(page(1, Some("2"))), "enough");
        let answer = found.answer();
        assert_eq!(answer["events"].as_array().unwrap().len(), 3);
        assert_eq!(answer["next"], "2");
        assert_eq!(answer["searched"], json!({"events": 30, "back_to": "then"}));

        let mut found = Found::new(EventFilter::new());
        assert!(found.take(page(0, None)), "the end");
    }
}
