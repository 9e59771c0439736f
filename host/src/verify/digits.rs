//! Numbers in ASCII digits.

/// Parses ASCII digits, without sign or space.
pub(super) fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_consists_of_ascii_digits_that_fit() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1700000000", Some(1_700_000_000)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("+1", None),
            ("-1", None),
            (" 1", None),
            ("1.0", None),
            ("1e9", None),
            ("0x10", None),
            ("NaN", None),
            ("١", None),
            ("", None),
        ] {
            assert_eq!(digits(text.as_bytes()), expected, "{text:?}");
        }
    }
}
