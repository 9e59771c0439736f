//! `/admin/alerts`: the alerts that are known, each with what was told of it, and the rules that they are looked at by.

use ::http::StatusCode;
use serde::Serialize;

use super::newest::{Place, newest};
use super::query::{BadParameter, CURSOR, NAME, PAGE, each};
use super::read::{blocking, json};
use crate::alert::{Environment, IncidentId, Level, Machine, RuleView, Signal, SignalId, SignalView};
use crate::event::{ChannelName, Pattern, Timestamp};
use crate::http::answer::{Response, with_json_text};
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/alerts", |request| Box::pin(list(request))).with_query(),
    Route::get("/admin/alerts/rules", |request| Box::pin(rules(request))),
];

/// Which alerts are asked for. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct AlertsQuery {
    limit: usize,
    /// Alerts before this place.
    before: Option<Place<SignalId>>,
    is_firing: Option<bool>,
    severity: Option<Level>,
    environment: Option<Environment>,
    channel: Option<ChannelName>,
    alertname: Option<Pattern>,
    incident: Option<IncidentId>,
    is_suppressed: Option<bool>,
}

/// `GET /admin/alerts`.
#[derive(Serialize)]
struct AlertsPage<'a> {
    /// The one seen last first.
    alerts: Vec<SignalView<'a>>,
    /// The cursor of the next page; `None` at the end.
    next: Option<String>,
}

async fn list(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let query = AlertsQuery::parse(request.query())?;
    let alerts = request.shared.services.alerts.clone();
    let text = blocking(request.shared, move |_| {
        // Copies, because nothing is processed while the alerts are looked at.
        let (signals, next) = alerts.read(|machine| query.page(machine));
        Ok(json(&AlertsPage { alerts: signals.iter().map(SignalView::from).collect(), next }))
    })
    .await?;
    Ok(with_json_text(StatusCode::OK, text))
}

/// `GET /admin/alerts/rules`.
#[derive(Serialize)]
struct Rules {
    /// Heartbeats, windows of maintenance, inhibition.
    rules: Vec<RuleView>,
}

async fn rules(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let alerts = request.shared.services.alerts.clone();
    let text = blocking(request.shared, move |_| {
        Ok(json(&Rules { rules: alerts.read(|machine| machine.rules(Timestamp::now())) }))
    });
    Ok(with_json_text(StatusCode::OK, text.await?))
}

impl AlertsQuery {
    /// Reads `limit`, `cursor`, `status`, `severity`, `environment`, `channel`, `alertname`, `incident` and `suppressed`.
    ///
    /// # Errors
    /// The first parameter that is unknown, given twice or malformed.
    fn parse(query: &str) -> Result<Self, BadParameter> {
        let mut parsed = Self { limit: PAGE, ..Self::default() };
        each(query, |parameter| {
            match &*parameter.name {
                "limit" => parsed.limit = parameter.limit()?,
                "cursor" => parsed.before = Some(parameter.read(CURSOR)?),
                "status" => {
                    parsed.is_firing = match parameter.value() {
                        "firing" => Some(true),
                        "resolved" => Some(false),
                        _ => return Err(parameter.bad("`firing` or `resolved`")),
                    }
                }
                "severity" => parsed.severity = Some(parameter.severity()?),
                "environment" => parsed.environment = Some(parameter.environment()?),
                "channel" => parsed.channel = Some(parameter.read(NAME)?),
                "alertname" => parsed.alertname = Some(parameter.pattern()?),
                "incident" => parsed.incident = Some(parameter.read("the id of an incident, 16 digits")?),
                "suppressed" => parsed.is_suppressed = Some(parameter.flag()?),
                _ => {
                    return Err(parameter.bad(
                        "`limit`, `cursor`, `status`, `severity`, `environment`, `channel`, `alertname`, `incident` \
                         or `suppressed`",
                    ));
                }
            }
            Ok(())
        })?;
        Ok(parsed)
    }

    fn page(&self, machine: &Machine) -> (Vec<Signal>, Option<String>) {
        // All of them are looked at, or those of one incident.
        let known: Box<dyn Iterator<Item = &Signal>> = match self.incident {
            Some(incident) => Box::new(machine.members(incident)),
            None => Box::new(machine.signals()),
        };
        let places = known.filter(|signal| self.matches(signal)).map(place);
        let (page, next) = newest(places.filter(|place| self.before.is_none_or(|before| *place < before)), self.limit);
        (page.iter().filter_map(|place| machine.signal(place.id)).cloned().collect(), next)
    }

    fn matches(&self, signal: &Signal) -> bool {
        let is_suppressed = signal.is_firing() && !signal.is_visible();
        self.is_firing.is_none_or(|is_firing| is_firing == signal.is_firing())
            && self.severity.is_none_or(|level| level == signal.level)
            && self.environment.is_none_or(|environment| environment == signal.environment)
            && self.channel.as_ref().is_none_or(|channel| channel.as_str() == &*signal.channel)
            && self.is_suppressed.is_none_or(|wanted| wanted == is_suppressed)
            && self.alertname.as_ref().is_none_or(|pattern| pattern.matches(&signal.alertname))
    }
}

