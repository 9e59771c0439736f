//! JSON Schemas of events: which schema a kind has, and what becomes of events that do not match it.
//!
//! A schema comes from a file. Its version is the digest of the file; an event that was checked names it as its `dataschema`, and the
//! log keeps a version for as long as an event may name it. A file that is no schema, or that takes back what the one before promised,
//! changes nothing: the last good version stays in force, and the status says why.
//!
//! # Contract
//! 1. An event that is refused is not stored; one in quarantine is stored and told to nobody.
//! 2. Nothing of a payload is in a message: it names places and rules.
//! 3. A pattern takes linear time, and no schema is fetched from anywhere.

mod compatibility;
mod document;
mod mismatch;
mod settings;
mod strict_json;
mod versions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::document::{Schema, SchemaProblem};
pub use self::mismatch::{Mismatch, Violation};
pub use self::settings::{Compatibility, OnMismatch, Origin, SchemaSettings, Settings};
use self::versions::{Change, Versions};
use crate::event::{DATA_SCHEMA, Pattern, SCHEMA_PROBLEM};
use crate::eventlog::{EventLog, EventLogError, NewEvent};
use crate::lifecycle::Tasks;
use crate::metrics::{Metrics, labels};

labels! {
    /// By what became of a checked event: `valid`, `tagged`, `quarantined` or `refused`.
    ByResult { result }
}

/// The name of the task of [`Schemas::start`].
pub const SCHEMAS: &str = "schemas";

/// Payloads up to this size, of one request, are checked where they are; checking more is left to a thread that may block.
const INLINE: usize = 16 << 10;
/// The longest time that comparing versions takes, at a start or a reload.
const COMPARISON: Duration = Duration::from_secs(10);
/// How often versions that no event names any more are looked for.
const UPKEEP: Duration = Duration::from_secs(600);

/// Why schemas cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// There is no good version of it.
    #[error("{file}: {problem}")]
    Unusable { file: String, problem: String },
    #[error(transparent)]
    Log(#[from] EventLogError),
}

/// Why events are not stored.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The check did not end.
    #[error("the check of a schema was lost: {0}")]
    Lost(String),
}

/// All schemas. Clones are the same.
#[derive(Clone)]
pub struct Schemas(Arc<Shared>);

struct Shared {
    current: ArcSwap<Current>,
    versions: Versions,
    checks: Family<ByResult, Counter>,
    /// Checks of large data at the same time.
    large: Semaphore,
}

/// What is in force.
#[derive(Default)]
struct Current {
    entries: Vec<Arc<Entry>>,
    /// The path below which subscribers find versions.
    path: String,
}

/// One of `[[schemas]]`.
struct Entry {
    settings: SchemaSettings,
    schema: Arc<Schema>,
    /// Why the file is not in force.
    problem: Option<String>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    checked: AtomicU64,
    mismatched: AtomicU64,
}

/// Schemas that can replace those in force.
pub struct PreparedSchemas(Current);

/// A schema as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct SchemaStatus {
    pub kinds: Vec<String>,
    pub file: String,
    /// The version in force.
    pub version: String,
    /// `None` leaves it to the channel: what is emitted is refused, and a webhook's events go into quarantine.
    pub on_mismatch: Option<OnMismatch>,
    pub compatibility: Compatibility,
    /// Why the file is not in force.
    pub problem: Option<String>,
    /// Since the start.
    pub checked: u64,
    pub mismatched: u64,
}

impl Schemas {
    /// Reads what the log has of schemas, and puts those of the settings in force.
    ///
    /// # Errors
    /// `Unusable` if a schema has no good version, and what the log fails at.
    pub async fn load(settings: Settings, log: EventLog, metrics: &Metrics) -> Result<Self, SchemaError> {
        let checks =
            metrics.register("gateway_schema_checks", "Events that were checked, by result", Family::default());
        let schemas = Self(Arc::new(Shared {
            current: ArcSwap::default(),
            versions: Versions::new(log),
            checks,
            large: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
        }));
        let prepared = schemas.prepare(settings).await?;
        schemas.replace(prepared);
        Ok(schemas)
    }

