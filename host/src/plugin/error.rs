//! Errors of the host, of a load and of a call.

use std::io;
use std::path::PathBuf;

use crate::event::PluginName;

use super::contract::{ContractError, SERVED};
use super::digest::Digest;
use super::manifest::ManifestError;
use super::signature::SignatureError;

/// Why the plugin host cannot work.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// Limits or streams of the compiling process.
    #[error("cannot set up the process")]
    Process(#[source] io::Error),
    #[error(
        "cannot trust the folder of compiled plugins `{dir}`: {reason}\nhint: remove it, the gateway creates it again: `rm -r {dir}`; or name another one in `plugins.cache_dir`",
        dir = dir.display()
    )]
    Cache { dir: PathBuf, reason: String },
    #[error("cannot use the folder `{}`", dir.display())]
    Folder {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Why a file was rejected. The text is for the operator, after the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("`{0}` is not a plugin name: expected 1 to 63 of `a-z`, `0-9` and `-`\nhint: rename the file")]
    Name(String),
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    #[error("it is a link to `{}`, outside of the plugin folder\nhint: copy the file into the folder", .0.display())]
    Outside(PathBuf),
    #[error(
        "it changed while it was read\nhint: it is loaded once it is complete; move a complete file into the folder to avoid this"
    )]
    Changing,
    #[error(
        "it has no valid signature, and `plugins.require_signature` is set\nhint: sign it with `gateway plugin sign FILE --key KEY`"
    )]
    Unsigned,
    #[error("{0}\nhint: put the signature of this file beside it, as `NAME.wasm.sig`")]
    Signature(SignatureError),
    #[error(
        "its SHA-256 is {found}, and `plugins.overrides.{plugin}.sha256` is {pin}\nhint: `gateway plugin pin {plugin}` accepts this file"
    )]
    Pinned { plugin: PluginName, found: Digest, pin: Digest },
    #[error("it has {size} bytes, more than `plugins.max_file` allows ({limit})")]
    TooLarge { size: u64, limit: u64 },
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(&'static str),
    #[error("it does not compile: {0}\nhint: a file that is still being written is loaded again once it is complete")]
    Compile(String),
    #[error("compiling it takes more than `plugins.{key}` allows ({most})\nhint: raise it for a plugin that you trust")]
    CompileLimit {
        /// `compile-memory` or `compile-time`.
        limit: &'static str,
        /// The configuration key.
        key: &'static str,
        most: String,
    },
    /// The compiler failed, independently of the file.
    #[error("{0}")]
    Compiler(String),
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// An import or export has another type than the contract.
    #[error(
        "its imports or exports differ from `wit/plugin.wit` {SERVED}: {0}\nhint: build it against the `wit/plugin.wit` of this release"
    )]
    Link(String),
    #[error("its `describe` failed: {0}")]
    Describe(CallError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It would replace a serving file.
    #[error(
        "it does not pass its samples: {0}\nhint: `gateway plugin test` shows each difference; `plugins.check_samples = false` takes files without this check"
    )]
    Samples(String),
    /// By the swap policy.
    #[error("{0}")]
    Refused(String),
}

/// Why a call of a plugin has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The queue is full, or no permit became free in time.
    #[error("too many calls of the plugin are in flight")]
    Busy,
    #[error("stopped by the limit `{limit}`: {detail}")]
    Limit {
        /// `cpu`, `time`, `memory`, `table`, `stack`, `resources` or `output`.
        limit: &'static str,
        detail: String,
    },
    #[error("trapped: {0}")]
    Trap(String),
}

impl CallError {
    /// Whether the plugin is to blame, and not the load.
    pub fn is_fault(&self) -> bool {
        !matches!(self, Self::Busy)
    }
}
