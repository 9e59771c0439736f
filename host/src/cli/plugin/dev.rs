//! `gateway plugin dev`: builds, tests and installs a plugin whenever its folder changes.

mod sources;

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::super::arguments::plugin::DevArguments;
use super::super::failure::Failure;
use super::super::output;
use super::test::{self, Options};
use crate::plugin::{Settings, StandaloneHost};

use self::sources::Sources;

/// How often the build process is polled.
const BUILD_CHECK: Duration = Duration::from_millis(20);

/// Timed calls of each sample; few, so that a round is short.
const RUNS: u32 = 5;

struct Loop {
    dir: PathBuf,
    /// A shell command; by default `gateway plugin build`.
    build: Option<String>,
    /// The folder for plugins that pass.
    install: Option<PathBuf>,
    host: StandaloneHost,
}

/// Follows the folder until Ctrl-C. A round that fails is reported, and the next change starts another.
pub(super) async fn run(settings: Settings, has_config: bool, arguments: DevArguments) -> Result<(), Failure> {
    let DevArguments { dir, build, install } = arguments;
    let install = install.or_else(|| has_config.then(|| settings.dir.clone()));
    let host = StandaloneHost::new(settings).map_err(anyhow::Error::from)?;
    let rounds = Loop { dir, build, install, host };
    tokio::select! {
        failed = rounds.follow() => failed,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted.map_err(anyhow::Error::from)?),
    }
}

impl Loop {
    async fn follow(&self) -> Result<(), Failure> {
        let mut sources = Sources::watch(&self.dir)?;
        loop {
            let text = match self.round().await {
                Ok(text) => text,
                Err(error) => format!("failed: {error:#}\n"),
            };
            output::text(&format!("{text}\n"))?;
            output::note(&format!("waiting for changes in `{}`, press Ctrl-C to stop", self.dir.display()));
            sources.changed().await?;
        }
    }

    /// Builds the plugin, runs its samples and installs it if they pass.
    async fn round(&self) -> anyhow::Result<String> {
        let begun = Instant::now();
        build(&self.dir, self.build.as_deref()).await?;
        let built = begun.elapsed();
        let options = Options { samples: None, runs: RUNS, accept: false, verification: None };
        let report = test::try_out(&self.host, &self.dir, &options).await?;
        let mut text = format!("built in {:.1} s\n{}", built.as_secs_f64(), report.text());
        match &self.install {
            _ if !report.is_good() => text.push_str("not installed\n"),
            Some(folder) => {
                let installed = install(report.file(), folder)?;
                text.push_str(&format!("installed as {}\n", installed.display()));
            }
            None => text.push_str("not installed: no configuration found; name a plugin folder with `--install`\n"),
        }
        Ok(text)
    }
}

/// Runs the build in the plugin's folder, with its output on stderr.
async fn build(dir: &Path, command: Option<&str>) -> anyhow::Result<()> {
    let mut build = match command {
        Some(command) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", command]);
            shell
        }
        None => {
            let mut gateway = Command::new(std::env::current_exe().context("cannot find the file of this program")?);
            gateway.args(["plugin", "build"]);
            gateway
        }
    };
    let command = command.unwrap_or("gateway plugin build");
    let stderr = io::stderr().as_fd().try_clone_to_owned().context("cannot share stderr with the build")?;
    let child = build
        .current_dir(dir)
        .stdin(Stdio::null())
        .process_group(0)
        .stdout(stderr)
        .spawn()
        .with_context(|| format!("cannot start `{command}`"))?;
    let status = Build(child).ended().await?;
    if !status.success() {
        bail!("`{command}` failed: {status}");
    }
    Ok(())
}

/// A running build. It has a process group of its own, which is killed when this command ends.
struct Build(Child);

impl Build {
    async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait().context("cannot wait for the build")? {
                return Ok(status);
            }
            tokio::time::sleep(BUILD_CHECK).await;
        }
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        // A build that has ended needs nothing.
        if let Ok(None) = self.0.try_wait() {
            let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// Installs the file atomically, so that a gateway never loads half of it.
fn install(file: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let name = file.file_name().ok_or_else(|| anyhow!("`{}` has no file name", file.display()))?;
    let failed = || format!("cannot install into `{}`", folder.display());
    fs::create_dir_all(folder).with_context(failed)?;
    let (place, part) = (folder.join(name), folder.join(format!(".{}.part", name.display())));
    fs::copy(file, &part).and_then(|_| fs::rename(&part, &place)).with_context(failed)?;
    Ok(place)
}
