use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use http::HeaderMap;

use super::{Content, Sample, expectation, header};

/// Bytes of a sample's file at most: as much as the largest body that a gateway takes by default.
const MAX_FILE: u64 = 25 << 20;

/// The endings of files that belong to a sample and are not the body of a request.
pub(super) const HEADERS: &str = ".headers";
pub(super) const EXPECTED: &str = ".expected.json";
pub(super) const DELIVERY: &str = ".delivery.json";

/// The files of one sample.
#[derive(Default)]
struct Files {
    bodies: Vec<PathBuf>,
    headers: Option<PathBuf>,
    expected: Option<PathBuf>,
    delivery: Option<PathBuf>,
}

/// The samples of a folder, by name. One whose files are wrong says so itself and leaves the others alone.
///
/// # Errors
/// The folder cannot be read.
pub fn read(dir: &Path) -> io::Result<Vec<Sample>> {
    let mut samples: BTreeMap<String, Files> = BTreeMap::new();
    let mut paths = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    for path in paths {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What editors and systems leave behind.
        if file.starts_with('.') || file.ends_with('~') || !path.is_file() {
            continue;
        }
        let of = |ending: &str| file.strip_suffix(ending).map(str::to_owned);
        if let Some(name) = of(HEADERS) {
            samples.entry(name).or_default().headers = Some(path);
        } else if let Some(name) = of(EXPECTED) {
            samples.entry(name).or_default().expected = Some(path);
        } else if let Some(name) = of(DELIVERY) {
            samples.entry(name).or_default().delivery = Some(path);
        } else {
            let name = file.rsplit_once('.').map_or(&*file, |(name, _)| name);
            samples.entry(name.to_owned()).or_default().bodies.push(path);
        }
    }
    Ok(samples.into_iter().map(|(name, files)| sample(dir, name, &files)).collect())
}

fn sample(dir: &Path, name: String, files: &Files) -> Sample {
    let content = match files {
        Files { delivery: Some(delivery), bodies, headers: None, expected: None } if bodies.is_empty() => {
            text(delivery).and_then(|text| {
                let parsed = expectation::delivery(&text).map_err(|problem| told(delivery, &problem))?;
                Ok(Content::Delivery(Box::new(parsed)))
            })
        }
        Files { delivery: None, bodies, headers, expected } => {
            request(&name, bodies, headers.as_deref(), expected.as_deref())
                .map(|request| Content::Request(Box::new(request)))
        }
        _ => Err(format!("`{name}` is the sample of a channel and of an agent: rename one of its files")),
    };
    let ending = if files.delivery.is_some() { DELIVERY } else { EXPECTED };
    Sample { file: dir.join(format!("{name}{ending}")), name, content }
}

fn request(
    name: &str,
    bodies: &[PathBuf],
    headers: Option<&Path>,
    expected: Option<&Path>,
) -> Result<super::RequestSample, String> {
    let body = match bodies {
        [body] => bytes(body)?,
        [] => return Err(format!("its body is missing: expected a file such as `{name}.json`, which may be empty")),
        more => {
            let names: Vec<_> = more.iter().map(|path| format!("`{}`", path.display())).collect();
            return Err(format!("it has several bodies, {}: rename all but one", names.join(" and ")));
        }
    };
    let headers = match headers {
        Some(path) => headers_of(path, &text(path)?)?,
        None => HeaderMap::new(),
    };
    let (expected, file) = (expected.map(text).transpose()?, expected.unwrap_or(Path::new("")));
    expectation::request(body, headers, expected.as_deref()).map_err(|problem| told(file, &problem))
}

/// One header on each line, as curl reads them.
fn headers_of(path: &Path, text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let (name, value) = header::header(line)
            .ok_or_else(|| told(path, &format!("line {number} is not of the form `Name: value`")))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn text(path: &Path) -> Result<String, String> {
    String::from_utf8(bytes(path)?).map_err(|_| told(path, "it is not UTF-8 text"))
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let read = fs::metadata(path).and_then(|metadata| match metadata.len() {
        0..=MAX_FILE => fs::read(path),
        size => Err(io::Error::other(format!("it has {size} bytes, at most {MAX_FILE} are read"))),
    });
    read.map_err(|error| told(path, &error.to_string()))
}

fn told(path: &Path, problem: &str) -> String {
    format!("`{}`: {problem}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_are_one_sample() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ("issues.opened.json", "{}"),
            ("issues.opened.headers", "X-GitHub-Event: issues\n\nContent-Type: application/json\n"),
            ("issues.opened.expected.json", r#"{"receipt": {"events": []}}"#),
            ("bare.txt", "hello"),
            ("twice.json", ""),
            ("twice.xml", ""),
            ("orphan.headers", "A: b"),
            ("odd.json", ""),
            ("odd.headers", "no colon"),
            ("sent.delivery.json", r#"{"event": {"type": "a.b"}}"#),
            (".hidden", ""),
            ("saved.json~", ""),
        ];
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }

        let samples = read(dir.path()).unwrap();

        let told: Vec<_> = samples
            .iter()
            .map(|sample| match &sample.content {
                Ok(Content::Request(request)) => format!("{}: {} headers", sample.name, request.headers.len()),
                Ok(Content::Delivery(_)) => format!("{}: delivery", sample.name),
                Err(problem) => {
                    let problem = problem.replace(&dir.path().display().to_string(), "");
                    format!("{}: {problem}", sample.name)
                }
            })
            .collect();
        assert_eq!(
            told,
            [
                "bare: 1 headers",
                "issues.opened: 2 headers",
                "odd: `/odd.headers`: line 1 is not of the form `Name: value`",
                "orphan: its body is missing: expected a file such as `orphan.json`, which may be empty",
                "sent: delivery",
                "twice: it has several bodies, `/twice.json` and `/twice.xml`: rename all but one",
            ]
        );
    }
}
