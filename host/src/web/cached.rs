//! Requests that the cache may answer.

use std::sync::Arc;

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Method, Response};
use hyper::body::Body as _;

use super::backends::Backend;
use super::body::Body;
use super::cache::{self, Cache, Failed, Fetch, For, Key};
use super::caller::WebCaller;
use super::error::{Failure, WebError};
use super::headers::{names_headers, said_by_proxy};
use super::proxy::{Answer, Tunnels, WebRequest, is_websocket, pass_on};
use super::route::Route;
use super::settings::Caching;

/// One exchange with the backend of a route.
struct Exchange {
    route: Arc<Route>,
    backend: Arc<Backend>,
    tunnels: Tunnels,
    host: Authority,
    caller: WebCaller,
}

impl Fetch for Exchange {
    type Body = Body;
    type Error = WebError;

    async fn fetch(&self, head: Parts, whom: For) -> Result<Response<Body>, WebError> {
        let departure = self.caller.departure.clone().filter(|_| whom == For::Caller);
        let caller = WebCaller { departure, ..self.caller.clone() };
        let request = WebRequest { head: &head, body: &mut None, host: &self.host, caller };
        match pass_on(&self.route, &self.backend, &self.tunnels, request).await? {
            Answer::Response { response, .. } => Ok(response),
            Answer::Tunnel { .. } => Err(self.failed(Failure::Unexpected)),
        }
    }
}

impl Exchange {
    fn failed(&self, failure: Failure) -> WebError {
        WebError::Backend { backend: self.backend.settings.name.clone(), failure }
    }
}

/// Answers from the cache where the route has one, and tells it what the request has changed.
pub(super) async fn answer(
    cache: &Cache,
    route: &Arc<Route>,
    backend: &Arc<Backend>,
    tunnels: &Tunnels,
    request: WebRequest<'_>,
) -> Result<Answer, WebError> {
    let Caching::On { reload } = route.settings.cache else {
        return pass_on(route, backend, tunnels, request).await;
    };
    let key = key(&request)?;
    if is_for_cache(route, &request) {
        let WebRequest { head, host, caller, .. } = request;
        let request = cache::Request { key, head: head.clone(), honour_reload: reload };
        let (route, backend, host) = (Arc::clone(route), Arc::clone(backend), host.clone());
        let down = backend.settings.name.clone();
        let exchange = Exchange { route, backend, tunnels: tunnels.clone(), host, caller };
        let answered = cache.answer(request, exchange).await.map_err(|failed| error(failed, down))?;
        return Ok(Answer::Response { response: answered.map(Body::of_cache), is_early: false });
    }
    let method = request.head.method.clone();
    let answer = pass_on(route, backend, tunnels, request).await?;
    if let Answer::Response { response, .. } = &answer {
        cache.exchanged(&key, &method, response.status(), response.headers());
    }
    Ok(answer)
}

/// Whether the backend would see what the cache sees: a read without a body, with no header that is removed on the way because the caller
/// says so.
fn is_for_cache(route: &Route, request: &WebRequest<'_>) -> bool {
    let head = request.head;
    matches!(head.method, Method::GET | Method::HEAD)
        && request.body.as_ref().is_none_or(|body| body.is_end_stream())
        && !(route.settings.websocket && is_websocket(head))
        && !names_headers(&head.headers)
}

/// What a backend may repeat in its answer is in the key: the scheme, the host and the prefix that it is told.
fn key(request: &WebRequest<'_>) -> Result<Key, WebError> {
    let (scheme, said) = said_by_proxy(&request.head.headers, &request.caller);
    let said: Vec<_> = said.iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let own = if request.caller.is_encrypted { "https" } else { "http" };
    let scheme = scheme.as_ref().and_then(|scheme: &HeaderValue| scheme.to_str().ok()).unwrap_or(own);
    let path = request.head.uri.path_and_query().ok_or(WebError::Path)?;
    Ok(Key::new(scheme, request.host.as_str(), path.as_str()).told(&said.join(" ")))
}

fn error(failed: Failed<WebError>, backend: String) -> WebError {
    match failed {
        Failed::Fetch(error) => error,
        Failed::MustRevalidate(error) => WebError::MustRevalidate(Box::new(error)),
        Failed::OnlyIfCached => WebError::NotStored,
        Failed::Waited => WebError::Backend { backend, failure: Failure::Waited },
        Failed::Stopped => WebError::Down { backend },
    }
}
