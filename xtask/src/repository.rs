//! The repository: where it is, and how its plugins and the gateway are built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{run, step};
use crate::{guests, toolchain};

/// How the gateway is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build.
    Everyday,
    /// As it is released: slow to build, and fast.
    Dist,
}

impl Profile {
    /// Its name for cargo, and of its folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Everyday => "release",
            Self::Dist => "dist",
        }
    }
}

/// The repository and its target folder.
pub(crate) struct Repository {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Repository {
    /// Finds the repository that this program was built in, and checks that it can be built.
    pub(crate) fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
        // `<target>/<profile>/xtask` shows where cargo builds, however that was configured.
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let target = program.ancestors().nth(2).context("cannot find the target folder")?;
        let repository = Self { root: root.to_owned(), target: target.to_owned() };
        toolchain::check_c_compiler()?;
        toolchain::ensure_target(toolchain::WASM_TARGET)?;
        Ok(repository)
    }

    /// Builds the plugins and the gateway.
    pub(crate) fn build(&self, profile: Profile) -> Result<()> {
        self.build_plugins()?;
        step("building the gateway");
        let mut build = self.cargo(["build", "--profile", profile.name(), "--package", "gateway"]);
        // Only what is released: every commit would build the gateway anew.
        if profile == Profile::Dist
            && let Some(commit) = self.commit()
        {
            build.env("GATEWAY_COMMIT", commit);
        }
        run(&mut build)
    }

    /// The commit that the repository is at, and whether it was changed since. `None` without git.
    fn commit(&self) -> Option<String> {
        let mut git = Command::new("git");
        git.current_dir(&self.root).args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]);
        let output = git.output().ok().filter(|output| output.status.success())?;
        let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (!commit.is_empty()).then_some(commit)
    }

    /// Builds the benchmark and the gateway that it measures.
    pub(crate) fn build_bench(&self, profile: Profile) -> Result<()> {
        step("building the gateway and the benchmark");
        // Both at once: built apart, they may ask for different features of what they share.
        run(&mut self.cargo(["build", "--profile", profile.name(), "--package", "gateway", "--package", "bench"]))
    }

    /// Where what is built with a profile goes.
    pub(crate) fn folder(&self, profile: Profile) -> PathBuf {
        self.target.join(profile.name())
    }

    /// Builds the plugins and puts them where the gateway loads them from.
    fn build_plugins(&self) -> Result<Vec<guests::Plugin>> {
        let plugins = guests::list(&self.root)?;
        step("building the plugins");
        self.build_wasm(&plugins, &["--lib"])?;
        Ok(plugins)
    }

    /// As `build_plugins`, and the guests that only tests load.
    pub(crate) fn build_guests(&self) -> Result<Vec<guests::Plugin>> {
        let plugins = guests::list(&self.root)?;
        step("building the plugins and the guests of the tests");
        self.build_wasm(&plugins, &["--lib", "--package", "guests", "--examples"])?;
        toolchain::ensure_target(toolchain::WASI_TARGET)?;
        let build = ["build", "--profile", "guest", "--target", toolchain::WASI_TARGET];
        run(self.cargo(build).args(["--package", "wasi-guests", "--examples"]))?;
        Ok(plugins)
    }

    fn build_wasm(&self, plugins: &[guests::Plugin], more: &[&str]) -> Result<()> {
        let mut build = self.cargo(["build", "--profile", "guest", "--target", toolchain::WASM_TARGET]);
        for plugin in plugins {
            build.args(["--package", &plugin.package()]);
        }
        run(build.args(more))?;
        for plugin in plugins {
            let built = self.target.join(toolchain::WASM_TARGET).join("guest").join(plugin.artifact());
            let folder = self.root.join("plugins");
            if guests::install(&built, &folder.join(plugin.samples()), &folder.join(plugin.file()))? {
                step(&format!("wrote plugins/{}", plugin.file()));
            }
        }
        Ok(())
    }

    /// Cargo in the repository's root, building into the same target folder as this program.
    pub(crate) fn cargo<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // `cargo run` describes this program to it. A build script that reads such variables would run again, and what depends on
        // it be built again, whenever a shell and this program build in turn.
        let described = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in described.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(name);
        }
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target).args(arguments);
        cargo
    }
}
