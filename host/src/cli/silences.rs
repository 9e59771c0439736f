//! `gateway silences`: what people make of silences, and how they move between gateways and Alertmanagers.

use std::fmt::Write;
use std::io::{self, Read};
use std::path::Path;

use ::http::{HeaderValue, Method};
use anyhow::{Context, anyhow};
use bytes::Bytes;
use serde_json::{Value, json};

use super::arguments::output::{Format, OutputArguments};
use super::arguments::silences::{AddArguments, SilencesCommand};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::file;
use super::list::{self, Listing, shown};
use super::output::{self, beside, note};
use super::replay::by;
use super::request::{Request, encoded, parameters};

pub(super) async fn run(connection: &Connection, command: SilencesCommand) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    match command {
        SilencesCommand::List(arguments) => {
            let (query, table) = arguments.split();
            list::run(connection, Listing::Silences, &Request::Silences(query), table).await
        }
        SilencesCommand::Add(arguments) => add(&client, arguments).await,
        SilencesCommand::Show { id, output } => {
            let silence = client.get(&format!("/admin/silences/{}", encoded(&id))).await?;
            print(&silence, output, shown_whole)
        }
        SilencesCommand::End { ids, output } => end(&client, &ids, output).await,
        SilencesCommand::Export { file } => export(&client, &file).await,
        SilencesCommand::Import { file, output } => import(&client, &file, output).await,
    }
}

async fn add(client: &Client, arguments: AddArguments) -> Result<(), Failure> {
    let AddArguments { matchers, duration, until, from, comment, by: author, output } = arguments;
    let body = json!({
        "matchers": matchers, "duration": duration, "ends_at": until, "starts_at": from, "comment": comment,
        "created_by": author,
    });
    let query = parameters(&[("by", Some(by()))]);
    print(&client.post(&format!("/admin/silences?{query}"), &body).await?, output, added)
}

/// What a new silence does.
fn added(silence: &Value) -> String {
    let [id, starts, ends] = ["id", "starts_at", "ends_at"].map(|name| shown(&silence[name]));
    if silence["state"] == "pending" {
        return format!("{id} begins at {starts} and ends at {ends}\n");
    }
    let quiet = match silence["suppressed"].as_u64() {
        None | Some(0) => "no alert that fires now matches".to_owned(),
        Some(1) => "1 alert that fires now is quiet".to_owned(),
        Some(count) => format!("{count} alerts that fire now are quiet"),
    };
    format!("{id} is active until {ends}: {quiet}\n")
}

/// Ends them one by one: one that there is not keeps no other.
async fn end(client: &Client, ids: &[String], output: OutputArguments) -> Result<(), Failure> {
    let query = parameters(&[("by", Some(by()))]);
    let (mut ended, mut failed) = (Vec::new(), false);
    for id in ids {
        let path = format!("/admin/silences/{}?{query}", encoded(id));
        let reply = client.send(Method::DELETE, &path, Vec::new(), Bytes::new()).await?;
        match client.read(&reply) {
            Ok(silence) => ended.push(silence),
            Err(error) => {
                failed = true;
                note(&format!("error: {error:#}"));
            }
        }
    }
    print(&json!({"silences": ended}), output, |answer| {
        answer["silences"].as_array().into_iter().flatten().map(over).collect()
    })?;
    if failed { Err(Failure::Reported) } else { Ok(()) }
}

fn over(silence: &Value) -> String {
    let id = shown(&silence["id"]);
    if silence["ended"] == true {
        format!("{id} has ended: what it kept quiet and still fires is told\n")
    } else {
        format!("{id} was over already\n")
    }
}

async fn export(client: &Client, file: &Path) -> Result<(), Failure> {
    let to_stdout = file == Path::new("-");
    if !to_stdout && file.exists() {
        return Err(anyhow!("`{}` already exists\nhint: choose another file name", file.display()).into());
    }
    let silences = client.get("/admin/silences/export").await?;
    if to_stdout {
        output::json(&silences)?;
    } else {
        file::replace(file, format!("{silences:#}\n").as_bytes())?;
    }
    let count = silences.as_array().map_or(0, Vec::len);
    note(&format!("{count} {} exported", if count == 1 { "silence" } else { "silences" }));
    Ok(())
}

