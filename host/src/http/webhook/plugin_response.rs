//! Responses that a plugin or an agent chose, as far as the host lets them.

use ::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, PROXY_AUTHENTICATE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;

use crate::egress;
use crate::http::answer::{NO_SNIFF, Response, X_REQUEST_ID};
use crate::http::payload::Payload;
use crate::http::refusal::Refusal;

/// The media type of bodies that name none.
pub(crate) const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// A browser may show the text of a plugin or an agent at the address of the admin API: it gets no script, no form and an
/// origin of its own.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");

/// The response that a plugin chose, without the headers that are the host's.
pub(crate) fn plugin_response(response: egress::Response) -> Result<Response, Refusal> {
    let egress::Response { status, headers, body } = response;
    // Senders follow no redirects, and read 410 as a wish that they never call again.
    let status = match StatusCode::from_u16(status) {
        Ok(StatusCode::GONE) => return Err(Refusal::PluginResponse { status }),
        Ok(valid) if matches!(status, 200..300 | 400..600) => valid,
        _ => return Err(Refusal::PluginResponse { status }),
    };
    let has_body = status != StatusCode::NO_CONTENT;
    let mut response = Response::new(Payload::whole(if has_body { body } else { Bytes::new() }));
    *response.status_mut() = status;
    let connection = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(CONNECTION.as_str()));
    let named: Vec<String> =
        connection.flat_map(|(_, value)| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
    for (name, value) in headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else { continue };
        if !is_the_hosts(&name)
            && !named.iter().any(|own| own == name.as_str())
            && response.headers_mut().try_append(name, value).is_err()
        {
            return Err(Refusal::PluginResponse { status: status.as_u16() });
        }
    }
    if has_body && !response.headers().contains_key(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, OCTETS);
    }
    disarm(response.headers_mut());
    Ok(response)
}

/// Headers that speak of the connection or of the host, not of the response.
fn is_the_hosts(name: &HeaderName) -> bool {
    [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_AUTHENTICATE,
        PROXY_CONNECTION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
        CONTENT_LENGTH,
        X_REQUEST_ID,
    ]
    .contains(name)
}

/// Makes a text that somebody else wrote harmless in a browser.
pub(crate) fn disarm(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_says_what_it_likes_but_not_in_the_hosts_name() {
        let own = |status: u16| {
            let headers = [
                ("content-type", "text/plain"),
                ("x-own", "1"),
                ("x-own", "2"),
                ("Transfer-Encoding", "chunked"),
                ("Connection", "close, X-Named"),
                ("x-named", "by `connection`"),
                ("content-length", "5"),
                ("x-request-id", "forged"),
                ("content-security-policy", "script-src *"),
                ("bad name", "x"),
                ("x-bad-value", "a\nb"),
            ];
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            plugin_response(egress::Response { status, headers, body: Bytes::from_static(b"hello") })
        };

        let response = own(200).unwrap();
        let names: Vec<_> =
            response.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let sandbox = SANDBOX;
        assert_eq!(
            names,
            [
                ("content-type", "text/plain"),
                ("x-own", "1"),
                ("x-own", "2"),
                ("content-security-policy", sandbox.to_str().unwrap()),
                ("x-content-type-options", "nosniff"),
            ]
        );
        for status in [0, 100, 101, 199, 301, 304, 308, 410, 600, 999] {
            assert!(own(status).is_err(), "{status}");
        }
        assert_eq!(own(204).unwrap().status(), 204);
    }
}
