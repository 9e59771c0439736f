//! Samples as files, in a folder or inside a plugin.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use http::HeaderMap;

use super::{Content, Sample, bundle, expectation, header};

/// The largest file in bytes: the default `http.max_body`.
const MAX_FILE: u64 = 25 << 20;

/// The end of the name of a file with the headers of a request.
pub const HEADERS_ENDING: &str = ".headers";

/// The end of the name of a file with what is expected of a request.
pub const EXPECTED_ENDING: &str = ".expected.json";

const DELIVERY_ENDING: &str = ".delivery.json";

/// A file of a sample.
struct Source {
    path: PathBuf,
    /// The content, if the file lies inside a plugin.
    embedded: Option<Vec<u8>>,
}

/// The files of one sample.
#[derive(Default)]
struct Files {
    bodies: Vec<Source>,
    headers: Option<Source>,
    expected: Option<Source>,
    delivery: Option<Source>,
}

/// The samples of a folder, by name. A broken one carries its problem and does not affect the others.
///
/// # Errors
/// The folder cannot be read.
pub fn read(dir: &Path) -> io::Result<Vec<Sample>> {
    let mut paths = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(sorted(dir, paths.into_iter().map(|path| Source { path, embedded: None })))
}

/// The samples inside a plugin file, by name.
pub fn embedded(component: &[u8]) -> Vec<Sample> {
    let found = bundle::find(component).into_iter();
    sorted(Path::new(""), found.map(|(name, bytes)| Source { path: name.into(), embedded: Some(bytes) }))
}

fn sorted(dir: &Path, sources: impl Iterator<Item = Source>) -> Vec<Sample> {
    let mut samples: BTreeMap<String, Files> = BTreeMap::new();
    for source in sources {
        let file = source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !bundle::is_sample_file(&file) {
            continue;
        }
        let of = |ending: &str| file.strip_suffix(ending).map(str::to_owned);
        if let Some(name) = of(HEADERS_ENDING) {
            samples.entry(name).or_default().headers = Some(source);
        } else if let Some(name) = of(EXPECTED_ENDING) {
            samples.entry(name).or_default().expected = Some(source);
        } else if let Some(name) = of(DELIVERY_ENDING) {
            samples.entry(name).or_default().delivery = Some(source);
        } else {
            let name = file.rsplit_once('.').map_or(&*file, |(name, _)| name);
            samples.entry(name.to_owned()).or_default().bodies.push(source);
        }
    }
    samples.into_iter().map(|(name, files)| sample(dir, name, &files)).collect()
}

fn sample(dir: &Path, name: String, files: &Files) -> Sample {
    let content = match files {
        Files { delivery: Some(delivery), bodies, headers: None, expected: None } if bodies.is_empty() => {
            delivery.text().and_then(|text| {
                let parsed = expectation::delivery(&text).map_err(|problem| at(&delivery.path, &problem))?;
                Ok(Content::Delivery(Box::new(parsed)))
            })
        }
        Files { delivery: None, bodies, headers, expected } => {
            request(&name, bodies, headers.as_ref(), expected.as_ref())
                .map(|request| Content::Request(Box::new(request)))
        }
        _ => Err(format!("`{name}` is a sample of a channel and of an agent: rename one of its files")),
    };
    let ending = if files.delivery.is_some() { DELIVERY_ENDING } else { EXPECTED_ENDING };
    Sample { file: dir.join(format!("{name}{ending}")), name, content }
}

fn request(
    name: &str,
    bodies: &[Source],
    headers: Option<&Source>,
    expected: Option<&Source>,
) -> Result<super::RequestSample, String> {
    let body = match bodies {
        [body] => body.bytes()?.into_owned(),
        [] => return Err(format!("the body is missing: expected a file such as `{name}.json`, which may be empty")),
        more => {
            let names: Vec<_> = more.iter().map(|source| format!("`{}`", source.path.display())).collect();
            return Err(format!("several bodies, {}: rename all but one", names.join(" and ")));
        }
    };
    let headers = match headers {
        Some(source) => headers_of(&source.path, &source.text()?)?,
        None => HeaderMap::new(),
    };
    let text = expected.map(Source::text).transpose()?;
    let file = expected.map_or(Path::new(""), |source| &source.path);
    expectation::request(body, headers, text.as_deref()).map_err(|problem| at(file, &problem))
}

/// Headers, one per line, as curl reads them.
fn headers_of(path: &Path, text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let (name, value) =
            header::header(line).ok_or_else(|| at(path, &format!("line {number}: expected `Name: value`")))?;
        headers.append(name, value);
    }
    Ok(headers)
}

impl Source {
    fn text(&self) -> Result<String, String> {
        let not_text = |_| at(&self.path, "not UTF-8 text");
        String::from_utf8(self.bytes()?.into_owned()).map_err(not_text)
    }

    fn bytes(&self) -> Result<Cow<'_, [u8]>, String> {
        if let Some(bytes) = &self.embedded {
            return Ok(bytes.into());
        }
        let read = fs::metadata(&self.path).and_then(|metadata| match metadata.len() {
            0..=MAX_FILE => fs::read(&self.path),
            size => Err(io::Error::other(format!("{size} bytes, at most {MAX_FILE} are read"))),
        });
        read.map(Cow::Owned).map_err(|error| at(&self.path, &error.to_string()))
    }
}

fn at(path: &Path, problem: &str) -> String {
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

        let found: Vec<_> = samples
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
            found,
            [
                "bare: 1 headers",
                "issues.opened: 2 headers",
                "odd: `/odd.headers`: line 1: expected `Name: value`",
                "orphan: the body is missing: expected a file such as `orphan.json`, which may be empty",
                "sent: delivery",
                "twice: several bodies, `/twice.json` and `/twice.xml`: rename all but one",
            ]
        );
    }
}
