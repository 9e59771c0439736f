//! What a subscriber asks for in the query.

use std::time::Duration;

use crate::event::{EventPatterns, Pattern, parse_duration};
use crate::http::admin::query::{BadParameter, Parameter, each};
use crate::subscribe::{Lease, OnGap, Since};

const SINCE: &str = "`latest`, `earliest`, a cursor, or a time such as `2026-01-31T12:00:00Z`";
const PATTERN: &str = "a pattern, such as `orders.*`";
const WAIT: &str = "a duration of at most 60 seconds, such as `20s`";
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The parameters of all requests that read events. Each request refuses those that mean nothing to it.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) patterns: EventPatterns,
    pub(crate) since: Option<Since>,
    pub(crate) consumer: Option<String>,
    pub(crate) on_gap: OnGap,
    pub(crate) ticket: Option<String>,
    pub(crate) limit: Option<usize>,
    pub(crate) wait: Duration,
    pub(crate) lease: Option<Lease>,
}

impl Parameters {
    /// Reads a query that may have the parameters in `known`.
    ///
    /// # Errors
    /// The first parameter that is unknown, given twice or malformed.
    pub(crate) fn read(query: &str, known: &[&str], expected: &'static str) -> Result<Self, BadParameter> {
        let mut read = Self::default();
        each(query, |parameter| {
            if !known.contains(&&*parameter.name) {
                return Err(parameter.bad(expected));
            }
            match &*parameter.name {
                "channel" => read.patterns.channels.push(pattern(parameter)?),
                "kind" => read.patterns.kinds.push(pattern(parameter)?),
                "subject" => read.patterns.subjects.push(pattern(parameter)?),
                "since" => read.since = Some(parameter.read(SINCE)?),
                "consumer" => read.consumer = Some(parameter.text("the name of a consumer")?),
                "on_gap" => {
                    read.on_gap = match parameter.value() {
                        "continue" => OnGap::Continue,
                        "close" => OnGap::Close,
                        _ => return Err(parameter.bad("`continue` or `close`")),
                    }
                }
                "ticket" => read.ticket = Some(parameter.text("a ticket")?),
                "limit" => read.limit = Some(parameter.limit()?),
                "wait" => {
                    let wait = parse_duration(parameter.value()).filter(|wait| *wait <= LONGEST_WAIT);
                    read.wait = wait.ok_or_else(|| parameter.bad(WAIT))?;
                }
                _ => read.lease = Some(parameter.read("the `lease` of the answer before")?),
            }
            Ok(())
        })?;
        Ok(read)
    }
}

fn pattern(parameter: &Parameter) -> Result<Pattern, BadParameter> {
    Pattern::new(&parameter.text(PATTERN)?).map_err(|_| parameter.bad(PATTERN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_understood() {
        const ALL: &[&str] =
            &["channel", "kind", "subject", "since", "consumer", "on_gap", "ticket", "limit", "wait", "lease"];
        let read = |query: &str| Parameters::read(query, ALL, "another one");
        let whole =
            read("channel=o*&kind=o.*&subject=1&since=earliest&consumer=c&on_gap=close&limit=5&wait=20s&lease=0f")
                .unwrap();
        assert_eq!((whole.since, whole.on_gap, whole.limit), (Some(Since::Earliest), OnGap::Close, Some(5)));
        assert_eq!(whole.wait, Duration::from_secs(20));
        for (query, name) in [
            ("since=7", "since"),
            ("kind=a[", "kind"),
            ("kind=", "kind"),
            ("wait=61s", "wait"),
            ("limit=501", "limit"),
            ("on_gap=stop", "on_gap"),
            ("api_key=x", "api_key"),
        ] {
            assert_eq!(read(query).unwrap_err().name, name, "{query}");
        }
    }
}
