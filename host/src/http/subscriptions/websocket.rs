//! The handshake of a WebSocket (RFC 6455, section 4.2).

use ::http::header::{
    CONNECTION, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use ::http::{HeaderName, HeaderValue, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::access::subprotocols;
use crate::http::answer::Response;
use crate::http::payload::Payload;
use crate::http::problem::{Hint, HttpProblem};
use crate::http::refusal::Refusal;
use crate::http::server::activity::Endless;
use crate::http::server::upgrade::Upgrade;
use crate::http::shared::RequestContext;
use crate::subscribe::{Form, Session, WebSocket};

/// Is hashed together with the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const VERSION: HeaderValue = HeaderValue::from_static("13");

/// A handshake that is as it should be.
pub(super) struct Handshake {
    upgrade: Upgrade,
    accept: HeaderValue,
    pub(super) form: Form,
    subprotocol: Option<&'static str>,
}

impl Handshake {
    /// Reads the handshake. `form` is that of the path, which a subprotocol may change.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(context: &RequestContext, form: Form) -> Result<Self, Refusal> {
        let headers = &context.head.headers;
        let malformed = |detail: &'static str| Refusal::Malformed(detail.to_owned());
        if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade") {
            return Err(malformed("expected `upgrade: websocket` and `connection: upgrade`"));
        }
        if headers.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
            let detail = "expected `sec-websocket-version: 13`";
            let problem =
                HttpProblem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", "Upgrade required", detail);
            return Err(problem.hint(Hint::WebSocketVersion).into());
        }
        let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
        let key = match (keys.next(), keys.next()) {
            (Some(key), None) if STANDARD.decode(key.as_bytes()).is_ok_and(|key| key.len() == 16) => key.as_bytes(),
            _ => return Err(malformed("expected one `sec-websocket-key` of 16 bytes in base64")),
        };
        let upgrade = Upgrade::of(&context.head).ok_or_else(|| malformed("the connection cannot be upgraded"))?;
        let known =
            |name: &str| [Form::Gateway, Form::CloudEvents].into_iter().find(|form| form.subprotocol() == Some(name));
        let chosen = subprotocols(headers).find_map(known);
        Endless::begin(&context.head);
        let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
        let accept = HeaderValue::try_from(STANDARD.encode(digest)).expect("base64 may stand in a header");
        let form = if form == Form::Plain { form } else { chosen.unwrap_or(form) };
        Ok(Self { upgrade, accept, form, subprotocol: chosen.and_then(Form::subprotocol) })
    }

    /// The answer, after which the session runs on the connection.
    pub(super) fn accept(self, session: Session, max_message: usize) -> Response {
        self.upgrade.start(move |socket, stop| async move {
            let mut socket = WebSocket::new(socket, max_message);
            // Whoever is to leave has been told so before: the connection ends when it has said goodbye.
            let _stop = stop;
            session.run(&mut socket).await;
        });
        let mut response = Response::new(Payload::whole(Bytes::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(subprotocol) = self.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        response
    }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
}
