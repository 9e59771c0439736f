//! `/admin/consumers`: named readers of the event log

use serde::Serialize;

use super::read::read;
use crate::event::Seq;
use crate::eventlog::Consumer;
use crate::http::answer::Response;
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] = &[Route::get("/admin/consumers", |request| Box::pin(list(request)))];

#[derive(Clone, Debug, Serialize)]
struct ConsumerList {
    /// By name.
    consumers: Vec<ConsumerRow>,
}

#[derive(Clone, Debug, Serialize)]
struct ConsumerRow {
    name: String,
    /// Everything up to it is done with.
    position: Seq,
}

async fn list(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    read(request.shared, |log| {
        let positions = Consumer::positions(log)?.into_iter();
        Ok(ConsumerList { consumers: positions.map(|(name, position)| ConsumerRow { name, position }).collect() })
    })
    .await
}
