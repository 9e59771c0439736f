//! The servers that are measured: how each is started, and what the gateway reports about itself.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::ClientConfig;

use crate::baseline::Baseline;
use crate::certificate;
use crate::load;
use crate::peer::Peer;
use crate::process::{Server, wait_until};
use crate::secrets::{self, GITHUB_VARIABLE};

/// The plugins that the gateway is measured with.
const PLUGINS: [&str; 4] = ["dummy", "github", "http", "stub"];

/// The files of the benchmark; those that it wrote are removed when this is dropped.
pub(crate) struct Place {
    /// On the disk that holds the build: `/tmp` may be memory.
    dir: PathBuf,
    gateway: PathBuf,
    plugins: PathBuf,
    guests: PathBuf,
    /// Where `cargo xtask` installs programs of others.
    tools: PathBuf,
    next: u32,
}

impl Place {
    /// Finds what `cargo xtask bench` has built.
    pub(crate) fn find() -> Result<Self> {
        let gateway = gateway_program()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the benchmark lies in the repository")?;
        let target = gateway.ancestors().nth(2).context("cannot find the target folder")?;
        let plugins = root.join("plugins");
        for file in PLUGINS.map(|name| plugins.join(name).with_extension("wasm")).iter().chain([&gateway]) {
            ensure!(file.is_file(), "`{}` is missing\nhint: run `cargo xtask bench`, which builds it", file.display());
        }
        let dir = target.join(format!("bench-{}", std::process::id()));
        fs::create_dir_all(&dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
        let (guests, tools) = (target.join("wasm32-unknown-unknown/guest/examples"), target.join("tools"));
        Ok(Self { dir, gateway, plugins, guests, tools, next: 0 })
    }

    /// Where the data of all subjects goes.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// An empty folder for one subject.
    pub(crate) fn folder(&mut self) -> Result<Folder> {
        self.next += 1;
        let dir = self.dir.join(self.next.to_string());
        fs::create_dir(&dir)?;
        Ok(Folder(dir))
    }

    /// Copies the plugins into `folder`.
    pub(crate) fn copy_plugins(&self, folder: &Folder) -> Result<()> {
        let dir = folder.plugins();
        fs::create_dir(&dir)?;
        for name in PLUGINS {
            let file = format!("{name}.wasm");
            fs::copy(self.plugins.join(&file), dir.join(&file))?;
        }
        Ok(())
    }

    /// Starts one of the servers that the gateway is compared with.
    pub(crate) fn baseline(&mut self, what: Baseline) -> Result<Subject> {
        let folder = self.folder()?;
        let mut command = Command::new(std::env::current_exe()?);
        let server = Server::start(command.args(["as", what.name()]).arg(&folder.0), 1)?;
        Ok(Subject { server, folder })
    }

    /// Starts the program of somebody else.
    pub(crate) fn peer(&mut self, peer: Peer) -> Result<Subject> {
        let folder = self.folder()?;
        Ok(Subject { server: peer.start(&self.tools, folder.path())?, folder })
    }

    /// Starts the gateway with an empty event log and `more` below the common part of its configuration. Everything that
    /// is not named there is at its default.
    pub(crate) fn gateway(&mut self, more: &str) -> Result<Subject> {
        self.gateway_with("", more)
    }

    /// The same with the keys `http` in the table of that name.
    pub(crate) fn gateway_with(&mut self, http: &str, more: &str) -> Result<Subject> {
        let folder = self.folder()?;
        self.start(folder, http, more)
    }

    /// The same behind TLS, with an admin API of its own in the clear; and how its callers speak.
    pub(crate) fn gateway_behind_tls(&mut self, http: &str) -> Result<(Subject, ClientConfig)> {
        let folder = self.folder()?;
        let callers = certificate::issue(folder.path())?;
        let http = format!("{http}{}[admin]\nlisten = \"127.0.0.1:0\"\n", certificate::CONFIGURATION);
        self.configure(&folder, &http, "")?;
        Ok((self.serve(folder, 2)?, callers))
    }

    /// The same in a folder that may have an event log.
    pub(crate) fn gateway_in(&mut self, folder: Folder, more: &str) -> Result<Subject> {
        self.start(folder, "", more)
    }

    fn start(&mut self, folder: Folder, http: &str, more: &str) -> Result<Subject> {
        self.configure(&folder, http, more)?;
        self.serve(folder, 1)
    }

    fn configure(&self, folder: &Folder, http: &str, more: &str) -> Result<()> {
        self.copy_plugins(folder)?;
        let config = folder.0.join("gateway.toml");
        let common = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n{http}\n[channels.github]\nsecret = {{ env = \"{GITHUB_VARIABLE}\" }}\n\n"
        );
        Ok(fs::write(&config, common + more)?)
    }

    /// Starts the gateway with this plugin alone, and `more` for its configuration.
    pub(crate) fn gateway_of(&mut self, plugin: &str, more: &str) -> Result<Subject> {
        let folder = self.folder()?;
        fs::create_dir(folder.plugins())?;
        let file = format!("{plugin}.wasm");
        fs::copy(self.plugins.join(&file), folder.plugins().join(&file))?;
        fs::write(folder.0.join("gateway.toml"), format!("[http]\nlisten = \"127.0.0.1:0\"\n\n{more}"))?;
        self.serve(folder, 1)
    }

    /// The names of the plugins that come with the gateway and are built, in the order of the alphabet.
    pub(crate) fn built_in(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.plugins)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let is_plugin = self.source(&name).join("manifest.json").is_file();
            if is_plugin && self.plugins.join(format!("{name}.wasm")).is_file() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The folder of a plugin's source.
    pub(crate) fn source(&self, plugin: &str) -> PathBuf {
        self.plugins.join(plugin)
    }

    /// Restarts the gateway on the same folder.
    pub(crate) fn restart(&self, subject: Subject) -> Result<Subject> {
        self.start_again(subject.stop())
    }

    /// Starts the gateway on the folder of one that was stopped.
    pub(crate) fn start_again(&self, folder: Folder) -> Result<Subject> {
        self.serve(folder, 1)
    }

    fn serve(&self, folder: Folder, listeners: usize) -> Result<Subject> {
        let mut command = Command::new(&self.gateway);
        command.arg("serve").arg("--config").arg(folder.0.join("gateway.toml")).envs(secrets::environment());
        Ok(Subject { server: Server::start(&mut command, listeners)?, folder })
    }

    /// A guest of the tests that misbehaves on purpose.
    pub(crate) fn guest(&self, name: &str) -> PathBuf {
        self.guests.join(name).with_extension("wasm")
    }
}

/// The gateway's program, in the same folder as this one.
pub(crate) fn gateway_program() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    Ok(program.with_file_name("gateway"))
}

impl Drop for Place {
    fn drop(&mut self) {
        // Leftovers do no harm in the target folder.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A running server with its files, which are removed after it.
pub(crate) struct Subject {
    pub(crate) server: Server,
    pub(crate) folder: Folder,
}

impl Subject {
    /// Ends the server; its files stay.
    pub(crate) fn stop(self) -> Folder {
        self.folder
    }
}

/// The files of one subject, removed when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the plugins of this subject are.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.0.join("plugins")
    }

