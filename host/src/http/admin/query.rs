mod replay;

use std::fmt;
use std::str::FromStr;

use url::form_urlencoded;

pub(crate) use self::replay::{OneQuery, ReplayQuery};
use crate::event::{DeliveryId, DeliveryState, EventStatus, Seq};
use crate::eventlog::{DeliveryFilter, Query, Selection};

/// A query parameter that is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}`: expected {expected}, found `{found}`")]
pub struct BadParameter {
    /// Its name.
    pub name: String,
    /// What it should have been.
    pub expected: &'static str,
    /// What it is.
    pub found: String,
}

/// Which events are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsQuery {
    /// At most this many.
    pub limit: usize,
    /// Only before this position.
    pub before: Option<Seq>,
    /// Only such events.
    pub filter: Query,
}

/// Which deliveries are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveriesQuery {
    /// At most this many.
    pub limit: usize,
    /// Only before this one.
    pub before: Option<DeliveryId>,
    /// Only such deliveries.
    pub filter: DeliveryFilter,
}

/// Items of a page when nothing else is asked for, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 500;

/// Requests of one recording.
const MAX_RECORDED: usize = 100;

const LIMIT: &str = "a number from 1 to 500";
const CURSOR: &str = "the `next` of a page";
const NAME: &str = "a name of `a-z`, `0-9` and `-`";
const TIME: &str = "a time such as `2026-01-31T12:00:00Z`";

impl Default for EventsQuery {
    fn default() -> Self {
        Self { limit: PAGE, before: None, filter: Query::default() }
    }
}

impl Default for DeliveriesQuery {
    fn default() -> Self {
        Self { limit: PAGE, before: None, filter: DeliveryFilter::default() }
    }
}

impl EventsQuery {
    /// Reads `limit`, `cursor`, `channel`, `kind`, `status`, `since` and `until`.
    ///
    /// # Errors
    /// The first parameter that is unknown, given twice or malformed.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let mut parsed = Self::default();
        each(query, |parameter| {
            match &*parameter.name {
                "limit" => parsed.limit = parameter.limit()?,
                "cursor" => parsed.before = Some(Seq(parameter.read(CURSOR)?)),
                "status" => parsed.filter.status = Some(parameter.status()?),
                _ if parameter.select(&mut parsed.filter.events)? => {}
                _ => {
                    return Err(parameter.bad("`limit`, `cursor`, `channel`, `kind`, `status`, `since` or `until`"));
                }
            }
            Ok(())
        })?;
        Ok(parsed)
    }
}

impl DeliveriesQuery {
    /// Reads `limit`, `cursor`, `channel`, `kind`, `state` (or `status`, the same), `agent`, `since` and `until`.
    ///
    /// # Errors
    /// The first parameter that is unknown, given twice or malformed.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let mut parsed = Self::default();
        each(query, |parameter| {
            match &*parameter.name {
                "limit" => parsed.limit = parameter.limit()?,
                "cursor" => parsed.before = Some(parameter.delivery()?),
                _ if parameter.filter(&mut parsed.filter)? => {}
                _ => {
                    return Err(
                        parameter.bad("`limit`, `cursor`, `channel`, `kind`, `state`, `agent`, `since` or `until`")
                    );
                }
            }
            Ok(())
        })?;
        Ok(parsed)
    }
}

/// Reads `count`: how many requests are recorded, 1 when it is left out.
pub(crate) fn record_count(query: &str) -> Result<usize, BadParameter> {
    const COUNT: &str = "a number from 1 to 100";
    let mut count = 1;
    each(query, |parameter| {
        if parameter.name != "count" {
            return Err(parameter.bad("`count`"));
        }
        count = parameter.read(COUNT)?;
        if (1..=MAX_RECORDED).contains(&count) { Ok(()) } else { Err(parameter.bad(COUNT)) }
    })?;
    Ok(count)
}

/// Refuses any parameter: what is ignored is believed to work.
pub(crate) fn no_parameters(query: &str) -> Result<(), BadParameter> {
    each(query, |parameter| Err(parameter.bad("no parameters")))
}

/// A delivery as a cursor and in lists: `<seq>.<index>`.
pub(crate) struct DeliveryText(pub(crate) DeliveryId);

impl fmt::Display for DeliveryText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.seq, self.0.index)
    }
}

impl FromStr for DeliveryText {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('.').and_then(|(seq, index)| Some((seq.parse().ok()?, index.parse().ok()?)));
        let (seq, index) = parts.ok_or(())?;
        Ok(Self(DeliveryId { seq: Seq(seq), index }))
    }
}

struct Parameter {
    name: String,
    value: String,
}

fn each(query: &str, mut take: impl FnMut(&Parameter) -> Result<(), BadParameter>) -> Result<(), BadParameter> {
    let mut seen = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let parameter = Parameter { name: name.into_owned(), value: value.into_owned() };
        if seen.contains(&parameter.name) {
            return Err(parameter.bad("it once"));
        }
        take(&parameter)?;
        seen.push(parameter.name);
    }
    Ok(())
}

impl Parameter {
    fn bad(&self, expected: &'static str) -> BadParameter {
        let found = if self.value.is_empty() { "nothing" } else { &self.value };
        let short = |text: &str| text.chars().take(100).collect();
        BadParameter { name: short(&self.name), expected, found: short(found) }
    }

    fn read<T: FromStr>(&self, expected: &'static str) -> Result<T, BadParameter> {
        self.value.parse().map_err(|_| self.bad(expected))
    }

