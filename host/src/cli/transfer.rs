//! `gateway events export` and `gateway events import`: events as lines of CloudEvents, out of one log and into another.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use ::http::Method;
use anyhow::{Context, anyhow};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::arguments::events::{ExportArguments, ImportArguments};
use super::arguments::output::Format;
use super::client::{Absent, Client, NoAnswer};
use super::connection::Connection;
use super::failure::Failure;
use super::file::{part_of, put_in_place};
use super::list::shown;
use super::offline;
use super::output::{self, clean, note};
use super::progress::Progress;
use super::request::{parameters, selecting};
use crate::eventlog::EventLogError;
use crate::http::admin::export::{ExportQuery, lines};

/// Lines and bytes of one request of an import; a longer line is sent alone.
const LINES: u64 = 1000;
const BYTES: usize = 2 << 20;

/// No line is longer: the largest body that a gateway can be set to accept, in base64.
const MAX_LINE: u64 = 256 << 20;

/// Where the lines of an export go.
enum Target<'a> {
    Stdout,
    File { writer: BufWriter<File>, file: &'a Path },
}

/// Writes the events to the file, or to stdout.
pub(super) async fn export(connection: &Connection, arguments: ExportArguments) -> Result<(), Failure> {
    let (events, data, file) = arguments.split();
    let file = Some(&*file).filter(|file| *file != Path::new("-"));
    if let Some(file) = file.filter(|file| file.exists()) {
        return Err(anyhow!("`{}` already exists\nhint: choose another file name", file.display()).into());
    }
    let mut target = Target::open(file)?;
    let written = write(connection, &ExportQuery { events, data }, &mut target).await;
    let finished = written.and_then(|count| target.finish().map(|()| count).map_err(Failure::from));
    if let (Err(_), Some(file)) = (&finished, file) {
        let _ = fs::remove_file(part_of(file));
    }
    let count = finished?;
    let noun = if count == 1 { "event" } else { "events" };
    note(&format!("{count} {noun} exported"));
    Ok(())
}

/// Returns how many events were written.
async fn write(connection: &Connection, query: &ExportQuery, target: &mut Target<'_>) -> Result<u64, Failure> {
    let client = Client::admin(connection)?;
    let pairs = [&[("data", query.data.then(|| true.to_string()))][..], &selecting(&query.events)].concat();
    let path = format!("/admin/log/export?{}", parameters(&pairs));
    let mut count = 0;
    let mut progress = Progress::new("events exported:");
    let head = if progress.is_live() { head(&client).await } else { None };
    let (mut seq, mut closed) = (0, false);
    let mut sink = |piece: Bytes| {
        count += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        match head {
            Some(head) => {
                seq = last_seq(&piece).unwrap_or(seq);
                progress.at(seq, head);
            }
            None => progress.count(count),
        }
        target
            .put(&piece)
            .inspect_err(|failure| closed = matches!(failure, Failure::Closed))
            .map_err(Failure::of_writing)
    };
    match client.stream(Method::GET, &path, &mut sink).await {
        Ok(()) => {}
        Err(NoAnswer::Refused(absent)) => {
            let Some(log) = connection.eventlog()? else { return Err(NoAnswer::Refused(absent).into()) };
            let Absent { origin, .. } = absent;
            note(&format!("no gateway is running at {origin}, {}", offline::fallback(&log)));
            let mut send = |piece| sink(piece).map_err(|error| EventLogError::Io(format!("{error:#}")));
            lines(&offline::open_log(&log)?, query, &mut send).map_err(anyhow::Error::from)?;
        }
        Err(NoAnswer::Failed(_)) if closed => return Err(Failure::Closed),
        Err(error) => return Err(error.into()),
    }
    Ok(count)
}

/// The position of the newest event of a running gateway.
async fn head(client: &Client) -> Option<u64> {
    client.get("/admin/stats").await.ok()?["head"].as_u64()
}

/// The position of the last event in a piece, unless its line is cut.
fn last_seq(piece: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Line {
        seq: u64,
    }
    let line = piece.strip_suffix(b"\n")?.rsplit(|byte| *byte == b'\n').next()?;
    serde_json::from_slice::<Line>(line).ok().map(|line| line.seq)
}

impl<'a> Target<'a> {
    fn open(file: Option<&'a Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(Self::Stdout) };
        let writer = File::create(part_of(file)).with_context(|| failed(file))?;
        Ok(Self::File { writer: BufWriter::new(writer), file })
    }

    fn put(&mut self, piece: &Bytes) -> Result<(), Failure> {
        match self {
            Self::Stdout => output::bytes(piece),
            Self::File { writer, file } => Ok(writer.write_all(piece).with_context(|| failed(file))?),
        }
    }

