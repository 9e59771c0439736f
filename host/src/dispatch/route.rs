//! Routes: which agents get an event, and how its caller waits.
//!
//! The data of an event is read only if a route comes to a condition on it, and then once for all routes.

mod candidate;
mod condition;
mod content;
mod explanation;
mod pointer;
mod settings;
mod value;

use serde::Serialize;

use crate::event::{AgentName, ChannelName, Destination, Facts, Pattern, Priority, Recipient, SyncMode};

pub use self::condition::{Condition, Field, Test};
pub use self::explanation::Explanation;
pub use self::pointer::Pointer;
pub use self::settings::{Mode, RouteSettings};
pub use self::value::{Number, Scalar};

use self::candidate::Candidate;
use self::content::Content;
use self::explanation::{AgentRow, key, unrouted};
use self::pointer::PointerTree;

/// One row of `/admin/routes`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the JSON names are the keys of the configuration")]
pub struct RouteStatus {
    pub channels: Vec<String>,
    pub kinds: Vec<String>,
    /// One sentence each.
    #[serde(rename = "where")]
    pub conditions: Vec<String>,
    pub fallback: bool,
    pub agents: Vec<AgentName>,
    pub mode: &'static str,
    pub timeout_ms: Option<u64>,
    pub priority: Option<Priority>,
    pub respond: bool,
    pub skills: Vec<String>,
}

/// All routes, in the order of the configuration.
pub struct Routes {
    routes: Vec<Candidate>,
    pointers: PointerTree,
}

/// What the routes say of the deliveries of an event to one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// Names of the skills that the agent is offered, each once.
    pub(super) skills: Vec<String>,
    /// Whether the answer goes back to the source of the event.
    pub(super) responds: bool,
    /// Whether somebody waits for the answer: the source, or the caller of a synchronous route.
    pub(super) wants_answer: bool,
}

impl Routes {
    pub fn new(routes: Vec<RouteSettings>) -> Self {
        let mut pointers = PointerTree::default();
        let routes = routes.into_iter().map(|route| Candidate::new(route, &mut pointers)).collect();
        Self { routes, pointers }
    }

    fn content<'a>(&'a self, facts: &'a Facts<'a>) -> Content<'a> {
        Content::new(facts, &self.pointers)
    }

    /// The routes that take such an event: those that match it, or else the fallbacks that do.
    fn taking(&self, content: &Content<'_>) -> Vec<&RouteSettings> {
        let matching = |fallback| {
            let candidates = self.routes.iter().filter(move |route| route.settings.fallback == fallback);
            candidates.filter(|route| route.check(content).is_ok()).map(|route| &route.settings).collect::<Vec<_>>()
        };
        let taking = matching(false);
        if taking.is_empty() { matching(true) } else { taking }
    }

    /// Where such an event goes, and why.
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        let destination = self.destination(facts);
        let content = self.content(facts);
        let taking = self.taking(&content);
        let is_taking = |route: &RouteSettings| taking.iter().any(|taking| std::ptr::eq(*taking, route));
        let indexed = self.routes.iter().enumerate().filter(|(_, route)| is_taking(&route.settings));
        let row = |Recipient { agent, priority }| AgentRow { agent, priority };
        Explanation {
            recipients: destination.recipients.into_iter().map(row).collect(),
            routes: indexed.map(|(index, _)| key(index)).collect(),
            sync: destination.wait.is_some(),
            unrouted: taking.is_empty().then(|| unrouted(&self.routes, &content)),
        }
    }

    /// Where such an event goes: each agent once, with the highest priority of its routes.
    pub(super) fn destination(&self, facts: &Facts<'_>) -> Destination {
        let routes = self.taking(&self.content(facts));
        let mut recipients: Vec<Recipient> = Vec::new();
        for route in &routes {
            let priority = route.priority.or_else(|| priority_of(facts)).unwrap_or_default();
            for agent in &route.agents {
                match recipients.iter_mut().find(|recipient| recipient.agent == *agent) {
                    Some(known) => known.priority = known.priority.max(priority),
                    None => recipients.push(Recipient { agent: agent.clone(), priority }),
                }
            }
        }
        Destination { recipients, wait: wait(&routes) }
    }

    /// What holds for the deliveries of such an event to `agent`.
    pub(super) fn terms(&self, facts: &Facts<'_>, agent: &AgentName) -> Terms {
        let routes = self.taking(&self.content(facts));
        let own = || routes.iter().filter(|route| route.agents.contains(agent));
        let mut skills: Vec<_> = own().flat_map(|route| route.skills.iter().cloned()).collect();
        skills.sort();
        skills.dedup();
        let responds = own().any(|route| route.respond);
        Terms { skills, responds, wants_answer: responds || wait(&routes).is_some() }
    }

    /// Whether a caller of the channel may wait for an agent.
    pub(super) fn may_wait(&self, channel: &ChannelName) -> bool {
        let sync = self.routes.iter().map(|route| &route.settings).filter(|route| route.mode != Mode::Async);
        sync.flat_map(|route| &route.channels).any(|pattern| pattern.matches_channel(channel))
    }

    pub(super) fn list(&self) -> Vec<RouteStatus> {
        let texts = |patterns: &[Pattern]| patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect();
        let status = |route: &RouteSettings| RouteStatus {
            channels: texts(&route.channels),
            kinds: texts(&route.kinds),
            conditions: route.conditions.iter().map(ToString::to_string).collect(),
            fallback: route.fallback,
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
        self.routes.iter().map(|route| status(&route.settings)).collect()
    }
}

/// How the caller waits: only for a synchronous route that takes the event alone.
fn wait(routes: &[&RouteSettings]) -> Option<SyncMode> {
    match routes {
        [RouteSettings { mode: Mode::Sync(mode), .. }] => Some(*mode),
        _ => None,
    }
}

/// The priority in the event's attribute. `None` for any other text than the three.
fn priority_of(facts: &Facts<'_>) -> Option<Priority> {
    let word = facts.attribute("priority")?;
    Priority::ALL.into_iter().find(|priority| priority.as_str() == word)
}

#[cfg(test)]
mod tests;
