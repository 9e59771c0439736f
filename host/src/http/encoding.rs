//! Content codings of responses, for callers who want them smaller.

use ::http::HeaderValue;
use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, VARY};
use http_body_util::BodyExt;

use super::answer::Response;
use super::payload::Payload;
use crate::coding::{Coding, encode, preferred};

/// Smaller bodies are sent as they are: what could be saved is less than a packet.
const MIN_BODY: usize = 1024;

/// Larger bodies are encoded on a thread that may take its time.
const INLINE: usize = 32 << 10;

/// The coding that is chosen first among equals comes first.
const OFFERED: [Coding; 3] = [Coding::Br, Coding::Gzip, Coding::Zstd];

const BY_ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");

/// The response in the coding that its caller prefers, when it is one piece of text that is worth it.
pub(crate) async fn encoded(request: &HeaderMap, mut response: Response) -> Response {
    if !is_text(response.headers()) || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    response.headers_mut().append(VARY, BY_ACCEPT_ENCODING);
    let Some(coding) = preferred(request, &OFFERED) else { return response };
    if !matches!(response.body(), Payload::Whole(_)) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        unreachable!("a whole payload is there already");
    };
    let smaller = match body.len() {
        ..MIN_BODY => None,
        MIN_BODY..INLINE => encode(coding, &body).ok(),
        _ => {
            let body = body.clone();
            let encoding = tokio::task::spawn_blocking(move || encode(coding, &body));
            encoding.await.ok().and_then(Result::ok)
        }
    };
    match smaller {
        Some(smaller) => {
            head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            Response::from_parts(head, Payload::whole(smaller.into()))
        }
        None => Response::from_parts(head, Payload::whole(body)),
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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use ::http::StatusCode;
    use ::http::header::ACCEPT_ENCODING;
    use bytes::Bytes;

    use super::super::answer::with_body;
    use super::*;

    fn gunzipped(body: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap();
        plain
    }

    fn headers(name: ::http::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[tokio::test]
    async fn a_response_is_encoded_when_it_is_a_large_text() {
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
            let response = with_body(StatusCode::OK, content_type, Bytes::from(vec![b'x'; length]));

            let response = encoded(asked, response).await;

            assert_eq!(response.headers().contains_key(CONTENT_ENCODING), is_encoded, "{length}");
            assert_eq!(response.headers().contains_key(VARY), varies, "{length}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body = match is_encoded {
                true => gunzipped(&body),
                false => body.to_vec(),
            };
            assert_eq!(body, vec![b'x'; length]);
        }
    }
}
