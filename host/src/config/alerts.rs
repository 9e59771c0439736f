//! `[alerts]`.

use super::problem::quoted;
use super::section::Section;
use super::unknown::nearest;
use crate::ingest::ChannelSettings;

/// Reads `channels`, and has those channels keep their repetitions.
pub(super) fn keep_repeats(section: &Section<'_>, channels: &mut [ChannelSettings]) {
    for (name, place) in section.texts("channels").unwrap_or_default() {
        if let Some(channel) = channels.iter_mut().find(|channel| channel.name.as_str() == name) {
            channel.keep_repeats = true;
            continue;
        }
        let expected = "the name of a channel of this file";
        match nearest(&name, channels.iter().map(|channel| channel.name.as_str())) {
            Some(near) => place.problem_with_hint(expected, quoted(&name), format!("did you mean `{near}`?")),
            None => place.problem(expected, quoted(&name)),
        }
    }
}
