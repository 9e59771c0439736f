//! The way of a request to what answers it.

use std::sync::Arc;
use std::time::Instant;

use ::http::header::CONNECTION;
use ::http::request::Parts;
use ::http::{HeaderValue, Method, StatusCode, Version};
use hyper::body::Incoming;

use super::admin::{self, access};
use super::answer::{CLOSE, Response, X_REQUEST_ID, protect, without_body};
use super::authority::check_host;
use super::payload::Payload;
use super::refusal::Refusal;
use super::route::{self, Found, Route, RouteRequest};
use super::server::peer::{Origin, Peer};
use super::shared::{RequestContext, Shared};
use super::surface::Surface;
use super::webhook::WEBHOOKS;
use super::{encoding, health, root, sites, subscriptions, webhook};
use crate::event::RequestId;

/// Every path but those of channels.
const TABLE: &[&[Route]] = &[root::ROUTES, health::ROUTES];

pub(crate) struct Router {
    shared: Arc<Shared>,
    table: Vec<&'static [Route]>,
}

impl Router {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), table: [TABLE, admin::NOUNS].concat() }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Answers one request. What it does not read of `body` is left to the connection.
    pub(crate) async fn serve(
        &self,
        head: Parts,
        body: &mut Option<Incoming>,
        surface: Surface,
        peer: &Peer,
    ) -> Response {
        let shared = &self.shared;
        let live = shared.live();
        let client = match peer.origin {
            Origin::Named => live.settings.trusted_proxies.client(peer.remote.ip(), &head.headers),
            // Behind the PROXY protocol the headers are the caller's own.
            Origin::Unnamed => peer.remote.ip().to_canonical(),
        };
        let context =
            RequestContext { id: RequestId::new(), started: Instant::now(), head, peer: peer.clone(), client, live };
        let (id, started) = (context.id, context.started);
        let is_head = context.head.method == Method::HEAD;
        let is_http1 = context.head.version < Version::HTTP_2;
        let entry = shared.access_entry(&context.head);
        let mut response = match self.answer(context, body, surface).await {
            Ok(response) => response,
            Err(refusal) => shared.refuse(id, &refusal),
        };
        let name = HeaderValue::try_from(id.to_string()).expect("a UUID may stand in a header");
        response.headers_mut().insert(X_REQUEST_ID, name);
        let is_upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if is_http1 && !is_upgraded && shared.leaving.is_cancelled() {
            response.headers_mut().insert(CONNECTION, CLOSE);
        }
        // A backend says itself how long the body would be.
        if is_head && !matches!(response.body(), Payload::Site(_)) {
            without_body(&mut response);
        }
        if let Some(entry) = entry {
            shared.log_access(&entry, id, client, started, &response);
        }
        response
    }

    async fn answer(
        &self,
        context: RequestContext,
        slot: &mut Option<Incoming>,
        surface: Surface,
    ) -> Result<Response, Refusal> {
        check_host(&context.head)?;
        let path = context.head.uri.path();
        let web = &self.shared.services.web;
        if web.is_health(path) && (surface.has_sites() || surface.has_admin()) {
            return sites::health(&self.shared, &context.head.method);
        }
        if surface == Surface::Sites {
            return Ok(sites::answer(&self.shared, &context, slot).await);
        }
        let body = slot.as_mut().expect("only a site takes the body of a request");
        if surface.has_webhooks() && path.starts_with(WEBHOOKS) {
            return Ok(webhook::answer(&self.shared, context, body).await);
        }
        if surface.has_webhooks()
            && let Some(answer) = subscriptions::answer(&self.shared, &context, body).await
        {
            return answer;
        }
        let table = self.table.iter().copied().flatten();
        match route::find(table, surface, &context.head.method, path) {
            Some(found) if found.route.is_for_operators() => Ok(self.answer_operator(&found, &context, body).await),
            Some(found) => {
                let response = self.call(&found, &context, body).await?;
                Ok(encoding::encoded(&context.head.headers, response).await)
            }
            None if surface.has_admin()
                && let Some(stats) = subscriptions::stats(&self.shared, path) =>
            {
                access::check(context.live.settings.admin.token.as_ref(), &context.peer, &context.head)?;
                Ok(stats)
            }
            None if surface.has_sites() && self.shared.services.ingest.mount(path).is_none() => {
                Ok(sites::answer(&self.shared, &context, slot).await)
            }
            None if surface.has_webhooks() => Ok(webhook::answer(&self.shared, context, body).await),
            None => Err(Refusal::NotFound),
        }
    }

    /// Answers at a path of the admin API; refusals as well are kept out of caches.
    async fn answer_operator(&self, found: &Found<'_>, context: &RequestContext, body: &mut Incoming) -> Response {
        let answered = match access::check(context.live.settings.admin.token.as_ref(), &context.peer, &context.head) {
            Ok(()) => self.call(found, context, body).await,
            Err(refusal) => Err(refusal),
        };
        let mut response = answered.unwrap_or_else(|refusal| self.shared.refuse(context.id, &refusal));
        protect(response.headers_mut());
        encoding::encoded(&context.head.headers, response).await
    }

    async fn call(
        &self,
        found: &Found<'_>,
        context: &RequestContext,
        body: &mut Incoming,
    ) -> Result<Response, Refusal> {
        if let Some(methods) = &found.other_methods {
            return Err(Refusal::Method(methods.clone()));
        }
        let request = RouteRequest { shared: &self.shared, context, id: found.id, body };
        if found.route.is_for_operators() && !found.route.takes_query() {
            admin::query::no_parameters(request.query())?;
        }
        found.route.answer(request).await
    }
}

