//! Query strings and form bodies: `application/x-www-form-urlencoded`.

use std::borrow::Cow;

/// The decoded values of one key, in order.
pub fn form_values<'a>(form: &'a str, key: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    pairs(form).filter(move |(name, _)| decode_form(name) == key).map(|(_, value)| decode_form(value))
}

/// All keys and their values, decoded, in order.
pub fn form_fields(form: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    pairs(form).map(|(name, value)| (decode_form(name), decode_form(value)))
}

fn pairs(form: &str) -> impl Iterator<Item = (&str, &str)> {
    form.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Decodes `+` and `%XX`. An incomplete escape stays as it is, bytes that are not UTF-8 become U+FFFD.
pub fn decode_form(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    rest = after;
                }
                _ => decoded.push(b'%'),
            },
            _ => decoded.push(first),
        }
    }
    // Validating first saves the usual case a second copy.
    match String::from_utf8(decoded) {
        Ok(decoded) => Cow::Owned(decoded),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_broken_ones_kept() {
        for (input, expected) in [
            ("plain", "plain"),
            ("a+b", "a b"),
            ("%7B%22a%22%3A1%7d", r#"{"a":1}"#),
            ("%C3%A9", "é"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%zz%20", "%zz "),
            ("%ff", "\u{fffd}"),
            ("%+", "% "),
        ] {
            assert_eq!(decode_form(input), expected, "{input}");
        }
    }

    #[test]
    fn fields_are_decoded_in_order() {
        let fields: Vec<_> = form_fields("a=1&&b+c=%26&a").collect();
        assert_eq!(fields, [("a".into(), "1".into()), ("b c".into(), "&".into()), ("a".into(), "".into())]);
        assert_eq!(form_fields("").count(), 0);
    }

    #[test]
    fn every_value_of_a_key_is_found() {
        let found = |form: &str| form_values(form, "k").map(Cow::into_owned).collect::<Vec<_>>();
        assert_eq!(found("k=1"), ["1"]);
        assert_eq!(found("a=0&k=1&k=2+3"), ["1", "2 3"]);
        assert_eq!(found("%6B=1&k"), ["1", ""]);
        assert!(found("").is_empty());
        assert!(found("kk=1&a=k").is_empty());
    }
}