async fn import(client: &Client, file: &Path, output: OutputArguments) -> Result<(), Failure> {
    let mut silences = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().read_to_end(&mut silences).map(drop)
    } else {
        std::fs::read(file).map(|bytes| silences = bytes)
    };
    read.with_context(|| format!("cannot read `{}`", file.display()))?;
    let query = parameters(&[("by", Some(by()))]);
    let headers = vec![("content-type".to_owned(), HeaderValue::from_static("application/json"))];
    let path = format!("/admin/silences/import?{query}");
    let reply = client.send(Method::POST, &path, headers, silences.into()).await?;
    print(&client.read(&reply)?, output, imported)
}

fn imported(report: &Value) -> String {
    let [added, changed, unchanged] = ["added", "changed", "unchanged"].map(|name| shown(&report[name]));
    let mut text = format!("{added} added, {changed} changed, {unchanged} unchanged");
    if let Some(expired @ 1..) = report["expired"].as_u64() {
        let _ = write!(text, "; {expired} left out, {}", if expired == 1 { "it is over" } else { "they are over" });
    }
    text + "\n"
}

fn print(answer: &Value, output: OutputArguments, text: impl Fn(&Value) -> String) -> Result<(), Failure> {
    match output.format {
        Format::Json => output::json(answer),
        Format::Text => output::text(&text(answer)),
    }
}

fn shown_whole(silence: &Value) -> String {
    let text = |name: &str| shown(&silence[name]);
    let matchers = silence["matchers"].as_array().into_iter().flatten().map(shown).collect::<Vec<_>>();
    let facts = [
        ("silence", text("id")),
        ("state", text("state")),
        ("matchers", matchers.join("\n")),
        ("by", text("created_by")),
        ("comment", text("comment")),
        ("starts", text("starts_at")),
        ("ends", text("ends_at")),
        ("updated", text("updated_at")),
        ("suppressed", text("suppressed") + " that fire now"),
    ];
    facts.map(|(label, value)| format!("{label:<10} {}\n", beside(11, &value))).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence(state: &str, suppressed: u64) -> Value {
        json!({
            "id": "b61a8b0c", "state": state, "matchers": ["alertname=\"Disk\"", "team!=\"a\\nb\""], "created_by": "ann",
            "comment": "disk swap\nticket\u{1b} 4711", "starts_at": "then", "ends_at": "later", "updated_at": "before",
            "suppressed": suppressed,
        })
    }

    #[test]
    fn what_was_added_says_what_is_quiet_and_until_when() {
        for (state, suppressed, expected) in [
            ("active", 0, "b61a8b0c is active until later: no alert that fires now matches\n"),
            ("active", 1, "b61a8b0c is active until later: 1 alert that fires now is quiet\n"),
            ("active", 12, "b61a8b0c is active until later: 12 alerts that fire now are quiet\n"),
            ("pending", 0, "b61a8b0c begins at then and ends at later\n"),
        ] {
            assert_eq!(added(&silence(state, suppressed)), expected);
        }
    }

    #[test]
    fn an_import_is_counted() {
        let report = |expired: u64| json!({"added": 2, "changed": 1, "unchanged": 7, "expired": expired});
        assert_eq!(imported(&report(0)), "2 added, 1 changed, 7 unchanged\n");
        assert_eq!(imported(&report(1)), "2 added, 1 changed, 7 unchanged; 1 left out, it is over\n");
        assert_eq!(imported(&report(3)), "2 added, 1 changed, 7 unchanged; 3 left out, they are over\n");
    }

    #[test]
    fn a_silence_reads_from_top_to_bottom() {
        assert_eq!(
            shown_whole(&silence("active", 12)),
            "silence    b61a8b0c\n\
             state      active\n\
             matchers   alertname=\"Disk\"\n           team!=\"a\\nb\"\n\
             by         ann\n\
             comment    disk swap\n           ticket\u{fffd} 4711\n\
             starts     then\n\
             ends       later\n\
             updated    before\n\
             suppressed 12 that fire now\n"
        );
    }
}
