//! The configuration: `gateway.toml` and the environment become the settings of every module.
//!
//! This module owns the names of keys, their defaults, and which values are valid together. It promises that a [`Config`] is
//! valid as a whole, that all problems of an invalid one are reported at once, and that no secret is ever shown.
//! Deliberately absent: checks that need a plugin, such as those of the settings in its manifest; only the secrets are checked
//! here once it is loaded ([`unfit_secrets`]).
//!
//! The environment variable of its path overrides a key: `GATEWAY__HTTP__LISTEN` overrides `http.listen`,
//! `GATEWAY__CHANNELS__MY_HOOK__MAX_BODY` overrides `channels.my-hook.max_body`.

mod access;
mod agents;
mod asked;
mod binding;
mod channels;
mod check;
mod delivery;
mod grants;
mod issued;
mod key;
mod limits;
mod place;
mod plugins;
mod problem;
mod raw;
mod routes;
mod secret;
mod section;
mod settings;
#[cfg(test)]
mod tests;
mod unfit_secret;
mod unknown;
mod value;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

pub use self::problem::{ConfigProblem, ConfigProblems};
pub use self::settings::{Config, LogFormat, LogSettings};
pub use self::unfit_secret::{depends_on_plugin, unfit_secrets};

use self::asked::Environment;
use self::raw::Raw;

/// The default configuration file.
pub const FILE_NAME: &str = "gateway.toml";

/// Reads the configuration from `path`, or from `gateway.toml` in the current folder, and from the environment.
///
/// # Errors
/// All problems of the configuration.
pub fn load(path: Option<&Path>) -> Result<Config, ConfigProblems> {
    let path = path.unwrap_or(Path::new(FILE_NAME));
    let environment = std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value)).collect();
    let fail = |problems| ConfigProblems { file: path.display().to_string(), problems };
    let text = fs::read_to_string(path).map_err(|error| fail(vec![unreadable(&error)]))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let config = read(&text, base, environment).map_err(fail)?;
    Ok(Config { file: path.display().to_string(), ..config })
}

fn read(text: &str, base: &Path, environment: Environment) -> Result<Config, Vec<ConfigProblem>> {
    check::check(Raw::parse(text, base, environment)?)
}

fn unreadable(error: &std::io::Error) -> ConfigProblem {
    let (expected, hint) = match error.kind() {
        ErrorKind::NotFound => {
            ("the file does not exist".to_owned(), Some("pass it with `--config`, or run in its folder"))
        }
        ErrorKind::InvalidData => ("the file is not UTF-8 text".to_owned(), None),
        _ => (format!("the file cannot be read: {error}"), None),
    };
    ConfigProblem { key: String::new(), expected, found: None, hint: hint.map(str::to_owned) }
}
