//! `/admin/incidents`: what agents work on, and what people say and do about it.

use std::cmp::Reverse;
use std::collections::VecDeque;

use ::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::consumers::read;
use super::newest::{Place, newest};
use super::query::{BadParameter, CURSOR, PAGE, TIME, each};
use super::read::{blocking, json};
use super::replays::parse_by;
use crate::alert::{AlertError, Signal, SignalId, SignalView, State};
use crate::alert::{Alerts, Entry, Environment, Incident, IncidentId, Level, Machine, Outcome, Refusal as Unsaid};
use crate::event::{Pattern, Timestamp};
use crate::http::answer::{Response, with_json_text};
use crate::http::problem::{HttpProblem, shortened};
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/incidents", |request| Box::pin(list(request))).with_query(),
    Route::get("/admin/incidents/{id}", |request| Box::pin(show(request))),
    Route::post("/admin/incidents/{id}/outcome", |request| Box::pin(say(request))).with_query(),
    Route::post("/admin/incidents/{id}/resolve", |request| Box::pin(resolve(request))).with_query(),
    Route::post("/admin/incidents/{id}/note", |request| Box::pin(remark(request))).with_query(),
    Route::post("/admin/incidents/{id}/merge", |request| Box::pin(merge(request))).with_query(),
    Route::post("/admin/incidents/{id}/split", |request| Box::pin(split(request))).with_query(),
];

/// The most alerts that one incident is shown with.
const SHOWN: usize = 100;

/// Which incidents are asked for. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct IncidentsQuery {
    limit: usize,
    /// Incidents before this place.
    before: Option<Place<IncidentId>>,
    state: Option<Wanted>,
    severity: Option<Level>,
    environment: Option<Environment>,
    title: Option<Pattern>,
    is_storm: Option<bool>,
    /// Opened at this time or later.
    since: Option<Timestamp>,
}

/// A state, or every state but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    State(State),
    Unresolved,
}

/// `GET /admin/incidents`.
#[derive(Serialize)]
struct IncidentsPage {
    /// Newest first.
    incidents: Vec<Map<String, Value>>,
    /// The cursor of the next page; `None` at the end.
    next: Option<String>,
}

/// `GET /admin/incidents/{id}`.
#[derive(Serialize)]
struct IncidentDetail<'a> {
    #[serde(flatten)]
    summary: &'a Map<String, Value>,
    /// Those that matter most first.
    alerts: Vec<SignalView<'a>>,
    more_alerts: usize,
    /// Oldest first; the position is that of the event that an entry comes from.
    history: &'a VecDeque<Entry>,
    /// Entries after the first one that are not kept.
    history_cut: u32,
}

/// `POST /admin/incidents/{id}/outcome`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) outcome: Outcome,
    #[serde(default)]
    pub(crate) note: String,
}

/// `POST /admin/incidents/{id}/resolve` and `/note`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    #[serde(default)]
    note: String,
}

/// `POST /admin/incidents/{id}/merge`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    into: String,
}

/// `POST /admin/incidents/{id}/split`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    alerts: Vec<String>,
}

async fn list(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let query = IncidentsQuery::parse(request.query())?;
    let page = known(&request, move |machine| Ok(json(&query.page(machine)))).await?;
    Ok(with_json_text(StatusCode::OK, page))
}

async fn show(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let (name, alerts) = (request.id.to_owned(), request.shared.services.alerts.clone());
    let text = blocking(request.shared, move |_| Ok(detail(&alerts, &name))).await??;
    Ok(with_json_text(StatusCode::OK, text))
}

async fn say(mut request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let by = parse_by(request.query())?;
    let Said { outcome, note } = read(&mut request).await?;
    let id = named(&request, request.id).await?;
    request.shared.services.alerts.say(id, outcome, by.clone(), note).await?;
    tracing::info!(incident = %id, by, outcome = outcome.as_str(), "Outcome of an incident said");
    answer(&request, StatusCode::OK, id).await
}

async fn resolve(mut request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let by = parse_by(request.query())?;
    let Noted { note } = read(&mut request).await?;
    let id = named(&request, request.id).await?;
    request.shared.services.alerts.resolve(id, by.clone(), note).await?;
    tracing::info!(incident = %id, by, "Incident resolved");
    answer(&request, StatusCode::OK, id).await
}

async fn remark(mut request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let by = parse_by(request.query())?;
    let Noted { note } = read(&mut request).await?;
    if note.trim().is_empty() {
        return Err(Refusal::Malformed("`note`: expected a text, found nothing".to_owned()));
    }
    let id = named(&request, request.id).await?;
    request.shared.services.alerts.remark(id, by, note).await?;
    answer(&request, StatusCode::OK, id).await
}