    /// Everything that can fail. The log has all versions afterwards; nothing of what is in force changes.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub async fn prepare(&self, settings: Settings) -> Result<PreparedSchemas, SchemaError> {
        let Settings { schemas, path } = settings;
        let before = self.0.current.load_full();
        let stored = self.0.versions.clone().stored().await?;
        let mut entries: Vec<Arc<Entry>> = Vec::with_capacity(schemas.len());
        let deadline = Instant::now() + COMPARISON;
        for settings in schemas {
            if let Some(same) = before.entries.iter().find(|entry| entry.settings == settings) {
                entries.push(Arc::clone(same));
                continue;
            }
            let known = || before.entries.iter();
            let same = known().find(|entry| entry.settings.kinds == settings.kinds);
            let same = same.or_else(|| known().find(|entry| entry.settings.file == settings.file));
            let last_good = match (same, stored.current.get(&settings.id())) {
                (Some(same), _) => Some(Arc::clone(&same.schema)),
                (None, Some(text)) => Schema::read(text.as_bytes()).ok().map(Arc::new),
                (None, None) => None,
            };
            let (schema, problem) = match chosen(&settings, last_good, deadline).await {
                (Some(schema), problem) => (schema, problem),
                (None, problem) => {
                    let file = settings.file.display().to_string();
                    return Err(SchemaError::Unusable { file, problem: problem.unwrap_or_default() });
                }
            };
            if let Some(problem) = &problem {
                let (file, version) = (settings.file.display(), schema.version());
                tracing::error!(%file, version, "Schema is not in force, the last good one is: {problem}");
            }
            let counts = same.map(|same| Arc::clone(&same.counts)).unwrap_or_default();
            entries.push(Arc::new(Entry { settings, schema, problem, counts }));
        }
        let wanted = entries.iter().map(|entry| (entry.settings.id(), Arc::clone(&entry.schema)));
        self.0.versions.write(Change::new(&stored, wanted.collect())).await?;
        Ok(PreparedSchemas(Current { entries, path }))
    }

    /// What keeps files from being in force, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        self.0.current.load().problems()
    }

    /// Puts them in force. An event that is being checked goes on with the schema that it began with.
    pub fn replace(&self, PreparedSchemas(next): PreparedSchemas) {
        self.0.current.store(Arc::new(next));
    }

    /// Forgets versions that no event names any more, now and then.
    pub fn start(&self) -> Tasks {
        let (mut tasks, schemas) = (Tasks::new(SCHEMAS), self.clone());
        tasks.spawn(|stop| schemas.run(stop));
        tasks
    }

    async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(UPKEEP) => {}
            }
            if let Err(error) = self.0.versions.forget_unused().await {
                tracing::warn!(%error, "Old versions of schemas stay");
            }
        }
    }

    /// Checks the events of one request, which are not stored yet. What does not match is tagged or put into quarantine.
    ///
    /// # Errors
    /// Why none of the events is to be stored: one does not match and is to be refused, or the gateway ends.
    pub async fn check(&self, events: Vec<NewEvent>, origin: Origin) -> Result<Vec<NewEvent>, CheckError> {
        let current = self.0.current.load_full();
        if !events.iter().any(|event| current.entry(&event.kind).is_some()) {
            return Ok(events);
        }
        let shared = Arc::clone(&self.0);
        let bytes: usize = events.iter().map(|event| event.data.len()).sum();
        let check = move || shared.check(&current, events, origin);
        if bytes <= INLINE {
            return Ok(check()?);
        }
        // Parsed data takes many times its size.
        let _place = self.0.large.acquire().await;
        Ok(tokio::task::spawn_blocking(check).await.map_err(|error| CheckError::Lost(error.to_string()))??)
    }

    /// Notes in an event which schema its kind has now, and why it does not match if it does not.
    pub fn tag(&self, event: &mut NewEvent) -> Option<Mismatch> {
        event.attributes.retain(|(name, _)| name != DATA_SCHEMA && name != SCHEMA_PROBLEM);
        let current = self.0.current.load();
        let entry = current.entry(&event.kind)?;
        current.name_schema(entry, event);
        let mismatch = entry.problem_of(0, event)?;
        event.attributes.push((SCHEMA_PROBLEM.to_owned(), mismatch.summary()));
        Some(mismatch)
    }

    /// What would become of an event: the problem, if it does not match. Counts nothing.
    pub fn problem(&self, event: &NewEvent) -> Option<Mismatch> {
        let current = self.0.current.load();
        let entry = current.entry(&event.kind)?;
        entry.problem_of(0, event)
    }

    /// All of them, in the order of the configuration.
    pub fn statuses(&self) -> Vec<SchemaStatus> {
        self.0.current.load().entries.iter().map(|entry| entry.status()).collect()
    }

    /// The schema of `kind`: the first one that names it.
    pub fn of_kind(&self, kind: &str) -> Option<(Arc<Schema>, SchemaStatus)> {
        let current = self.0.current.load();
        current.entry(kind).map(|entry| (Arc::clone(&entry.schema), entry.status()))
    }

    /// The kinds that schemas name; a `*` in one is a pattern.
    pub fn declared(&self) -> Vec<String> {
        let current = self.0.current.load();
        let patterns = current.entries.iter().flat_map(|entry| &entry.settings.kinds);
        patterns.map(|pattern| pattern.as_str().to_owned()).collect()
    }

    /// The text of a version, in force or kept for events that name it.
    ///
    /// # Errors
    /// What the log fails at.
    pub fn version(&self, version: &str) -> Result<Option<Arc<str>>, EventLogError> {
        let current = self.0.current.load();
        match current.entries.iter().find(|entry| entry.schema.version() == version) {
            Some(entry) => Ok(Some(Arc::clone(entry.schema.text()))),
            None => self.0.versions.text(version),
        }
    }
}

