//! `/admin/cache`: what is stored of the answers of backends, and its removal.

use ::http::StatusCode;
use serde::Serialize;

use super::query::{BadParameter, each};
use crate::http::answer::{Response, with_json};
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/cache", |request| Box::pin(async move { Ok(show(&request)) })),
    Route::post("/admin/cache/purge", |request| Box::pin(async move { purge(&request) })).with_query(),
];

#[derive(Clone, Copy, Debug, Serialize)]
struct Purged {
    /// How many answers were removed.
    purged: usize,
}

fn show(request: &RouteRequest<'_>) -> Response {
    with_json(StatusCode::OK, &request.shared.services.web.cache())
}

fn purge(request: &RouteRequest<'_>) -> Result<Response, Refusal> {
    let prefix = prefix(request.query())?;
    let purged = request.shared.services.web.purge(&prefix);
    tracing::info!(prefix, purged, "Cache purged");
    Ok(with_json(StatusCode::OK, &Purged { purged }))
}

/// Never everything by mistake: that is `/`.
fn prefix(query: &str) -> Result<String, BadParameter> {
    const PREFIX: &str = "a path such as `/shop/`, or the beginning of an address";
    let mut prefix = None;
    each(query, |parameter| {
        if parameter.name != "prefix" {
            return Err(parameter.bad("the parameter `prefix`"));
        }
        prefix = Some(parameter.text(PREFIX)?);
        Ok(())
    })?;
    prefix.ok_or_else(|| BadParameter { name: "prefix".to_owned(), expected: PREFIX, found: "nothing".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_names_what_it_removes() {
        for (query, expected) in [
            ("prefix=/", Some("/")),
            ("prefix=http://a/b?c", Some("http://a/b?c")),
            ("prefix=%2Fshop%2F", Some("/shop/")),
            ("prefix=", None),
            ("", None),
            ("prefix=/a&prefix=/b", None),
            ("path=/a", None),
        ] {
            assert_eq!(prefix(query).ok().as_deref(), expected, "{query}");
        }
    }
}