async fn merge(mut request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let by = parse_by(request.query())?;
    let Merge { into } = read(&mut request).await?;
    let (id, into) = (named(&request, request.id).await?, named(&request, &into).await?);
    request.shared.services.alerts.merge(id, into, by.clone()).await?;
    tracing::info!(incident = %id, by, into = %into, "Incident merged");
    answer(&request, StatusCode::OK, id).await
}

/// Answers with the new incident.
async fn split(mut request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let by = parse_by(request.query())?;
    let Split { alerts } = read(&mut request).await?;
    let id = named(&request, request.id).await?;
    let signals = known(&request, move |machine| members(machine, id, &alerts)).await?;
    let new = request.shared.services.alerts.split(id, signals, by.clone()).await?;
    tracing::info!(incident = %id, by, new = %new, "Incident split");
    answer(&request, StatusCode::CREATED, new).await
}

/// Looks at what is known, on a thread that may wait: nothing is processed meanwhile.
pub(super) async fn known<T: Send + 'static>(
    request: &RouteRequest<'_>,
    look: impl FnOnce(&Machine) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let alerts = request.shared.services.alerts.clone();
    blocking(request.shared, move |_| Ok(alerts.read(look))).await?
}

/// The incident that a text names.
async fn named(request: &RouteRequest<'_>, name: &str) -> Result<IncidentId, Refusal> {
    let name = name.to_owned();
    known(request, move |machine| find(machine, &name)).await
}

/// The answer after a change: the incident as it is now.
pub(crate) async fn answer(
    request: &RouteRequest<'_>,
    status: StatusCode,
    id: IncidentId,
) -> Result<Response, Refusal> {
    let text = known(request, move |machine| {
        let incident = machine.incident(id).ok_or_else(|| unknown_incident(&id.to_string()))?;
        Ok(json(&machine.summary(incident)))
    });
    Ok(with_json_text(status, text.await?))
}

fn detail(alerts: &Alerts, name: &str) -> Result<Bytes, Refusal> {
    let (summary, signals, total, history, history_cut) = alerts.read(|machine| {
        let id = find(machine, name)?;
        let incident = machine.incident(id).ok_or_else(|| unknown_incident(name))?;
        let [total, ..] = machine.counts(id);
        let shown: Vec<Signal> = foremost(machine.members(id).collect()).into_iter().cloned().collect();
        Ok::<_, Refusal>((machine.summary(incident), shown, total, incident.history.clone(), incident.history_cut))
    })?;
    Ok(json(&IncidentDetail {
        summary: &summary,
        alerts: signals.iter().map(SignalView::from).collect(),
        more_alerts: total.saturating_sub(signals.len()),
        history: &history,
        history_cut,
    }))
}

/// The alerts that matter most: those that agents are told of, then those that fire, each the most severe first.
fn foremost(mut signals: Vec<&Signal>) -> Vec<&Signal> {
    let key = |signal: &&Signal| {
        let (is_visible, is_firing) = (signal.is_visible(), signal.is_firing());
        (!is_visible, !is_firing, Reverse(signal.level), Reverse(signal.last_seen), signal.id)
    };
    if signals.len() > SHOWN {
        // A storm has many, and only these have to be in order.
        signals.select_nth_unstable_by_key(SHOWN, key);
        signals.truncate(SHOWN);
    }
    signals.sort_unstable_by_key(key);
    signals
}

/// The incident with this id, or the only one whose id begins so.
fn find(machine: &Machine, name: &str) -> Result<IncidentId, Refusal> {
    if let Ok(id) = name.parse() {
        return machine.incident(id).map(|incident| incident.id).ok_or_else(|| unknown_incident(name));
    }
    match only(machine.incidents().map(|incident| incident.id), name) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(unknown_incident(name)),
        Err(Several) => {
            let detail = format!("several ids begin with `{}`", shortened(name));
            Err(HttpProblem::conflict("ambiguous_incident", "Ambiguous incident", detail).into())
        }
    }
}

/// The alerts of an incident with these ids, or the beginnings of them.
fn members(machine: &Machine, id: IncidentId, names: &[String]) -> Result<Vec<SignalId>, Refusal> {
    let unfit = |text: String| Refusal::Alert(AlertError::Refused(Unsaid::Unfit(text)));
    let member = |name: &String| match name.parse() {
        Ok(signal) => Ok(signal),
        Err(_) => match only(machine.members(id).map(|signal| signal.id), name) {
            Ok(Some(signal)) => Ok(signal),
            Ok(None) => Err(unfit(format!("the incident has no alert `{}`", shortened(name)))),
            Err(Several) => Err(unfit(format!("several alerts of the incident begin with `{}`", shortened(name)))),
        },
    };
    names.iter().map(member).collect()
}

