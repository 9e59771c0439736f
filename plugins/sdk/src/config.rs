//! Finds a setting in the settings that come with a call: a JSON object whose values are strings.

use std::borrow::Cow;

/// The value of a member, unescaped; `None` if there is none of this name, or the text is not such an object.
pub(crate) fn find(settings: &str, name: &str) -> Option<String> {
    let mut rest = settings.trim_start().strip_prefix('{')?;
    loop {
        let (key, after) = string(rest)?;
        let (value, after) = string(after.trim_start().strip_prefix(':')?)?;
        if unescaped(key)? == name {
            return unescaped(value).map(Cow::into_owned);
        }
        rest = after.trim_start().strip_prefix(',')?;
    }
}

/// The inside of a JSON string, still escaped, and what follows it.
fn string(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start().strip_prefix('"')?;
    let mut escapes = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escapes;
        escapes = byte == b'\\' && !escapes;
        ends
    })?;
    Some((&text[..end], &text[end + 1..]))
}

fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        found.push_str(before);
        let (letter, after) = after.split_at_checked(1)?;
        rest = after;
        found.push(match letter {
            "b" => '\u{8}',
            "f" => '\u{c}',
            "n" => '\n',
            "r" => '\r',
            "t" => '\t',
            "u" => {
                // The gateway escapes control characters alone, so there are no surrogate pairs.
                let (digits, after) = rest.split_at_checked(4)?;
                rest = after;
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            _ => letter.chars().next()?,
        });
    }
    found.push_str(rest);
    Some(Cow::Owned(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_by_its_name() {
        let settings =
            r#"{"ignore_senders":"[\"a\",\"b\"]","prefix":"/","new\nline":"\u001f\\","empty":"","letters":"é\t"}"#;
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(find(settings, name).as_deref(), expected, "{name}");
        };

        check("ignore_senders", Some(r#"["a","b"]"#));
        check("prefix", Some("/"));
        check("new\nline", Some("\u{1f}\\"));
        check("empty", Some(""));
        check("letters", Some("é\t"));
        check("a", None);
        check("", None);
    }

    #[test]
    fn spaces_do_not_matter_and_anything_else_has_no_settings() {
        assert_eq!(find(" { \"a\" : \"1\" , \"b\" : \"2\" } ", "b").as_deref(), Some("2"));
        for settings in
            ["", "{}", "[]", "{\"b\"", "{\"b\":", "{\"b\":2}", "{\"b\":\"2", "{\"b\":\"\\u00", "{\"b\":\"\\ud800\"}"]
        {
            assert_eq!(find(settings, "b"), None, "{settings}");
        }
    }
}
