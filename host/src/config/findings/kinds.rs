//! Kinds that no channel of a route can have.

use crate::config::unknown::nearest;
use crate::dispatch::RouteSettings;
use crate::event::{ChannelName, Pattern, patterns_meet};

/// The kind that the gateway gives to bodies that a plugin refuses; see `on_unknown`.
pub(super) const UNKNOWN: &str = "unknown";

/// The kinds that a channel can have.
pub(super) struct Declared {
    pub(super) channel: ChannelName,
    /// Without the channel's name; a `*` at the end stands for any rest. `None` if it is not known.
    pub(super) kinds: Option<Vec<String>>,
}

impl Declared {
    /// Patterns of all kinds, with the channel's name.
    pub(super) fn patterns(&self) -> Vec<String> {
        match &self.kinds {
            None => vec![format!("{}.*", self.channel)],
            Some(kinds) => kinds.iter().map(|kind| format!("{}.{kind}", self.channel)).collect(),
        }
    }
}

/// The patterns of `route.kinds` that match no kind of its channels. A pattern that names a channel which may still come is
/// only told to wait for it.
pub(super) fn kind_warnings(key: &str, route: &RouteSettings, channels: &[Declared]) -> Vec<String> {
    let takes = |channel: &&Declared| route.channels.iter().any(|pattern| pattern.matches_channel(&channel.channel));
    let own: Vec<&Declared> = channels.iter().filter(takes).collect();
    let is_open = !route.channels.iter().all(|pattern| {
        pattern.is_exact() && channels.iter().any(|channel| channel.channel.as_str() == pattern.as_str())
    });
    let patterns: Vec<_> = own.iter().flat_map(|channel| channel.patterns()).collect();
    let warning = |(index, pattern): (usize, &Pattern)| {
        let text = pattern.as_str();
        let is_judged = !text.contains(['[', '{', '\\']);
        if !is_judged || patterns.iter().any(|kind| patterns_meet(text, kind)) {
            return None;
        }
        let key = format!("{key}.kinds[{index}]");
        let (channel, rest) = text.split_once('.').unwrap_or((text, ""));
        if let Some(known) = own.iter().find(|known| known.channel.as_str() == channel) {
            let kinds = known.kinds.as_deref().unwrap_or_default();
            let near = nearest_kind(rest, kinds);
            let hint = near.map(|near| format!("; did you mean `{channel}.{near}`?")).unwrap_or_default();
            return Some(format!("{key}: channel `{channel}` has no kind `{rest}`{hint}"));
        }
        if ChannelName::BUILT_IN.contains(&channel) {
            return Some(format!(
                "{key}: the route must name `{channel}` in `channels`, a channel of the gateway itself"
            ));
        }
        let names = || own.iter().map(|known| known.channel.as_str());
        let near = nearest(channel, names());
        let hint = near.map(|near| format!("; did you mean `{near}.{rest}`?")).unwrap_or_default();
        if !is_open {
            let names: Vec<_> = names().map(|name| format!("`{name}`")).collect();
            return Some(format!(
                "{key}: `{text}` is no kind of {}, the channels of the route{hint}",
                names.join(", ")
            ));
        }
        let is_name = !channel.contains(['*', '?']);
        is_name.then(|| format!("{key}: channel `{channel}` does not exist yet{hint}"))
    };
    route.kinds.iter().enumerate().filter_map(warning).collect()
}

/// The kind that was probably meant: another first word, or else the whole.
fn nearest_kind(text: &str, kinds: &[String]) -> Option<String> {
    let word = |kind: &'_ str| kind.split('.').next().unwrap_or_default().to_owned();
    let (first, rest) = text.split_once('.').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let words: Vec<_> = kinds.iter().map(|kind| word(kind)).collect();
    if words.iter().any(|word| word == first) {
        return nearest(text, kinds.iter().map(String::as_str)).map(str::to_owned);
    }
    let near = nearest(first, words.iter().map(String::as_str))?;
    Some(rest.map_or_else(|| near.to_owned(), |rest| format!("{near}.{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_kind_has_a_nearest_one() {
        let kinds = ["push", "issues.*", "alert.firing", "alert.resolved"].map(str::to_owned);
        for (text, expected) in [
            ("isues.*", Some("issues.*")),
            ("isues.opened", Some("issues.opened")),
            ("pusch", Some("push")),
            ("alert.fireing", Some("alert.firing")),
            ("unlike", None),
        ] {
            assert_eq!(nearest_kind(text, &kinds).as_deref(), expected, "{text}");
        }
    }
}