/// Several ids begin so.
#[derive(Debug)]
pub(super) struct Several;

/// The id that begins so; `None` if none does.
pub(super) fn only<Id: ToString>(mut ids: impl Iterator<Item = Id>, name: &str) -> Result<Option<Id>, Several> {
    let beginning = name.to_ascii_lowercase();
    let mut begins = |id: &Id| !beginning.is_empty() && id.to_string().starts_with(&beginning);
    let first = ids.find(&mut begins);
    if first.is_some() && ids.any(|id| begins(&id)) { Err(Several) } else { Ok(first) }
}

pub(crate) fn unknown_incident(name: &str) -> Refusal {
    let detail = format!("there is no incident `{}`", shortened(name));
    HttpProblem::not_found("incident_not_found", "Incident not found", detail).into()
}

impl IncidentsQuery {
    /// Reads `limit`, `cursor`, `state`, `severity`, `environment`, `title`, `storm` and `since`.
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
                    let wanted = Wanted::named(parameter.value()).ok_or_else(|| parameter.bad(Wanted::NAMES));
                    parsed.state = Some(wanted?);
                }
                "severity" => parsed.severity = Some(parameter.severity()?),
                "environment" => parsed.environment = Some(parameter.environment()?),
                "title" => parsed.title = Some(parameter.pattern()?),
                "storm" => parsed.is_storm = Some(parameter.flag()?),
                "since" => parsed.since = Some(parameter.read(TIME)?),
                _ => {
                    return Err(parameter
                        .bad("`limit`, `cursor`, `state`, `severity`, `environment`, `title`, `storm` or `since`"));
                }
            }
            Ok(())
        })?;
        Ok(parsed)
    }

    fn page(&self, machine: &Machine) -> IncidentsPage {
        let places = machine.incidents().filter(|incident| self.matches(incident)).map(place);
        let (page, next) = newest(places.filter(|place| self.before.is_none_or(|before| *place < before)), self.limit);
        let incidents = page.iter().filter_map(|place| machine.incident(place.id));
        IncidentsPage { incidents: incidents.map(|incident| machine.summary(incident)).collect(), next }
    }

    fn matches(&self, incident: &Incident) -> bool {
        self.state.is_none_or(|wanted| wanted.covers(incident.state))
            && self.severity.is_none_or(|level| level == incident.level)
            && self.environment.is_none_or(|environment| environment == incident.environment)
            && self.is_storm.is_none_or(|is_storm| is_storm == incident.storm.is_some())
            && self.since.is_none_or(|since| since <= incident.opened_at)
            && self.title.as_ref().is_none_or(|pattern| pattern.matches(&incident.title))
    }
}

impl Wanted {
    const NAMES: &str = "`open`, `in_progress`, `handled`, `failed`, `blocked`, `needs_human`, `acknowledged`, `resolved` \
                         or `unresolved`";

    fn named(name: &str) -> Option<Self> {
        if name == "unresolved" { Some(Self::Unresolved) } else { State::named(name).map(Self::State) }
    }

    fn covers(self, state: State) -> bool {
        match self {
            Self::State(wanted) => wanted == state,
            Self::Unresolved => state != State::Resolved,
        }
    }
}

fn place(incident: &Incident) -> Place<IncidentId> {
    Place { at: incident.opened_at, id: incident.id }
}

#[cfg(test)]
mod tests {
    use super::super::alerts::tests::{START, known};
    use super::*;

    fn three() -> Machine {
        let mut machine = known(&[
            ("firing", &[("alertname", "DiskFull"), ("instance", "a"), ("severity", "page")]),
            ("firing", &[("alertname", "Down"), ("severity", "info"), ("env", "dev")]),
            ("firing", &[("alertname", "DiskFull"), ("instance", "b"), ("severity", "info")]),
            ("firing", &[("alertname", "Slow"), ("severity", "warning")]),
            ("resolved", &[("alertname", "Slow"), ("severity", "warning")]),
        ]);
        let down = titled(&machine, "Down");
        machine.say(down, Outcome::Acknowledged, crate::alert::Speaker::Person("ann"), "", START).unwrap();
        machine
    }

    fn titled(machine: &Machine, title: &str) -> IncidentId {
        machine.incidents().find(|incident| incident.title == title).unwrap().id
    }

