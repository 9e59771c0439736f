//! `/admin/silences`: which alerts nobody is told of for now, as people and Alertmanager ask for it.

mod draft;
mod transfer;

use std::collections::HashMap;

use ::http::StatusCode;
use bytes::Bytes;
use serde::Serialize;

use self::draft::Wanted;
use super::consumers::read;
use super::incidents::{Several, known, only};
use super::newest::{Place, newest};
use super::query::{BadParameter, CURSOR, PAGE, each};
use super::read::{blocking, json};
use super::replays::parse_by;
use crate::alert::{AlertError, Machine, Silence, SilenceError, SilenceId, SilenceState};
use crate::event::Timestamp;
use crate::http::answer::{Response, with_json_text};
use crate::http::problem::{HttpProblem, shortened};
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

// Those with a name before the ones with an id.
pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/silences", |request| Box::pin(list(request))).with_query(),
    Route::post("/admin/silences", |request| Box::pin(put(request))).with_query(),
    Route::get("/admin/silences/export", |request| Box::pin(transfer::export(request))),
    Route::post("/admin/silences/import", |request| Box::pin(transfer::import(request))).with_query(),
    Route::get("/admin/silences/{id}", |request| Box::pin(show(request))),
    Route::delete("/admin/silences/{id}", |request| Box::pin(end(request))).with_query(),
];

/// Which silences are asked for. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct SilencesQuery {
    limit: usize,
    /// Silences before this place.
    before: Option<Place<SilenceId>>,
    state: Option<SilenceState>,
}

/// `GET /admin/silences`.
#[derive(Serialize)]
struct SilencesPage<'a> {
    /// The one that ends last first, so that those that are over come last.
    silences: Vec<SilenceView<'a>>,
    /// The cursor of the next page; `None` at the end.
    next: Option<String>,
}

/// `POST /admin/silences`.
#[derive(Serialize)]
struct Put<'a> {
    #[serde(flatten)]
    silence: SilenceView<'a>,
    /// The silence that was ended for this one.
    replaced: Option<SilenceId>,
}

/// `DELETE /admin/silences/{id}`.
#[derive(Serialize)]
struct End<'a> {
    #[serde(flatten)]
    silence: SilenceView<'a>,
    /// Whether it was not over.
    ended: bool,
}

#[derive(Serialize)]
struct SilenceView<'a> {
    id: SilenceId,
    state: SilenceState,
    matchers: Vec<String>,
    /// The parts of each matcher.
    parsed: Vec<Parsed<'a>>,
    created_by: &'a str,
    comment: &'a str,
    starts_at: Timestamp,
    ends_at: Timestamp,
    updated_at: Timestamp,
    /// Alerts that fire and that nobody is told of because of it. Other silences may match them too.
    suppressed: usize,
}

#[derive(Serialize)]
struct Parsed<'a> {
    name: &'a str,
    operator: &'static str,
    value: &'a str,
}

async fn list(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let query = SilencesQuery::parse(request.query())?;
    let alerts = request.shared.services.alerts.clone();
    let text = blocking(request.shared, move |_| {
        let now = Timestamp::now();
        // Copies, because nothing is processed while the silences are looked at.
        let (page, next, suppressed) = alerts.read(|machine| {
            let (page, next) = query.page(machine, now);
            (page, next, machine.silenced(now))
        });
        let silences = page.iter().map(|silence| SilenceView::new(silence, &suppressed, now)).collect();
        Ok(json(&SilencesPage { silences, next }))
    })
    .await?;
    Ok(with_json_text(StatusCode::OK, text))
}

async fn show(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let name = request.id.to_owned();
    let (silence, suppressed, now) = known(&request, move |machine| {
        let now = Timestamp::now();
        Ok((find(machine, &name)?, machine.silenced(now), now))
    })
    .await?;
    Ok(with_json_text(StatusCode::OK, json(&SilenceView::new(&silence, &suppressed, now))))
}

