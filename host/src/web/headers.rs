//! The heads of requests to backends, built anew, and what is removed from their answers.

use std::io::Write;
use std::net::IpAddr;

use http::header::{
    ALT_SVC, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderName, LOCATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    VIA,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

use super::caller::WebCaller;
use super::error::WebError;
use crate::event::RequestId;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const CONNECTION_UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");
const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");

/// The name of the gateway in `Via`.
const OWN_NAME: &str = "gateway";

/// How often a request may have come through a gateway before it is a loop.
const MAX_PASSES: usize = 2;

/// A request as the backend gets it, without its body.
pub(super) struct Outgoing<'a> {
    pub(super) head: &'a Parts,
    pub(super) caller: &'a WebCaller,
    /// What the caller named as the host, without anything that is not part of it.
    pub(super) host: &'a Authority,
    /// The `Host` of the request, if it is not `host`.
    pub(super) backend_host: Option<&'a HeaderValue>,
    /// The prefix that is cut off.
    pub(super) stripped: Option<&'a str>,
    pub(super) is_websocket: bool,
    pub(super) body: Framing,
    /// Whether a header carries the key of a caller, and is for the gateway alone.
    pub(super) hides: &'a (dyn Fn(&str) -> bool + Sync),
}

/// What is known of a body before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    /// As long as its size hint says.
    Sized,
    Chunked,
}

impl Outgoing<'_> {
    /// The request.
    pub(super) fn request<B>(&self, body: B) -> Result<http::Request<B>, WebError> {
        let mut request = http::Request::new(body);
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.uri()?;
        *request.headers_mut() = self.headers()?;
        Ok(request)
    }

    fn uri(&self) -> Result<Uri, WebError> {
        let whole = self.head.uri.path_and_query().ok_or(WebError::Path)?;
        let Some(rest) = self.stripped.and_then(|prefix| whole.as_str().strip_prefix(prefix)) else {
            return Ok(whole.clone().into());
        };
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        rest.parse::<PathAndQuery>().map(Uri::from).map_err(|_| WebError::Path)
    }

    fn headers(&self) -> Result<HeaderMap, WebError> {
        let from = &self.head.headers;
        let named = Named::of(from);
        let mut headers = HeaderMap::with_capacity(from.len() + 10);
        // First, as some servers want it.
        let host = self.host_value()?;
        headers.insert(HOST, self.backend_host.unwrap_or(&host).clone());
        for (name, value) in from {
            if !is_dropped(name) && !named.contains(name) && !(self.hides)(name.as_str()) {
                headers.append(name.clone(), value.clone());
            }
        }
        if self.head.version >= Version::HTTP_2 {
            join_cookies(&mut headers);
        }
        // Only now, so that a caller cannot name one of them in `Connection`.
        self.add_forwarded(host, &mut headers);
        add_via(&mut headers, from, self.head.version)?;
        headers.insert(X_REQUEST_ID, stack_text::<64>(|text| write!(text, "{}", self.caller.id)));
        add_trace(&mut headers, self.caller.id);
        if accepts_trailers(from) {
            headers.insert(TE, TRAILERS);
            headers.append(CONNECTION, HeaderValue::from_static("te"));
        }
        if self.is_websocket {
            headers.insert(UPGRADE, WEBSOCKET);
            headers.insert(CONNECTION, CONNECTION_UPGRADE);
        }
        match self.body {
            // hyper adds none to a body that is empty, and some servers insist on it.
            Framing::None if matches!(self.head.method, Method::POST | Method::PUT | Method::PATCH) => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
            }
            Framing::None | Framing::Sized => {}
            Framing::Chunked => {
                headers.insert(TRANSFER_ENCODING, CHUNKED);
                announce_trailers(from, &mut headers);
            }
        }
        Ok(headers)
    }

    /// Whom the caller addressed.
    fn host_value(&self) -> Result<HeaderValue, WebError> {
        // Mostly the header is the very text, and needs no copy.
        match self.head.headers.get(HOST).filter(|host| *host == self.host.as_str()) {
            Some(host) => Ok(host.clone()),
            None => HeaderValue::from_str(self.host.as_str()).map_err(|_| WebError::Path),
        }
    }

    fn add_forwarded(&self, host: HeaderValue, headers: &mut HeaderMap) {
        let from = &self.head.headers;
        let caller = self.caller;
        let said = |name: &HeaderName| caller.proxy.and_then(|_| from.get(name)).cloned();
        let by = caller.proxy.unwrap_or(caller.client);
        let chain = caller.proxy.and_then(|_| joined(from, &X_FORWARDED_FOR));
        let forwarded_for = match chain {
            Some(chain) => text(&format!("{chain}, {by}")),
            None if by == caller.client => address(by),
            None => text(&format!("{}, {by}", caller.client)),
        };
        headers.insert(X_FORWARDED_FOR, forwarded_for);
        let scheme = if caller.is_encrypted { HTTPS } else { HTTP };
        headers.insert(X_FORWARDED_PROTO, said(&X_FORWARDED_PROTO).unwrap_or(scheme));
        headers.insert(X_FORWARDED_HOST, said(&X_FORWARDED_HOST).unwrap_or(host));
        let outer = said(&X_FORWARDED_PREFIX);
        let prefix = match (outer, self.stripped) {
            (Some(outer), Some(stripped)) => {
                let outer = String::from_utf8_lossy(outer.as_bytes()).trim_end_matches('/').to_owned();
                Some(text(&format!("{outer}{stripped}")))
            }
            (None, Some(stripped)) => Some(text(stripped)),
            (outer, None) => outer,
        };
        if let Some(prefix) = prefix {
            headers.insert(X_FORWARDED_PREFIX, prefix);
        }
    }
}

