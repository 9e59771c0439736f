//! `multipart/form-data` (RFC 7578) as JSON: an object with a member for each part, under its name.
//!
//! A part becomes a string, also JSON with a file name. Any other part with a file name or without valid UTF-8 becomes an object
//! with `filename` and `content_type`, if it has them, `size`, and its bytes in `base64`. Parts of the same name become an array.

use std::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::media_type::{essence, is_json};
use crate::members::Members;

/// The most parts of a body.
const MAX_PARTS: usize = 100;
/// The most bytes of a part's headers.
const MAX_HEAD: usize = 8 * 1024;
/// The longest boundary that RFC 2046 allows.
const MAX_BOUNDARY: usize = 70;

/// The parts as JSON, or a problem and its position. `parameters` are the parameters of the body's media type.
pub(crate) fn read(body: &[u8], parameters: &str) -> Result<Value, String> {
    let boundary = parameter(parameters, "boundary").unwrap_or_default();
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
        return Err(String::from("the content type has no boundary of 1 to 70 characters"));
    }
    let delimiter = ["--", &boundary].concat();
    // The preamble before the first delimiter is ignored.
    let mut rest = if body.starts_with(delimiter.as_bytes()) {
        &body[delimiter.len()..]
    } else {
        let first = ["\r\n", &delimiter].concat();
        let start = find(body, first.as_bytes()).ok_or("the boundary does not occur")?;
        &body[start + first.len()..]
    };
    let delimiter = ["\r\n", &delimiter].concat();
    let mut members = Members::default();
    for count in 0.. {
        let at = |problem: &str| format!("{problem} at byte {}", body.len() - rest.len());
        if rest.starts_with(b"--") {
            break;
        }
        if count == MAX_PARTS {
            return Err(at("more than 100 parts"));
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let part =
            rest[padding..].strip_prefix(b"\r\n").ok_or_else(|| at("expected a line break after the boundary"))?;
        let end = find(part, delimiter.as_bytes()).ok_or_else(|| at("a part does not end"))?;
        let (name, value) = read_part(&part[..end]).map_err(at)?;
        members.add(name, value);
        rest = &part[end + delimiter.len()..];
    }
    Ok(members.into_value())
}

fn read_part(part: &[u8]) -> Result<(String, Value), &'static str> {
    // A part without headers starts with the empty line.
    let head_end = find(&part[..part.len().min(MAX_HEAD)], b"\r\n\r\n").ok_or("the headers of a part do not end")?;
    let head = str::from_utf8(&part[..head_end]).map_err(|_| "the headers of a part are not UTF-8")?;
    let content = &part[head_end + 4..];
    let header = |name: &str| {
        let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        fields.into_iter().find(|(known, _)| known.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let disposition = header("content-disposition").unwrap_or_default();
    let name = parameter(disposition, "name").ok_or("a part has no name")?;
    let file_name = parameter(disposition, "filename");
    let content_type = header("content-type");
    let is_json = content_type.is_some_and(|kind| is_json(&essence(kind)));
    if let Ok(text) = str::from_utf8(content)
        && (file_name.is_none() || is_json)
    {
        return Ok((name, Value::from(text)));
    }
    let mut file = Map::new();
    for (member, text) in [("filename", file_name), ("content_type", content_type.map(str::to_owned))] {
        if let Some(text) = text {
            file.insert(member.to_owned(), Value::from(text));
        }
    }
    file.insert(String::from("size"), Value::from(content.len()));
    file.insert(String::from("base64"), Value::from(STANDARD.encode(content)));
    Ok((name, Value::Object(file)))
}

/// A parameter of a header: `; name="value"`. The quotes are optional; `\` escapes a quote or a backslash.
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header;
    loop {
        let (known, after) = rest.split_once('=')?;
        let known = known.rsplit(';').next().unwrap_or_default().trim();
        let (value, after) = value(after.trim_start());
        if known.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

/// The value at the start of a text, and the rest of the text.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim_end().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[place + 1..]),
            // Browsers send the path of a file with unescaped backslashes, so only a quote and a backslash can be escaped.
            '\\' if quoted[place + 1..].starts_with(['"', '\\']) => value.extend(letters.next().map(|(_, kept)| kept)),
            _ => value.push(letter),
        }
    }
    (value, "")
}

/// The position of `needle`.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}
