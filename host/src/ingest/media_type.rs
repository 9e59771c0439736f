//! Which media types of bodies a channel takes.

use super::error::IngestError;

const JSON: &str = "application/json";
const XML: &str = "application/xml";

/// What a channel takes: types such as `text/csv`, with `*` for any characters. JSON and XML stand for all of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MediaTypes(Vec<String>);

impl MediaTypes {
    /// These types, in lower case; none means any.
    pub(super) fn new(types: &[String]) -> Self {
        Self(if types.iter().any(|known| known == "*/*") { Vec::new() } else { types.to_vec() })
    }

    /// Whether a body without a type is JSON.
    pub(super) fn has_json(&self) -> bool {
        self.0.iter().any(|known| known == JSON)
    }

    /// Refuses a `content-type` that the channel does not take; it is empty if the request has none.
    pub(super) fn check(&self, value: &str) -> Result<(), IngestError> {
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        if self.0.is_empty() {
            return Ok(());
        }
        if !self.0.iter().any(|known| is_named(known, &essence)) {
            return Err(IngestError::ContentType(self.0.clone()));
        }
        // JSON is always UTF-8 (RFC 8259), whatever its sender writes here, and some senders call it plain text.
        if is_json(&essence) || essence == "text/plain" {
            return Ok(());
        }
        let is_charset = |(name, _): &(&str, &str)| name.trim().eq_ignore_ascii_case("charset");
        let mut charsets = parts.filter_map(|part| part.split_once('=')).filter(is_charset);
        let is_utf8 = |(_, charset): (&str, &str)| {
            let charset = charset.trim().trim_matches('"');
            charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
        };
        if charsets.all(is_utf8) { Ok(()) } else { Err(IngestError::Charset) }
    }
}

/// Whether `known` is a type, or a pattern with `*` in one place.
pub fn is_media_type(known: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "!#$&-^_.+".contains(c);
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| is_letter(c) || c == '*');
    let parts = known.split_once('/');
    known == "*/*"
        || (known.matches('*').count() <= 1 && parts.is_some_and(|(kind, name)| is_name(kind) && is_name(name)))
}

fn is_named(known: &str, essence: &str) -> bool {
    match known {
        // Bodies without a type are sent by many scripts.
        JSON => essence.is_empty() || is_json(essence),
        XML => is_xml(essence),
        _ => match known.split_once('*') {
            Some((start, end)) => {
                essence.len() >= start.len() + end.len() && essence.starts_with(start) && essence.ends_with(end)
            }
            None => known == essence,
        },
    }
}

fn is_json(essence: &str) -> bool {
    [JSON, "text/json"].contains(&essence) || (essence.contains('/') && essence.ends_with("+json"))
}

fn is_xml(essence: &str) -> bool {
    [XML, "text/xml"].contains(&essence) || (essence.contains('/') && essence.ends_with("+xml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_takes_its_types_under_all_their_names() {
        for (value, allowed, expected) in [
            ("application/json", &["application/json"][..], "ok"),
            ("Application/JSON ; charset=UTF-8", &["application/json"], "ok"),
            ("application/json; charset=latin1", &["application/json"], "ok"),
            ("application/json; charset=utf-8; charset=utf-16", &["application/json"], "ok"),
            ("application/json; charset=", &["application/json"], "ok"),
            ("application/cloudevents+json; charset=utf-8", &["application/json"], "ok"),
            ("application/vnd.acme.v2+json", &["application/json"], "ok"),
            ("text/json", &["application/json"], "ok"),
            ("", &["application/json"], "ok"),
            ("application/soap+xml; charset=utf-8", &["application/xml"], "ok"),
            ("text/xml; charset=us-ascii", &["application/xml"], "ok"),
            ("text/xml; charset=iso-8859-1", &["application/xml"], "charset"),
            (
                "application/x-www-form-urlencoded; charset=iso-8859-1",
                &["application/x-www-form-urlencoded"],
                "charset",
            ),
            ("text/plain; charset=iso-8859-1", &["text/plain"], "ok"),
            ("application/json, text/plain", &["application/json"], "type"),
            ("text/plain", &["application/json"], "type"),
            ("json", &["application/json"], "type"),
            ("+json", &["application/json"], "type"),
            ("", &["application/x-www-form-urlencoded"], "type"),
            ("text/csv", &["application/json", "text/*"], "ok"),
            ("text/", &["text/*"], "ok"),
            ("texts/csv", &["text/*"], "type"),
            ("application/acme+cbor", &["application/*+cbor"], "ok"),
            ("application/+cbor", &["application/*+cbor"], "ok"),
            ("application/cbor", &["application/*+cbor"], "type"),
            ("text/plain; charset=iso-8859-1", &[], "ok"),
            ("", &[], "ok"),
            ("", &["*/*"], "ok"),
            ("image/png", &["text/csv", "*/*"], "ok"),
        ] {
            let allowed: Vec<_> = allowed.iter().map(|known| (*known).to_owned()).collect();
            let outcome = match MediaTypes::new(&allowed).check(value) {
                Ok(()) => "ok",
                Err(IngestError::Charset) => "charset",
                Err(IngestError::ContentType(_)) => "type",
                Err(other) => panic!("{other}"),
            };

            assert_eq!(outcome, expected, "{value} for {allowed:?}");
        }
    }

    #[test]
    fn a_type_has_two_names_and_at_most_one_star() {
        for (known, expected) in [
            ("text/csv", true),
            ("*/*", true),
            ("text/*", true),
            ("application/*+json", true),
            ("*", false),
            ("json", false),
            ("Text/csv", false),
            ("text/csv; charset=utf-8", false),
            ("application/**", false),
            ("/", false),
        ] {
            assert_eq!(is_media_type(known), expected, "{known}");
        }
    }
}
