//! A current timestamp in the body of a recorded request.

use serde_json::Value;

use super::{Recipe, Scheme, TimestampSource};
use crate::event::Timestamp;

impl Recipe {
    /// The body with the time `now`, if an alternative reads the timestamp from the body. With it a recorded request can be
    /// signed again. `None` if there is nothing to change.
    pub fn refresh_timestamp(&self, body: &[u8], now: Timestamp) -> Option<Vec<u8>> {
        let rules = self.schemes().iter().filter_map(|scheme| match scheme {
            Scheme::Hmac(scheme) => scheme.timestamp.as_ref(),
            Scheme::Ed25519(scheme) => scheme.timestamp.as_ref(),
            _ => None,
        });
        let places: Vec<_> = rules
            .filter_map(|rule| match &rule.from {
                TimestampSource::Pointer(pointer) => Some((pointer, rule.unit.of(now))),
                TimestampSource::Header(_) | TimestampSource::ListKey(_) => None,
            })
            .collect();
        if places.is_empty() {
            return None;
        }
        let mut json: Value = serde_json::from_slice(body).ok()?;
        let mut changed = false;
        for (pointer, time) in places {
            if let Some(place) = json.pointer_mut(pointer) {
                *place = if place.is_string() { time.to_string().into() } else { time.into() };
                changed = true;
            }
        }
        changed.then(|| json.to_string().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refreshed(verification: &str, body: &str) -> Option<String> {
        let recipe: Recipe = serde_json::from_str(verification).unwrap();
        let refreshed = recipe.refresh_timestamp(body.as_bytes(), Timestamp::from_millis(1_700_000_000_123))?;
        Some(String::from_utf8(refreshed).unwrap())
    }

    #[test]
    fn the_time_stands_where_the_recipe_reads_it() {
        let hmac = |more: &str| {
            let scheme = r#""scheme": "hmac", "algorithm": "sha256", "header": "x-signature", "encoding": "hex""#;
            format!("[{{{scheme}, {more}}}]")
        };
        let in_body =
            hmac(r#""signed": ["body"], "timestamp": {"from": {"pointer": "/at"}, "unit": "ms", "tolerance": "60s"}"#);
        assert_eq!(refreshed(&in_body, r#"{"a":1,"at":5}"#).unwrap(), r#"{"a":1,"at":1700000000123}"#);
        assert_eq!(refreshed(&in_body, r#"{"at":"5"}"#).unwrap(), r#"{"at":"1700000000123"}"#);
        assert_eq!(refreshed(&in_body, "no JSON"), None);
        assert_eq!(refreshed(&hmac(r#""signed": ["body"]"#), r#"{"at":5}"#), None);
        let in_header =
            hmac(r#""signed": ["timestamp", "body"], "timestamp": {"from": {"header": "x-at"}, "tolerance": "60s"}"#);
        assert_eq!(refreshed(&in_header, r#"{"at":5}"#), None);
    }
}
