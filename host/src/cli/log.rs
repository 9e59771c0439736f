//! `gateway log`: statistics, verification, backup, restore and repair of the event log.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::Path;

use ::http::Method;
use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use bytesize::ByteSize;
use serde::Serialize;
use serde_json::{Value, json};

use super::arguments::log::LogCommand;
use super::arguments::output::{Format, OutputArguments};
use super::client::{Client, NoAnswer};
use super::failure::Failure;
use super::file::{part_of, put_in_place};
use super::list::shown;
use super::offline::{STORE, open_log};
use super::output::{self, Progress, note};
use crate::config::Config;
use crate::event::Timestamp;
use crate::eventlog::{self, BackupSummary, EngineKind, EventLogError, Pieces, Verified};

/// The route of the admin API that streams a backup.
const BACKUP: &str = "/admin/log/backup";

pub(super) async fn run(config: &Config, command: LogCommand) -> Result<(), Failure> {
    match command {
        LogCommand::Stats { output } => stats(config, output).await,
        LogCommand::Verify { output } => verify(config, output).await,
        LogCommand::Backup { file, output } => backup(config, &file, output).await,
        LogCommand::Restore { file, output } => restore(config, &file, output),
        LogCommand::Repair { output } => repair(config, output),
    }
}

async fn stats(config: &Config, output: OutputArguments) -> Result<(), Failure> {
    let client = Client::admin(config);
    let stats = match client.get("/admin/stats").await {
        Ok(json) => {
            note(&format!("from the gateway at {}", client.origin()));
            json["eventlog"].clone()
        }
        Err(NoAnswer::Refused(_)) => {
            let dir = offline(config, &client)?;
            if !dir.join(STORE).exists() {
                return Err(no_log(dir).into());
            }
            to_json(&open_log(config)?.stats())
        }
        Err(NoAnswer::Failed(error)) => return Err(error.into()),
    };
    if output.format == Format::Json {
        return output::json(&stats);
    }
    let size = |bytes: &Value| bytes.as_u64().map_or_else(String::new, |bytes| ByteSize::b(bytes).to_string());
    let (disk, journal) = (&stats["disk"], &stats["journal"]);
    let rows = [
        ("last position", shown(&stats["head"])),
        ("first held", shown(&stats["floor"])),
        ("events held", shown(&stats["events"])),
        ("removed", shown(&stats["removed"])),
        ("size", size(&stats["bytes"])),
        ("oldest", shown(&stats["oldest"])),
        ("newest", shown(&stats["newest"])),
        ("on disk", size(&disk["used"])),
        ("free on disk", size(&disk["free"])),
        ("store segments", shown(&disk["segments"])),
        ("journal", size(&journal["bytes"])),
        ("journal segments", shown(&journal["segments"])),
        ("journal in use", size(&journal["live"])),
        ("not applied", size(&journal["waiting"])),
        ("format", shown(&stats["format"])),
        ("epoch", shown(&stats["epoch"])),
    ];
    let mut text = String::new();
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{name:<16} {value}");
    }
    output::text(&text)
}

async fn verify(config: &Config, output: OutputArguments) -> Result<(), Failure> {
    let client = Client::admin(config);
    let verified = match read_running(&client).await {
        Ok(contents) => {
            note(&format!(
                "from the gateway at {}: events, deliveries and identities; counters are verified only while no gateway runs",
                client.origin()
            ));
            Verified { contents, ..Verified::default() }
        }
        Err(NoAnswer::Refused(_)) => {
            let dir = offline(config, &client)?;
            if !dir.join(STORE).exists() {
                return Err(no_log(dir).into());
            }
            let mut progress = Progress::new("verified up to event");
            eventlog::verify(dir, &mut |seq| progress.at(seq)).map_err(explain)?
        }
        Err(NoAnswer::Failed(error)) => return Err(error.into()),
    };
    let is_whole = verified.is_whole();
    if output.format == Format::Json {
        output::json(&to_json(&verified))?;
    } else {
        output::text(&verified_text(&verified))?;
    }
    if is_whole {
        return Ok(());
    }
    note("hint: stop the gateway and run `gateway log repair` to keep what can be read; a backup may have the rest");
    Err(Failure::Reported)
}