fn place(signal: &Signal) -> Place<SignalId> {
    Place { at: signal.last_seen, id: signal.id }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::alert::{Notification, Settings};
    use crate::event::{Event, EventId, Seq};

    /// When nothing was told yet.
    pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// What is known after notifications with these statuses and labels, a second apart.
    pub(crate) fn known(told: &[(&str, &[(&str, &str)])]) -> Machine {
        let settings = Arc::new(Settings::default());
        let mut machine = Machine::new(Arc::clone(&settings), START);
        for (number, (status, labels)) in (1..).zip(told) {
            let at = START.after(Duration::from_secs(number));
            let labels: BTreeMap<_, _> = labels.iter().copied().collect();
            let attributes = [("fingerprint", format!("{labels:?}")), ("status", (*status).to_owned())];
            let event = Event {
                id: EventId::new(at, Seq(number), 1),
                seq: Seq(number),
                channel: labels.get("channel").unwrap_or(&"alertmanager").parse().unwrap(),
                time: at,
                data: json!({"labels": labels}).to_string().into(),
                attributes: attributes.map(|(name, value)| (name.to_owned(), value)).to_vec(),
                ..Event::sample("application/json", b"")
            };
            machine.notify(&Notification::read(&event, &settings).unwrap());
            machine.finish(at);
        }
        machine
    }

    fn names(machine: &Machine, query: &str) -> (Vec<String>, Option<String>) {
        let (page, next) = AlertsQuery::parse(query).unwrap().page(machine);
        (page.iter().map(|signal| signal.labels.get("instance").unwrap().to_owned()).collect(), next)
    }

    #[test]
    fn every_filter_selects_and_the_one_seen_last_comes_first() {
        let machine = known(&[
            ("firing", &[("alertname", "DiskFull"), ("instance", "a"), ("severity", "page")]),
            ("firing", &[("alertname", "DiskSlow"), ("instance", "b"), ("severity", "info"), ("env", "dev")]),
            ("firing", &[("alertname", "Down"), ("instance", "c"), ("severity", "page"), ("channel", "grafana")]),
            ("resolved", &[("alertname", "DiskSlow"), ("instance", "b"), ("severity", "info"), ("env", "dev")]),
            ("firing", &[("alertname", "DiskFull"), ("instance", "a"), ("severity", "page")]),
        ]);
        let incident = machine.signals().find(|signal| &*signal.alertname == "Down").unwrap().incident.unwrap();
        for (query, expected) in [
            ("", &["a", "b", "c"][..]),
            ("status=firing", &["a", "c"]),
            ("status=resolved", &["b"]),
            ("severity=critical", &["a", "c"]),
            ("severity=info", &["b"]),
            ("environment=development", &["b"]),
            ("environment=staging", &[]),
            ("channel=grafana", &["c"]),
            ("alertname=Disk%2A", &["a", "b"]),
            ("alertname=Disk", &[]),
            ("suppressed=true", &[]),
            ("suppressed=false", &["a", "b", "c"]),
            (&format!("incident={incident}"), &["c"]),
            (&format!("incident={incident}&severity=info"), &[]),
            ("incident=0000000000000000", &[]),
            ("status=firing&alertname=D%2A&severity=critical&channel=alertmanager", &["a"]),
        ] {
            assert_eq!(
                names(&machine, query),
                (expected.iter().map(|name| (*name).to_owned()).collect(), None),
                "{query}"
            );
        }

        let (page, next) = names(&machine, "limit=2");
        assert_eq!(page, ["a", "b"]);
        assert_eq!(names(&machine, &format!("limit=2&cursor={}", next.unwrap())), (vec!["c".to_owned()], None));
    }

    #[test]
    fn a_bad_parameter_is_named() {
        for (query, expected) in [
            ("status=pending", "`status`: expected `firing` or `resolved`, found `pending`"),
            (
                "severity=page",
                "`severity`: expected `critical`, `high`, `warning`, `info`, `low` or `unknown`, found `page`",
            ),
            ("environment=prod", "`environment`: expected `production`, `staging` or `development`, found `prod`"),
            ("suppressed=yes", "`suppressed`: expected `true` or `false`, found `yes`"),
            (
                "alertname=",
                "`alertname`: expected a name, or a pattern such as `Disk*`, of at most 256 characters, found `nothing`",
            ),
            ("incident=0f", "`incident`: expected the id of an incident, 16 digits, found `0f`"),
            ("cursor=7", "`cursor`: expected the `next` of a page, found `7`"),
            ("limit=501", "`limit`: expected a number from 1 to 500, found `501`"),
            (
                "state=open",
                "`state`: expected `limit`, `cursor`, `status`, `severity`, `environment`, `channel`, `alertname`, \
                 `incident` or `suppressed`, found `open`",
            ),
        ] {
            assert_eq!(AlertsQuery::parse(query).unwrap_err().to_string(), expected);
        }
    }
}
