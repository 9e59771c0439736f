use super::{BadParameter, NAME, Parameter, each};
use crate::event::AgentName;
use crate::eventlog::DeliveryFilter;
use crate::replay::Settings;

/// Who asked, when the caller does not say.
const BY: &str = "admin API";
/// The longest name of who asked, in characters.
const MAX_BY: usize = 128;

/// How one event or one delivery is to be delivered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneQuery {
    /// Only this agent; none means every agent that a route names. Not asked for a delivery, which has its agent.
    pub(crate) agent: Option<AgentName>,
    /// Who asked for it.
    pub(crate) by: String,
}

impl OneQuery {
    /// Reads `agent` and `by`.
    pub(crate) fn parse(query: &str) -> Result<Self, BadParameter> {
        let mut parsed = Self { agent: None, by: BY.to_owned() };
        each(query, |parameter| {
            match &*parameter.name {
                "agent" => parsed.agent = Some(parameter.read(NAME)?),
                "by" => parsed.by = parameter.by()?,
                _ => return Err(parameter.bad("`agent` or `by`")),
            }
            Ok(())
        })?;
        Ok(parsed)
    }

    /// Reads `by`.
    pub(crate) fn parse_by(query: &str) -> Result<String, BadParameter> {
        let mut by = BY.to_owned();
        each(query, |parameter| match &*parameter.name {
            "by" => {
                by = parameter.by()?;
                Ok(())
            }
            _ => Err(parameter.bad("`by`")),
        })?;
        Ok(by)
    }
}

/// Which deliveries are to be made again, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplayQuery {
    /// Such deliveries; dead ones when no state is named.
    pub(crate) filter: DeliveryFilter,
    /// Who asked for it.
    pub(crate) by: String,
    /// How many in a second; none means as configured.
    pub(crate) rate: Option<u32>,
    /// Whether they are only counted.
    pub(crate) dry_run: bool,
}

impl ReplayQuery {
    /// Reads `channel`, `kind`, `state` (or `status`, the same), `agent`, `since`, `until`, `by`, `rate` and `dry_run`.
    pub(crate) fn parse(query: &str) -> Result<Self, BadParameter> {
        let mut parsed = Self { filter: DeliveryFilter::default(), by: BY.to_owned(), rate: None, dry_run: false };
        each(query, |parameter| {
            match &*parameter.name {
                "by" => parsed.by = parameter.by()?,
                "rate" => parsed.rate = Some(parameter.rate()?),
                "dry_run" => parsed.dry_run = parameter.read("`true` or `false`")?,
                _ if parameter.filter(&mut parsed.filter)? => {
                    if parsed.filter.state.is_some_and(|state| state.is_open()) {
                        return Err(parameter.bad("`dead` or `delivered`, because the others are still to be made"));
                    }
                }
                _ => {
                    return Err(parameter
                        .bad("`channel`, `kind`, `state`, `agent`, `since`, `until`, `by`, `rate` or `dry_run`"));
                }
            }
            Ok(())
        })?;
        Ok(parsed)
    }
}

impl Parameter {
    fn by(&self) -> Result<String, BadParameter> {
        let is_name =
            !self.value.is_empty() && self.value.chars().count() <= MAX_BY && !self.value.chars().any(char::is_control);
        if is_name { Ok(self.value.clone()) } else { Err(self.bad("a name of 1 to 128 visible characters")) }
    }

    fn rate(&self) -> Result<u32, BadParameter> {
        const RATE: &str = "a number of deliveries per second from 1 to 10000";
        let rate = self.read(RATE)?;
        if (1..=Settings::MAX_RATE).contains(&rate) { Ok(rate) } else { Err(self.bad(RATE)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DeliveryState;

    #[test]
    fn a_replay_says_what_how_and_for_whom() {
        let parsed = ReplayQuery::parse("status=delivered&agent=a&by=ann%40host&rate=10000&dry_run=true").unwrap();

        assert_eq!((parsed.filter.state, parsed.by.as_str()), (Some(DeliveryState::Delivered), "ann@host"));
        assert_eq!((parsed.rate, parsed.dry_run), (Some(10_000), true));
        assert_eq!(ReplayQuery::parse("").unwrap().by, "admin API");
        assert_eq!(OneQuery::parse("agent=a").unwrap().by, "admin API");
        assert_eq!(OneQuery::parse_by("by=ann").unwrap(), "ann");
    }

    #[test]
    fn a_replay_that_makes_no_sense_is_refused() {
        for (query, name) in [
            ("state=pending", "state"),
            ("status=retrying", "status"),
            ("rate=0", "rate"),
            ("rate=10001", "rate"),
            ("dry_run=yes", "dry_run"),
            ("by=", "by"),
            ("by=a%0Ab", "by"),
            ("limit=5", "limit"),
        ] {
            assert_eq!(ReplayQuery::parse(query).unwrap_err().name, name);
        }
        assert_eq!(OneQuery::parse_by("agent=a").unwrap_err().name, "agent");
    }
}
