//! Requests that a provider does not sign, because it only looks whether the address answers.

use serde::Deserialize;

use super::query;

/// The longest form that is read before anything is verified; probes have a few fields.
const MAX_FORM: usize = 4096;

/// Such a request, known by one field of its query or of its form.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Probe {
    #[serde(rename = "in")]
    place: Place,
    name: String,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    Query,
    Form,
}

impl Probe {
    /// Whether a query, undecoded, has the field.
    pub fn is_in_query(&self, query: &str) -> bool {
        self.place == Place::Query && self.is_in(query)
    }

    /// Whether a form, undecoded, has the field.
    pub fn is_in_form(&self, form: &[u8]) -> bool {
        let text = || std::str::from_utf8(form).ok();
        self.place == Place::Form && form.len() <= MAX_FORM && text().is_some_and(|form| self.is_in(form))
    }

    fn is_in(&self, fields: &str) -> bool {
        query::pairs(fields).any(|(name, value)| name == self.name.as_bytes() && value == self.value.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_known_by_one_field_in_its_place() {
        let probe = |place: &str| serde_json::from_str::<Probe>(place).unwrap();
        let form = probe(r#"{"in": "form", "name": "ssl_check", "value": "1"}"#);
        let query = probe(r#"{"in": "query", "name": "ssl_check", "value": "1"}"#);
        for (fields, expected) in [
            ("ssl_check=1&token=x", true),
            ("token=x&ssl%5Fcheck=1", true),
            ("ssl_check=0", false),
            ("command=ssl_check%3D1", false),
            ("", false),
        ] {
            assert_eq!(form.is_in_form(fields.as_bytes()), expected, "{fields}");
            assert_eq!(query.is_in_query(fields), expected, "{fields}");
            assert!(!form.is_in_query(fields) && !query.is_in_form(fields.as_bytes()), "{fields}");
        }
        assert!(!form.is_in_form(&[&b"ssl_check=1&a="[..], &[b'x'; MAX_FORM]].concat()));
    }
}
