//! `[[alerts.inhibit]]`.

use super::labels::label_names;
use super::matchers::matchers;
use crate::alert::InhibitionRule;
use crate::config::section::Section;

/// Which alerts keep which others quiet.
pub(super) fn inhibitions(alerts: &Section<'_>) -> Vec<InhibitionRule> {
    let rule = |section: &Section<'_>| {
        let [source, target] = ["source", "target"].map(|name| matchers(section, name));
        let equal = label_names(section, "equal").unwrap_or_default().into_iter().collect();
        InhibitionRule::new(source?, target?, equal).ok()
    };
    alerts.list("inhibit").iter().filter_map(rule).collect()
}