fn verified_text(verified: &Verified) -> String {
    let Verified { contents, problems, lost_before, .. } = verified;
    let mut text = lost_text(contents);
    for problem in problems {
        let _ = writeln!(text, "damaged: {}", output::clean(problem, false));
    }
    for (first, last) in lost_before {
        let _ = writeln!(text, "lost before an earlier repair: events {first} to {last}");
    }
    let word = if verified.is_whole() { "intact" } else { "damaged" };
    let _ = writeln!(text, "{} events up to position {}: {word}", contents.events, contents.head);
    text
}

fn lost_text(contents: &BackupSummary) -> String {
    let mut text = String::new();
    for loss in &contents.lost {
        let _ = writeln!(text, "lost: {}", output::clean(&loss.to_string(), false));
    }
    if contents.unlisted > 0 {
        let _ = writeln!(text, "lost: {} more", contents.unlisted);
    }
    text
}

async fn backup(config: &Config, file: &Path, output: OutputArguments) -> Result<(), Failure> {
    if file.exists() {
        return Err(anyhow!("`{}` already exists\nhint: choose another file name", file.display()).into());
    }
    let part = part_of(file);
    let made = write_backup(config, &part).await.and_then(|()| {
        // A backup counts only if it can be read back.
        let input = File::open(&part).with_context(|| format!("cannot read `{}`", part.display()))?;
        let mut progress = Progress::new("checked up to event");
        let contents = eventlog::check_backup(BufReader::new(input), &mut |seq| progress.at(seq)).map_err(explain)?;
        put_in_place(&part, file)?;
        Ok(contents)
    });
    if made.is_err() {
        let _ = fs::remove_file(&part);
    }
    report(&made?, &[("file", file)], &format!("`{}` has", file.display()), output)
}

async fn write_backup(config: &Config, part: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot write `{}`", part.display());
    let mut writer = BufWriter::new(File::create(part).with_context(failed)?);
    let client = Client::admin(config);
    let mut sink = |piece: Bytes| writer.write_all(&piece).with_context(failed);
    match client.stream(Method::GET, BACKUP, &mut sink).await {
        Ok(()) => note(&format!("from the gateway at {}", client.origin())),
        Err(NoAnswer::Refused(_)) => {
            let dir = offline(config, &client)?;
            if !dir.join(STORE).exists() {
                return Err(no_log(dir));
            }
            let mut progress = Progress::new("written up to event");
            let mut sink = |piece: Bytes| {
                writer.write_all(&piece).map_err(|error| EventLogError::Io(format!("{}: {error}", failed())))
            };
            open_log(config)?.backup(&mut sink, &mut |seq| progress.at(seq)).map_err(explain)?;
        }
        Err(NoAnswer::Failed(error)) => return Err(error),
    }
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error).with_context(failed)?;
    file.sync_all().with_context(failed)
}

fn restore(config: &Config, file: &Path, output: OutputArguments) -> Result<(), Failure> {
    let dir = folder(config)?;
    if dir.join(STORE).exists() {
        return Err(anyhow!(
            "`{}` already holds an event log\nhint: stop the gateway and move the folder away, or set `eventlog.dir` to another folder",
            dir.display()
        )
        .into());
    }
    let open = || File::open(file).with_context(|| format!("cannot read `{}`", file.display()));
    // The whole file is checked before anything is written.
    let mut progress = Progress::new("checked up to event");
    eventlog::check_backup(BufReader::new(open()?), &mut |seq| progress.at(seq)).map_err(explain)?;
    let mut progress = Progress::new("restored up to event");
    let restored = eventlog::restore(BufReader::new(open()?), dir, &mut |seq| progress.at(seq)).map_err(explain)?;
    drop(progress);
    report(&restored, &[("dir", dir)], &format!("`{}` has", dir.display()), output)
}

