//! Query parameters that several nouns read.

use std::fmt;
use std::str::FromStr;

use url::form_urlencoded;

use crate::alert::{Environment, Level};
use crate::event::{DeliveryId, DeliveryState, EventStatus, Pattern, Seq};
use crate::eventlog::{DeliveryFilter, Selection};

/// A query parameter that is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}`: expected {expected}, found `{found}`")]
pub struct BadParameter {
    pub name: String,
    pub expected: &'static str,
    pub found: String,
}

/// Items of a page when the query names no limit.
pub(crate) const PAGE: usize = 50;
const MAX_PAGE: usize = 500;

pub(crate) const CURSOR: &str = "the `next` of a page";
pub(crate) const NAME: &str = "a name of `a-z`, `0-9` and `-`";
const LIMIT: &str = "a number from 1 to 500";
pub(crate) const TIME: &str = "a time such as `2026-01-31T12:00:00Z`";
const PATTERN: &str = "a name, or a pattern such as `Disk*`, of at most 256 characters";
/// Longer ones take much to compile.
const MAX_PATTERN: usize = 256;
const SEVERITIES: &str = "`critical`, `high`, `warning`, `info`, `low` or `unknown`";
const ENVIRONMENTS: &str = "`production`, `staging` or `development`";

/// Refuses any parameter: what is ignored is believed to work.
pub(crate) fn no_parameters(query: &str) -> Result<(), BadParameter> {
    each(query, |parameter| Err(parameter.bad("no parameters")))
}

pub(crate) struct Parameter {
    pub(crate) name: String,
    value: String,
}

/// Calls `take` with each parameter, in order; a name may occur once.
pub(crate) fn each(
    query: &str,
    mut take: impl FnMut(&Parameter) -> Result<(), BadParameter>,
) -> Result<(), BadParameter> {
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
    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    pub(crate) fn bad(&self, expected: &'static str) -> BadParameter {
        let found = if self.value.is_empty() { "nothing" } else { &self.value };
        let short = |text: &str| text.chars().take(100).collect();
        BadParameter { name: short(&self.name), expected, found: short(found) }
    }

    pub(crate) fn read<T: FromStr>(&self, expected: &'static str) -> Result<T, BadParameter> {
        self.value.parse().map_err(|_| self.bad(expected))
    }

    pub(crate) fn text(&self, expected: &'static str) -> Result<String, BadParameter> {
        if self.value.is_empty() { Err(self.bad(expected)) } else { Ok(self.value.clone()) }
    }

    pub(crate) fn limit(&self) -> Result<usize, BadParameter> {
        let limit = self.read(LIMIT)?;
        if (1..=MAX_PAGE).contains(&limit) { Ok(limit) } else { Err(self.bad(LIMIT)) }
    }

    pub(crate) fn status(&self) -> Result<EventStatus, BadParameter> {
        EventStatus::named(&self.value).ok_or_else(|| self.bad(EventStatus::NAMES))
    }

    pub(crate) fn state(&self) -> Result<DeliveryState, BadParameter> {
        DeliveryState::named(&self.value).ok_or_else(|| self.bad(DeliveryState::NAMES))
    }

    pub(crate) fn severity(&self) -> Result<Level, BadParameter> {
        Level::named(&self.value).ok_or_else(|| self.bad(SEVERITIES))
    }

    pub(crate) fn environment(&self) -> Result<Environment, BadParameter> {
        Environment::named(&self.value).ok_or_else(|| self.bad(ENVIRONMENTS))
    }

    /// A pattern; a text that is none, such as `a[`, is a name.
    pub(crate) fn pattern(&self) -> Result<Pattern, BadParameter> {
        let text = self.text(PATTERN)?;
        if text.chars().count() > MAX_PATTERN {
            return Err(self.bad(PATTERN));
        }
        Ok(Pattern::new(&text).unwrap_or_else(|_| Pattern::exact(&text)))
    }

    pub(crate) fn flag(&self) -> Result<bool, BadParameter> {
        self.read("`true` or `false`")
    }

    /// Reads the parameter into `events`; false when it does not select events.
    pub(crate) fn select(&self, events: &mut Selection) -> Result<bool, BadParameter> {
        match &*self.name {
            "channel" => events.channel = Some(self.read(NAME)?),
            "kind" => events.kind = Some(self.text("a kind, or the beginning of one and `*`")?),
            "since" => events.since = Some(self.read(TIME)?),
            "until" => events.until = Some(self.read(TIME)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads the parameter into `filter`; false when it does not select deliveries.
    pub(crate) fn filter(&self, filter: &mut DeliveryFilter) -> Result<bool, BadParameter> {
        match &*self.name {
            "state" | "status" if filter.state.is_some() => return Err(self.bad("`state` or `status`, once")),
            "state" | "status" => filter.state = Some(self.state()?),
            "agent" => filter.agent = Some(self.read(NAME)?),
            _ => return self.select(&mut filter.events),
        }
        Ok(true)
    }

    pub(crate) fn delivery(&self) -> Result<DeliveryId, BadParameter> {
        self.value.parse().map(|DeliveryText(id)| id).map_err(|()| self.bad(CURSOR))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_names_everything_that_is_understood() {
        let levels = Level::ALL.map(|level| (level.as_str(), SEVERITIES));
        let environments = Environment::ALL.map(|environment| (environment.as_str(), ENVIRONMENTS));
        for (name, expected) in levels.into_iter().chain(environments) {
            assert!(expected.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn any_parameter_is_refused_where_none_is_read() {
        assert_eq!(no_parameters("x=1").unwrap_err().name, "x");
        assert_eq!(no_parameters(""), Ok(()));
    }
}