impl Shared {
    fn check(&self, current: &Current, mut events: Vec<NewEvent>, origin: Origin) -> Result<Vec<NewEvent>, Mismatch> {
        let mut results = Vec::new();
        for (index, event) in events.iter_mut().enumerate() {
            let Some(entry) = current.entry(&event.kind) else { continue };
            entry.counts.checked.fetch_add(1, Ordering::Relaxed);
            current.name_schema(entry, event);
            let Some(mismatch) = entry.problem_of(index, event) else {
                results.push("valid");
                continue;
            };
            entry.counts.mismatched.fetch_add(1, Ordering::Relaxed);
            match OnMismatch::at(entry.settings.on_mismatch, origin) {
                OnMismatch::Refuse => {
                    self.count("refused");
                    return Err(mismatch);
                }
                OnMismatch::Quarantine => {
                    event.quarantine = Some(mismatch.summary());
                    event.recipients.clear();
                    // It says nothing before somebody has looked at it.
                    event.statement = None;
                    results.push("quarantined");
                }
                OnMismatch::Tag => {
                    event.attributes.push((SCHEMA_PROBLEM.to_owned(), mismatch.summary()));
                    results.push("tagged");
                }
            }
        }
        results.into_iter().for_each(|result| self.count(result));
        Ok(events)
    }

    fn count(&self, result: &str) {
        self.checks.get_or_create(&ByResult::new(result)).inc();
    }
}

impl PreparedSchemas {
    /// What keeps files from being in force, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        self.0.problems()
    }
}

impl Current {
    fn problems(&self) -> Vec<String> {
        let told = |entry: &Arc<Entry>| {
            let (file, problem) = (entry.settings.file.display(), entry.problem.as_ref()?);
            Some(format!("schema {file} is not in force, the last good version is: {problem}"))
        };
        self.entries.iter().filter_map(told).collect()
    }

    fn entry(&self, kind: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.settings.kinds.iter().any(|pattern| pattern.matches(kind)))
    }

    /// Names the version that is in force in the event, and nothing that somebody else says of a schema.
    fn name_schema(&self, entry: &Entry, event: &mut NewEvent) {
        event.attributes.retain(|(name, _)| name != DATA_SCHEMA && name != SCHEMA_PROBLEM);
        event.attributes.push((DATA_SCHEMA.to_owned(), format!("{}/{}", self.path, entry.schema.version())));
    }
}

impl Entry {
    fn problem_of(&self, index: usize, event: &NewEvent) -> Option<Mismatch> {
        let max = self.settings.max_data;
        let violations = if event.data.len() > max {
            vec![Violation::new("", &format!("has {} bytes, expected at most {max}", event.data.len()))]
        } else {
            self.schema.violations(&event.data)
        };
        (!violations.is_empty()).then(|| Mismatch { index, kind: event.kind.clone(), violations })
    }

    fn status(&self) -> SchemaStatus {
        let SchemaSettings { kinds, file, on_mismatch, compatibility, .. } = &self.settings;
        SchemaStatus {
            kinds: kinds.iter().map(|pattern: &Pattern| pattern.as_str().to_owned()).collect(),
            file: file.display().to_string(),
            version: self.schema.version().to_owned(),
            on_mismatch: *on_mismatch,
            compatibility: *compatibility,
            problem: self.problem.clone(),
            checked: self.counts.checked.load(Ordering::Relaxed),
            mismatched: self.counts.mismatched.load(Ordering::Relaxed),
        }
    }
}

/// The version that is to be in force: that of the file, or the last good one and what is wrong with the file.
async fn chosen(
    settings: &SchemaSettings,
    last_good: Option<Arc<Schema>>,
    deadline: Instant,
) -> (Option<Arc<Schema>>, Option<String>) {
    let compiled = settings.clone();
    let compiled = tokio::task::spawn_blocking(move || compiled.read()).await;
    let compiled = compiled.unwrap_or_else(|error| Err(format!("it cannot be compiled: {error}")));
    let (next, last_good) = match (compiled, last_good) {
        (Err(problem), last_good) => return (last_good, Some(problem)),
        (Ok(next), None) => return (Some(Arc::new(next)), None),
        (Ok(next), Some(last_good)) if next.version() == last_good.version() => return (Some(last_good), None),
        (Ok(next), Some(last_good)) => (Arc::new(next), last_good),
    };
    let (mode, old, new) = (settings.compatibility, Arc::clone(&last_good), Arc::clone(&next));
    let compared = tokio::task::spawn_blocking(move || compatibility::check(mode, &old, &new));
    let compared = match tokio::time::timeout_at(deadline, compared).await {
        Ok(Ok(compared)) => compared,
        Ok(Err(_)) | Err(_) => Err("it cannot be compared with the version in force".to_owned()),
    };
    match compared {
        Ok(()) => (Some(next), None),
        Err(problem) => (Some(last_good), Some(format!("{problem}; `compatibility = \"none\"` lets it through"))),
    }
}

/// Whether an event was let through although it does not match.
pub fn is_tagged(event: &NewEvent) -> bool {
    event.attributes.iter().any(|(name, _)| name == SCHEMA_PROBLEM)
}