#[cfg(test)]
impl Router {
    pub(crate) fn add(&mut self, routes: &'static [Route]) {
        self.table.push(routes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscribe::Settings;

    fn rows() -> Vec<(Method, &'static str, &'static Route)> {
        let routes = TABLE.iter().chain(admin::NOUNS).copied().flatten();
        routes.map(|route| (route.row().0, route.row().1, route)).collect()
    }

    /// Those of subscribers, below the default of their prefix.
    fn subscriber_rows() -> impl Iterator<Item = (Method, String)> {
        let routes = subscriptions::TABLE.iter().copied().flatten();
        routes.map(|route| (route.row().0, format!("{}{}", Settings::PREFIX, route.row().1)))
    }

    #[test]
    fn every_row_of_the_table_is_found_at_its_own_path() {
        let table = || TABLE.iter().chain(admin::NOUNS).copied().flatten();
        for (method, pattern, route) in rows() {
            let path = pattern.replace("{id}", "42");
            let id = if pattern == path { "" } else { "42" };

            let found = route::find(table(), Surface::Everything, &method, &path).unwrap();
            assert_eq!((found.route.row(), found.id), ((method, pattern), id), "{path}");
            assert!(found.other_methods.is_none(), "{path}");
            assert_eq!(route.is_for_operators(), path.starts_with("/admin"), "{path}");
        }
    }

    /// The hardening suite compares answers with the description, so a row that is missing there would not be tested.
    #[test]
    fn every_row_of_the_table_is_described_or_left_out_with_a_reason() {
        let text = include_str!("../../../tests/hardening/openapi.json");
        let description: serde_json::Value = serde_json::from_str(text).unwrap();
        let paths = description["paths"].as_object().unwrap();
        let left_out = description["x-left-out"].as_object().unwrap();
        let described = |method: &Method, path: &str| {
            let operation = paths.get(path).and_then(|path| path.get(method.as_str().to_ascii_lowercase()));
            operation.is_some() != left_out.contains_key(&format!("{method} {path}"))
        };
        let rows: Vec<_> = rows().into_iter().map(|(method, path, _)| (method, path.to_owned())).collect();
        let rows: Vec<_> = rows.into_iter().chain(subscriber_rows()).collect();
        for (method, path) in &rows {
            assert!(described(method, path), "{method} {path}: describe it in openapi.json, or say there why not");
        }

        let is_row = |path: &str| rows.iter().any(|(_, row)| row == path);
        let left = left_out.keys().filter_map(|row| row.split_once(' ')).map(|(_, path)| path);
        for path in paths.keys().map(String::as_str).chain(left) {
            assert!(is_row(path) || path.starts_with("/webhooks/"), "{path} is in openapi.json and not in the table");
        }
    }
}
