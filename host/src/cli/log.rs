//! `gateway log`: statistics, verification, backup, restore and repair of the event log.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use ::http::Method;
use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use bytesize::ByteSize;
use serde::Serialize;
use serde_json::{Value, json};

use super::arguments::log::LogCommand;
use super::arguments::output::{Format, OutputArguments};
use super::client::{Absent, Client, NoAnswer};
use super::connection::Connection;
use super::failure::Failure;
use super::file::{part_of, put_in_place};
use super::list::shown;
use super::offline::{STORE, open_log};
use super::output::{self, note};
use super::progress::{Measured, Progress};
use crate::event::Timestamp;
use crate::eventlog::{self, BackupSummary, EngineKind, EventLogError, Pieces, Settings, Verified};

/// The route of the admin API that streams a backup.
const BACKUP: &str = "/admin/log/backup";

/// A file name that stands for stdin or stdout.
const STDIO: &str = "-";

pub(super) async fn run(connection: &Connection, command: LogCommand) -> Result<(), Failure> {
    match command {
        LogCommand::Stats { output } => stats(connection, output).await,
        LogCommand::Verify { output } => verify(connection, output).await,
        LogCommand::Backup { file, output } => backup(connection, &file, output).await,
        LogCommand::Restore { file, output } => restore(connection, &file, output),
        LogCommand::Repair { output } => repair(connection, output),
    }
}

