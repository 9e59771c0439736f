//! Content codings: of the bodies that channels take, and of the answers that callers want to be smaller.
//!
//! What comes is decoded after it was verified, within the limits of a body, and away from the threads that serve.

mod codec;

use std::sync::Arc;

use ::http::HeaderValue;
use ::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, VARY};
use bytes::Bytes;
use http_body_util::BodyExt;

use crate::ingest::{Coding, Verified};

use self::codec::Undecoded;
use super::payload::Payload;
use super::refusal::Refusal;
use super::respond::Answer;
use super::webhook::body::{Budget, Share};

/// Smaller answers are sent as they are: what could be saved is less than a packet.
const MIN_ANSWER: usize = 1024;

/// Larger answers are encoded away from the threads that serve.
const INLINE: usize = 32 << 10;

/// Codings of answers, the one that is chosen first among equals in front.
const OFFERED: [Coding; 3] = [Coding::Br, Coding::Gzip, Coding::Zstd];

const BY_ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");

/// The coding of a body, one of those that the channel takes; none when the body is as it is.
pub(super) fn of_request(headers: &HeaderMap, taken: &[Coding]) -> Result<Option<Coding>, Refusal> {
    let listed =
        headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut codings =
        listed.map(<[u8]>::trim_ascii).filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    let Some(name) = codings.next() else { return Ok(None) };
    let coding = std::str::from_utf8(name).ok().and_then(Coding::named).filter(|coding| taken.contains(coding));
    // Several, one over the other, are nothing that a sender needs.
    match (coding, codings.next()) {
        (Some(coding), None) => Ok(Some(coding)),
        _ => Err(Refusal::Encoding { taken: taken.to_vec() }),
    }
}

/// The verified request with its body decoded, of at most `max` bytes, and the share of the budget that this takes.
pub(super) async fn decode_request(
    coding: Option<Coding>,
    verified: Verified,
    max: usize,
    budget: &Arc<Budget>,
) -> Result<(Verified, Option<Share>), Refusal> {
    let Some(coding) = coding else { return Ok((verified, None)) };
    let (decoded, share) = decode(coding, verified.body().clone(), max, budget).await?;
    Ok((verified.with_decoded(decoded), Some(share)))
}

/// The decoded body, of at most `max` bytes, with its share of the budget.
async fn decode(coding: Coding, encoded: Bytes, max: usize, budget: &Arc<Budget>) -> Result<(Bytes, Share), Refusal> {
    let mut share = Share::of(budget);
    let mut working = Share::of(budget);
    working.grow(codec::memory(coding))?;
    let decoding = tokio::task::spawn_blocking(move || {
        let _held = working;
        codec::decode(coding, &encoded, max, |bytes| share.grow(bytes)).map(|decoded| (Bytes::from(decoded), share))
    });
    match decoding.await {
        Ok(Ok(decoded)) => Ok(decoded),
        Ok(Err(Undecoded::Malformed)) => Err(Refusal::Undecodable(coding)),
        Ok(Err(Undecoded::TooLarge)) => Err(Refusal::TooLarge { limit: max }),
        Ok(Err(Undecoded::NoRoom(refusal))) => Err(refusal),
        Err(error) => Err(Refusal::Internal(error.to_string())),
    }
}