    /// A file appears under its name once it is complete.
    fn finish(self) -> anyhow::Result<()> {
        let Self::File { writer, file } = self else { return Ok(()) };
        let written = writer.into_inner().map_err(io::IntoInnerError::into_error).with_context(|| failed(file))?;
        written.sync_all().with_context(|| failed(file))?;
        put_in_place(&part_of(file), file)
    }
}

fn failed(file: &Path) -> String {
    format!("cannot write `{}`", file.display())
}

/// Sends the lines of a file or of stdin to the running gateway.
pub(super) async fn import(connection: &Connection, arguments: ImportArguments) -> Result<(), Failure> {
    let ImportArguments { file, route, output: format } = arguments;
    let mut input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
        Box::new(BufReader::new(opened))
    };
    let client = Client::admin(connection)?;
    let path = format!("/admin/log/import?route={route}");
    let mut total = Total::default();
    let mut progress = Progress::new("lines sent:");
    loop {
        let (lines, body) = next_lines(&mut input, MAX_LINE).context("cannot read the lines to import")?;
        if lines == 0 {
            break;
        }
        let report = client.post_lines(&path, body).await.map_err(|error| {
            let done = total.lines;
            let kept = "\nhint: run it again: what was imported before is a duplicate then";
            anyhow::Error::from(error).context(format!("import stopped after line {done}{kept}"))
        })?;
        for problem in total.add(lines, &report) {
            note(&problem);
        }
        progress.count(total.lines);
    }
    drop(progress);
    match format.format {
        Format::Json => output::json(&json!({
            "imported": total.imported, "duplicates": total.duplicates, "refused": total.refused,
        }))?,
        Format::Text => output::text(&total.text())?,
    }
    if total.refused == 0 { Ok(()) } else { Err(Failure::Reported) }
}

/// Some lines, and their number; 0 at the end.
fn next_lines(input: &mut dyn BufRead, max: u64) -> io::Result<(u64, Vec<u8>)> {
    let (mut lines, mut body) = (0, Vec::new());
    while lines < LINES && body.len() < BYTES {
        let read = Read::take(&mut *input, max).read_until(b'\n', &mut body)?;
        if read == 0 {
            break;
        }
        if read as u64 == max && !body.ends_with(b"\n") {
            return Err(io::Error::other(format!("a line has more than {max} bytes")));
        }
        lines += 1;
    }
    Ok((lines, body))
}

#[derive(Default)]
struct Total {
    lines: u64,
    imported: u64,
    duplicates: u64,
    refused: u64,
}

impl Total {
    /// Adds the report on the next `lines` lines; returns what to say about those that were refused.
    fn add(&mut self, lines: u64, report: &Value) -> Vec<String> {
        let number = |name: &str| report[name].as_u64().unwrap_or(0);
        self.imported += number("imported");
        self.duplicates += number("duplicates");
        self.refused += number("refused");
        let problems = report["problems"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut notes: Vec<_> = problems
            .iter()
            .map(|problem| {
                let line = self.lines + problem["line"].as_u64().unwrap_or(0);
                clean(&format!("line {line} refused: {}", shown(&problem["reason"])), false)
            })
            .collect();
        let untold = number("refused").saturating_sub(notes.len() as u64);
        if untold > 0 {
            notes.push(format!("{untold} more lines refused up to line {}", self.lines + lines));
        }
        self.lines += lines;
        notes
    }

    fn text(&self) -> String {
        let Self { imported, duplicates, refused, .. } = self;
        let noun = if *duplicates == 1 { "duplicate" } else { "duplicates" };
        format!("{imported} imported, {duplicates} {noun}, {refused} refused\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_lines_have_their_number_in_the_file() {
        let mut total = Total { lines: 1000, ..Total::default() };
        let problems = json!([{"line": 2, "reason": "`id` is missing\u{1b}"}]);
        let report = json!({"imported": 7, "duplicates": 1, "refused": 3, "problems": problems});

        let notes = total.add(10, &report);

        assert_eq!(notes, ["line 1002 refused: `id` is missing\u{fffd}", "2 more lines refused up to line 1010"]);
        assert_eq!(total.text(), "7 imported, 1 duplicate, 3 refused\n");
        assert_eq!(total.lines, 1010);
    }

    #[test]
    fn lines_are_read_some_at_a_time() {
        let mut input = io::Cursor::new("a\n\nb");
        assert_eq!(next_lines(&mut input, 10).unwrap(), (3, b"a\n\nb".to_vec()));
        assert_eq!(next_lines(&mut input, 10).unwrap(), (0, Vec::new()));
        let many = "x\n".repeat(2500);
        let mut input = io::Cursor::new(many);
        let counts: Vec<_> = std::iter::from_fn(|| Some(next_lines(&mut input, 10).unwrap().0)).take(4).collect();
        assert_eq!(counts, [1000, 1000, 500, 0]);
        assert!(next_lines(&mut io::Cursor::new("0123456789"), 5).is_err());
    }
}