    fn text(&self, expected: &'static str) -> Result<String, BadParameter> {
        if self.value.is_empty() { Err(self.bad(expected)) } else { Ok(self.value.clone()) }
    }

    fn limit(&self) -> Result<usize, BadParameter> {
        let limit = self.read(LIMIT)?;
        if (1..=MAX_PAGE).contains(&limit) { Ok(limit) } else { Err(self.bad(LIMIT)) }
    }

    fn status(&self) -> Result<EventStatus, BadParameter> {
        let found = EventStatus::ALL.into_iter().find(|status| status.as_str() == self.value);
        found.ok_or_else(|| self.bad("`accepted`, `pending`, `dead` or `delivered`"))
    }

    fn state(&self) -> Result<DeliveryState, BadParameter> {
        use DeliveryState::{Dead, Delivered, Pending, Retrying};
        let found = [Pending, Retrying, Delivered, Dead].into_iter().find(|state| state.as_str() == self.value);
        found.ok_or_else(|| self.bad("`pending`, `retrying`, `delivered` or `dead`"))
    }

    /// Takes the parameter when it selects events; whether it does.
    fn select(&self, events: &mut Selection) -> Result<bool, BadParameter> {
        match &*self.name {
            "channel" => events.channel = Some(self.read(NAME)?),
            "kind" => events.kind = Some(self.text("a kind, or the beginning of one and `*`")?),
            "since" => events.since = Some(self.read(TIME)?),
            "until" => events.until = Some(self.read(TIME)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes the parameter when it selects deliveries; whether it does.
    fn filter(&self, filter: &mut DeliveryFilter) -> Result<bool, BadParameter> {
        match &*self.name {
            "state" | "status" if filter.state.is_some() => return Err(self.bad("`state` or `status`, once")),
            "state" | "status" => filter.state = Some(self.state()?),
            "agent" => filter.agent = Some(self.read(NAME)?),
            _ => return self.select(&mut filter.events),
        }
        Ok(true)
    }

    fn delivery(&self) -> Result<DeliveryId, BadParameter> {
        self.value.parse().map(|DeliveryText(id)| id).map_err(|()| self.bad(CURSOR))
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Timestamp;

    use super::*;

    #[test]
    fn every_parameter_is_understood() {
        let events = Selection {
            channel: Some("github".parse().unwrap()),
            kind: Some("github.push*".to_owned()),
            subject: None,
            since: Some(Timestamp::from_millis(1_700_000_000_000)),
            until: Some(Timestamp::from_millis(1_700_000_001_500)),
        };
        let text = "limit=7&cursor=42&channel=github&kind=github.push%2A&status=dead\
                    &since=2023-11-14T22:13:20Z&until=2023-11-14T22:13:21.5%2B00:00";
        let expected = EventsQuery {
            limit: 7,
            before: Some(Seq(42)),
            filter: Query { events: events.clone(), status: Some(EventStatus::Dead), ..Query::default() },
        };
        assert_eq!(EventsQuery::parse(text).unwrap(), expected);
        assert_eq!(EventsQuery::parse("").unwrap(), EventsQuery::default());

        let expected = DeliveriesQuery {
            limit: 500,
            before: Some(DeliveryId { seq: Seq(4), index: 2 }),
            filter: DeliveryFilter {
                events,
                state: Some(DeliveryState::Retrying),
                agent: Some("stub".parse().unwrap()),
            },
        };
        for state in ["state", "status"] {
            let text = format!(
                "limit=500&cursor=4.2&{state}=retrying&agent=stub&channel=github&kind=github.push%2A\
                 &since=2023-11-14T22:13:20Z&until=2023-11-14T22:13:21.5%2B00:00"
            );
            assert_eq!(DeliveriesQuery::parse(&text).unwrap(), expected);
        }
    }

    #[test]
    fn a_bad_parameter_is_named() {
        for (query, expected) in [
            ("limit=0", "`limit`: expected a number from 1 to 500, found `0`"),
            ("limit=501", "`limit`: expected a number from 1 to 500, found `501`"),
            ("limit=", "`limit`: expected a number from 1 to 500, found `nothing`"),
            ("limit=5&limit=6", "`limit`: expected it once, found `6`"),
            ("cursor=x", "`cursor`: expected the `next` of a page, found `x`"),
            ("channel=Git", "`channel`: expected a name of `a-z`, `0-9` and `-`, found `Git`"),
            ("status=done", "`status`: expected `accepted`, `pending`, `dead` or `delivered`, found `done`"),
            ("since=yesterday", "`since`: expected a time such as `2026-01-31T12:00:00Z`, found `yesterday`"),
            ("kind=", "`kind`: expected a kind, or the beginning of one and `*`, found `nothing`"),
            (
                "sort=up",
                "`sort`: expected `limit`, `cursor`, `channel`, `kind`, `status`, `since` or `until`, found `up`",
            ),
        ] {
            assert_eq!(EventsQuery::parse(query).unwrap_err().to_string(), expected);
        }
        assert_eq!(DeliveriesQuery::parse("cursor=4").unwrap_err().name, "cursor");
        assert_eq!(DeliveriesQuery::parse("state=done").unwrap_err().name, "state");
        assert_eq!(DeliveriesQuery::parse("state=dead&status=dead").unwrap_err().name, "status");
        assert_eq!(no_parameters("x=1").unwrap_err().name, "x");
    }
}
