//! The body of a response: read up to a limit, and decoded.

use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt;
use hyper::body::Body;

use super::error::EgressError;
use crate::coding::{self, Coding, DecodeError};

/// A body as far as it arrived.
pub(super) struct Arrived {
    pub(super) body: Bytes,
    /// Why it is not whole, or not decoded.
    pub(super) flaw: Option<EgressError>,
}

/// Reads `body`: at most `limit` bytes, and until `end`. `late` is the flaw of one that has not ended by then.
pub(super) async fn read<B>(mut body: B, limit: usize, end: Instant, late: EgressError) -> Arrived
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut left = limit;
    let flaw = loop {
        let frame = match tokio::time::timeout_at(end.into(), body.frame()).await {
            Err(_) => break Some(late),
            Ok(None) => break None,
            Ok(Some(Err(error))) => break Some(EgressError::Protocol(format!("the response ended early: {error}"))),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(mut data) = frame.into_data() else { continue };
        if data.len() > left {
            pieces.push(data.split_to(left));
            break Some(EgressError::TooLarge(limit));
        }
        left -= data.len();
        pieces.push(data);
    };
    let body = match pieces.len() {
        0 | 1 => pieces.pop().unwrap_or_default(),
        _ => pieces.concat().into(),
    };
    Arrived { body, flaw }
}

impl Arrived {
    /// The body without its coding, if `headers` name one that the host decodes; they are changed with it. A body that cannot be
    /// decoded stays as it is, with a flaw, and so does one that is not whole.
    pub(super) async fn decoded(self, headers: &mut HeaderMap, limit: usize) -> Self {
        let Some(coding) = coding_of(headers).filter(|_| self.flaw.is_none() && !self.body.is_empty()) else {
            return self;
        };
        let encoded = self.body.clone();
        let decoding = move || coding::decode(coding, &encoded, limit, |_| Ok::<(), ()>(()));
        let flaw = match tokio::task::spawn_blocking(decoding).await {
            Ok(Ok(decoded)) => {
                headers.remove(CONTENT_ENCODING);
                headers.remove(CONTENT_LENGTH);
                return Self { body: decoded.into(), flaw: None };
            }
            Ok(Err(DecodeError::TooLarge)) => EgressError::TooLarge(limit),
            Ok(Err(DecodeError::Malformed | DecodeError::NoRoom(()))) => {
                EgressError::Protocol(format!("the response is not valid {coding}"))
            }
            Err(error) => EgressError::Protocol(format!("the response cannot be decoded: {error}")),
        };
        Self { flaw: Some(flaw), ..self }
    }
}

/// The coding of the body. `None` for a body as it is, and for one in a coding that the host does not know, or in several.
fn coding_of(headers: &HeaderMap) -> Option<Coding> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    Coding::named(value.to_str().ok()?.trim())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_util::{StreamExt, stream};
    use http::HeaderValue;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    async fn arrived(pieces: &'static [&'static str], ends: bool) -> (Bytes, Option<&'static str>) {
        let frames =
            stream::iter(pieces).map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece.as_bytes()))));
        let rest = if ends { stream::empty().boxed() } else { stream::pending().boxed() };
        let end = Instant::now() + Duration::from_millis(50);
        let late = EgressError::Timeout(Duration::from_millis(50));
        let Arrived { body, flaw } = read(StreamBody::new(frames.chain(rest)), 6, end, late).await;
        (body, flaw.as_ref().map(EgressError::code))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_its_end() {
        for (pieces, ends, body, flaw) in [
            (&[][..], true, "", None),
            (&["abc"], true, "abc", None),
            (&["abc", "def"], true, "abcdef", None),
            (&["abc", "defg"], true, "abcdef", Some("too-large")),
            (&["abcdefg"], false, "abcdef", Some("too-large")),
            (&["abc"], false, "abc", Some("timeout")),
            (&[], false, "", Some("timeout")),
        ] {
            assert_eq!(arrived(pieces, ends).await, (Bytes::from(body), flaw), "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn a_body_is_decoded_and_its_headers_with_it() {
        for coding in Coding::ALL {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("99"));
            let bomb = Bytes::from(coding::encode(coding, &[b'x'; 10_000]).unwrap());
            let whole = |body: &Bytes| Arrived { body: body.clone(), flaw: None };

            let large = whole(&bomb).decoded(&mut headers, 9_999).await;
            assert_eq!((large.flaw.unwrap().code(), &large.body, headers.len()), ("too-large", &bomb, 2), "{coding}");
            let wrong = whole(&bomb.slice(1..)).decoded(&mut headers, 10_000).await;
            assert_eq!((wrong.flaw.unwrap().code(), headers.len()), ("protocol", 2), "{coding}");
            let nothing = whole(&Bytes::new()).decoded(&mut headers, 10_000).await;
            assert!(nothing.flaw.is_none(), "a response to HEAD has the headers alone");

            let plain = whole(&bomb).decoded(&mut headers, 10_000).await;
            assert!(plain.flaw.is_none() && plain.body == vec![b'x'; 10_000] && headers.is_empty(), "{coding}");
        }
    }

    #[test]
    fn a_coding_that_the_host_does_not_know_is_left_to_the_plugin() {
        for (values, expected) in [
            (&[][..], None),
            (&["gzip"], Some(Coding::Gzip)),
            (&[" X-Gzip "], Some(Coding::Gzip)),
            (&["identity"], None),
            (&["gzip, br"], None),
            (&["gzip", "br"], None),
            (&["compress"], None),
        ] {
            let headers = values.iter().map(|value| (CONTENT_ENCODING, HeaderValue::from_static(value))).collect();
            assert_eq!(coding_of(&headers), expected, "{values:?}");
        }
    }
}
