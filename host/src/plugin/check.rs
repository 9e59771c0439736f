//! Checks whether a file would serve, step by step. A load stops at the first problem; this reports the others too.

use std::path::Path;

use bytesize::ByteSize;
use wasmtime::component::Component;

use super::call_stats::collect_stats;
use super::contract::{self, ContractError, SERVED};
use super::engine::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use super::error::{CallError, LoadError};
use super::generation::Generation;
use super::hints::Language;
use super::registry::Registry;
use super::status::plugin_name;

/// The result of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `name`, `size`, `trust`, `format`, `world`, `imports`, `resources`, `memory` or `manifest`.
    pub what: &'static str,
    /// The value, or all problems. A problem may end with lines that begin with `hint:`.
    pub found: Result<String, Vec<String>>,
}

struct Report(Vec<Finding>);

impl Report {
    fn good(&mut self, what: &'static str, found: String) {
        self.0.push(Finding { what, found: Ok(found) });
    }

    fn bad(&mut self, what: &'static str, problems: Vec<String>) {
        self.0.push(Finding { what, found: Err(problems) });
    }
}

pub(super) async fn check(registry: &Registry, path: &Path) -> Vec<Finding> {
    let mut report = Report(Vec::new());
    look(registry, path, &mut report).await;
    report.0
}

async fn look(registry: &Registry, path: &Path, report: &mut Report) {
    let name = plugin_name(path);
    match &name {
        Ok(name) => report.good("name", name.to_string()),
        Err(error) => report.bad("name", vec![error.to_string()]),
    }
    let file = match registry.read(path) {
        Ok(file) => file,
        Err(error) => return report.bad("size", vec![error.to_string()]),
    };
    let size = ByteSize(file.bytes.len() as u64);
    report.good("size", format!("{size} of at most {}", ByteSize(registry.settings().max_file)));
    let language = Language::of(&file.bytes);
    if let Some(refusal) = name.as_ref().ok().and_then(|name| registry.rules().trust.admit(name, &file).err()) {
        report.bad("trust", vec![refusal.to_string()]);
    }
    let component = match registry.compile(&file) {
        Ok(compiled) => compiled,
        Err(error) => {
            let needs_too_much = matches!(&error, LoadError::Compile(text) if text.contains("pooling allocator"));
            let what = if needs_too_much { "resources" } else { "format" };
            return report.bad(what, vec![advised(language, &error)]);
        }
    };
    report.good("format", language.map_or_else(|| "a component".to_owned(), |name| format!("a component, {name}")));
    let (kind, problems) = contract::review(&component);
    let keeps_contract = kind.is_ok() && problems.is_empty();
    match kind {
        Ok(kind) => report.good("world", format!("{} {SERVED}", contract::world(&component, kind))),
        Err(error) => report.bad("world", vec![advised(language, &error.into())]),
    }
    if problems.is_empty() {
        report.good("imports", imports(&component));
    } else {
        let advised = |error: ContractError| advised(language, &error.into());
        report.bad("imports", problems.into_iter().map(advised).collect());
    }
    // The next steps run the plugin, which needs a valid name and imports that exist.
    let (Ok(name), true) = (name, keeps_contract) else { return };
    let (generation, seen) = collect_stats(registry.prepare(&name, &component, file.digest)).await;
    report.good("resources", resources(&component, seen.core_instances));
    let limit = ByteSize(registry.rules().limits_of(&name).memory as u64);
    match generation {
        Ok(Generation { manifest, .. }) => {
            report.good("memory", format!("{} of at most {limit} at the start", ByteSize(seen.memory)));
            report.good("manifest", format!("{} {}: {}", manifest.name, manifest.version, manifest.summary));
        }
        Err(error @ LoadError::Describe(CallError::Limit { limit: "memory", .. })) => {
            report.bad("memory", vec![format!("{error}; at most {limit} is allowed")]);
        }
        Err(error @ LoadError::Link(_)) => report.bad("world", vec![error.to_string()]),
        Err(error) => report.bad("manifest", vec![advised(language, &error)]),
    }
}

fn imports(component: &Component) -> String {
    let ty = component.component_type();
    let names: Vec<_> = ty.imports(component.engine()).map(|(name, _)| name).collect();
    let own = names.iter().filter(|name| name.starts_with("gateway:plugin/")).count();
    format!("{own} of the gateway, {} of WASI", names.len() - own)
}

/// What one instance uses of the pool.
fn resources(component: &Component, core_instances: u64) -> String {
    let needed = component.resources_required();
    let (memories, tables) = needed.map_or((0, 0), |needed| (needed.num_memories, needed.num_tables));
    format!(
        "{memories} of {MAX_MEMORIES} memories, {tables} of {MAX_TABLES} tables, {core_instances} of {MAX_CORE_INSTANCES} core instances"
    )
}

/// The error, with a hint for authors in this language where the cause is known.
fn advised(language: Option<Language>, error: &LoadError) -> String {
    let text = error.to_string();
    match Language::hint(language, error) {
        // It replaces the general hint of the error.
        Some(hint) => format!("{}\nhint: {hint}", text.split("\nhint:").next().unwrap_or_default()),
        None => text,
    }
}
