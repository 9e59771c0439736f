//! What an operator may want to do now.

use serde_json::Value;

use super::super::list::{bad_endpoints, forecast, shown};
use super::super::output;
use super::{Report, is_broken, is_unwell};

/// The most names in one line, and the most lines about things of one kind. The rest is counted.
const MOST: usize = 3;

/// Things of one kind in one state.
struct Kind {
    /// For one thing, and for several.
    nouns: [&'static str; 2],
    states: [&'static str; 2],
    /// What lists all of them.
    listed: &'static str,
}

const CHANNELS: Kind =
    Kind { nouns: ["channel", "channels"], states: [" waits", " wait"], listed: "`gateway channels`" };
const AGENTS: Kind = Kind { nouns: ["agent", "agents"], states: [" waits", " wait"], listed: "`gateway agents`" };
const PLUGINS: Kind =
    Kind { nouns: ["plugin", "plugins"], states: [" does not serve", " do not serve"], listed: "`gateway plugins`" };
const NEW_FILES: Kind = Kind {
    nouns: ["plugin", "plugins"],
    states: [": new file refused, the version before serves", ": new files refused, the versions before serve"],
    listed: "`gateway plugins`",
};

impl Kind {
    /// One line for all things with the same reason.
    fn lines(&self, things: &[(String, String)]) -> Vec<String> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, reason) in things {
            match groups.iter_mut().find(|(known, _)| known == reason) {
                Some((_, names)) => names.push(name),
                None => groups.push((reason, vec![name])),
            }
        }
        let line = |(reason, names): &(&str, Vec<&str>)| {
            let form = usize::from(names.len() > 1);
            let more = names.len().saturating_sub(MOST);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = names.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
            format!("{} {named}{more}{}: {reason}", self.nouns[form], self.states[form])
        };
        let mut lines: Vec<_> = groups.iter().take(MOST).map(line).collect();
        let more: usize = groups.iter().skip(MOST).map(|(_, names)| names.len()).sum();
        if more > 0 {
            lines.push(format!("{more} more {}: {} lists them", self.nouns[usize::from(more > 1)], self.listed));
        }
        lines
    }
}

impl Report {
    pub(super) fn next_steps(&self) -> Vec<String> {
        let mut steps = self.waiting();
        let name = |agent: &Value| shown(&agent["name"]);
        for agent in self.agents.iter().filter(|agent| is_unwell(agent)) {
            steps.push(output::clean(&format!("agent {}: {}", name(agent), bad_endpoints(agent)), false));
        }
        steps.extend(self.agents.iter().filter_map(forecast));
        for agent in self.agents.iter().filter(|agent| agent["state"] == "paused") {
            steps.push(format!("`gateway agents resume {}` ends its pause", name(agent)));
        }
        for agent in &self.gone_agents {
            steps.push(format!(
                "deliveries wait for {agent}, which is not configured: \
                 `gateway deliveries cancel --agent {agent} --dry-run` counts them"
            ));
        }
        if self.stats["events"]["dead"].as_u64().is_some_and(|dead| dead > 0) {
            steps.push(
                "`gateway deliveries --state dead` says why, `gateway deliveries replay --all` tries again".to_owned(),
            );
        }
        if self.stats["events"]["quarantined"].as_u64().is_some_and(|waiting| waiting > 0) {
            steps.push(
                "`gateway events --status quarantined` lists what is in quarantine, `gateway events release --all` tells it"
                    .to_owned(),
            );
        }
        let alerts = &self.stats["alerts"];
        let has = |state: &str| alerts["incidents"][state].as_u64().is_some_and(|count| count > 0);
        if has("needs_human") {
            steps.push(
                "`gateway incidents --state needs_human` lists what waits for a person, `gateway incidents ack ID` takes it"
                    .to_owned(),
            );
        }
        if has("blocked") {
            steps.push("`gateway incidents --state blocked` lists what agents have failed at too often".to_owned());
        }
        for name in alerts["heartbeats_missing"].as_array().into_iter().flatten() {
            steps.push(format!("heartbeat {} is missing: do alerts still arrive?", output::clean(&shown(name), false)));
        }
        if self.agents.iter().any(is_broken) {
            steps.push("`gateway deliveries --state retrying` says why the agent fails".to_owned());
        }
        if !self.restart.is_empty() {
            steps.push(format!("restart the gateway to apply {}", self.restart.join(", ")));
        }
        if self.channels.is_empty() {
            steps.push("add `[channels.NAME]` to the configuration: nothing can be received".to_owned());
        } else if self.agents.is_empty() {
            steps.push("add `[agents.NAME]` and `[[routes]]` to the configuration: events are only stored".to_owned());
        }
        steps
    }

    /// What does not work, and why.
    fn waiting(&self) -> Vec<String> {
        let mut steps = Vec::new();
        let (mut channels, mut plugins, mut new_files) = (Vec::new(), Vec::new(), Vec::new());
        for part in self.ready["failing"].as_array().into_iter().flatten().filter(|part| part["required"] != true) {
            let [part, detail] = ["part", "detail"].map(|member| output::clean(&shown(&part[member]), true));
            match part.split_once(':') {
                // Channels of plugins that nobody has set up are of no interest.
                Some(("channel", name)) if !self.channels.iter().any(|row| row["name"] == name) => {}
                Some(("channel", name)) => channels.push((name.to_owned(), detail)),
                Some(("plugin", name)) => {
                    let serves = self.plugins.iter().any(|row| row["name"] == name && row["state"] == "serving");
                    let refused = if serves { &mut new_files } else { &mut plugins };
                    refused.push((name.to_owned(), detail));
                }
                _ => steps.push(format!("{part}: {detail}")),
            }
        }
        let agents = self.agents.iter().filter(|agent| agent["state"] == "waiting");
        let agents = agents.map(|agent| (shown(&agent["name"]), output::clean(&shown(&agent["detail"]), true)));
        let agents = agents.collect();
        for (kind, things) in [(CHANNELS, channels), (AGENTS, agents), (PLUGINS, plugins), (NEW_FILES, new_files)] {
            steps.extend(kind.lines(&things));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(name: &str, reason: &str) -> (String, String) {
        (name.to_owned(), reason.to_owned())
    }

    #[test]
    fn what_has_the_same_reason_is_one_line() {
        assert_eq!(
            NEW_FILES.lines(&[thing("a", "x\nhint: y"), thing("b", "z"), thing("c", "x\nhint: y")]),
            [
                "plugins a, c: new files refused, the versions before serve: x\nhint: y",
                "plugin b: new file refused, the version before serves: z"
            ]
        );
    }

    #[test]
    fn what_is_too_much_to_name_is_counted() {
        assert_eq!(
            CHANNELS.lines(&["a", "b", "c", "d", "e"].map(|name| thing(name, "x"))),
            ["channels a, b, c and 2 more wait: x"]
        );
        assert_eq!(
            PLUGINS.lines(&["a", "b", "c", "d"].map(|name| thing(name, name)))[2..],
            ["plugin c does not serve: c", "1 more plugin: `gateway plugins` lists them"]
        );
    }
}
