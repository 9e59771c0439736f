//! `/admin/deliveries/cancel`: ends the open deliveries to an agent that left the configuration.

use ::http::StatusCode;
use serde::Serialize;

use super::query::{BadParameter, NAME, each};
use super::replays::{BY, by, refusal};
use crate::event::AgentName;
use crate::http::answer::{Response, with_json};
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] =
    &[Route::post("/admin/deliveries/cancel", |request| Box::pin(cancel(request))).with_query()];

/// Whose deliveries are cancelled, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CancelQuery {
    agent: AgentName,
    by: String,
    /// Whether they are only counted.
    dry_run: bool,
}

/// `POST /admin/deliveries/cancel`.
#[derive(Clone, Debug, Serialize)]
struct CancelReport {
    agent: AgentName,
    by: String,
    dry_run: bool,
    /// Deliveries that were cancelled, or would be.
    deliveries: u64,
    /// Whether there may be more: the same request goes on.
    more: bool,
}

async fn cancel(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let CancelQuery { agent, by, dry_run } = CancelQuery::parse(request.query())?;
    let replays = &request.shared.services.replays;
    let (deliveries, more) = if dry_run {
        (replays.count_open(&agent).await.map_err(refusal)?, false)
    } else {
        let cancelled = replays.cancel_deliveries(&agent, &by).await.map_err(refusal)?;
        (cancelled.deliveries, cancelled.more)
    };
    Ok(with_json(StatusCode::OK, &CancelReport { agent, by, dry_run, deliveries, more }))
}

impl CancelQuery {
    /// Reads `agent`, which is required, `by` and `dry_run`.
    fn parse(query: &str) -> Result<Self, BadParameter> {
        let (mut agent, mut who, mut dry_run) = (None, BY.to_owned(), false);
        each(query, |parameter| {
            match &*parameter.name {
                "agent" => agent = Some(parameter.read(NAME)?),
                "by" => who = by(parameter)?,
                "dry_run" => dry_run = parameter.read("`true` or `false`")?,
                _ => return Err(parameter.bad("`agent`, `by` or `dry_run`")),
            }
            Ok(())
        })?;
        let missing = || BadParameter { name: "agent".to_owned(), expected: NAME, found: "nothing".to_owned() };
        Ok(Self { agent: agent.ok_or_else(missing)?, by: who, dry_run })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_must_be_named() {
        let parsed = CancelQuery::parse("agent=gone&by=ann%40host&dry_run=true").unwrap();
        assert_eq!((parsed.agent.as_str(), &*parsed.by, parsed.dry_run), ("gone", "ann@host", true));
        let parsed = CancelQuery::parse("agent=@github").unwrap();
        assert_eq!((parsed.agent.as_str(), &*parsed.by, parsed.dry_run), ("@github", "admin API", false));
        for (query, name) in
            [("", "agent"), ("agent=", "agent"), ("agent=A", "agent"), ("agent=a&channel=b", "channel")]
        {
            assert_eq!(CancelQuery::parse(query).unwrap_err().name, name, "{query}");
        }
    }
}