    fn titles(machine: &Machine, query: &str) -> (Vec<String>, Option<String>) {
        let IncidentsPage { incidents, next } = IncidentsQuery::parse(query).unwrap().page(machine);
        (incidents.iter().map(|incident| incident["title"].as_str().unwrap().to_owned()).collect(), next)
    }

    #[test]
    fn every_filter_selects_and_the_newest_comes_first() {
        let machine = three();
        for (query, expected) in [
            ("", &["Slow", "Down", "DiskFull"][..]),
            ("state=open", &["DiskFull"]),
            ("state=acknowledged", &["Down"]),
            ("state=resolved", &["Slow"]),
            ("state=unresolved", &["Down", "DiskFull"]),
            ("severity=critical", &["DiskFull"]),
            ("environment=development", &["Down"]),
            ("title=D%2A", &["Down", "DiskFull"]),
            ("title=Down&environment=production", &[]),
            ("storm=true", &[]),
            ("storm=false", &["Slow", "Down", "DiskFull"]),
            ("since=2023-11-14T22:13:22Z", &["Slow", "Down"]),
        ] {
            let expected = expected.iter().map(|title| (*title).to_owned()).collect();
            assert_eq!(titles(&machine, query), (expected, None), "{query}");
        }

        let (page, next) = titles(&machine, "limit=1&state=unresolved");
        assert_eq!(page, ["Down"]);
        let rest = titles(&machine, &format!("limit=1&state=unresolved&cursor={}", next.unwrap()));
        assert_eq!(rest, (vec!["DiskFull".to_owned()], None));
    }

    #[test]
    fn a_bad_parameter_is_named() {
        for (query, expected) in [
            (
                "state=closed",
                "`state`: expected `open`, `in_progress`, `handled`, `failed`, `blocked`, `needs_human`, \
                 `acknowledged`, `resolved` or `unresolved`, found `closed`",
            ),
            ("storm=1", "`storm`: expected `true` or `false`, found `1`"),
            ("since=1h", "`since`: expected a time such as `2026-01-31T12:00:00Z`, found `1h`"),
            (
                "title=",
                "`title`: expected a name, or a pattern such as `Disk*`, of at most 256 characters, found `nothing`",
            ),
            (
                "status=open",
                "`status`: expected `limit`, `cursor`, `state`, `severity`, `environment`, `title`, `storm` or `since`, \
                 found `open`",
            ),
        ] {
            assert_eq!(IncidentsQuery::parse(query).unwrap_err().to_string(), expected);
        }
        for state in State::ALL {
            assert!(Wanted::NAMES.contains(&format!("`{}`", state.as_str())), "{state:?}");
        }
    }

    #[test]
    fn an_incident_is_named_by_the_beginning_of_its_id() {
        let machine = three();
        let id = titled(&machine, "Down");
        let text = id.to_string();
        let code = |name: &str| HttpProblem::from(&find(&machine, name).unwrap_err()).code;

        assert_eq!(find(&machine, &text).unwrap(), id);
        assert_eq!(find(&machine, &text[..12].to_uppercase()).unwrap(), id);
        for unknown in ["", "g", "0000000000000000", "latest"] {
            assert_eq!(code(unknown), "incident_not_found", "{unknown}");
        }
        assert_eq!(only(["10", "11", "2"].iter(), "2").ok().flatten(), Some(&"2"));
        assert!(only(["10", "11", "2"].iter(), "1").is_err());
    }

    #[test]
    fn the_alerts_that_matter_most_come_first() {
        let labels: Vec<_> = (0..150).map(|number| format!("{number:03}")).collect();
        let alerts: Vec<[(&str, &str); 3]> = (labels.iter().enumerate())
            .map(|(number, label)| {
                let severity = if number % 50 == 7 { "critical" } else { "info" };
                [("alertname", "Disk"), ("instance", label.as_str()), ("severity", severity)]
            })
            .collect();
        let mut told: Vec<(&str, &[(&str, &str)])> = alerts.iter().map(|labels| ("firing", &labels[..])).collect();
        // It was critical, and is over.
        told.push(("resolved", &alerts[57]));
        let machine = known(&told);

        let shown: Vec<_> = foremost(machine.signals().collect())
            .into_iter()
            .map(|signal| signal.labels.get("instance").unwrap().to_owned())
            .collect();

        assert_eq!(shown.len(), SHOWN);
        assert_eq!(shown[..4], ["107", "007", "149", "148"]);
        assert!(!shown.contains(&"057".to_owned()));
    }
}
