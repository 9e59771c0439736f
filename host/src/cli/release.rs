//! `gateway events release`: events in quarantine are told after all, oldest first.

use ::http::{HeaderValue, Method, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use super::arguments::events::ReleaseArguments;
use super::arguments::output::{Format, OutputArguments};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::shown;
use super::output;
use super::progress::Progress;
use super::replay::{by, post};
use super::request::{EventFilter, parameters};
use crate::event::EventStatus;

pub(super) async fn run(connection: &Connection, arguments: ReleaseArguments) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    if let Some(id) = &arguments.id {
        let released = release(&client, &id.to_string()).await?;
        return match arguments.output.format {
            Format::Json => output::json(&released),
            Format::Text => output::text(&told(&released)),
        };
    }
    let Some(events) = arguments.selection() else {
        return Err(Failure::Call(
            "expected an event id or a filter\n\
             hint: `--all` releases every event in quarantine; `--dry-run` counts them first"
                .into(),
        ));
    };
    let filter = EventFilter { limit: 500, cursor: None, text: None, events, status: Some(EventStatus::Quarantined) };
    let ids = quarantined(&client, filter).await?;
    if arguments.dry_run {
        return report(&json!({"dry_run": true, "matched": ids.len()}), arguments.output);
    }
    let mut progress = Progress::new("released");
    let (mut done, mut released, mut mismatched) = (0_u64, 0_u64, 0_u64);
    for id in &ids {
        // Somebody else may have released it, and retention may have removed it.
        if let Some(answer) = try_release(&client, id).await? {
            released += 1;
            mismatched += u64::from(!answer["mismatch"].is_null());
        }
        done += 1;
        progress.at(done, ids.len() as u64);
    }
    drop(progress);
    let gone = done - released;
    let counts = json!({"dry_run": false, "released": released, "still_mismatched": mismatched, "gone": gone});
    report(&counts, arguments.output)
}

/// The ids of all that are meant, oldest first: they are told in the order in which they came.
async fn quarantined(client: &Client, mut filter: EventFilter) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::new();
    loop {
        let page = client.get(&format!("/admin/events?{}", filter.query())).await?;
        ids.extend(page["events"].as_array().into_iter().flatten().map(|event| shown(&event["id"])));
        match page["next"].as_str() {
            Some(next) => filter.cursor = Some(next.to_owned()),
            None => break,
        }
    }
    ids.reverse();
    Ok(ids)
}

/// Releases an event unless it is in quarantine no longer.
async fn try_release(client: &Client, id: &str) -> Result<Option<Value>, Failure> {
    let json = vec![("content-type".to_owned(), HeaderValue::from_static("application/json"))];
    let reply = client.send(Method::POST, &path(id), json, Bytes::from_static(b"{}")).await?;
    if matches!(reply.status, StatusCode::NOT_FOUND | StatusCode::CONFLICT) {
        return Ok(None);
    }
    Ok(Some(client.read(&reply)?))
}

fn path(id: &str) -> String {
    format!("/admin/events/{id}/release?{}", parameters(&[("by", Some(by()))]))
}

async fn release(client: &Client, id: &str) -> anyhow::Result<Value> {
    post(client, &path(id), "release").await
}

fn report(report: &Value, output: OutputArguments) -> Result<(), Failure> {
    match output.format {
        Format::Json => output::json(report),
        Format::Text => output::text(&counted(report)),
    }
}

fn told(released: &Value) -> String {
    let [id, new, deliveries] = ["id", "released_as", "deliveries"].map(|name| shown(&released[name]));
    let noun = if deliveries == "1" { "agent gets" } else { "agents get" };
    let mut text = format!("{id} is released as {new}: {deliveries} {noun} it\n");
    if !released["mismatch"].is_null() {
        text.push_str(&format!(
            "it still does not match its schema: {}\n",
            output::clean(&shown(&released["mismatch"]), false)
        ));
    }
    text
}

fn counted(report: &Value) -> String {
    let (count, verb) = match report["dry_run"].as_bool() {
        Some(true) => (&report["matched"], "would be released"),
        _ => (&report["released"], "released"),
    };
    let (count, mismatched) = (count.as_u64().unwrap_or(0), report["still_mismatched"].as_u64().unwrap_or(0));
    let noun = if count == 1 { "event" } else { "events" };
    match (count, mismatched) {
        (0, _) => "no event in quarantine matches\n".to_owned(),
        (_, 0) => format!("{count} {noun} {verb}\n"),
        (1, _) => format!("1 event {verb}, which still does not match its schema\n"),
        _ => format!("{count} {noun} {verb}, {mismatched} of them still do not match their schemas\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_one_line() {
        for (report, expected) in [
            (json!({"dry_run": true, "matched": 0}), "no event in quarantine matches\n"),
            (json!({"dry_run": true, "matched": 1}), "1 event would be released\n"),
            (json!({"dry_run": false, "released": 3, "still_mismatched": 0}), "3 events released\n"),
            (
                json!({"dry_run": false, "released": 1, "still_mismatched": 1}),
                "1 event released, which still does not match its schema\n",
            ),
            (
                json!({"dry_run": false, "released": 3, "still_mismatched": 2}),
                "3 events released, 2 of them still do not match their schemas\n",
            ),
        ] {
            assert_eq!(counted(&report), expected);
        }
        let one = json!({"id": "a", "released_as": "b", "deliveries": 1, "mismatch": "#/n is missing"});
        assert_eq!(
            told(&one),
            "a is released as b: 1 agent gets it\nit still does not match its schema: #/n is missing\n"
        );
    }
}