/// Whether the caller has headers removed by naming them in `Connection`.
pub(super) fn names_headers(headers: &HeaderMap) -> bool {
    !Named::of(headers).0.is_empty()
}

/// What a trusted proxy says of the host and the path prefix that its callers use, which backends are told.
pub(super) fn said_by_proxy(headers: &HeaderMap, caller: &WebCaller) -> (Option<HeaderValue>, Vec<HeaderValue>) {
    let said = |name: &HeaderName| caller.proxy.and_then(|_| headers.get(name)).cloned();
    (said(&X_FORWARDED_PROTO), [X_FORWARDED_HOST, X_FORWARDED_PREFIX].iter().filter_map(said).collect())
}

/// The headers that `Connection` names.
struct Named<'a>(Vec<&'a str>);

impl<'a> Named<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        let names = values.flat_map(|value| value.split(',')).map(str::trim);
        // These are dropped anyway, and stand in most requests.
        let is_known = |name: &&str| {
            ["keep-alive", "close", "upgrade", "te", ""].iter().any(|known| name.eq_ignore_ascii_case(known))
        };
        Self(names.filter(|name| !is_known(name)).collect())
    }

    fn contains(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|named| named.eq_ignore_ascii_case(name.as_str()))
    }
}

/// Whether a header of a request concerns this connection only, is made anew, or could be taken for one that is.
fn is_dropped(name: &HeaderName) -> bool {
    let name = name.as_str();
    is_hop_by_hop(name)
        || matches!(
            name,
            "host"
                | "content-length"
                | "expect"
                | "http2-settings"
                | "forwarded"
                | "via"
                | "x-real-ip"
                | "x-original-url"
                | "x-rewrite-url"
                | "x-request-id"
        )
        || name.starts_with("x-forwarded-")
        // Servers that hand headers on as variables read `_` as `-`.
        || name.contains('_')
}

/// Of one connection, and not of the message (RFC 9110, section 7.6.1).
fn is_hop_by_hop(name: &str) -> bool {
    matches!(name, "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade")
        || name.starts_with("proxy-")
}

/// One field for HTTP/1.1 (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    if let (Some(first), Some(_)) = (cookies.next(), cookies.next()) {
        let rest = headers.get_all(COOKIE).iter().skip(1);
        let joined =
            rest.fold(first.as_bytes().to_vec(), |joined, cookie| [&joined, &b"; "[..], cookie.as_bytes()].concat());
        if let Ok(joined) = HeaderValue::from_bytes(&joined) {
            headers.insert(COOKIE, joined);
        }
    }
}

