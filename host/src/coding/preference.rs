//! The coding that a caller prefers.

use http::header::{ACCEPT_ENCODING, HeaderMap};

use super::Coding;

/// The coding with the highest weight in `Accept-Encoding` (RFC 9110, section 12.5.3), the first one among equals; `None` when the
/// plain body has a higher.
pub fn preferred(headers: &HeaderMap, offered: &[Coding]) -> Option<Coding> {
    let listed = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let weights: Vec<(&str, u16)> = listed.flat_map(|value| value.split(',')).filter_map(weight).collect();
    let of =
        |name: &str| weights.iter().find(|(listed, _)| listed.eq_ignore_ascii_case(name)).map(|(_, weight)| *weight);
    let rest = of("*");
    let plain = of("identity").unwrap_or(0);
    let mut best = None;
    for &coding in offered {
        let weight = of(coding.name()).or(rest).unwrap_or(0);
        if weight > best.map_or(0, |(_, weight)| weight) && weight >= plain {
            best = Some((coding, weight));
        }
    }
    best.map(|(coding, _)| coding)
}

/// A coding and its weight in thousandths; `None` when it is malformed.
fn weight(entry: &str) -> Option<(&str, u16)> {
    let mut parts = entry.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let Some(parameter) = parts.next() else { return Some((name, 1000)) };
    let (key, value) = parameter.split_once('=')?;
    if key.trim().eq_ignore_ascii_case("q") { Some((name, thousandths(value.trim())?)) } else { None }
}

/// `0` to `1` with up to three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let decimals = format!("{decimals:0<3}").parse().ok()?;
    match (whole, decimals) {
        ("0", decimals) => Some(decimals),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (ACCEPT_ENCODING, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_coding_with_the_highest_weight_is_chosen() {
        for (values, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["gzip"], Some(Coding::Gzip)),
            (&["gzip, deflate, br, zstd"], Some(Coding::Br)),
            (&["gzip;q=0.9, br;q=0.1"], Some(Coding::Gzip)),
            (&["br;q=0.1", "zstd ; Q=0.2"], Some(Coding::Zstd)),
            (&["gzip;q=0"], None),
            (&["*"], Some(Coding::Br)),
            (&["br;q=0, *;q=0.5"], Some(Coding::Gzip)),
            (&["identity, gzip;q=0.5"], None),
            (&["identity;q=0.5, gzip"], Some(Coding::Gzip)),
            (&["deflate"], None),
            (&["gzip;q=2, br;q=x, zstd;level=1"], None),
        ] {
            assert_eq!(preferred(&headers(values), &[Coding::Br, Coding::Gzip, Coding::Zstd]), expected, "{values:?}");
        }
    }
}
