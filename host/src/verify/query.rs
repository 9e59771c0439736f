use std::borrow::Cow;

/// The decoded values of every parameter called `name`.
pub(super) fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = Cow<'a, [u8]>> {
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name.as_bytes()).then(|| decode(value))
    })
}

/// The query without the parameters for which `hidden` says so; the rest stays byte for byte.
pub(super) fn without<'a>(query: &'a str, hidden: impl Fn(&[u8]) -> bool) -> Cow<'a, str> {
    let is_hidden = |pair: &&str| hidden(&decode(pair.split_once('=').map_or(*pair, |(key, _)| key)));
    if !query.split('&').any(|pair| is_hidden(&pair)) {
        return Cow::Borrowed(query);
    }
    Cow::Owned(query.split('&').filter(|pair| !is_hidden(pair)).collect::<Vec<_>>().join("&"))
}

/// Undoes `%41` and `+`; a percent sign without two digits stands for itself.
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
        for (query, values_of_token, rest) in [
            ("", &[][..], ""),
            ("a=1&b=2", &[], "a=1&b=2"),
            ("token=x", &["x"], ""),
            ("a=%zz&token=x&b=+", &["x"], "a=%zz&b=+"),
            ("%74oken=x%79+z&tok%65n=2", &["xy z", "2"], ""),
            ("token&a", &[""], "a"),
            ("token=a=b&tokens=1&Token=2", &["a=b"], "tokens=1&Token=2"),
            ("token=%", &["%"], ""),
            ("token=%4", &["%4"], ""),
        ] {
            let found: Vec<_> = values(query, "token").collect();

            assert_eq!(found, values_of_token.iter().map(|value| value.as_bytes()).collect::<Vec<_>>(), "{query}");
            assert_eq!(without(query, |name| name == b"token"), rest, "{query}");
        }
    }
}
