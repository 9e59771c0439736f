//! Names of rules and heartbeats.

use crate::config::limits::NAME;
use crate::config::problem::quoted;
use crate::config::section::Section;
use crate::event::ChannelName;

/// The key `name`, which is none of those that were `taken` before.
pub(super) fn rule_name(section: &Section<'_>, taken: &mut Vec<String>) -> Option<String> {
    let place = section.place("name");
    if !section.has("name") {
        place.problem_with_hint("a name", "nothing", place.example("\"checkout\""));
    }
    // They are written like the names of channels.
    let name = section.parsed("name", NAME, str::parse::<ChannelName>)?.to_string();
    if taken.contains(&name) {
        place.problem("a name of its own", format!("{}, which is taken", quoted(&name)));
    }
    taken.push(name.clone());
    Some(name)
}
