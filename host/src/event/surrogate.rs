//! Halves of surrogate pairs in JSON: the grammar allows them, but many parsers refuse the whole document.

use std::borrow::Cow;

/// The same JSON with U+FFFD for each half of a pair. Copied only if there is one.
pub(super) fn without_halves(json: &str) -> Cow<'_, str> {
    let halves = halves(json.as_bytes());
    if halves.is_empty() {
        return Cow::Borrowed(json);
    }
    let mut whole = String::with_capacity(json.len());
    let mut rest = 0;
    for at in halves {
        whole.push_str(&json[rest..at]);
        whole.push_str(r"\ufffd");
        rest = at + ESCAPE;
    }
    whole.push_str(&json[rest..]);
    Cow::Owned(whole)
}

/// Bytes of an escape such as `\ud83d`.
const ESCAPE: usize = 6;

/// The positions of escapes that are halves of a pair.
fn halves(json: &[u8]) -> Vec<usize> {
    let mut halves = Vec::new();
    let mut at = 0;
    while let Some(next) = json[at..].iter().position(|byte| *byte == b'\\') {
        at += next;
        match (unit(json, at), unit(json, at + ESCAPE)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => at += 2 * ESCAPE,
            (Some(0xd800..0xe000), _) => {
                halves.push(at);
                at += ESCAPE;
            }
            // The character behind the backslash is not the start of another escape.
            _ => at = (at + 2).min(json.len()),
        }
    }
    halves
}

/// The surrogate that an escape at `at` stands for.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix(br"\u")?;
    if !matches!(digits[0], b'd' | b'D') {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_halves_are_replaced() {
        for (json, expected) in [
            (r#"{"a":"b \ud83d"}"#, r#"{"a":"b \ufffd"}"#),
            (
                r#"["\ud83d\ude00","\\ud83d","\"\uDE00\ud83d\u0041\u00e9"]"#,
                r#"["\ud83d\ude00","\\ud83d","\"\ufffd\ufffd\u0041\u00e9"]"#,
            ),
            (r#"["\ud83d\ud83d\ude00"]"#, r#"["\ufffd\ud83d\ude00"]"#),
            (r#"{"\udc00":"é"}"#, r#"{"\ufffd":"é"}"#),
        ] {
            let whole = without_halves(json);

            assert_eq!(whole, expected);
            assert!(serde_json::from_str::<serde_json::Value>(&whole).is_ok(), "{whole}");
        }
        assert!(matches!(without_halves(r#"{"a":"\n\ud83d\ude00"}"#), Cow::Borrowed(_)));
        assert_eq!(without_halves("\\"), "\\");
    }
}