async fn put(mut request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let by = parse_by(request.query())?;
    let wanted: Wanted = read(&mut request).await?;
    let alerts = request.shared.services.alerts.clone();
    let author = by.clone();
    // Regular expressions take a while to compile.
    let draft = blocking(request.shared, move |_| {
        Ok(wanted.draft(author, Timestamp::now(), |name| alerts.read(|machine| find(machine, name))))
    });
    let draft = draft.await??;
    let id = draft.id;
    let put = request.shared.services.alerts.put_silences(vec![draft]).await?;
    let Some(put) = put.first().copied() else { return Err(Refusal::Internal("a silence went missing".to_owned())) };
    tracing::info!(silence = %put.id, by, "Silence made or changed");
    let status = if id == Some(put.id) { StatusCode::OK } else { StatusCode::CREATED };
    answer(&request, status, put.id, move |silence| json(&Put { silence, replaced: put.replaced })).await
}

async fn end(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let by = parse_by(request.query())?;
    let name = request.id.to_owned();
    let id = known(&request, move |machine| find(machine, &name)).await?.id;
    let ended = request.shared.services.alerts.expire_silence(id).await?;
    tracing::info!(silence = %id, by, ended, "Silence ended");
    answer(&request, StatusCode::OK, id, move |silence| json(&End { silence, ended })).await
}

