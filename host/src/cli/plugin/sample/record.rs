//! The files of a recorded request.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::sample::{EXPECTED_ENDING, HEADERS_ENDING};

/// How many names are tried for one sample.
const MAX_NAMES: usize = 10_000;

/// Writes a recorded request into `dir` and returns the file of its body. Nothing is overwritten.
///
/// # Errors
/// The JSON is malformed, or the folder cannot be written.
pub(super) fn write(dir: &Path, json: &Value) -> Result<PathBuf, String> {
    let failed = |error: std::io::Error| format!("cannot write to `{}`: {error}", dir.display());
    let text = |name: &str| json[name].as_str().unwrap_or_default();
    let body =
        STANDARD.decode(text("body_base64")).map_err(|error| format!("the recorded body is not base64: {error}"))?;
    let pairs: Vec<(String, String)> = serde_json::from_value(json["headers"].clone())
        .map_err(|error| format!("the recorded headers are malformed: {error}"))?;
    let mut file = Map::new();
    let line = [("method", "POST"), ("path", "/"), ("query", "")];
    let odd = line.into_iter().filter(|(name, usual)| text(name) != *usual);
    let request: Map<_, _> = odd.map(|(name, _)| (name.to_owned(), json[name].clone())).collect();
    if !request.is_empty() {
        file.insert("request".to_owned(), request.into());
    }
    for name in ["receipt", "rejection"] {
        if let Some(outcome) = json.get(name) {
            file.insert(name.to_owned(), outcome.clone());
        }
    }
    fs::create_dir_all(dir).map_err(failed)?;
    let name = free_name(dir, &stem(json)).map_err(failed)?;
    let content_type = pairs.iter().find(|(name, _)| name == "content-type").map_or("", |(_, value)| value);
    let path = dir.join(format!("{name}.{}", extension(content_type)));
    let headers: String = pairs.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    fs::write(&path, body).map_err(failed)?;
    fs::write(dir.join(format!("{name}{HEADERS_ENDING}")), headers).map_err(failed)?;
    if !file.is_empty() {
        fs::write(dir.join(format!("{name}{EXPECTED_ENDING}")), format!("{:#}\n", Value::from(file)))
            .map_err(failed)?;
    }
    Ok(path)
}

/// A file name for the sample, after the kind of its first event.
fn stem(json: &Value) -> String {
    let kind = json["receipt"]["events"][0]["kind"].as_str();
    let stem = match kind {
        Some(kind) => kind,
        None if json.get("rejection").is_some() => "rejected",
        None if json.get("failed").is_some() => "failed",
        None => "ignored",
    };
    let letter = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    let words = stem.split('.').filter(|word| !word.is_empty()).map(|word| word.chars().map(letter).collect());
    let name = words.collect::<Vec<String>>().join(".");
    // With `.json` these names would end like those of other files.
    if name.ends_with("expected") || name.ends_with("delivery") { format!("{name}_") } else { name }
}

/// A name that no sample in the folder has: `stem`, or `stem` with a number.
fn free_name(dir: &Path, stem: &str) -> std::io::Result<String> {
    let taken: Vec<_> =
        fs::read_dir(dir)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let is_free = |name: &String| {
        !taken.iter().any(|file| file.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.')))
    };
    let numbered = (2..MAX_NAMES).map(|number| format!("{stem}-{number}"));
    let found = std::iter::once(stem.to_owned()).chain(numbered).find(is_free);
    found.ok_or_else(|| std::io::Error::other(format!("all names that begin with `{stem}` are taken")))
}

fn extension(content_type: &str) -> &'static str {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => "form",
        json if json.ends_with("/json") || json.ends_with("+json") => "json",
        xml if xml.ends_with("/xml") || xml.ends_with("+xml") => "xml",
        text if text.starts_with("text/") => "txt",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample::{Content, read};

    fn record(kind: &str) -> Value {
        json!({
            "method": "PUT", "path": "/a", "query": "",
            "headers": [["content-type", "application/json"], ["x-event", "push"]],
            "body_base64": STANDARD.encode("{}"),
            "receipt": {"events": [{"kind": kind, "attributes": {}}]},
        })
    }

    #[test]
    fn a_recorded_request_is_a_sample() {
        let dir = tempfile::tempdir().unwrap();

        let names: Vec<_> = ["issues.opened", "issues.opened", "issues", "../.etc/x.expected"]
            .iter()
            .map(|kind| write(dir.path(), &record(kind)).unwrap())
            .map(|path| path.strip_prefix(dir.path()).unwrap().display().to_string())
            .collect();

        assert_eq!(names, ["issues.opened.json", "issues.opened-2.json", "issues-2.json", "_.etc_x.expected_.json"]);
        let samples = read(dir.path()).unwrap();
        let names: Vec<_> = samples.iter().map(|sample| sample.name.as_str()).collect();
        assert_eq!(names, ["_.etc_x.expected_", "issues-2", "issues.opened", "issues.opened-2"]);
        let Ok(Content::Request(request)) = &samples[2].content else { panic!("{:?}", samples[2]) };
        assert_eq!((request.method().unwrap().as_str(), request.target().0), ("PUT", "/a"));
        assert_eq!(request.headers()["x-event"], "push");
        assert_eq!(request.kind(), Some("issues.opened"));
    }
}
