//! Plugin projects as `gateway plugin new` writes them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::BINARY;

/// The variable with the required languages, separated by commas; `cargo xtask languages` sets it after installing them.
const REQUIRED: &str = "GATEWAY_LANGUAGES";

/// A plugin as `gateway plugin new` writes it.
pub(crate) struct Template {
    _folder: TempDir,
    dir: PathBuf,
    lang: &'static str,
}

impl Template {
    /// Writes the source of the plugin `name`.
    pub(crate) fn new(name: &str, kind: &str, lang: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let new = ["plugin", "new", name, "--kind", kind, "--lang", lang];
        let output = Command::new(BINARY).args(new).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let dir = folder.path().join(name);
        if lang == "rust" {
            // The versions in this repository's lock file are on the machine.
            fs::copy(repository().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
        }
        Self { _folder: folder, dir, lang }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Replaces text in the source.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let file = self.dir.join(file);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "`{from}` is not in {}", file.display());
        fs::write(file, text.replace(from, to)).unwrap();
    }

    /// Builds the plugin. Prints the reason and returns `None` if the tools of the language are not installed.
    pub(crate) fn build(&self) -> Option<PathBuf> {
        self.link_tools();
        let output = self.command(BINARY, &["plugin", "build"]).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        let lang = self.lang;
        if !output.status.success() && printed.contains("needs what is missing:") && !is_required(lang) {
            eprintln!("skipped: {}; `cargo xtask languages {lang}` installs it", printed.trim());
            return None;
        }
        assert!(output.status.success(), "{printed}");
        let file = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        assert_eq!(file.parent().unwrap(), self.dir.canonicalize().unwrap());
        Some(file)
    }

    /// A command in the folder.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        // One folder for all test runs, separate from the build of the tests themselves.
        command.env("CARGO_TARGET_DIR", target().join("templates"));
        command.args(arguments).current_dir(&self.dir);
        command
    }

    /// Links the tools that `cargo xtask languages` has installed to the place where the language looks for them.
    fn link_tools(&self) {
        let (installed, link) = match self.lang {
            "js" | "ts" => ("node_modules", "node_modules"),
            "python" | "go" | "zig" => ("", ".venv"),
            _ => return,
        };
        let tools = target().join("tools").join(self.lang).join(installed);
        let link = self.dir.join(link);
        if tools.exists() && !link.exists() {
            symlink(tools, link).unwrap();
        }
    }
}

fn is_required(lang: &str) -> bool {
    let required = std::env::var(REQUIRED).unwrap_or_default();
    lang == "rust" || required.split(',').any(|required| required == lang)
}

fn target() -> &'static Path {
    Path::new(BINARY).ancestors().nth(2).unwrap()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
