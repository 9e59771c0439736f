//! Where a configuration comes from: its file, the files that this one refers to, and what they held when they were read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use sha2::Digest as _;
use toml::{Table, Value};

/// SHA-256 of a file.
pub(super) type Digest = [u8; 32];

/// The origin of a configuration. Secrets in it are digests only.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The path of the file, as given.
    pub file: PathBuf,
    /// The file, and those with secrets and keys that it refers to; `None` if there was none to read.
    pub(super) files: BTreeMap<PathBuf, Option<Digest>>,
    pub(super) document: Table,
}

impl Source {
    /// The files as they are now. Compare two of these to see that somebody has written.
    pub fn look(&self) -> BTreeMap<PathBuf, Option<[u8; 32]>> {
        let now = |path: &PathBuf| (path.clone(), fs::read(path).ok().as_deref().map(digest));
        self.files.keys().map(now).collect()
    }

    /// The files as they were read.
    pub fn read(&self) -> &BTreeMap<PathBuf, Option<[u8; 32]>> {
        &self.files
    }

    /// What is different in `next`: keys, and files that a key refers to. Tables of one thing, such as `channels.github`, count
    /// as one key.
    pub fn changes(&self, next: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        compare("", &self.document, &next.document, &mut changes);
        let files = next.files.iter().filter(|(path, _)| **path != next.file);
        let changed = files.filter(|(path, digest)| self.files.get(*path).is_some_and(|before| before != *digest));
        changes.extend(changed.map(|(path, _)| format!("file `{}`", path.display())));
        changes
    }
}

pub(super) fn digest(content: &[u8]) -> Digest {
    sha2::Sha256::digest(content).into()
}

/// Adds the keys that differ, two levels deep.
fn compare(table: &str, before: &Table, after: &Table, changes: &mut Vec<String>) {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (old, new) = (before.get(key), after.get(key));
        if old == new {
            continue;
        }
        let empty = Table::new();
        match (old.map_or(Some(&empty), Value::as_table), new.map_or(Some(&empty), Value::as_table)) {
            (Some(old), Some(new)) if table.is_empty() => compare(key, old, new, changes),
            _ if table.is_empty() => changes.push(key.clone()),
            _ => changes.push(format!("{table}.{key}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_named_by_the_key_of_a_thing() {
        let source = |text: &str| Source { document: text.parse().unwrap(), ..Source::default() };
        let check = |before: &str, after: &str, expected: &[&str]| {
            assert_eq!(source(before).changes(&source(after)), expected, "{before} {after}");
        };

        check("[http]\nlisten = 'a'", "[http]\nlisten = 'a' # same", &[]);
        check("[http]\nlisten = 'a'", "[http]\nlisten = 'b'\n[http.tls]\nkey = 'k'", &["http.listen", "http.tls"]);
        check(
            "[channels.a]\n[channels.b]",
            "[channels.b]\npaths = ['/b']\n[channels.c]",
            &["channels.a", "channels.b", "channels.c"],
        );
        check("[[routes]]\nagents = ['a']", "", &["routes"]);
    }

    #[test]
    fn a_file_that_holds_a_secret_counts() {
        let source = |content: Option<&[u8]>| Source {
            file: "gateway.toml".into(),
            files: [("gateway.toml".into(), Some([0; 32])), ("key".into(), content.map(digest))].into(),
            ..Source::default()
        };

        assert_eq!(source(None).changes(&source(Some(b"a"))), ["file `key`"]);
        assert_eq!(source(Some(b"a")).changes(&source(Some(b"b"))), ["file `key`"]);
        assert_eq!(source(Some(b"a")).changes(&source(Some(b"a"))), Vec::<String>::new());
    }
}
