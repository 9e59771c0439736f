//! Peers: what others do for the same task, as small programs in `bench/peers`.
//!
//! `cargo xtask bench --peers` installs what they are made of into the target folder. Each verifies the signature.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::process::Server;
use crate::secrets::GITHUB_VARIABLE;
use crate::webhook;

/// A program that takes GitHub's webhooks at the same path as the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Fastify and SQLite; `mode` is how it makes transactions.
    Fastify { mode: &'static str },
    /// FastAPI and SQLite.
    FastApi,
    /// The program `webhook`, which starts a command for each webhook and keeps nothing.
    Webhook,
}

impl Peer {
    /// Starts it with what is installed in `tools`. `folder` is for its files.
    pub(crate) fn start(self, tools: &Path, folder: &Path) -> Result<Server> {
        let installed = tools.join("peers");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        match self {
            Self::Fastify { mode } => {
                let mut command = command("node");
                command.env("NODE_PATH", found(installed.join("fastify/node_modules"))?);
                Server::start(command.arg(sources.join("fastify/server.js")).arg(mode).arg(folder), 1)
            }
            Self::FastApi => {
                let mut command = command(found(installed.join("fastapi/bin/python"))?);
                Server::start(command.arg(sources.join("fastapi/server.py")).arg(folder), 1)
            }
            Self::Webhook => {
                let mut command = command(found(installed.join("webhook/usr/bin/webhook"))?);
                let address = free_address()?;
                command.args(["-template", "-hooks"]).arg(sources.join("webhook/hooks.json"));
                command.args(["-urlprefix", "webhooks", "-ip", &address.ip().to_string()]);
                Server::start_at(command.args(["-port", &address.port().to_string()]), address)
            }
        }
    }
}

/// `program` with the secret in its environment.
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env(GITHUB_VARIABLE, webhook::SECRET);
    command
}

/// `path` if it is there.
fn found(path: PathBuf) -> Result<PathBuf> {
    ensure!(path.exists(), "`{}` is missing\nhint: run `cargo xtask bench --peers`, which installs it", path.display());
    Ok(path)
}

/// An address that nobody listens on, for a program that must be told one.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