/// The answer after a change: the silence as it is now.
async fn answer(
    request: &RouteRequest<'_>,
    status: StatusCode,
    id: SilenceId,
    text: impl FnOnce(SilenceView<'_>) -> Bytes + Send + 'static,
) -> Result<Response, Refusal> {
    let text = known(request, move |machine| {
        let now = Timestamp::now();
        let silence = machine.silences().get(id).ok_or(AlertError::Silence(SilenceError::NotFound(id)))?;
        Ok(text(SilenceView::new(silence, &machine.silenced(now), now)))
    });
    Ok(with_json_text(status, text.await?))
}

/// The silence with this id, or the only one whose id begins so.
fn find(machine: &Machine, name: &str) -> Result<Silence, Refusal> {
    let silences = machine.silences();
    let id = match name.parse() {
        Ok(id) => Some(id),
        Err(_) => only(silences.iter().map(|silence| silence.id), name).map_err(|Several| {
            let detail = format!("several ids begin with `{}`", shortened(name));
            HttpProblem::conflict("ambiguous_silence", "Ambiguous silence", detail)
        })?,
    };
    id.and_then(|id| silences.get(id)).cloned().ok_or_else(|| {
        let detail = format!("there is no silence `{}`", shortened(name));
        HttpProblem::not_found("silence_not_found", "Silence not found", detail).into()
    })
}

impl<'a> SilenceView<'a> {
    fn new(silence: &'a Silence, suppressed: &HashMap<SilenceId, usize>, now: Timestamp) -> Self {
        let parsed = silence.matchers.iter().map(|matcher| Parsed {
            name: matcher.name(),
            operator: matcher.operator().as_str(),
            value: matcher.value(),
        });
        Self {
            id: silence.id,
            state: silence.state(now),
            matchers: silence.matchers.iter().map(ToString::to_string).collect(),
            parsed: parsed.collect(),
            created_by: &silence.created_by,
            comment: &silence.comment,
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            updated_at: silence.updated_at,
            suppressed: suppressed.get(&silence.id).copied().unwrap_or(0),
        }
    }
}

impl SilencesQuery {
    /// Reads `limit`, `cursor` and `state`.
    ///
    /// # Errors
    /// The first parameter that is unknown, given twice or malformed.
    fn parse(query: &str) -> Result<Self, BadParameter> {
        let mut parsed = Self { limit: PAGE, ..Self::default() };
        each(query, |parameter| {
            match &*parameter.name {
                "limit" => parsed.limit = parameter.limit()?,
                "cursor" => parsed.before = Some(parameter.read(CURSOR)?),
                "state" => {
                    let state = SilenceState::ALL.into_iter().find(|state| state.as_str() == parameter.value());
                    parsed.state = Some(state.ok_or_else(|| parameter.bad("`active`, `pending` or `expired`"))?);
                }
                _ => return Err(parameter.bad("`limit`, `cursor` or `state`")),
            }
            Ok(())
        })?;
        Ok(parsed)
    }

    fn page(&self, machine: &Machine, now: Timestamp) -> (Vec<Silence>, Option<String>) {
        let silences = machine.silences();
        let wanted = silences.iter().filter(|silence| self.state.is_none_or(|state| state == silence.state(now)));
        let places = wanted.map(|silence| Place { at: silence.ends_at, id: silence.id });
        let (page, next) = newest(places.filter(|place| self.before.is_none_or(|before| *place < before)), self.limit);
        (page.iter().filter_map(|place| silences.get(place.id)).cloned().collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::alerts::tests::{START, known};
    use super::*;
    use crate::alert::SilenceDraft;

    fn after(hours: u64) -> Timestamp {
        START.after(Duration::from_hours(hours))
    }

    /// Silences that hold between these hours, with these comments. Their ids begin with `11`, `12` and so on.
    fn machine(silences: &[(u64, u64, &str)]) -> Machine {
        let mut machine = known(&[]);
        for (number, (from, until, comment)) in (1..).zip(silences) {
            let draft = SilenceDraft {
                id: None,
                matchers: "alertname=Disk".parse().unwrap(),
                starts_at: Some(after(*from)),
                ends_at: after(*until),
                created_by: "ann".to_owned(),
                comment: (*comment).to_owned(),
            };
            machine.put_silences(vec![draft], &[[0x10 + number; 16]], START).unwrap();
        }
        machine
    }

    fn comments(machine: &Machine, query: &str, hour: u64) -> (Vec<String>, Option<String>) {
        let (page, next) = SilencesQuery::parse(query).unwrap().page(machine, after(hour));
        (page.into_iter().map(|silence| silence.comment).collect(), next)
    }

    #[test]
    fn what_is_over_comes_last() {
        let machine = machine(&[(0, 2, "a"), (1, 5, "b"), (3, 9, "c"), (0, 1, "d")]);
        for (query, expected) in [
            ("", &["c", "b", "a", "d"][..]),
            ("state=active", &["b", "a"]),
            ("state=pending", &["c"]),
            ("state=expired", &["d"]),
        ] {
            let expected = expected.iter().map(|comment| (*comment).to_owned()).collect();
            assert_eq!(comments(&machine, query, 1), (expected, None), "{query}");
        }

        let (page, next) = comments(&machine, "limit=3", 1);
        assert_eq!(page, ["c", "b", "a"]);
        assert_eq!(comments(&machine, &format!("cursor={}", next.unwrap()), 1), (vec!["d".to_owned()], None));
    }

    #[test]
    fn a_bad_parameter_is_named() {
        for (query, expected) in [
            ("state=over", "`state`: expected `active`, `pending` or `expired`, found `over`"),
            ("cursor=7", "`cursor`: expected the `next` of a page, found `7`"),
            ("status=active", "`status`: expected `limit`, `cursor` or `state`, found `active`"),
        ] {
            assert_eq!(SilencesQuery::parse(query).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_silence_is_named_by_the_beginning_of_its_id() {
        let machine = machine(&[(0, 2, "a"), (0, 2, "b")]);
        let found = |name: &str| {
            find(&machine, name).map(|silence| silence.comment).map_err(|refusal| HttpProblem::from(&refusal).code)
        };

        assert_eq!(found("11"), Ok("a".to_owned()));
        assert_eq!(found("12121212-1212-4212-9212-121212121212"), Ok("b".to_owned()));
        assert_eq!(found("1"), Err("ambiguous_silence"));
        for unknown in ["", "13", "00000000-0000-4000-8000-000000000000"] {
            assert_eq!(found(unknown), Err("silence_not_found"), "{unknown}");
        }
    }
}
