//! Hints for authors of plugins, in the terms of the language that a file was built with.

use std::fmt;

use super::contract::ContractError;
use super::error::{CallError, LoadError};

/// The language of a plugin, by the marks that its tools leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    C,
    Go,
    JavaScript,
    Python,
    Rust,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::C => "C or Zig",
            Self::Go => "Go",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
            Self::Rust => "Rust",
        })
    }
}

/// Marks that tools leave in their files. Interpreters come first: they are built with the tools of C and Rust.
const MARKS: [(&[u8], Language); 6] = [
    (b"componentize-py", Language::Python),
    (b"quickjs", Language::JavaScript),
    (b"StarlingMonkey", Language::JavaScript),
    (b"Go cmd/compile", Language::Go),
    (b"rustc", Language::Rust),
    (b"clang", Language::C),
];

impl Language {
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let marked = |mark: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
        MARKS.iter().find(|(mark, _)| marked(mark)).map(|(_, language)| *language)
    }

    /// What an author can do about `error`.
    pub(super) fn hint(language: Option<Self>, error: &LoadError) -> Option<&'static str> {
        match error {
            LoadError::NotAComponent(text) if text.contains("core module") => Self::on_core_module(language?),
            // How the engine names the async features that QuickJS uses by default.
            LoadError::Compile(text) if text.contains("async") || text.contains("task.cancel") => Some(
                "plugins are called synchronously; JavaScript: build with `--backend quickjs --backend-qjs-disable-async`",
            ),
            LoadError::Contract(ContractError::NoInterface { found }) if found.contains("wasi:cli/run") => {
                Some(Self::on_program(language))
            }
            LoadError::Contract(ContractError::WasiHttp(_)) => Self::on_wasi_http(language?),
            LoadError::Describe(CallError::Trap(_)) => Self::on_trap(language?),
            _ => None,
        }
    }

    fn on_core_module(self) -> Option<&'static str> {
        Some(match self {
            Self::Rust => {
                "`gateway plugin build` makes a component of a folder of `gateway plugin new`; elsewhere set `linker = \"wasm-component-ld\"` for the target, as `.cargo/config.toml` there does, or build for wasm32-wasip2"
            }
            Self::Go => {
                "a Go build is wrapped with `wasm-tools component embed` and `component new --adapt`; `gateway plugin build` does both"
            }
            Self::C => "a C build is wrapped with `wasm-tools component new`; `gateway plugin build` does that",
            Self::JavaScript | Self::Python => return None,
        })
    }

    fn on_program(language: Option<Self>) -> &'static str {
        match language {
            Some(Self::Rust) => "this is a program; make it a library: `crate-type = [\"cdylib\"]` in Cargo.toml",
            Some(Self::Go) => "this is a program; make it a library: `go build -buildmode=c-shared`",
            Some(Self::C) => "this is a program; make it a library: `-mexec-model=reactor`, and no `main`",
            _ => "this is a program; make it a library that exports the interface of its world",
        }
    }

    fn on_wasi_http(self) -> Option<&'static str> {
        Some(match self {
            Self::Rust => {
                "send with `http.send` (`delivery.send` of the SDK) instead of wstd, waki or another HTTP crate"
            }
            Self::JavaScript => "send with `http.send` instead of `fetch`, and build with `--backend quickjs`",
            Self::Go => "send with `http.send` instead of an HTTP package of WASI",
            Self::Python => "send with `http.send` instead of an HTTP library of WASI",
            Self::C => return None,
        })
    }

    /// The usual cause of a trap.
    pub(super) fn on_trap(self) -> Option<&'static str> {
        Some(match self {
            Self::JavaScript => {
                "an `Error` that is thrown traps, and an async export is not awaited; QuickJS has no fetch, URL, crypto, console or TextDecoder"
            }
            Self::Python => "an exception traps unless it is raised as `Err(...)`",
            Self::C | Self::Go | Self::Rust => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_in_the_language_of_its_outermost_tool() {
        for (bytes, expected) in [
            (&b"\0asm ... clang 19 ... rustc 1.95"[..], Some(Language::Rust)),
            (b"\0asm ... clang 19 ... componentize-py", Some(Language::Python)),
            (b"\0asm ... clang version 19", Some(Language::C)),
            (b"\0asm", None),
        ] {
            assert_eq!(Language::of(bytes), expected);
        }
    }

    #[test]
    fn a_hint_uses_the_terms_of_the_language() {
        let program = || ContractError::NoInterface { found: "`wasi:cli/run@0.2.6`".to_owned() }.into();
        let http = || ContractError::WasiHttp("wasi:http/types@0.2.4".to_owned()).into();
        for (language, error, expected) in [
            (Some(Language::Rust), LoadError::NotAComponent("this is a core module"), "wasm-component-ld"),
            (Some(Language::Go), LoadError::NotAComponent("this is a core module"), "component embed"),
            (
                None,
                LoadError::Compile("`task.cancel` requires the async feature".to_owned()),
                "--backend-qjs-disable-async",
            ),
            (Some(Language::Go), program(), "-buildmode=c-shared"),
            (Some(Language::C), program(), "-mexec-model=reactor"),
            (Some(Language::JavaScript), http(), "instead of `fetch`"),
            (Some(Language::Python), LoadError::Describe(CallError::Trap(String::new())), "raised as `Err(...)`"),
        ] {
            let hint = Language::hint(language, &error).unwrap();

            assert!(hint.contains(expected), "{hint} should contain {expected}");
        }
        assert_eq!(Language::hint(None, &LoadError::NotAComponent("this is a core module")), None);
    }
}
