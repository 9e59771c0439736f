//! What the gateway needs of this machine: folders that it can use, and a port and a log that nobody else uses.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::config::{Config, ConfigProblem};
use crate::eventlog::EngineKind;
use crate::process::Process;

/// The file that a gateway locks in the folder of its log.
const LOCK: &str = "lock";

/// Folders that can never be used as they are.
pub(super) fn problems(config: &Config) -> Vec<ConfigProblem> {
    let problem = |key: &str, expected: &str, dir: &Path, error: io::Error| ConfigProblem {
        key: key.to_owned(),
        expected: expected.to_owned(),
        found: Some(format!("`{}`: {}", dir.display(), reason(&error))),
        hint: None,
    };
    let plugins = &config.plugins.dir;
    let plugins = is_readable(plugins)
        .map_err(|error| problem("plugins.dir", "a folder that the gateway can read", plugins, error));
    let data = match &config.eventlog.engine {
        EngineKind::Memory => Ok(()),
        EngineKind::Sled { dir, .. } => is_writable(dir)
            .map_err(|error| problem("eventlog.dir", "a folder that the gateway can write to", dir, error)),
    };
    [plugins, data].into_iter().filter_map(Result::err).collect()
}

/// What is in use. That may be the running gateway of this very configuration, so it is no problem.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let by = |process: Option<Process>| {
        process.map_or_else(|| "another process, which this user cannot see".to_owned(), |process| process.to_string())
    };
    let admin = config.http.admin.listen.map(|address| ("admin.listen", address));
    let sites = config.http.own_address_of_sites().map(|address| ("web.listen", address));
    let addresses = [("http.listen", config.http.listen)].into_iter().chain(admin).chain(sites);
    let in_use = |error: io::Error| error.kind() == ErrorKind::AddrInUse;
    let mut warnings: Vec<_> = addresses
        .filter(|(_, address)| address.port() != 0 && TcpListener::bind(address).is_err_and(in_use))
        .map(|(key, address)| format!("{key}: `{address}` is in use by {}", by(Process::listening(address))))
        .collect();
    if let EngineKind::Sled { dir, .. } = &config.eventlog.engine
        && let Ok(lock) = fs::File::open(dir.join(LOCK))
        && let Err(fs::TryLockError::WouldBlock) = lock.try_lock_shared()
    {
        let holder = by(locking(&dir.join(LOCK)));
        warnings.push(format!("eventlog.dir: `{}` is in use by {holder}", dir.display()));
    }
    warnings
}

/// The process that holds the lock of a file.
fn locking(file: &Path) -> Option<Process> {
    let end = format!(":{}", fs::metadata(file).ok()?.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let words = locks.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let mut held = words.filter(|words| words.get(5).is_some_and(|file| file.ends_with(&end)));
    held.find_map(|words| Process::of(words.get(4)?.parse().ok()?))
}

/// A missing folder is created by the gateway.
fn is_readable(dir: &Path) -> io::Result<()> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => is_writable(dir),
        // A folder that can be listed but not entered has no files.
        read => read.and_then(|_| Ok(access(dir, Access::EXEC_OK)?)),
    }
}

/// Whether files can be created in the folder, or the folder where the first part of its path is that exists.
fn is_writable(dir: &Path) -> io::Result<()> {
    let own = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    match fs::metadata(own) {
        Ok(metadata) if !metadata.is_dir() => Err(ErrorKind::NotADirectory.into()),
        Ok(_) => Ok(access(own, Access::WRITE_OK | Access::EXEC_OK)?),
        Err(error) if error.kind() == ErrorKind::NotFound => match dir.parent() {
            Some(parent) => is_writable(parent),
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// The error, and for one of permissions the user that it holds for.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => format!("permission denied, running as {}", user()),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        ErrorKind::NotADirectory => "it is not a folder".to_owned(),
        _ => error.to_string(),
    }
}

fn user() -> String {
    let id = rustix::process::geteuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find(|line| line.split(':').nth(2) == Some(&id));
    named.and_then(|line| line.split(':').next()).map_or_else(|| format!("user {id}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_locks_a_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOCK);
        let file = fs::File::create(&path).unwrap();

        assert_eq!(locking(&path), None);
        file.lock().unwrap();

        assert_eq!(locking(&path).unwrap().pid, std::process::id());
    }
}
