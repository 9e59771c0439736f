//! The components that tests load: built-in plugins and guests.

use std::fs;
use std::path::{Path, PathBuf};

/// A component built for the tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest {
    file: &'static str,
    /// Below the target folder.
    folder: &'static str,
}

impl Guest {
    const fn built_in(file: &'static str) -> Self {
        Self { file, folder: "wasm32-unknown-unknown/guest" }
    }

    const fn example(file: &'static str) -> Self {
        Self { file, folder: "wasm32-unknown-unknown/guest/examples" }
    }

    /// A guest that imports WASI.
    const fn wasi(file: &'static str) -> Self {
        Self { file, folder: "wasm32-wasip2/guest/examples" }
    }

    /// The name of the plugin.
    pub(crate) fn name(&self) -> String {
        self.file.replace('_', "-")
    }

    /// The built file. It is missing if the tests were started the wrong way.
    pub(crate) fn path(&self) -> PathBuf {
        let target = Path::new(super::BINARY).ancestors().nth(2).unwrap();
        let path = target.join(self.folder).join(format!("{}.wasm", self.file));
        assert!(path.is_file(), "{} is missing; run `cargo xtask test`, which builds it", path.display());
        path
    }

    /// The folder of its samples, if it is a built-in plugin.
    pub(crate) fn samples(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(self.name()).join("samples")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }
}

/// Builds a channel plugin from a core module in text form, as `gateway plugin build` does from the output of a C compiler.
pub(crate) fn channel_of(module: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/plugin.wit");
    let package = resolve.push_str(&wit, &fs::read_to_string(&wit).unwrap()).unwrap();
    let world = resolve.select_world(&[package], Some("channel-plugin")).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8).unwrap();
    wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

/// The built-in plugins.
pub(crate) mod built_in {
    use std::fs;
    use std::path::Path;

    use super::Guest;

    pub(crate) const ALERTMANAGER: Guest = Guest::built_in("alertmanager");
    pub(crate) const A2A: Guest = Guest::built_in("a2a");
    pub(crate) const ANTHROPIC: Guest = Guest::built_in("anthropic");
    pub(crate) const DISCORD: Guest = Guest::built_in("discord");
    pub(crate) const DUMMY: Guest = Guest::built_in("dummy");
    pub(crate) const GENERIC: Guest = Guest::built_in("generic");
    pub(crate) const GITHUB: Guest = Guest::built_in("github");
    pub(crate) const GITLAB: Guest = Guest::built_in("gitlab");
    pub(crate) const GRAFANA: Guest = Guest::built_in("grafana");
    pub(crate) const HTTP: Guest = Guest::built_in("http");
    pub(crate) const JIRA: Guest = Guest::built_in("jira");
    pub(crate) const LINEAR: Guest = Guest::built_in("linear");
    pub(crate) const OPENAI: Guest = Guest::built_in("openai");
    pub(crate) const OPENCLAW: Guest = Guest::built_in("openclaw");
    pub(crate) const PAGERDUTY: Guest = Guest::built_in("pagerduty");
    pub(crate) const SENTRY: Guest = Guest::built_in("sentry");
    pub(crate) const SLACK: Guest = Guest::built_in("slack");
    pub(crate) const STANDARD_WEBHOOKS: Guest = Guest::built_in("standard_webhooks");
    pub(crate) const STUB: Guest = Guest::built_in("stub");
    pub(crate) const TELEGRAM: Guest = Guest::built_in("telegram");

    /// All built-in plugins, from the folders in `plugins/`, so that none is forgotten.
    pub(crate) fn all() -> Vec<Guest> {
        let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins")).unwrap();
        let mut plugins: Vec<_> = folders
            .map(|entry| entry.unwrap().path())
            .filter(|folder| folder.join("manifest.json").is_file())
            .map(|folder| folder.file_name().unwrap().to_str().unwrap().replace('-', "_"))
            .map(|file| Guest::built_in(file.leak()))
            .collect();
        plugins.sort_unstable_by_key(Guest::name);
        plugins
    }
}

/// The guests of `tests/guests` and `tests/guests/wasi`.
pub(crate) mod guest {
    use super::Guest;

    pub(crate) const BAD_MANIFEST: Guest = Guest::example("bad_manifest");
    pub(crate) const BOTH: Guest = Guest::wasi("both");
    pub(crate) const COUNTER: Guest = Guest::example("counter");
    pub(crate) const ECHO: Guest = Guest::example("echo");
    pub(crate) const ECHO_TWO: Guest = Guest::example("echo_two");
    pub(crate) const FEED: Guest = Guest::example("feed");
    pub(crate) const FETCH_AGENT: Guest = Guest::example("fetch_agent");
    pub(crate) const FLAKY_AGENT: Guest = Guest::example("flaky_agent");
    pub(crate) const FLOOD: Guest = Guest::example("flood");
    pub(crate) const FORMER: Guest = Guest::wasi("former");
    pub(crate) const HOARDER: Guest = Guest::wasi("hoarder");
    pub(crate) const HOG: Guest = Guest::example("hog");
    pub(crate) const LOGGER: Guest = Guest::wasi("logger");
    pub(crate) const NEWEST: Guest = Guest::wasi("newest");
    pub(crate) const OLDEST: Guest = Guest::wasi("oldest");
    pub(crate) const OLDER: Guest = Guest::wasi("older");
    pub(crate) const RECURSE: Guest = Guest::example("recurse");
    pub(crate) const REJECTING: Guest = Guest::example("rejecting");
    pub(crate) const RESPONDER: Guest = Guest::example("responder");
    pub(crate) const SEALED: Guest = Guest::example("sealed");
    pub(crate) const SLEEPER: Guest = Guest::wasi("sleeper");
    pub(crate) const SPIN: Guest = Guest::example("spin");
    pub(crate) const SPIN_DESCRIBE: Guest = Guest::example("spin_describe");
    pub(crate) const TRAP: Guest = Guest::example("trap");
    pub(crate) const TWO_WAY: Guest = Guest::example("two_way");
}
