//! Samples inside a plugin file: a custom section of the component with the files of the folder `samples`, so that everyone
//! who has the plugin can try it.
//!
//! Reading them does not run the plugin. The file uses the standard library alone, because `cargo xtask` compiles it too: it
//! builds the plugins before the gateway exists.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The maximum size of all samples of a plugin in bytes.
const MAX: usize = 256 << 10;

/// The maximum number of files of all samples of a plugin.
const MAX_FILES: usize = 1024;

const SECTION: &[u8] = b"gateway:samples";

/// The id of custom sections.
const CUSTOM: u8 = 0;

/// The first bytes of a component.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// The sample files of a folder, in order of their names. A missing folder has none.
///
/// # Errors
/// A file cannot be read, or the files are too large together.
pub fn files(dir: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let (mut files, mut size) = (Vec::new(), 0);
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_sample_file(name)) else {
            continue;
        };
        if path.is_file() {
            size += fs::metadata(&path)?.len();
            if size > MAX as u64 {
                let message = format!("larger than {} KiB together", MAX >> 10);
                return Err(io::Error::new(ErrorKind::FileTooLarge, message));
            }
            files.push((name.to_owned(), fs::read(&path)?));
        }
    }
    // The order of `read_dir` must not change the plugin file.
    files.sort();
    Ok(files)
}

/// Whether a file belongs to a sample; hidden files and backups of editors do not.
pub(crate) fn is_sample_file(name: &str) -> bool {
    !name.starts_with('.') && !name.ends_with('~')
}

/// The component with its samples replaced by these files; `None` if `component` is not one.
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

/// The sample files in a component. The bytes are untrusted: anything that `with` would not write counts as no samples.
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
        if size > MAX || files.len() == MAX_FILES || name.contains('/') || !is_sample_file(name) {
            return None;
        }
        files.push((name.to_owned(), bytes.to_owned()));
    }
    Some(files)
}

/// A section of a component.
struct Section<'a> {
    whole: &'a [u8],
    /// The content, if this is the section with the samples.
    files: Option<&'a [u8]>,
}

/// The top-level sections of a component; each begins with its length.
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

/// Writes bytes with their length in front, in LEB128 as WebAssembly does.
fn put(into: &mut Vec<u8>, bytes: &[u8]) {
    let mut left = bytes.len();
    while left > 0x7f {
        into.push(left as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
    into.extend_from_slice(bytes);
}

/// Reads what `put` wrote; `None` if the input is too short.
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
        assert_eq!(find(&with(&packed, &other).unwrap()), other, "they replace the others");
        assert_eq!(with(&packed, &[]).unwrap(), COMPONENT);
        assert_eq!(with(&packed, &files).unwrap(), packed);
    }

    #[test]
    fn other_files_and_truncated_ones_hold_no_samples() {
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
    fn a_folder_is_read_in_order_and_up_to_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.json", "a.json", ".hidden", "saved~"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("folder")).unwrap();

        assert_eq!(files(dir.path()).unwrap(), [sample("a.json", b"a.json"), sample("b.json", b"b.json")]);
        assert!(files(&dir.path().join("absent")).unwrap().is_empty());
        fs::write(dir.path().join("c.json"), vec![0; MAX]).unwrap();
        let error = files(dir.path()).unwrap_err().to_string();
        assert_eq!(error, "larger than 256 KiB together");
    }
}
