//! Samples inside of a plugin file: a custom section of the component that holds the files of the folder `samples`, so that
//! whoever has the plugin can try it.
//!
//! Nothing of the plugin runs to read them. Needs nothing but the standard library, because `cargo xtask`, which builds
//! the plugins before there is a gateway, compiles this very file.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Bytes of all samples of a plugin.
const MAX: usize = 256 << 10;

/// Files of all samples of a plugin.
const MAX_FILES: usize = 1024;

const SECTION: &[u8] = b"gateway:samples";

/// The number of sections that mean something to tools alone.
const CUSTOM: u8 = 0;

/// How a component begins.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// The files of the samples in a folder, by name, as they go into a plugin. A folder that is not there has none.
///
/// # Errors
/// When a file cannot be read, or when they are too large together.
pub fn files(dir: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let (mut files, mut size) = (Vec::new(), 0);
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_of_a_sample(name)) else {
            continue;
        };
        if path.is_file() {
            size += fs::metadata(&path)?.len();
            if size > MAX as u64 {
                let told = format!("they have more than {} KiB together, which is too much to travel", MAX >> 10);
                return Err(io::Error::new(ErrorKind::FileTooLarge, told));
            }
            files.push((name.to_owned(), fs::read(&path)?));
        }
    }
    // The same folder makes the same plugin, in whatever order it is read.
    files.sort();
    Ok(files)
}

/// Whether a file is more than what editors and systems leave behind.
pub(crate) fn is_of_a_sample(name: &str) -> bool {
    !name.starts_with('.') && !name.ends_with('~')
}

/// The component with these files in the place of those that it has; none when it is no component.
pub fn with(component: &[u8], files: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut new = HEADER.to_vec();
    for section in sections(component)? {
        if section.files.is_none() {
            new.extend_from_slice(section.whole);
        }
    }
    if !files.is_empty() {
        let mut content = Vec::new();
        put(&mut content, SECTION);
        for (name, bytes) in files {
            put(&mut content, name.as_bytes());
            put(&mut content, bytes);
        }
        new.push(CUSTOM);
        put(&mut new, &content);
    }
    Some(new)
}

/// The files in a component. It may hold anything, and has none unless they are as `with` writes them.
pub(crate) fn find(component: &[u8]) -> Vec<(String, Vec<u8>)> {
    let found = sections(component).into_iter().flatten().find_map(|section| section.files);
    found.and_then(read).unwrap_or_default()
}

fn read(mut content: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let (mut files, mut size) = (Vec::new(), 0);
    while !content.is_empty() {
        let name = std::str::from_utf8(take(&mut content)?).ok()?;
        let bytes = take(&mut content)?;
        size += bytes.len();
        if size > MAX || files.len() == MAX_FILES || name.contains('/') || !is_of_a_sample(name) {
            return None;
        }
        files.push((name.to_owned(), bytes.to_owned()));
    }
    Some(files)
}

/// A section of a component.
struct Section<'a> {
    whole: &'a [u8],
    /// What it holds when it is the one with the samples.
    files: Option<&'a [u8]>,
}

/// The sections of a component, as far as its own level goes: each one says how long it is.
fn sections(component: &[u8]) -> Option<Vec<Section<'_>>> {
    let mut rest = component.strip_prefix(HEADER)?;
    let mut sections = Vec::new();
    while let Some((&id, mut after)) = rest.split_first() {
        let mut content = take(&mut after)?;
        let whole = &rest[..rest.len() - after.len()];
        let is_ours = id == CUSTOM && take(&mut content) == Some(SECTION);
        sections.push(Section { whole, files: is_ours.then_some(content) });
        rest = after;
    }
    Some(sections)
}

/// Writes bytes behind their number, as WebAssembly does: seven bits in each byte, the lowest first.
fn put(into: &mut Vec<u8>, bytes: &[u8]) {
    let mut left = bytes.len();
    while left > 0x7f {
        into.push(left as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
    into.extend_from_slice(bytes);
}

/// Takes what `put` has written; none when there is less.
fn take<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (mut size, mut rest) = (0_usize, *from);
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        size |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let (taken, after) = rest.split_at_checked(size)?;
            *from = after;
            return Some(taken);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with a custom section of another name and an empty type section.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0\0\x05\x04name\x07\x01\0";

    fn sample(name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
        (name.to_owned(), bytes.to_owned())
    }

    #[test]
    fn files_travel_in_a_component_and_leave_it_as_it_was() {
        let files = [sample("a.json", b"{}"), sample("a.headers", &[b'x'; 300]), sample("b.txt", b"")];

        let packed = with(COMPONENT, &files).unwrap();

        assert_eq!(find(&packed), files);
        assert!(packed.starts_with(COMPONENT));
        let other = [sample("c.json", b"1")];
        assert_eq!(find(&with(&packed, &other).unwrap()), other, "they take the place of the others");
        assert_eq!(with(&packed, &[]).unwrap(), COMPONENT);
        assert_eq!(with(&packed, &files).unwrap(), packed);
    }

    #[test]
    fn what_is_no_component_and_what_breaks_off_holds_nothing() {
        for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0\0\x05"] {
            assert_eq!(with(bytes, &[]), None);
            assert!(find(bytes).is_empty());
        }
        let packed = with(COMPONENT, &[sample("a.json", b"{}")]).unwrap();
        for end in COMPONENT.len()..packed.len() {
            assert!(find(&packed[..end]).is_empty(), "{end}");
        }
        for (name, bytes) in [("../a.json", 1), (".a", 1), ("a.json", MAX + 1)] {
            let packed = with(COMPONENT, &[sample(name, &vec![0; bytes])]).unwrap();
            assert!(find(&packed).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_folder_is_read_in_order_and_not_without_end() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.json", "a.json", ".hidden", "saved~"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("folder")).unwrap();

        assert_eq!(files(dir.path()).unwrap(), [sample("a.json", b"a.json"), sample("b.json", b"b.json")]);
        assert!(files(&dir.path().join("absent")).unwrap().is_empty());
        fs::write(dir.path().join("c.json"), vec![0; MAX]).unwrap();
        let error = files(dir.path()).unwrap_err().to_string();
        assert_eq!(error, "they have more than 256 KiB together, which is too much to travel");
    }
}
