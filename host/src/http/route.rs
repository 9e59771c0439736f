//! Rows of the route table: what answers at paths that are not a channel's.

use std::pin::Pin;
use std::sync::Arc;

use ::http::Method;
use hyper::body::Incoming;

use super::answer::Response;
use super::refusal::Refusal;
use super::shared::{RequestContext, Shared};
use super::surface::Surface;

/// A row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    verb: Verb,
    /// `{id}` stands for one segment.
    path: &'static str,
    audience: Audience,
    takes_query: bool,
    handler: Handler,
}

/// `Get` is also asked with `HEAD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

/// Who is answered, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Everybody, at every address.
    Everybody,
    /// Everybody who reaches the address of the admin API.
    AdminAddress,
    /// Operators, at the address of the admin API.
    Operators,
}

pub(crate) type Handler = for<'a> fn(RouteRequest<'a>) -> Handling<'a>;
pub(crate) type Handling<'a> = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send + 'a>>;

/// A request that found its route.
pub(crate) struct RouteRequest<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) context: &'a RequestContext,
    /// The segment in the place of `{id}`; empty when the path has none.
    pub(crate) id: &'a str,
    pub(crate) body: &'a mut Incoming,
}

impl<'a> RouteRequest<'a> {
    /// Without `?`, undecoded.
    pub(crate) fn query(&self) -> &'a str {
        self.context.head.uri.query().unwrap_or_default()
    }
}

impl Route {
    /// Reads. Operators are answered, and a query is refused.
    pub(crate) const fn get(path: &'static str, handler: Handler) -> Self {
        Self { verb: Verb::Get, path, audience: Audience::Operators, takes_query: false, handler }
    }

    /// Changes something. Operators are answered, and a query is refused.
    pub(crate) const fn post(path: &'static str, handler: Handler) -> Self {
        Self { verb: Verb::Post, ..Self::get(path, handler) }
    }

    /// Makes something, or replaces it. As [`post`](Self::post).
    pub(crate) const fn put(path: &'static str, handler: Handler) -> Self {
        Self { verb: Verb::Put, ..Self::get(path, handler) }
    }

    /// Removes something. As [`post`](Self::post).
    pub(crate) const fn delete(path: &'static str, handler: Handler) -> Self {
        Self { verb: Verb::Delete, ..Self::get(path, handler) }
    }

    /// The handler reads the query.
    pub(crate) const fn with_query(self) -> Self {
        Self { takes_query: true, ..self }
    }

    pub(crate) const fn audience(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    pub(crate) const fn is_for_operators(&self) -> bool {
        matches!(self.audience, Audience::Operators)
    }

    pub(crate) const fn takes_query(&self) -> bool {
        self.takes_query
    }

    pub(crate) fn answer<'a>(&self, request: RouteRequest<'a>) -> Handling<'a> {
        (self.handler)(request)
    }

    const fn is_at(&self, surface: Surface) -> bool {
        surface.has_admin() || matches!(self.audience, Audience::Everybody)
    }

    fn accepts(&self, method: &Method) -> bool {
        self.methods().contains(method)
    }

    fn methods(&self) -> &'static [Method] {
        match self.verb {
            Verb::Get => &[Method::GET, Method::HEAD],
            Verb::Post => &[Method::POST],
            Verb::Put => &[Method::PUT],
            Verb::Delete => &[Method::DELETE],
        }
    }
}

/// The routes of one path.
pub(crate) struct Found<'p> {
    /// Of a method that the path does not have, the first of its rows.
    pub(crate) route: &'static Route,
    pub(crate) id: &'p str,
    /// The methods of the path, when the request has none of them.
    pub(crate) other_methods: Option<Vec<Method>>,
}

/// What answers at `path` on an address of this kind; `None` when nothing does. A segment that a row names is no id for the rows
/// after it.
pub(crate) fn find<'p>(
    table: impl Iterator<Item = &'static Route>,
    surface: Surface,
    method: &Method,
    path: &'p str,
) -> Option<Found<'p>> {
    let mut refused: Option<Found<'p>> = None;
    for route in table.filter(|route| route.is_at(surface)) {
        let Some(id) = id_in(route.path, path) else { continue };
        if refused.as_ref().is_some_and(|named| named.id.is_empty()) && !id.is_empty() {
            continue;
        }
        if route.accepts(method) {
            return Some(Found { route, id, other_methods: None });
        }
        let found = refused.get_or_insert(Found { route, id, other_methods: Some(Vec::new()) });
        found.other_methods.iter_mut().for_each(|methods| methods.extend_from_slice(route.methods()));
    }
    refused
}

/// The segment that stands in the place of `{id}`, empty when the pattern has none; `None` for another path.
fn id_in<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, after)) = pattern.split_once("{id}") else { return (pattern == path).then_some("") };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

#[cfg(test)]
impl Route {
    /// Its row in a description of the API.
    pub(crate) fn row(&self) -> (Method, &'static str) {
        (self.methods()[0].clone(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Handler = |_| Box::pin(async { Err(Refusal::NotFound) });
    const TABLE: &[Route] = &[
        Route::get("/health", NOTHING).audience(Audience::Everybody),
        Route::get("/metrics", NOTHING).audience(Audience::AdminAddress),
        Route::get("/admin/nouns", NOTHING),
        Route::post("/admin/nouns", NOTHING),
        Route::get("/admin/nouns/export", NOTHING),
        Route::get("/admin/nouns/{id}", NOTHING),
        Route::delete("/admin/nouns/{id}", NOTHING),
        Route::post("/admin/nouns/{id}/do", NOTHING),
    ];

    fn found(surface: Surface, method: Method, path: &str) -> Option<(&'static str, String, Option<Vec<Method>>)> {
        let found = find(TABLE.iter(), surface, &method, path)?;
        Some((found.route.path, found.id.to_owned(), found.other_methods))
    }

    #[test]
    fn a_path_has_one_segment_for_an_id() {
        let get = |path| found(Surface::Everything, Method::GET, path);

        assert_eq!(get("/admin/nouns/42"), Some(("/admin/nouns/{id}", "42".to_owned(), None)));
        for path in ["/admin", "/admin/", "/admin/nouns/", "/admin/nouns/a/b", "/health/", "/webhooks/x", ""] {
            assert_eq!(get(path), None, "{path}");
        }
    }

    #[test]
    fn reading_takes_get_and_head_and_changing_takes_post() {
        let refused = |path, method| found(Surface::Everything, method, path).unwrap().2;
        let reading = [Method::GET, Method::HEAD];

        assert_eq!(refused("/health", Method::GET), None);
        assert_eq!(refused("/health", Method::HEAD), None);
        assert_eq!(refused("/health", Method::POST), Some(reading.to_vec()));
        assert_eq!(refused("/admin/nouns/1/do", Method::POST), None);
        assert_eq!(refused("/admin/nouns/1/do", Method::GET), Some(vec![Method::POST]));
        assert_eq!(refused("/admin/nouns", Method::POST), None);
        assert_eq!(refused("/admin/nouns", Method::PUT), Some([&reading[..], &[Method::POST]].concat()));
        assert_eq!(refused("/admin/nouns/1", Method::DELETE), None);
        assert_eq!(refused("/admin/nouns/export", Method::DELETE), Some(reading.to_vec()));
    }

    #[test]
    fn an_address_shows_what_is_for_its_callers() {
        for (path, public) in [("/health", true), ("/metrics", false), ("/admin/nouns", false)] {
            assert_eq!(found(Surface::Public, Method::GET, path).is_some(), public, "{path}");
            assert!(found(Surface::Admin, Method::GET, path).is_some(), "{path}");
        }
    }
}
