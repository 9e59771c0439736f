//! The peers of `cargo xtask bench --peers`: what others do for the same task, from the package registries into
//! `target/tools/peers`. Their programs are in `bench/peers`; `bench/src/peer.rs` starts them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::run;
use crate::repository::Repository;
use crate::tools::Tools;

/// Rows of the benchmark that peers are shown beside.
const BESIDE: [&str; 5] = ["bare_http", "append_log", "throughput", "reused", "accept_only"];

/// What installs a peer, given its name in the folder of tools and its source.
type Install = fn(&Tools<'_>, &str, &Path) -> Result<PathBuf>;

/// The folder of each peer in `bench/peers`, how what it needs is installed, and the rows that measure it.
const PEERS: [(&str, Install, &[&str]); 3] = [
    ("fastify", fastify, &["fastify", "fastify_batched"]),
    ("fastapi", |tools, name, source| tools.python(name, source), &["fastapi"]),
    ("webhook", |tools, name, _| tools.debian(name, "webhook"), &["webhook"]),
];

/// Installs what can be installed, tells of the rest, and returns the rows to measure.
pub(crate) fn install(repository: &Repository) -> Vec<&'static str> {
    let tools = Tools::of(repository);
    let mut rows = BESIDE.to_vec();
    for (name, install, measured) in PEERS {
        let source = repository.root.join("bench/peers").join(name);
        match install(&tools, &format!("peers/{name}"), &source) {
            Ok(_) => rows.extend(measured),
            Err(error) => println!("left out: {name}: {error:#}"),
        }
    }
    rows
}

/// A part of SQLite's package is compiled by its installation, which npm may skip.
fn fastify(tools: &Tools<'_>, name: &str, source: &Path) -> Result<PathBuf> {
    let packages = tools.npm(name, source)?;
    let opens = "require('better-sqlite3')(':memory:')";
    run(Command::new("node").args(["-e", opens]).env("NODE_PATH", &packages)).context("SQLite does not open")?;
    Ok(packages)
}
