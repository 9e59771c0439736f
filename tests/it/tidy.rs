//! The house rules that a program can check. A failure ends with the sentence to obey.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod circles;
mod commits;
mod crate_map;
mod files;
mod links;
mod module;
mod module_docs;
mod naming;
mod promises;
mod retired;
mod tokens;

use self::files::{obey, sources};

/// The modules of the host from left to right; those in one row are neighbours.
const ORDER: &[&[&str]] = &[
    &["event", "metrics", "systemd", "lifecycle", "memory", "priority", "coding", "process"],
    &["verify"],
    &["caller", "egress"],
    &["eventlog", "plugin", "skill"],
    &["notice", "schema"],
    &["catalog", "ingest", "dispatch", "replay", "alert", "subscribe", "web"],
    &["sample"],
    &["http"],
    &["config"],
    &["gateway"],
    &["cli"],
    &["main"],
];

/// Crates that only some places may name. A place is a module with everything in it; a `*` at its end stands for the rest
/// of a name.
const FENCES: &[(&[&str], &[&str])] = &[
    (&["wasmtime", "wasmtime_wasi"], &["plugin"]),
    (&["sled"], &["eventlog/engine/sled"]),
    (&["hyper", "hyper_util", "hyper_rustls"], &["http", "egress", "web", "cli"]),
    (&["tokio_websockets"], &["subscribe/websocket"]),
    (&["listenfd"], &["systemd"]),
    (&["clap", "clap_complete", "clap_mangen"], &["cli"]),
    (&["wit_component", "wit_parser"], &["cli/plugin/build/component"]),
    (&["anyhow"], &["cli", "main"]),
];

#[test]
fn modules_import_only_from_their_left() {
    let broken: Vec<_> = host_files().iter().flat_map(wrong_imports).collect();
    obey(&broken, "a module imports only from its left, and neighbours never import each other (host/ARCHITECTURE.md)");
}

#[test]
fn fenced_crates_stay_behind_their_fence() {
    let mut broken = Vec::new();
    for file in host_files() {
        for (names, places) in FENCES {
            if places.iter().any(|place| file.is_in(place)) {
                continue;
            }
            for name in *names {
                let lines = file.lines_naming(name);
                broken.extend(lines.into_iter().map(|line| format!("{}:{line}: `{name}`", file.name)));
            }
        }
    }
    obey(&broken, "each of these crates is named in one place only: put what you need behind a function there");
}

/// The imports of a file from its right or from a neighbour.
fn wrong_imports(file: &Source) -> Vec<String> {
    let Some(from) = file.module() else { return Vec::new() };
    let Some(place) = place(from) else { return vec![format!("{}: `{from}` is not in the order", file.name)] };
    let wrong = |import: &str| import != from && self::place(import).is_some_and(|other| other >= place);
    let imports = file.imports().into_iter().filter(|(_, import)| wrong(import));
    imports.map(|(line, import)| format!("{}:{line}: `{from}` imports `{import}`", file.name)).collect()
}

fn place(module: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&module))
}

fn host_files() -> Vec<Source> {
    sources("host/src").into_iter().map(|(name, text)| Source::new(name, &text)).collect()
}

/// One file of the host.
struct Source {
    /// Its path below `host/src`.
    name: String,
    /// Its text without comments, line by line.
    lines: Vec<String>,
}

impl Source {
    fn new(name: String, text: &str) -> Self {
        let code = |line: &str| match line.trim_start() {
            comment if comment.starts_with("//") => String::new(),
            _ => line.split(" // ").next().unwrap_or_default().to_owned(),
        };
        Self { name, lines: text.lines().map(code).collect() }
    }

    /// The module of the order that it belongs to; none for `lib.rs`, which lists them all.
    fn module(&self) -> Option<&str> {
        let first = self.name.split('/').next().unwrap_or_default();
        Some(first.trim_end_matches(".rs")).filter(|module| *module != "lib")
    }

    fn is_in(&self, place: &str) -> bool {
        let path = self.name.trim_end_matches(".rs");
        match place.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == place || path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/')),
        }
    }

    /// The modules it imports from the crate's root, with the line of each.
    fn imports(&self) -> Vec<(usize, String)> {
        let text = self.lines.join("\n");
        let mut found = Vec::new();
        // `super` as far as the root: once in `foo.rs`, twice in `foo/bar.rs`.
        let depth = self.name.matches('/').count() + 1;
        for start in ["crate::".to_owned(), "super::".repeat(depth)] {
            for at in words(&text, &start) {
                let line = text[..at].matches('\n').count() + 1;
                found.extend(first_segments(&text[at + start.len()..]).into_iter().map(|module| (line, module)));
            }
        }
        if self.module() == Some("main") {
            found.clear();
        }
        found
    }

    /// The lines that name a crate in a path or an import.
    fn lines_naming(&self, name: &str) -> Vec<usize> {
        // A module of the same name hides the crate.
        let module = [format!("mod {name};"), format!("mod {name} ")];
        if self.lines.iter().any(|line| module.iter().any(|module| line.contains(module))) {
            return Vec::new();
        }
        let names = |line: &str| {
            let uses = [format!("use {name};"), format!("use {name} as")];
            !words(line, &format!("{name}::")).is_empty() || uses.iter().any(|start| line.contains(start))
        };
        (1..).zip(&self.lines).filter(|(_, line)| names(line)).map(|(number, _)| number).collect()
    }
}