fn add_via(headers: &mut HeaderMap, from: &HeaderMap, version: Version) -> Result<(), WebError> {
    let before = joined(from, &VIA);
    let passes = |via: &String| via.split(',').filter(|hop| hop.split_whitespace().nth(1) == Some(OWN_NAME)).count();
    if before.as_ref().map_or(0, passes) >= MAX_PASSES {
        return Err(WebError::Loop);
    }
    let protocol = match version {
        Version::HTTP_2 => "2.0",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    let via = match before {
        Some(before) => text(&format!("{before}, {protocol} {OWN_NAME}")),
        None => match protocol {
            "1.1" => HeaderValue::from_static("1.1 gateway"),
            _ => text(&format!("{protocol} {OWN_NAME}")),
        },
    };
    headers.insert(VIA, via);
    Ok(())
}

/// Keeps a valid trace of the caller, or begins one that nobody asked to be recorded.
fn add_trace(headers: &mut HeaderMap, id: RequestId) {
    let mut traces = headers.get_all(TRACEPARENT).iter();
    let only = traces.next().filter(|_| traces.next().is_none());
    if only.is_some_and(|trace| is_traceparent(trace.as_bytes())) {
        return;
    }
    headers.remove(TRACESTATE);
    let trace = stack_text::<64>(|text| {
        let mut id_text = [0; 36];
        write!(&mut id_text[..], "{id}")?;
        let mut digits = id_text.into_iter().filter(|byte| *byte != b'-');
        let mut trace = [b'0'; 55];
        trace[2] = b'-';
        digits.by_ref().zip(&mut trace[3..35]).for_each(|(digit, place)| *place = digit);
        trace[35] = b'-';
        let (trace_id, span) = trace.split_at_mut(36);
        span[..16].copy_from_slice(&trace_id[19..35]);
        span[16] = b'-';
        text.write_all(&trace)
    });
    headers.insert(TRACEPARENT, trace);
}

/// `00-<32 hex>-<16 hex>-<2 hex>` with neither id zero (W3C Trace Context).
fn is_traceparent(text: &[u8]) -> bool {
    let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &[u8]| is_hex(part) && part.iter().any(|byte| *byte != b'0');
    text.len() == 55
        && text.starts_with(b"00-")
        && (text[35], text[52]) == (b'-', b'-')
        && is_id(&text[3..35])
        && is_id(&text[36..52])
        && is_hex(&text[53..])
}

/// All values of a header in one.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let first = values.next()?.to_owned();
    Some(values.fold(first, |joined, value| joined + ", " + value))
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

/// hyper sends the trailers that are announced.
fn announce_trailers(from: &HeaderMap, headers: &mut HeaderMap) {
    let values = from.get_all(TRAILER).iter().filter_map(|value| value.to_str().ok());
    let is_fit = |name: &&str| {
        let lower = name.to_ascii_lowercase();
        lower
            .parse::<HeaderName>()
            .is_ok_and(|name| !is_dropped(&name) && !matches!(name.as_str(), "authorization" | "cookie"))
    };
    for name in values.flat_map(|value| value.split(',')).map(str::trim).filter(is_fit) {
        headers.append(TRAILER, text(name));
    }
}

fn address(address: IpAddr) -> HeaderValue {
    stack_text::<64>(|text| write!(text, "{address}"))
}

/// What `write` writes, without a text on the heap.
fn stack_text<const ROOM: usize>(write: impl FnOnce(&mut &mut [u8]) -> std::io::Result<()>) -> HeaderValue {
    let mut room = [0; ROOM];
    let mut rest = &mut room[..];
    write(&mut rest).expect("there is room for the longest text");
    let written = ROOM - rest.len();
    HeaderValue::from_bytes(&room[..written]).expect("it is visible ASCII")
}

/// A text of parts that stood in headers or in the configuration.
fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// What an answer has to be changed for.
pub(super) struct Incoming<'a> {
    /// Whether it has a body of its own: not for `HEAD`, and not with 204 and 304.
    pub(super) has_body: bool,
    pub(super) stripped: Option<&'a str>,
    /// The names of the backend's own host: what it was called, and its address.
    pub(super) hosts: [&'a str; 2],
}

impl Incoming<'_> {
    /// Removes what concerns the connection to the backend, and mends where it points to.
    pub(super) fn mend(&self, status: StatusCode, headers: &mut HeaderMap) {
        let named: Vec<HeaderName> = {
            let named = Named::of(headers);
            named.0.iter().filter_map(|name| name.parse().ok()).collect()
        };
        let trailers: Vec<HeaderValue> = headers.get_all(TRAILER).iter().cloned().collect();
        for name in named {
            headers.remove(name);
        }
        for name in [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, ALT_SVC, X_REQUEST_ID] {
            headers.remove(name);
        }
        headers.remove("keep-alive");
        if headers.keys().any(|name| name.as_str().starts_with("proxy-")) {
            let names: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("proxy-")).cloned().collect();
            names.into_iter().for_each(|name| drop(headers.remove(name)));
        }
        if self.has_body {
            // The body says how long it is.
            headers.remove(CONTENT_LENGTH);
            let from = trailers.into_iter().map(|value| (TRAILER, value)).collect();
            announce_trailers(&from, headers);
        }
        if let Some(stripped) = self.stripped
            && (status.is_redirection() || status == StatusCode::CREATED)
            && let Some(location) = headers.get(LOCATION).and_then(|location| location.to_str().ok())
            && let Some(mended) = self.location(stripped, location)
        {
            headers.insert(LOCATION, text(&mended));
        }
    }

    /// `location` below the prefix, when it is a path of the backend or a URL of its own host.
    fn location(&self, stripped: &str, location: &str) -> Option<String> {
        let after_scheme = location.strip_prefix("http://").or_else(|| location.strip_prefix("https://"));
        let after_scheme = after_scheme.or_else(|| location.strip_prefix("//"));
        let path = match after_scheme {
            Some(rest) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (host, path) = rest.split_at(end);
                if !self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)) {
                    return None;
                }
                path
            }
            None => Some(location).filter(|location| location.starts_with('/'))?,
        };
        // A backend that heeds `X-Forwarded-Prefix` has done it itself.
        let end = path.find(['?', '#']).unwrap_or(path.len());
        if super::path::below(stripped, &path[..end]).is_some() {
            return None;
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(format!("{stripped}{slash}{path}"))
    }
}
