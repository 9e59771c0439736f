//! Routes: which agents get an event, and how its caller waits.

use std::fmt;
use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use serde::Serialize;

use crate::event::{AgentName, ChannelName, Priority, Recipient};

/// One route.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    /// The route matches a channel if one of these does.
    pub channels: Vec<Pattern>,
    /// The route matches a kind if one of these does.
    pub kinds: Vec<Pattern>,
    /// The recipients.
    pub agents: Vec<AgentName>,
    /// Whether the caller waits for the agent.
    pub mode: Mode,
    /// The priority of the events. `None` leaves it to their attribute `priority`.
    pub priority: Option<Priority>,
    /// Whether an agent's answer goes back to the source of the event.
    pub respond: bool,
    /// Names of the skills that the agents are offered. `*` means all.
    pub skills: Vec<String>,
}

/// Whether the caller waits for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The caller gets the response once the events are durable.
    Async,
    /// The caller gets the answer of the route's only agent.
    Sync(SyncMode),
}

/// How a caller waits for an agent's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncMode {
    pub timeout: Duration,
    /// The response after the timeout. The delivery continues.
    pub on_timeout: OnTimeout,
}

/// The response to a caller if an agent takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    /// 202 with the ids of the events.
    Accepted,
    /// 504.
    GatewayTimeout,
}

/// A glob for names and kinds. `*` matches any text, including dots.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    /// `None` matches everything.
    matcher: Option<GlobMatcher>,
}

#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a valid pattern: {reason}")]
pub struct PatternError {
    text: String,
    reason: String,
}

