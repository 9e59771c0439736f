//! Why the host cannot work, a file does not load, or a call brings nothing.

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
    /// The compiler or the pool of instances.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    /// A thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// A limit or a stream of the process.
    #[error("cannot set up the process")]
    Process(#[source] io::Error),
    /// Somebody else may have written to the folder of compiled plugins.
    #[error(
        "cannot trust the folder of compiled plugins `{dir}`: {reason}\nhint: remove it, it is made anew: `rm -r {dir}`; or name another one in `plugins.cache_dir`",
        dir = dir.display()
    )]
    Cache {
        /// The folder.
        dir: PathBuf,
        /// Who may have written there.
        reason: String,
    },
    /// A folder.
    #[error("cannot use the folder `{}`", dir.display())]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a file was not taken into service. The text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file's stem is no name.
    #[error("`{0}` is not a plugin name: expected 1 to 63 of `a-z`, `0-9` and `-`\nhint: rename the file")]
    Name(String),
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// It is not what its name says.
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    /// It is a link to somewhere else.
    #[error("it is a link to `{}`, outside of the plugin folder\nhint: copy the file into the folder", .0.display())]
    Outside(PathBuf),
    /// Somebody writes to it.
    #[error(
        "it changed while it was read\nhint: it is loaded when it is complete; better move a complete file into the folder"
    )]
    Changing,
    /// It has no signature, and needs one.
    #[error(
        "it has no signature that counts, and `plugins.require_signature` asks for one\nhint: `gateway plugin sign FILE --key KEY` writes it"
    )]
    Unsigned,
    /// Its signature does not count.
    #[error("{0}\nhint: put the signature of this very file beside it, as `NAME.wasm.sig`")]
    Signature(SignatureError),
    /// It is another file than the operator lets in under this name.
    #[error(
        "its SHA-256 is {found}, and `plugins.overrides.{plugin}.sha256` is {pin}\nhint: if the new file is to serve: `gateway plugin pin {plugin}`, then restart the gateway"
    )]
    Pinned {
        /// The plugin.
        plugin: PluginName,
        /// That of the file.
        found: Digest,
        /// The one that is let in.
        pin: Digest,
    },
    /// The file is too large.
    #[error("it has {size} bytes, more than `plugins.max_file` allows ({limit})")]
    TooLarge {
        /// Bytes of the file.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The file's first bytes are not those of a component.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(&'static str),
    /// The compiler refused it.
    #[error("it does not compile: {0}\nhint: a file that is still being written is loaded again when it is complete")]
    Compile(String),
    /// Compiling it goes beyond a limit.
    #[error("compiling it takes more than `plugins.{key}` allows ({most})\nhint: raise it for a plugin that you trust")]
    CompileLimit {
        /// `compile-memory` or `compile-time`.
        limit: &'static str,
        /// The key of the limit.
        key: &'static str,
        /// The limit.
        most: String,
    },
    /// The compiler, whatever it was given.
    #[error("{0}")]
    Compiler(String),
    /// It keeps no contract of this gateway.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// An import has another shape than the contract says.
    #[error(
        "its imports or exports differ from `wit/plugin.wit` {SERVED}: {0}\nhint: build it against the `wit/plugin.wit` of this release"
    )]
    Link(String),
    /// `describe` failed.
    #[error("its `describe` failed: {0}")]
    Describe(CallError),
    /// `describe` returned something else than a manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It must not take the place of what serves.
    #[error("{0}")]
    Refused(String),
}

/// Why a call of a plugin brought no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// All places are taken and the queue is full, or the time was over before there was a place.
    #[error("all places are taken")]
    Busy,
    /// The call went beyond a limit and was stopped.
    #[error("stopped by the limit `{limit}`: {detail}")]
    Limit {
        /// `cpu`, `time`, `memory`, `table`, `stack`, `resources` or `output`.
        limit: &'static str,
        /// What the engine said.
        detail: String,
    },
    /// The guest trapped.
    #[error("trapped: {0}")]
    Trap(String),
}
