//! The comments of `gateway.toml`, by the keys that they describe.

use std::collections::BTreeMap;

use crate::config::key::join;

/// Keys as problems name them (`routes[0].agents`) and what the comment above them says. A comment also describes the keys that
/// follow the first one without another comment or an empty line. Keys may be commented out themselves.
pub(super) fn descriptions(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut counts = BTreeMap::<String, usize>::new();
    let (mut table, mut comment, mut is_open) = (String::new(), Vec::new(), false);
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("# ").or((line == "#").then_some("")) {
            if !is_open {
                comment.clear();
            }
            is_open = true;
            comment.push(words.trim());
            continue;
        }
        is_open = false;
        let line = line.strip_prefix('#').unwrap_or(line);
        let about = comment.join(" ");
        if let Some(name) = line.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
            let count = counts.entry(name.to_owned()).or_default();
            table = format!("{name}[{count}]");
            *count += 1;
            found.push((name.to_owned(), about));
            comment.clear();
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut table);
            found.push((table.clone(), about));
            comment.clear();
        } else if let Some((name, _)) = line.split_once(" = ").filter(|(name, _)| !name.contains(' ')) {
            found.push((join(&table, name), about));
        } else {
            comment.clear();
        }
    }
    found.retain(|(_, about)| !about.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_describes_the_keys_below_it() {
        let text = "# File.\n\n[http]\n# Address\n# of it.\nlisten = \"a\"\n\n# Two.\n#one = 1\n#two = 2\n\n#three = 3\n# Routes.\n#[[routes]]\n# Names.\n#agents = []\n";

        let expected = [
            ("http.listen", "Address of it."),
            ("http.one", "Two."),
            ("http.two", "Two."),
            ("routes", "Routes."),
            ("routes[0].agents", "Names."),
        ];
        assert_eq!(descriptions(text), expected.map(|(key, about)| (key.to_owned(), about.to_owned())));
    }
}
