//! The files of a site.
//!
//! A path leads to a regular file below the site's folder, or to nothing: never out of the folder, to a name that begins with a dot,
//! or to a listing. Files are read on threads that may block, in pieces, so that no caller needs more memory than a piece.
//! Deliberately absent: following what changes in the folder; a file is as it is when it is asked for, or was a second before.

mod body;
mod file;
mod kept;
mod media_type;
mod path;
mod root;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{
    ACCEPT, ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderValue, LAST_MODIFIED, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

pub(crate) use self::body::Body;

use self::file::{Accepted, Content, Opened, open};
use self::kept::{Form, Kept};
use self::media_type::{is_page, media_type};
use self::path::{NoName, name};
use self::root::Root;
use super::byte_range::{ByteRange, Requested, requested, unsatisfied};
use super::conditions::{Verdict, evaluate, range_applies};
use crate::event::Pattern;

/// How long a disk may take to open a file.
const PATIENCE: Duration = Duration::from_secs(10);

const INDEX: &str = "index.html";

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Which files are served, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder.
    pub root: PathBuf,
    /// Whether a page that is not there is the `index.html` of the folder, whose script shows it.
    pub fallback: bool,
    /// The names of files that never change, because a change gives them another name.
    pub immutable: Vec<Pattern>,
}

/// The files of a site. Clones are the same.
#[derive(Clone)]
pub(crate) struct Files(Arc<Inner>);

struct Inner {
    root: Root,
    settings: Settings,
    kept: Kept,
}

impl Files {
    /// The folder may come later.
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner { root: Root::new(&settings.root), settings, kept: Kept::new() }))
    }

    /// Answers a request for `path`, which is as it was sent, without the query.
    pub(crate) async fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut refused = refused(StatusCode::METHOD_NOT_ALLOWED);
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        let name = match name(path) {
            Ok(name) => name,
            Err(NoName::Ambiguous) => return refused(StatusCode::BAD_REQUEST),
            Err(NoName::Hidden) => return refused(StatusCode::NOT_FOUND),
        };
        let accepted = Accepted::by(headers);
        let mut form = Form { name, accepted };
        let mut found = self.opened(&form).await;
        if matches!(found, Ok(None)) && self.0.settings.fallback && is_navigation(path, headers) {
            form = Form { name: INDEX.to_owned(), accepted };
            found = self.opened(&form).await;
        }
        match found {
            Ok(Some(opened)) => self.response(method, headers, &form.name, &opened),
            Ok(None) => refused(StatusCode::NOT_FOUND),
            Err(error) => {
                tracing::warn!(file = form.name, "Cannot read a file of a site: {error}");
                refused(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    async fn opened(&self, form: &Form) -> io::Result<Option<Arc<Opened>>> {
        let now = Instant::now();
        let known = match self.0.kept.get(form, now) {
            Some((opened, true)) => return Ok(Some(opened)),
            known => known.map(|(opened, _)| opened),
        };
        let (inner, form) = (Arc::clone(&self.0), form.clone());
        let opening = spawn_blocking(move || {
            let opened = open(&inner.root, &form.name, form.accepted, known)?;
            match &opened {
                Some(opened) => inner.kept.keep(form, opened, now),
                None => inner.kept.forget(&form),
            }
            Ok(opened)
        });
        timeout(PATIENCE, opening).await?.map_err(io::Error::other).flatten()
    }

    fn response(&self, method: &Method, request: &HeaderMap, name: &str, opened: &Opened) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(ETAG, opened.etag.clone());
        headers.insert(LAST_MODIFIED, opened.last_modified.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if opened.has_forms {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        if is_page(name) {
            headers.insert(CACHE_CONTROL, NO_CACHE);
        }
        let verdict = evaluate(method, request, opened.validators());
        if verdict != Verdict::Proceed {
            let failed = verdict == Verdict::Failed;
            *response.status_mut() = if failed { StatusCode::PRECONDITION_FAILED } else { StatusCode::NOT_MODIFIED };
            return response;
        }

        let is_part = *method == Method::GET && range_applies(request, opened.validators());
        let range = match if is_part { requested(request, opened.length) } else { Requested::Whole } {
            Requested::Unsatisfiable => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                response.headers_mut().insert(CONTENT_RANGE, unsatisfied(opened.length));
                return response;
            }
            Requested::Part(range) => Some(range),
            Requested::Whole => None,
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, media_type(name));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(coding) = opened.coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        match range {
            Some(range) => {
                headers.insert(CONTENT_RANGE, range.content_range(opened.length));
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            }
            None if self.0.settings.immutable.iter().any(|names| names.matches(name)) => {
                drop(headers.insert(CACHE_CONTROL, IMMUTABLE))
            }
            None => {}
        }
        if *method == Method::HEAD {
            response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(opened.length));
        } else {
            *response.body_mut() = body_of(opened, range);
        }
        response
    }
}

fn body_of(opened: &Opened, range: Option<ByteRange>) -> Body {
    let (first, end) = range.map_or((0, opened.length), |range| (range.first, range.last + 1));
    match &opened.content {
        // Small enough for memory, so both fit.
        Content::Whole(bytes) => Body::whole(bytes.slice(first as usize..end as usize)),
        Content::File(file) => Body::part(Arc::clone(file), first, end),
    }
}

/// Whether a browser opens a page: it accepts HTML, and the path has no ending as those of scripts and pictures.
fn is_navigation(path: &str, headers: &HeaderMap) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    let accepts = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("text/html"));
    !last.contains('.') && headers.get_all(ACCEPT).iter().any(accepts)
}

/// A missing file must not be missing for longer than it is.
fn refused(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

#[cfg(test)]
mod tests;