fn repair(config: &Config, output: OutputArguments) -> Result<(), Failure> {
    let dir = folder(config)?;
    if !dir.exists() {
        return Err(no_log(dir).into());
    }
    let mut progress = Progress::new("recovered up to event");
    let repaired = eventlog::repair(dir, Timestamp::now(), &mut |seq| progress.at(seq)).map_err(|error| {
        let hint = "hint: nothing can be recovered: move the folder away, then run `gateway log restore FILE` with the latest backup";
        match error {
            EventLogError::Corrupt { key, detail } => {
                let detail = detail.lines().next().unwrap_or_default().to_owned();
                anyhow!("the event log in `{key}` cannot be opened: {detail}\n{hint}")
            }
            error => explain(error),
        }
    })?;
    drop(progress);
    let begin = format!("the damaged log is kept in `{}`\n`{}` has", repaired.kept.display(), dir.display());
    match report(&repaired.contents, &[("kept", &repaired.kept), ("dir", dir)], &begin, output) {
        // A repair succeeds however much was lost.
        Err(Failure::Reported) => Ok(()),
        other => other,
    }
}

/// Prints what was copied; fails if something was lost.
fn report(
    contents: &BackupSummary,
    places: &[(&str, &Path)],
    begin: &str,
    output: OutputArguments,
) -> Result<(), Failure> {
    if output.format == Format::Json {
        let mut json = to_json(contents);
        for (name, place) in places {
            json[*name] = json!(place);
        }
        output::json(&json)?;
    } else {
        let BackupSummary { events, bytes, head, .. } = contents;
        let size = ByteSize::b(*bytes);
        let lost = lost_text(contents);
        output::text(&format!("{lost}{begin} {events} events ({size}) up to position {head}\n"))?;
    }
    if contents.lost.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

/// Reads everything through the running gateway and checks it.
async fn read_running(client: &Client) -> Result<BackupSummary, NoAnswer> {
    let (sender, pieces) = Pieces::channel();
    let checking = std::thread::spawn(move || {
        let mut progress = Progress::new("verified up to event");
        eventlog::check_backup(pieces, &mut |seq| progress.at(seq))
    });
    let mut sink = |piece| sender.send(piece).map_err(|_| anyhow!("the gateway did not send a log"));
    let streamed = client.stream(Method::GET, BACKUP, &mut sink).await;
    drop(sender);
    let checked = checking.join().unwrap_or_else(|_| Err(EventLogError::Io("a thread panicked".to_owned())));
    match (streamed, checked) {
        (Err(NoAnswer::Refused(origin)), _) => Err(NoAnswer::Refused(origin)),
        (_, Ok(contents)) => Ok(contents),
        (Err(error), Err(_)) => Err(error),
        (Ok(()), Err(error)) => Err(NoAnswer::Failed(explain(error))),
    }
}

/// The folder of the log, to be read directly because no gateway is running.
fn offline<'a>(config: &'a Config, client: &Client) -> anyhow::Result<&'a Path> {
    let dir = folder(config)?;
    note(&format!("no gateway is running at {}, reading the event log in `{}`", client.origin(), dir.display()));
    Ok(dir)
}

fn folder(config: &Config) -> anyhow::Result<&Path> {
    match &config.eventlog.engine {
        EngineKind::Sled { dir, .. } => Ok(dir),
        EngineKind::Memory => {
            bail!("an event log in memory has no folder\nhint: set `engine = \"sled\"` in `[eventlog]`")
        }
    }
}

fn no_log(dir: &Path) -> anyhow::Error {
    anyhow!("there is no event log in `{}`", dir.display())
}

fn explain(error: EventLogError) -> anyhow::Error {
    match error {
        EventLogError::Locked { .. } => anyhow!("{error}\nhint: stop the gateway that uses it"),
        error => error.into(),
    }
}

fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("reports have text keys only")
}