async fn stats(connection: &Connection, output: OutputArguments) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    let stats = match client.get("/admin/stats").await {
        Ok(json) => {
            note(&format!("from the gateway at {}", client.origin()));
            json["eventlog"].clone()
        }
        Err(NoAnswer::Refused(absent)) => {
            let (log, _) = offline(connection, absent)?;
            to_json(&open_log(&log)?.stats())
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

async fn verify(connection: &Connection, output: OutputArguments) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    let verified = match read_running(&client).await {
        Ok(contents) => {
            note(&format!(
                "from the gateway at {}: events, deliveries and identities; counters are verified only while no gateway runs",
                client.origin()
            ));
            Verified { contents, ..Verified::default() }
        }
        Err(NoAnswer::Refused(absent)) => {
            let (_, dir) = offline(connection, absent)?;
            let mut progress = Progress::new("verified events:");
            eventlog::verify(&dir, &mut |at| progress.at(at.seq.0, at.head.0)).map_err(explain)?
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

async fn backup(connection: &Connection, file: &Path, output: OutputArguments) -> Result<(), Failure> {
    if file == Path::new(STDIO) {
        return stream_backup(connection, output).await;
    }
    if file.exists() {
        return Err(anyhow!("`{}` already exists\nhint: choose another file name", file.display()).into());
    }
    let part = part_of(file);
    let made = write_backup(connection, &part).await.and_then(|()| {
        // A backup counts only if it can be read back.
        let contents = check(&part)?;
        put_in_place(&part, file)?;
        Ok(contents)
    });
    if made.is_err() {
        let _ = fs::remove_file(&part);
    }
    report(&made?, &[("file", file)], &format!("`{}` has", file.display()), output)
}

async fn write_backup(connection: &Connection, part: &Path) -> Result<(), Failure> {
    let failed = || format!("cannot write `{}`", part.display());
    let mut writer = BufWriter::new(File::create(part).with_context(failed)?);
    copy(connection, &mut |piece| writer.write_all(&piece).with_context(failed)).await?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error).with_context(failed)?;
    Ok(file.sync_all().with_context(failed)?)
}

/// Writes a backup to stdout and reads it back on the way; the report goes to stderr.
async fn stream_backup(connection: &Connection, output: OutputArguments) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return Err(Failure::Call(
            "a backup is not for a terminal\nhint: redirect it: `gateway log backup - > FILE`".into(),
        ));
    }
    let (sender, pieces) = Pieces::channel();
    let checking = std::thread::spawn(move || eventlog::check_backup(pieces, &mut |_| {}));
    let copied = copy(connection, &mut |piece| {
        output::bytes(&piece).map_err(|failure| match failure {
            Failure::Failed(error) => error,
            _ => anyhow!("stdout was closed before the end of the backup"),
        })?;
        sender.send(piece).map_err(|_| anyhow!("what was written is not a backup"))
    })
    .await;
    drop(sender);
    let checked = checking.join().unwrap_or_else(|_| Err(EventLogError::Io("a thread panicked".to_owned())));
    copied?;
    let contents = checked.map_err(explain)?;
    match output.format {
        Format::Json => note(&format!("{:#}", to_json(&contents))),
        Format::Text => note(contents_text("stdout has", &contents).trim_end()),
    }
    if contents.lost.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

/// Gives a backup to `sink`, from the running gateway or from its log.
async fn copy(
    connection: &Connection,
    sink: &mut (dyn FnMut(Bytes) -> anyhow::Result<()> + Send),
) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    // A backup is somewhat larger than what is in it.
    let expected = match client.get("/admin/stats").await {
        Ok(stats) => stats["eventlog"]["bytes"].as_u64().unwrap_or(0),
        Err(NoAnswer::Refused(absent)) => {
            let (log, _) = offline(connection, absent)?;
            let mut progress = Progress::new("written events:");
            let mut sink = |piece: Bytes| sink(piece).map_err(|error| EventLogError::Io(format!("{error:#}")));
            let written = open_log(&log)?.backup(&mut sink, &mut |at| progress.at(at.seq.0, at.head.0));
            return Ok(written.map(drop).map_err(explain)?);
        }
        Err(NoAnswer::Failed(error)) => return Err(error.into()),
    };
    let mut progress = Progress::new("received");
    let mut received = 0;
    let mut sink = |piece: Bytes| {
        received += piece.len() as u64;
        progress.bytes(received, expected.max(received + 1));
        sink(piece)
    };
    client.stream(Method::GET, BACKUP, &mut sink).await?;
    drop(progress);
    note(&format!("from the gateway at {}", client.origin()));
    Ok(())
}

/// Reads a backup file, whole.
fn check(file: &Path) -> anyhow::Result<BackupSummary> {
    let failed = || format!("cannot read `{}`", file.display());
    let input = File::open(file).with_context(failed)?;
    let size = input.metadata().with_context(failed)?.len();
    let input = BufReader::new(Measured::new(input, size, "checked"));
    eventlog::check_backup(input, &mut |_| {}).map_err(explain)
}

fn restore(connection: &Connection, file: &Path, output: OutputArguments) -> Result<(), Failure> {
    let dir = local(connection)?;
    let dir = dir.as_path();
    if dir.join(STORE).exists() {
        return Err(anyhow!(
            "`{}` already holds an event log\nhint: stop the gateway and move the folder away, or set `eventlog.dir` to another folder",
            dir.display()
        )
        .into());
    }
    if file != Path::new(STDIO) {
        return restore_file(file, dir, output);
    }
    // The whole backup is checked before anything is written, so it is kept until then.
    let part = part_of(&dir.with_extension("backup"));
    let failed = || format!("cannot write `{}`", part.display());
    let kept =
        File::create(&part).and_then(|mut file| io::copy(&mut io::stdin().lock(), &mut file)).with_context(failed);
    let restored = kept.map_err(Failure::from).and_then(|_| restore_file(&part, dir, output));
    let _ = fs::remove_file(&part);
    restored
}

fn restore_file(file: &Path, dir: &Path, output: OutputArguments) -> Result<(), Failure> {
    let head = check(file)?.head.0;
    let input = File::open(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let mut progress = Progress::new("restored events:");
    let restored =
        eventlog::restore(BufReader::new(input), dir, &mut |seq| progress.at(seq.0, head)).map_err(explain)?;
    drop(progress);
    report(&restored, &[("dir", dir)], &format!("`{}` has", dir.display()), output)
}

fn repair(connection: &Connection, output: OutputArguments) -> Result<(), Failure> {
    let dir = local(connection)?;
    let dir = dir.as_path();
    if !dir.exists() {
        return Err(no_log(dir).into());
    }
    let mut progress = Progress::new("recovered events:");
    let repaired = eventlog::repair(dir, Timestamp::now(), &mut |at| progress.at(at.seq.0, at.head.0)).map_err(|error| {
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
        output::text(&contents_text(begin, contents))?;
    }
    if contents.lost.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

fn contents_text(begin: &str, contents: &BackupSummary) -> String {
    let BackupSummary { events, bytes, head, .. } = contents;
    format!("{}{begin} {events} events ({}) up to position {head}\n", lost_text(contents), ByteSize::b(*bytes))
}

/// Reads everything through the running gateway and checks it.
async fn read_running(client: &Client) -> Result<BackupSummary, NoAnswer> {
    let head = client.get("/admin/stats").await?["head"].as_u64().unwrap_or(0);
    let (sender, pieces) = Pieces::channel();
    let checking = std::thread::spawn(move || {
        let mut progress = Progress::new("verified events:");
        eventlog::check_backup(pieces, &mut |seq| progress.at(seq.0, head.max(seq.0)))
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

/// The log and its folder, to be read directly because no gateway is running.
fn offline(connection: &Connection, absent: Absent) -> Result<(Settings, PathBuf), Failure> {
    let Some(log) = connection.eventlog()? else { return Err(NoAnswer::Refused(absent).into()) };
    let dir = folder(&log)?.to_owned();
    note(&format!("no gateway is running at {}, reading the event log in `{}`", absent.origin, dir.display()));
    if !dir.join(STORE).exists() {
        return Err(no_log(&dir).into());
    }
    Ok((log, dir))
}

/// The log of this machine, which no gateway may use meanwhile.
fn local(connection: &Connection) -> Result<PathBuf, Failure> {
    match connection.eventlog()? {
        Some(log) => Ok(folder(&log)?.to_owned()),
        None => Err(anyhow!(
            "this command works on the folder in `eventlog.dir`, and there is no configuration that names it\n\
             hint: name the configuration with `--config`, and leave out `--url`"
        )
        .into()),
    }
}

fn folder(settings: &Settings) -> anyhow::Result<&Path> {
    match &settings.engine {
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