/// Where `word` stands in `text` at the start of a path: neither within a name nor after `::`.
fn words(text: &str, word: &str) -> Vec<usize> {
    let within = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let after = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| !text[..*at].ends_with(within))
        .filter(|at| word.ends_with(':') || !text[at + word.len()..].starts_with(after))
        .collect()
}

/// The first names of what follows `crate::`: one, or those of a group in braces.
fn first_segments(rest: &str) -> Vec<String> {
    let name =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![name(rest)];
    };
    let (mut names, mut level, mut start) = (Vec::new(), 1, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => level += 1,
            '}' => level -= 1,
            _ => {}
        }
        if (c == ',' && level == 1) || level == 0 {
            names.push(name(&group[start..at]));
            start = at + 1;
        }
        if level == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn an_upward_import_is_found() {
    let check = |name: &str, text: &str, expected: &[&str]| {
        assert_eq!(wrong_imports(&Source::new(name.to_owned(), text)), expected, "{name}: {text}");
    };

    check(
        "eventlog/key.rs",
        "use crate::event::Seq;\nuse crate::http::Server;",
        &["eventlog/key.rs:2: `eventlog` imports `http`"],
    );
    check("ingest.rs", "use crate::dispatch::Dispatcher;", &["ingest.rs:1: `ingest` imports `dispatch`"]);
    check("ingest/poll.rs", "use super::super::cli;", &["ingest/poll.rs:1: `ingest` imports `cli`"]);
    check("http.rs", "use crate::{event, eventlog, http::Server};", &[]);
    check("manager.rs", "", &["manager.rs: `manager` is not in the order"]);
    check("lib.rs", "pub mod cli;", &[]);
}

#[test]
fn imports_are_found_in_every_form() {
    let check = |name: &str, text: &str, expected: &[(usize, &str)]| {
        let found = Source::new(name.to_owned(), text).imports();
        let expected: Vec<_> = expected.iter().map(|(line, module)| (*line, (*module).to_owned())).collect();
        assert_eq!(found, expected, "{text}");
    };

    check("a.rs", "use crate::event::Event;", &[(1, "event")]);
    check("a.rs", "use std::fs;\nuse crate::{event::{Event, Seq}, metrics};", &[(2, "event"), (2, "metrics")]);
    check("a.rs", "use crate::{\n    event::Event,\n    http,\n};", &[(1, "event"), (1, "http")]);
    check("a.rs", "let x = crate::config::load();", &[(1, "config")]);
    check("a.rs", "pub(crate) fn f() {} // crate::config", &[]);
    check("a.rs", "//! As [`crate::config`] says.\n/// And [`crate::http`].", &[]);
    check("a.rs", "use my_crate::event; use $crate::event;", &[(1, "event")]);
    check("a.rs", "use super::http;", &[(1, "http")]);
    check("a/b.rs", "use super::http;", &[]);
    check("a/b.rs", "use super::super::http;", &[(1, "http")]);
    check("main.rs", "use crate::cli;", &[]);
}

#[test]
fn crates_are_found_where_they_are_named() {
    let check = |text: &str, expected: &[usize]| {
        assert_eq!(Source::new("a.rs".to_owned(), text).lines_naming("sled"), expected, "{text}");
    };

    check("use sled::Db;", &[1]);
    check("use sled;\nfn f(db: &sled::Db) {}", &[1, 2]);
    check("use sled as store;", &[1]);
    check("// sled::Db\n/// [`sled::Db`]", &[]);
    check("use self::sled::Store; use super::sled::Store; use unsled::Db;", &[]);
    check("mod sled;\nsled::open();", &[]);
}

#[test]
fn a_place_is_a_module_with_everything_in_it() {
    let check = |name: &str, place: &str, expected: bool| {
        assert_eq!(Source::new(name.to_owned(), "").is_in(place), expected, "{name} in {place}");
    };

    check("plugin.rs", "plugin", true);
    check("plugin/engine.rs", "plugin", true);
    check("plugins.rs", "plugin", false);
    check("eventlog/sled.rs", "eventlog/sled", true);
    check("eventlog/sled/batch.rs", "eventlog/sled", true);
    check("eventlog/memory.rs", "eventlog/sled", false);
    check("plugin/egress_pool.rs", "plugin/egress*", true);
}
