//! Programs that are not part of the build, from the package registries into `target/tools`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{run, step};
use crate::repository::Repository;

/// Generates the bindings of C and Go.
const WIT_BINDGEN: &str = "0.63.0";
/// Generates the types of JavaScript and TypeScript.
const JCO: &str = "1.35.0";
/// What `jco` reads files with. Newer ones open no folder, so that it finds no file.
const SHIM: &str = "0.26.0";
/// What a Debian has for C.
const C_PACKAGES: [&str; 4] = ["clang-19", "lld-19", "wasi-libc", "libclang-rt-19-dev-wasm32"];

/// Where the tools are, and the ways to install them.
pub(crate) struct Tools<'a> {
    repository: &'a Repository,
    dir: PathBuf,
}

impl<'a> Tools<'a> {
    pub(crate) fn of(repository: &'a Repository) -> Self {
        Self { repository, dir: repository.target.join("tools") }
    }

    /// The packages in the `requirements.txt` of `source` from PyPI, in a virtual environment of its own.
    pub(crate) fn python(&self, name: &str, source: &Path) -> Result<PathBuf> {
        let environment = self.dir.join(name);
        let requirements = source.join("requirements.txt");
        self.once(&environment, &fs::read_to_string(&requirements)?, || {
            run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
            run(Command::new(environment.join("bin/pip")).args(["install", "--requirement"]).arg(&requirements))
        })?;
        Ok(environment)
    }

    /// The packages in the `package.json` of `source` from npm: a folder `node_modules`.
    pub(crate) fn npm(&self, name: &str, source: &Path) -> Result<PathBuf> {
        self.npm_packages(name, &fs::read_to_string(source.join("package.json"))?)
    }

    /// The files of a package of Debian, unpacked but not installed.
    pub(crate) fn debian(&self, name: &str, package: &str) -> Result<PathBuf> {
        let dir = self.dir.join(name);
        self.once(&dir, package, || {
            run(Command::new("apt-get").args(["download", "-qq", package]).current_dir(&dir))?;
            let archive = fs::read_dir(&dir)?.find_map(|entry| Some(entry.ok()?.path()));
            let archive = archive.context("apt-get has downloaded nothing")?;
            run(Command::new("dpkg").arg("-x").args([&archive, &dir]))?;
            Ok(fs::remove_file(archive)?)
        })?;
        Ok(dir)
    }

    /// The program `jco`.
    pub(crate) fn jco(&self) -> Result<PathBuf> {
        let packages = format!(
            r#"{{"private": true, "devDependencies": {{"@bytecodealliance/jco": "{JCO}"}}, "overrides": {{"@bytecodealliance/preview2-shim": "{SHIM}"}}}}"#
        );
        Ok(self.npm_packages("jco", &packages)?.join(".bin/jco"))
    }

    fn npm_packages(&self, name: &str, packages: &str) -> Result<PathBuf> {
        let dir = self.dir.join(name);
        self.once(&dir, packages, || {
            fs::write(dir.join("package.json"), packages)?;
            run(Command::new("npm").arg("install").current_dir(&dir))
        })?;
        Ok(dir.join("node_modules"))
    }

    /// The C compiler with its parts for WebAssembly, as system packages.
    pub(crate) fn c(&self) -> Result<()> {
        // For a missing part the compiler prints only its name.
        let has = |part: &&str| {
            let output = Command::new("clang-19").args(["--target=wasm32-wasi", part]).output();
            output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_file())
        };
        let parts = ["-print-prog-name=wasm-ld", "-print-file-name=crt1-reactor.o", "-print-libgcc-file-name"];
        if parts.iter().all(has) {
            return Ok(());
        }
        step("installing clang for C, with apt-get");
        run(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends"]).args(C_PACKAGES))
            .context("C needs packages that only root can install, and only where there is apt-get")
    }

    /// The program `wit-bindgen`.
    pub(crate) fn wit_bindgen(&self) -> Result<PathBuf> {
        let root = self.dir.join("wit-bindgen");
        self.once(&root, WIT_BINDGEN, || {
            let version = format!("wit-bindgen-cli@{WIT_BINDGEN}");
            run(self.repository.cargo(["install", "--locked", "--root"]).arg(&root).arg(version))
        })?;
        Ok(root.join("bin/wit-bindgen"))
    }

    /// Installs into `dir`, unless `what` is installed there already.
    fn once(&self, dir: &Path, what: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
        let installed = dir.join("installed");
        if fs::read_to_string(&installed).is_ok_and(|done| done == what) {
            return Ok(());
        }
        step(&format!("installing {}", dir.display()));
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        fs::create_dir_all(dir)?;
        install()?;
        fs::write(installed, what).with_context(|| format!("cannot write to {}", dir.display()))
    }

    pub(crate) fn templates(&self) -> PathBuf {
        self.repository.root.join("plugins/templates")
    }
}
