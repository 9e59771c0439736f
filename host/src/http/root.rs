//! Where things are, and the metrics.

use ::http::{HeaderValue, StatusCode};

use super::answer::{with_body, with_json_text};
use super::route::{Audience, Route};
use crate::metrics;

const ROOT: &str =
    "{\"name\":\"gateway\",\"health\":\"/health\",\"metrics\":\"/metrics\",\"admin\":\"/admin/stats\"}\n";
const OPENMETRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/", |_| Box::pin(async { Ok(with_json_text(StatusCode::OK, ROOT)) })).audience(Audience::Everybody),
    Route::get("/metrics", |request| {
        let text = request.shared.services.metrics.encode();
        Box::pin(async move { Ok(with_body(StatusCode::OK, OPENMETRICS, text.into())) })
    })
    .audience(Audience::AdminAddress),
];