/// The answer in the coding that its caller likes best, where it is one piece of text that is worth it.
pub(super) async fn of_answer(asked: &HeaderMap, mut answer: Answer) -> Answer {
    if !is_text(answer.headers()) || answer.headers().contains_key(CONTENT_ENCODING) {
        return answer;
    }
    answer.headers_mut().append(VARY, BY_ACCEPT_ENCODING);
    let Some(coding) = preferred(asked) else { return answer };
    if !matches!(answer.body(), Payload::Whole(_)) {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        unreachable!("a whole payload is there already");
    };
    let encoded = match body.len() {
        ..MIN_ANSWER => None,
        MIN_ANSWER..INLINE => codec::encode(coding, &body).ok(),
        _ => {
            let body = body.clone();
            let encoding = tokio::task::spawn_blocking(move || codec::encode(coding, &body));
            encoding.await.ok().and_then(Result::ok)
        }
    };
    match encoded {
        Some(encoded) => {
            head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            Answer::from_parts(head, Payload::whole(encoded.into()))
        }
        None => Answer::from_parts(head, Payload::whole(body)),
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence == "application/json"
        || essence.ends_with("+json")
        || essence == "application/openmetrics-text"
        || (essence.starts_with("text/") && essence != "text/event-stream")
}

/// The coding with the highest weight in `Accept-Encoding` (RFC 9110, section 12.5.3); none when the body as it is has a higher.
fn preferred(headers: &HeaderMap) -> Option<Coding> {
    let listed = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let weights: Vec<(&str, u16)> = listed.flat_map(|value| value.split(',')).filter_map(weight).collect();
    let of =
        |name: &str| weights.iter().find(|(listed, _)| listed.eq_ignore_ascii_case(name)).map(|(_, weight)| *weight);
    let rest = of("*");
    let plain = of("identity").unwrap_or(0);
    let mut best = None;
    for coding in OFFERED {
        let weight = of(coding.name()).or(rest).unwrap_or(0);
        if weight > best.map_or(0, |(_, weight)| weight) && weight >= plain {
            best = Some((coding, weight));
        }
    }
    best.map(|(coding, _)| coding)
}

/// A coding and its weight in thousandths; none when it is malformed.
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
    use ::http::StatusCode;

    use super::super::respond::with_body;
    use super::*;

    fn headers(name: ::http::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn one_coding_is_taken_where_it_is_allowed() {
        let gzip = [Coding::Gzip];
        for (values, taken, expected) in [
            (&[][..], &[][..], Ok(None)),
            (&["identity"], &[], Ok(None)),
            (&["Identity", ""], &[], Ok(None)),
            (&["gzip"], &[], Err(())),
            (&["gzip"], &gzip, Ok(Some(Coding::Gzip))),
            (&["X-GZIP"], &gzip, Ok(Some(Coding::Gzip))),
            (&["identity, gzip"], &gzip, Ok(Some(Coding::Gzip))),
            (&["gzip, gzip"], &gzip, Err(())),
            (&["gzip", "br"], &Coding::ALL, Err(())),
            (&["br"], &gzip, Err(())),
            (&["compress"], &Coding::ALL, Err(())),
        ] {
            let found = of_request(&headers(CONTENT_ENCODING, values), taken);

            assert_eq!(found.map_err(drop), expected, "{values:?}");
        }
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
            assert_eq!(preferred(&headers(ACCEPT_ENCODING, values)), expected, "{values:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_encoded_when_it_is_a_large_text() {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
        let gzip = headers(ACCEPT_ENCODING, &["gzip"]);
        for (asked, content_type, length, is_encoded, varies) in [
            (&gzip, JSON, 2000, true, true),
            (&gzip, JSON, 200_000, true, true),
            (&gzip, JSON, 1000, false, true),
            (&HeaderMap::new(), JSON, 2000, false, true),
            (&gzip, OCTETS, 2000, false, false),
        ] {
            let answer = with_body(StatusCode::OK, content_type, Bytes::from(vec![b'x'; length]));

            let answer = of_answer(asked, answer).await;

            assert_eq!(answer.headers().contains_key(CONTENT_ENCODING), is_encoded, "{length}");
            assert_eq!(answer.headers().contains_key(VARY), varies, "{length}");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body = match is_encoded {
                true => codec::decode(Coding::Gzip, &body, length, |_| Ok::<(), ()>(())).unwrap(),
                false => body.to_vec(),
            };
            assert_eq!(body, vec![b'x'; length]);
        }
    }

    #[tokio::test]
    async fn a_body_is_decoded_within_the_limits_and_the_budget() {
        let body = vec![b'x'; 100_000];
        let encoded = Bytes::from(codec::encode(Coding::Gzip, &body).unwrap());
        let budget = Arc::new(Budget::new(1 << 20));
        let decode = |max, budget: &Arc<Budget>| {
            let (encoded, budget) = (encoded.clone(), Arc::clone(budget));
            async move { decode(Coding::Gzip, encoded, max, &budget).await }
        };

        let (decoded, share) = decode(100_000, &budget).await.unwrap();
        assert_eq!(decoded, body);
        assert_eq!(budget.held(), 100_000);
        drop(share);
        assert!(matches!(decode(99_999, &budget).await, Err(Refusal::TooLarge { limit: 99_999 })));
        for room in [1000, 99_999] {
            let narrow = Arc::new(Budget::new(room));
            assert!(matches!(decode(100_000, &narrow).await, Err(Refusal::Overloaded(_))));
            assert_eq!(narrow.held(), 0);
        }
        assert_eq!(budget.held(), 0);
        let garbage = super::decode(Coding::Gzip, Bytes::from_static(b"{}"), 10, &budget).await;
        assert!(matches!(garbage, Err(Refusal::Undecodable(Coding::Gzip))));
    }
}
