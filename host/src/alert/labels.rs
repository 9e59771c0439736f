//! Labels and annotations of an alert, as one text.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names and values, sorted by name. One allocation, because a hundred thousand alerts are kept in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Box<str>);

/// Ends a name and a value.
const END: char = '\0';

impl Labels {
    /// The most pairs that are kept of an alert.
    pub const MOST: usize = 128;
    /// The most bytes of all pairs that are kept of an alert, as JSON.
    pub const MOST_BYTES: usize = 6 << 10;
    /// The most bytes of one value.
    pub const MOST_VALUE: usize = 2 << 10;

    /// As many of the pairs as are kept, shortened where a value is too long; and whether anything was cut.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> (Self, bool) {
        let mut pairs: Vec<(String, String)> = pairs.into_iter().collect();
        pairs.sort();
        pairs.dedup_by(|later, earlier| later.0 == earlier.0);
        let mut cut = pairs.len() > Self::MOST;
        let (mut text, mut size) = (String::new(), 0);
        for (name, value) in pairs.into_iter().take(Self::MOST) {
            let (name, value) = (shown(&name, Self::MOST_VALUE), shown(&value, Self::MOST_VALUE));
            cut |= name.is_cut || value.is_cut;
            let more = name.size + value.size + "\"\":\"\",".len();
            if size + more > Self::MOST_BYTES {
                cut = true;
                continue;
            }
            size += more;
            for part in [name.text, value.text] {
                text += &part;
                text.push(END);
            }
        }
        (Self(text.into()), cut)
    }

    /// The value of a label. A label that is missing is one that is empty, as Prometheus has it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut parts = self.0.split_terminator(END);
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }
}

/// A text of a sender as it is kept.
pub(super) struct Shown {
    pub(super) text: String,
    /// Its bytes as JSON.
    size: usize,
    is_cut: bool,
}

/// As much of a text as is kept of it: without control characters but line breaks, which would take six bytes each in JSON.
pub(super) fn shown(text: &str, most: usize) -> Shown {
    let (mut kept, mut size, mut is_cut) = (String::new(), 0, false);
    for c in text.chars() {
        let c = if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c };
        let more = if matches!(c, '"' | '\\' | '\n' | '\t') { 2 } else { c.len_utf8() };
        if size + more > most {
            is_cut = true;
            break;
        }
        size += more;
        kept.push(c);
    }
    Shown { text: kept, size, is_cut }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|pairs: BTreeMap<String, String>| Self::new(pairs).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> (Labels, bool) {
        Labels::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn they_are_found_by_name_and_shown_as_an_object() {
        let (labels, cut) = labels(&[("job", "api"), ("alertname", "Disk"), ("empty", ""), ("nul", "a\0b")]);

        assert!(!cut);
        assert_eq!((labels.get("alertname"), labels.get("job")), (Some("Disk"), Some("api")));
        assert_eq!((labels.get("empty"), labels.get("none")), (None, None));
        let shown = r#"{"alertname":"Disk","empty":"","job":"api","nul":"a�b"}"#;
        assert_eq!(serde_json::to_string(&labels).unwrap(), shown);
        assert_eq!(serde_json::from_str::<Labels>(shown).unwrap(), labels);
    }

    #[test]
    fn more_than_is_kept_is_cut() {
        let many: Vec<(String, String)> = (0..10_000).map(|n| (format!("l{n:05}"), "v".to_owned())).collect();
        let (kept, cut) = Labels::new(many);
        assert!(cut);
        assert_eq!(kept.iter().count(), Labels::MOST);

        let (kept, cut) = labels(&[("text", &"ü".repeat(3000)), ("x", "y")]);
        assert!(cut);
        assert_eq!((kept.get("text").map(str::len), kept.get("x")), (Some(2048), Some("y")));
        let huge: Vec<(String, String)> = (0..100).map(|n| (format!("l{n}"), "v".repeat(2000))).collect();
        assert!(Labels::new(huge).0.0.len() <= Labels::MOST_BYTES);
        let hostile: Vec<(String, String)> = (0..100).map(|n| (format!("l{n}"), "\u{1}\"\n".repeat(2000))).collect();
        assert!(serde_json::to_vec(&Labels::new(hostile).0).unwrap().len() <= Labels::MOST_BYTES + 2);
    }
}
