//! Query parameters.

use std::borrow::Cow;

use super::VerifyError;

/// The decoded names and values of all parameters, in order.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// The decoded value of the parameter `name`, which must not occur twice.
pub(super) fn only<'a>(query: &'a str, name: &str) -> Result<Option<Cow<'a, [u8]>>, VerifyError> {
    let mut values = pairs(query).filter_map(|(found, value)| (found == name.as_bytes()).then_some(value));
    let value = values.next();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(VerifyError::Duplicate { what: parameter(name) }),
    }
}

/// The name of a parameter in error texts.
pub(super) fn parameter(name: &str) -> String {
    format!("query parameter `{name}`")
}

/// Removes the parameters for which `hidden` returns true. The rest stays byte for byte.
pub(super) fn without<'a>(query: &'a str, hidden: impl Fn(&[u8]) -> bool) -> Cow<'a, str> {
    let is_hidden = |pair: &&str| hidden(&decode(pair.split_once('=').map_or(*pair, |(key, _)| key)));
    if !query.split('&').any(|pair| is_hidden(&pair)) {
        return Cow::Borrowed(query);
    }
    Cow::Owned(query.split('&').filter(|pair| !is_hidden(pair)).collect::<Vec<_>>().join("&"))
}

/// Decodes `%41` and `+`. A percent sign without two digits stays.
fn decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after.first_chunk::<2>().and_then(|digits| {
            let mut value = [0];
            hex::decode_to_slice(digits, &mut value).ok().map(|()| value[0])
        });
        let (value, after) = match (byte, escaped) {
            (b'%', Some(value)) => (value, &after[2..]),
            (b'+', _) => (b' ', after),
            _ => (byte, after),
        };
        decoded.push(value);
        rest = after;
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_parameter_is_found_and_removed() {
        for (query, token, rest) in [
            ("", Ok(None), ""),
            ("a=1&b=2", Ok(None), "a=1&b=2"),
            ("token=x", Ok(Some("x")), ""),
            ("a=%zz&token=x&b=+", Ok(Some("x")), "a=%zz&b=+"),
            ("%74oken=x%79+z", Ok(Some("xy z")), ""),
            ("token=1&tok%65n=2", Err("query parameter `token` is given more than once".to_owned()), ""),
            ("token&a", Ok(Some("")), "a"),
            ("token=a=b&tokens=1&Token=2", Ok(Some("a=b")), "tokens=1&Token=2"),
            ("token=%", Ok(Some("%")), ""),
            ("token=%4", Ok(Some("%4")), ""),
        ] {
            let found = only(query, "token").map_err(|error| error.to_string());

            assert_eq!(found, token.map(|value| value.map(|text| Cow::Borrowed(text.as_bytes()))), "{query}");
            assert_eq!(without(query, |name| name == b"token"), rest, "{query}");
        }
    }
}