    /// An empty folder for compiled plugins.
    pub(crate) fn cache(&self) -> PathBuf {
        self.0.join("compiled")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The whole place is removed at the end.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The configuration of an agent that accepts everything and does nothing, with a route of all events to it.
pub(crate) const STUB: &str = "[agents.stub]\n\n[[routes]]\nchannels = [\"*\"]\nagents = [\"stub\"]\n\n";

/// The configuration that lets instances of channel and agent be used again.
pub(crate) const REUSE: &str = "[plugins.overrides.github]\nreuse = { max_calls = 1000, max_memory = \"32MiB\" }\n\n\
                                [plugins.overrides.stub]\nreuse = { max_calls = 1000, max_memory = \"32MiB\" }\n";

/// Counts of events and deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) accepted: u64,
    pub(crate) delivered: u64,
    /// Attempts that failed.
    pub(crate) failed: u64,
}

impl Progress {
    /// Asks the gateway.
    pub(crate) fn of(gateway: SocketAddr) -> Result<Self> {
        Ok(Self::read(&metrics(gateway)?))
    }

    fn read(metrics: &str) -> Self {
        let sum = |name: &str, label: &str| {
            let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(label));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
        };
        let attempts = |outcome| sum("gateway_delivery_attempts_total{", outcome);
        Self {
            accepted: sum("gateway_events_total{", ""),
            delivered: attempts("outcome=\"delivered\""),
            failed: attempts("outcome=\"retry\"") + attempts("outcome=\"dead\""),
        }
    }

    /// Events whose delivery is not done.
    pub(crate) fn backlog(self) -> u64 {
        self.accepted.saturating_sub(self.delivered)
    }
}

/// The text of `/metrics`, over a connection of its own.
fn metrics(gateway: SocketAddr) -> Result<String> {
    let (status, text) = request(gateway, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    ensure!(status == 200, "/metrics answers {status}: {text}");
    Ok(text)
}

/// Waits until the metrics of the gateway have this line.
pub(crate) fn wait_for_metric(gateway: &Server, line: &str, patience: Duration) -> Result<()> {
    let name = line.split([' ', '{']).next().unwrap_or(line);
    let mut last = Ok(String::new());
    let found = wait_until(patience, Duration::from_millis(1), || {
        last = metrics(gateway.admin);
        last.as_ref().map_or(true, |metrics| metrics.lines().any(|found| found == line))
    });
    let last = last.context("the gateway does not answer")?;
    let lines: Vec<_> = last.lines().filter(|line| line.starts_with(name)).collect();
    ensure!(found, "expected `{line}`, found {lines:?}\n{}", gateway.last_words());
    Ok(())
}

/// Sends one request on a connection of its own; status and body of the answer.
pub(crate) fn request(server: SocketAddr, request: impl AsRef<[u8]>) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request.as_ref())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let (status, length) = load::parse(&answer)?.context("the answer ends in its headers")?;
    ensure!(length == answer.len(), "the answer is not as long as it says");
    let body = memchr::memmem::find(&answer, b"\r\n\r\n").map_or(0, |head| head + 4);
    Ok((status, String::from_utf8_lossy(&answer[body..]).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_the_metrics() {
        let metrics = "\
# TYPE gateway_events counter
gateway_events_total{provider=\"github\"} 12
gateway_events_duplicate_total{provider=\"github\"} 5
gateway_delivery_attempts_total{agent=\"stub\",outcome=\"delivered\"} 7
gateway_delivery_attempts_total{agent=\"stub\",outcome=\"retry\"} 2
gateway_delivery_attempts_total{agent=\"stub\",outcome=\"dead\"} 1
# EOF
";
        let progress = Progress::read(metrics);
        assert_eq!(progress, Progress { accepted: 12, delivered: 7, failed: 3 });
        assert_eq!(progress.backlog(), 5);
    }
}
