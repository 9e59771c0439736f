//! Pages of other origins: preflights, and what answers tell browsers (the fetch standard, "CORS protocol").

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderName, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::body::Body;
use super::settings::{CorsSettings, Origins};

const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const BY_ORIGIN: HeaderValue = HeaderValue::from_static("origin");

/// What only the gateway says on a route with CORS.
const OWN: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// The rules of a route, as the values of headers.
pub(super) struct Cors {
    origins: Origins,
    methods: HeaderValue,
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

impl Cors {
    pub(super) fn new(settings: &CorsSettings) -> Self {
        let names = |names: &[HeaderName]| {
            let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
            (!names.is_empty()).then(|| list(&names))
        };
        let methods: Vec<_> = settings.methods.iter().map(Method::as_str).collect();
        Self {
            origins: settings.origins.clone(),
            methods: list(&methods),
            headers: names(&settings.headers),
            expose: names(&settings.expose),
            credentials: settings.credentials,
            max_age: HeaderValue::from(settings.max_age.as_secs()),
        }
    }

    /// The answer to a preflight; `None` when the request is none.
    pub(super) fn preflight(&self, head: &Parts) -> Option<Response<Body>> {
        let is_preflight = head.method == Method::OPTIONS
            && head.headers.contains_key(ORIGIN)
            && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let mut response = Response::new(Body::whole(""));
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.admitted(&head.headers).is_some() {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            headers.extend(self.headers.clone().map(|names| (ACCESS_CONTROL_ALLOW_HEADERS, names)));
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        Some(response)
    }

    /// Removes what only the gateway says.
    pub(super) fn clean(headers: &mut HeaderMap) {
        OWN.iter().for_each(|name| drop(headers.remove(name)));
    }

    /// Marks an answer, also one that says what went wrong.
    pub(super) fn mark(&self, admitted: Option<HeaderValue>, headers: &mut HeaderMap) {
        // What a cache has for one origin is not for another, nor for none.
        if !matches!(self.origins, Origins::Any) {
            headers.append(VARY, BY_ORIGIN);
        }
        let Some(origin) = admitted else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        if let Some(expose) = &self.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    /// The value that admits the page of a request.
    pub(super) fn admitted(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = origins.next().filter(|_| origins.next().is_none())?;
        match &self.origins {
            Origins::Any => Some(ANY),
            Origins::Listed(listed) => listed.iter().find(|listed| *listed == origin).cloned(),
        }
    }
}

fn list(names: &[&str]) -> HeaderValue {
    HeaderValue::try_from(names.join(", ")).expect("tokens may stand in headers")
}