impl Pattern {
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let matcher = match text {
            "*" => None,
            _ => Some(GlobBuilder::new(text).literal_separator(false).build()),
        };
        let matcher = matcher
            .transpose()
            .map_err(|error| PatternError { text: text.to_owned(), reason: error.kind().to_string() })?;
        Ok(Self { text: text.to_owned(), matcher: matcher.map(|glob| glob.compile_matcher()) })
    }

    pub fn matches(&self, name: &str) -> bool {
        self.matcher.as_ref().is_none_or(|matcher| matcher.is_match(name))
    }

    /// Whether the channel is meant: one of the gateway itself only by its name.
    pub fn matches_channel(&self, channel: &ChannelName) -> bool {
        if channel.is_built_in() { self.text == channel.as_str() } else { self.matches(channel.as_str()) }
    }

    /// The original text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Default for Pattern {
    fn default() -> Self {
        Self { text: "*".to_owned(), matcher: None }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// One row of `/admin/routes`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names are the keys of the configuration")]
pub struct RouteStatus {
    pub channels: Vec<String>,
    pub kinds: Vec<String>,
    pub agents: Vec<AgentName>,
    pub mode: &'static str,
    pub timeout_ms: Option<u64>,
    pub priority: Option<Priority>,
    pub respond: bool,
    pub skills: Vec<String>,
}

/// All routes, in the order of the configuration.
pub(super) struct Routes(Vec<RouteSettings>);

impl Routes {
    pub(super) fn new(routes: Vec<RouteSettings>) -> Self {
        Self(routes)
    }

    fn matching(&self, channel: &ChannelName, kind: &str) -> impl Iterator<Item = &RouteSettings> {
        self.0.iter().filter(move |route| {
            route.channels.iter().any(|pattern| pattern.matches_channel(channel))
                && route.kinds.iter().any(|pattern| pattern.matches(kind))
        })
    }

    /// Whether `agent`'s answer to such an event goes back to its source.
    pub(super) fn responds(&self, channel: &ChannelName, kind: &str, agent: &AgentName) -> bool {
        self.matching(channel, kind).any(|route| route.respond && route.agents.contains(agent))
    }

    /// Whether somebody waits for `agent`'s answer to such an event: its source, or the caller of a synchronous route.
    pub(super) fn wants_answer(&self, channel: &ChannelName, kind: &str, agent: &AgentName) -> bool {
        self.responds(channel, kind, agent) || self.sync_mode(channel, kind).is_some()
    }

    /// Each agent once, with the highest priority of its routes.
    pub(super) fn recipients(
        &self,
        channel: &ChannelName,
        kind: &str,
        attributes: &[(String, String)],
    ) -> Vec<Recipient> {
        let mut recipients: Vec<Recipient> = Vec::new();
        for route in self.matching(channel, kind) {
            let priority = route.priority.or_else(|| priority_of(attributes)).unwrap_or_default();
            for agent in &route.agents {
                match recipients.iter_mut().find(|recipient| recipient.agent == *agent) {
                    Some(known) => known.priority = known.priority.max(priority),
                    None => recipients.push(Recipient { agent: agent.clone(), priority }),
                }
            }
        }
        recipients
    }

    /// Names of the skills that `agent` is offered for such an event, each once.
    pub(super) fn skills(&self, channel: &ChannelName, kind: &str, agent: &AgentName) -> Vec<String> {
        let routes = self.matching(channel, kind).filter(|route| route.agents.contains(agent));
        let mut names: Vec<_> = routes.flat_map(|route| route.skills.iter().cloned()).collect();
        names.sort();
        names.dedup();
        names
    }

    pub(super) fn may_wait(&self, channel: &ChannelName) -> bool {
        let sync = self.0.iter().filter(|route| route.mode != Mode::Async);
        sync.flat_map(|route| &route.channels).any(|pattern| pattern.matches_channel(channel))
    }

    pub(super) fn sync_mode(&self, channel: &ChannelName, kind: &str) -> Option<SyncMode> {
        let mut matching = self.matching(channel, kind);
        match (matching.next()?.mode, matching.next()) {
            (Mode::Sync(mode), None) => Some(mode),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Vec<RouteStatus> {
        let texts = |patterns: &[Pattern]| patterns.iter().map(|pattern| pattern.text.clone()).collect();
        let status = |route: &RouteSettings| RouteStatus {
            channels: texts(&route.channels),
            kinds: texts(&route.kinds),
            agents: route.agents.clone(),
            mode: if route.mode == Mode::Async { "async" } else { "sync" },
            timeout_ms: match route.mode {
                Mode::Async => None,
                Mode::Sync(mode) => u64::try_from(mode.timeout.as_millis()).ok(),
            },
            priority: route.priority,
            respond: route.respond,
            skills: route.skills.clone(),
        };
        self.0.iter().map(status).collect()
    }
}

/// The priority in the event's attribute. `None` for any other text than the three.
fn priority_of(attributes: &[(String, String)]) -> Option<Priority> {
    let (_, word) = attributes.iter().find(|(name, _)| name == "priority")?;
    Priority::ALL.into_iter().find(|priority| priority.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: SyncMode = SyncMode { timeout: Duration::from_secs(1), on_timeout: OnTimeout::Accepted };

    fn route(channels: &[&str], kinds: &[&str], agents: &[&str], mode: Mode) -> RouteSettings {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect();
        RouteSettings {
            channels: patterns(channels),
            kinds: patterns(kinds),
            agents: agents.iter().map(|agent| agent.parse().unwrap()).collect(),
            mode,
            priority: None,
            respond: false,
            skills: vec![agents[0].to_owned()],
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "github.push", true),
            ("github.*", "github.issue_comment.created", true),
            ("github.push", "github.push", true),
            ("github.push", "github.pushed", false),
            ("git{hub,lab}.*", "gitlab.push", true),
            ("*.created", "github.issues.created", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
        assert!(Pattern::new("a[").is_err());
    }

    #[test]
    fn an_event_goes_to_every_agent_of_every_route_that_takes_it_once() {
        let routes = Routes::new(vec![
            route(&["github"], &["*"], &["a", "b"], Mode::Async),
            route(&["*"], &["*.push"], &["b", "c"], Mode::Async),
        ]);
        let channel = "github".parse().unwrap();
        let names =
            |kind| routes.recipients(&channel, kind, &[]).iter().map(|to| to.agent.to_string()).collect::<Vec<_>>();

        assert_eq!(names("github.push"), ["a", "b", "c"]);
        assert_eq!(names("github.ping"), ["a", "b"]);
        assert_eq!(routes.skills(&channel, "github.push", &"b".parse().unwrap()), ["a", "b"]);
    }

    #[test]
    fn a_built_in_channel_must_be_named() {
        for (pattern, expected) in [("*", 0), ("g*", 0), ("{gateway,github}", 0), ("gateway", 1)] {
            let routes = Routes::new(vec![route(&[pattern], &["*"], &["a"], Mode::Async)]);
            let recipients = routes.recipients(&"gateway".parse().unwrap(), "gateway.delivery.dead", &[]);
            assert_eq!(recipients.len(), expected, "{pattern}");
        }
    }

    #[test]
    fn the_route_says_how_urgent_an_event_is_or_else_the_event_itself() {
        let mut routes =
            [route(&["github"], &["*"], &["a", "b"], Mode::Async), route(&["*"], &["*.push"], &["b"], Mode::Async)];
        routes[1].priority = Some(Priority::High);
        let routes = Routes::new(routes.to_vec());
        let check = |kind: &str, attribute: &str, expected: &[(&str, Priority)]| {
            let attributes = [("priority".to_owned(), attribute.to_owned())];
            let found = routes.recipients(&"github".parse().unwrap(), kind, &attributes);
            let found: Vec<_> = found.iter().map(|to| (to.agent.as_str(), to.priority)).collect();
            assert_eq!(found, expected, "{kind} {attribute}");
        };

        check("github.ping", "low", &[("a", Priority::Low), ("b", Priority::Low)]);
        check("github.ping", "urgent", &[("a", Priority::Normal), ("b", Priority::Normal)]);
        check("github.push", "low", &[("a", Priority::Low), ("b", Priority::High)]);
    }

    #[test]
    fn an_answer_goes_back_where_a_route_to_its_agent_says_so() {
        let mut routes =
            [route(&["github"], &["*"], &["a", "b"], Mode::Async), route(&["*"], &["*.push"], &["b"], Mode::Async)];
        routes[1].respond = true;
        let routes = Routes::new(routes.to_vec());
        let responds =
            |kind: &str, agent: &str| routes.responds(&"github".parse().unwrap(), kind, &agent.parse().unwrap());

        assert!(responds("github.push", "b"));
        assert!(!responds("github.push", "a"));
        assert!(!responds("github.ping", "b"));
    }

    #[test]
    fn a_caller_waits_only_for_a_single_synchronous_route() {
        let routes = Routes::new(vec![
            route(&["github"], &["*"], &["a"], Mode::Sync(SYNC)),
            route(&["*"], &["*.push"], &["b"], Mode::Async),
        ]);
        let channel = "github".parse().unwrap();

        assert!(routes.may_wait(&channel));
        assert!(!routes.may_wait(&"grafana".parse().unwrap()));
        assert_eq!(routes.sync_mode(&channel, "github.ping"), Some(SYNC));
        assert_eq!(routes.sync_mode(&channel, "github.push"), None);
    }
}
