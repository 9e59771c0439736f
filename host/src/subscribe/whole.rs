//! Whole numbers in JSON. `2` and `2.0` are the same one (JSON Schema, section 6.1.1 of its validation vocabulary), and some
//! languages write the second.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// Reads a whole number, however it is spelled.
pub(super) fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<T, D::Error> {
    let number = Number::deserialize(deserializer)?;
    let spelled =
        || number.as_f64().filter(|float| float.fract() == 0.0).and_then(|float| format!("{float:.0}").parse().ok());
    let whole: Option<u64> = number.as_u64().or_else(spelled);
    let fitting = whole.and_then(|whole| T::try_from(whole).ok());
    fitting.ok_or_else(|| Error::custom(format_args!("expected a whole number, found `{number}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_may_have_a_point() {
        for (json, expected) in [
            ("2", Some(2)),
            ("2.0", Some(2)),
            ("0.0", Some(0)),
            ("2.5", None),
            ("-1", None),
            ("-1.0", None),
            ("1e99", None),
        ] {
            let read: Result<u32, _> = whole(&mut serde_json::Deserializer::from_str(json));
            assert_eq!(read.ok(), expected, "{json}");
        }
    }
}
