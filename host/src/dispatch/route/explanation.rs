//! Why an event goes where it goes, for people.

use std::cmp::Reverse;

use serde::Serialize;

use super::candidate::{Candidate, Mismatch};
use super::content::Content;
use super::value::Scalar;
use crate::event::{AgentName, Pattern, Priority};

/// Where an event goes, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Each agent once.
    pub recipients: Vec<AgentRow>,
    /// The routes that take it, by their keys: `routes[0]`.
    pub routes: Vec<String>,
    /// Whether the caller waits for the agent.
    pub sync: bool,
    /// Why no route takes it, as a sentence. `None` if one does.
    pub unrouted: Option<String>,
}

/// An agent that gets the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentRow {
    pub agent: AgentName,
    pub priority: Priority,
}

impl Explanation {
    /// The sentence about an event that no route took when it came.
    pub fn of_unrouted(self) -> String {
        let Self { routes, unrouted, .. } = self;
        unrouted.unwrap_or_else(|| format!("no route took it; `{}` would now", routes.join("`, `")))
    }
}

/// The sentence about an event that none of `routes` takes.
pub(super) fn unrouted(routes: &[Candidate], content: &Content<'_>) -> String {
    let refusing = routes.iter().enumerate();
    let refusing = refusing.filter_map(|(index, route)| Some((index, route, route.check(content).err()?)));
    match refusing.min_by_key(|(_, _, mismatch)| Reverse(nearness(mismatch))) {
        None => "no route takes it, because there are none: add `[[routes]]`".to_owned(),
        Some((index, route, mismatch)) => {
            let agents: Vec<_> = route.settings.agents.iter().map(|agent| format!("`{agent}`")).collect();
            let (key, agents, why) = (key(index), agents.join(", "), describe(&mismatch, content));
            format!("no route takes it; the nearest is `{key}` to {agents}, which {why}")
        }
    }
}

/// How near the event was to being taken.
fn nearness(mismatch: &Mismatch<'_>) -> usize {
    match mismatch {
        Mismatch::Channel(_) => 0,
        Mismatch::Kind(_) => 1,
        Mismatch::Condition { passed, .. } => 2 + passed,
    }
}

/// As the end of "the nearest is `routes[0]`, which".
fn describe(mismatch: &Mismatch<'_>, content: &Content<'_>) -> String {
    match mismatch {
        Mismatch::Channel(patterns) => {
            let channel = content.facts.channel;
            let is_overlooked =
                channel.is_built_in() && patterns.iter().any(|pattern| pattern.matches(channel.as_str()));
            let why = if is_overlooked { ", a built-in channel, which a route must name without `*`" } else { "" };
            format!("expects {} as the channel, found `{channel}`{why}", alternatives(patterns))
        }
        Mismatch::Kind(patterns) => {
            format!("expects {} as the kind, found `{}`", alternatives(patterns), content.facts.kind)
        }
        Mismatch::Condition { condition, slot, .. } => {
            format!("expects {condition}, found {}", content.with_values(condition, *slot, found))
        }
    }
}

/// The key of a route.
pub(super) fn key(index: usize) -> String {
    format!("routes[{index}]")
}

fn alternatives(patterns: &[Pattern]) -> String {
    const SHOWN: usize = 8;
    let mut texts: Vec<_> = patterns.iter().take(SHOWN).map(|pattern| format!("`{}`", pattern.as_str())).collect();
    if patterns.len() > SHOWN {
        texts.push(format!("{} more", patterns.len() - SHOWN));
    }
    texts.join(" or ")
}

fn found(values: &[Scalar<'_>]) -> String {
    const SHOWN: usize = 4;
    let mut texts: Vec<_> = values.iter().take(SHOWN).map(ToString::to_string).collect();
    if values.len() > SHOWN {
        texts.push("…".to_owned());
    }
    if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
}
