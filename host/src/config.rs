//! The configuration: `gateway.toml` and the environment become the settings of every module.
//!
//! This module owns the names of keys, their defaults, and which values are valid together. It promises that a [`Config`] is
//! valid as a whole, that all problems of an invalid one are reported at once, and that no secret is ever shown.
//! What needs a plugin or a skill is checked once they are loaded ([`unfit_secrets`], [`Judged`]).
//! Deliberately absent: what needs this machine, such as folders and ports; `gateway check` looks at these.
//!
//! The environment variable of its path overrides a key: `GATEWAY__HTTP__LISTEN` overrides `http.listen`,
//! `GATEWAY__CHANNELS__MY_HOOK__MAX_BODY` overrides `channels.my-hook.max_body`.

mod access;
mod agents;
mod alerts;
mod asked;
mod backends;
mod binding;
mod channels;
mod check;
mod conditions;
mod delivery;
mod findings;
mod grants;
mod issued;
mod key;
mod limits;
mod parts;
mod place;
mod plugins;
mod problem;
mod raw;
mod restart;
mod routes;
mod schema;
mod schemas;
mod secret;
mod section;
mod settings;
mod sites;
mod source;
mod subscriptions;
#[cfg(test)]
mod tests;
mod unfit_secret;
mod unknown;
mod value;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

pub use self::findings::{Described, Finding, Judged};
pub use self::parts::{ChannelPart, Parts, SecretPart};
pub use self::problem::{ConfigProblem, ConfigProblems};
pub use self::restart::restart_keys;
pub use self::schema::schema;
pub use self::settings::{Config, LogFormat, LogSettings, ReloadSettings};
pub use self::source::Source;
pub use self::unfit_secret::unfit_secrets;
pub use self::unknown::nearest;

#[cfg(test)]
use self::asked::Environment;
use self::raw::Raw;

/// The default configuration file.
pub const FILE_NAME: &str = "gateway.toml";

/// Reads the configuration from `path`, or from `gateway.toml` in the current folder, and from the environment.
///
/// # Errors
/// All problems of the configuration.
pub fn load(path: Option<&Path>) -> Result<Config, ConfigProblems> {
    let Parts { file, raw } = parts(path)?;
    match check::check(raw) {
        Ok(config) => Ok(Config { source: Source { file: file.into(), ..config.source }, ..config }),
        Err(problems) => Err(ConfigProblems { file, problems }),
    }
}

/// Opens the same file for commands that need only parts of it.
///
/// # Errors
/// The file cannot be read or is not TOML.
pub fn parts(path: Option<&Path>) -> Result<Parts, ConfigProblems> {
    let path = path.unwrap_or(Path::new(FILE_NAME));
    let environment = std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value)).collect();
    let file = path.display().to_string();
    let fail = |problems| ConfigProblems { file: file.clone(), problems };
    let text = fs::read_to_string(path).map_err(|error| fail(vec![unreadable(&error)]))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let raw = Raw::parse(&text, base, environment).map_err(fail)?;
    raw.note_file(path, Some(text.as_bytes()));
    Ok(Parts { file, raw })
}

#[cfg(test)]
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
