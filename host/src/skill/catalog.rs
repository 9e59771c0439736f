//! The result of a scan, and the handle to the latest one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tracing::{info, warn};

use super::{Skill, SkillProblem};

/// The result of one scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// In the order of their names, which are unique.
    pub skills: Vec<Arc<Skill>>,
    /// In the order of the folders.
    pub problems: Vec<SkillProblem>,
}

/// The current [`Catalog`]; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Skills(Arc<ArcSwap<Catalog>>);

impl Skills {
    /// Serves `catalog` and logs its problems.
    pub fn new(catalog: Catalog) -> Self {
        let skills = Self::default();
        skills.replace(catalog);
        skills
    }

    /// The served catalog.
    pub fn current(&self) -> Arc<Catalog> {
        self.0.load_full()
    }

    /// Serves `catalog` and logs the changes and the new problems.
    pub fn replace(&self, catalog: Catalog) {
        let new = Arc::new(catalog);
        let old = self.0.swap(Arc::clone(&new));
        for problem in new.problems.iter().filter(|problem| !old.problems.contains(problem)) {
            warn!(%problem, "Skill not loaded");
        }
        let changes = Changes::between(&old, &new);
        if changes != Changes::default() {
            let Changes { added, removed, changed } = changes;
            info!(?added, ?removed, ?changed, skills = new.skills.len(), "Skills changed");
        }
    }

    /// The skills in an allow list, in the order of their names. `*` means all, an empty list means none. Unknown names are
    /// ignored.
    pub fn select(&self, allow: &[String]) -> Vec<Arc<Skill>> {
        let allowed = |skill: &Skill| allow.iter().any(|entry| entry == "*" || *entry == skill.name);
        self.current().skills.iter().filter(|skill| allowed(skill)).cloned().collect()
    }
}

/// The changes from one catalog to the next, by the names of the skills.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes<'a> {
    added: Vec<&'a str>,
    removed: Vec<&'a str>,
    changed: Vec<&'a str>,
}

impl<'a> Changes<'a> {
    fn between(old: &'a Catalog, new: &'a Catalog) -> Self {
        fn by_name(catalog: &Catalog) -> BTreeMap<&str, &Skill> {
            catalog.skills.iter().map(|skill| (skill.name.as_str(), &**skill)).collect()
        }
        let (before, after) = (by_name(old), by_name(new));
        let mut changes = Self::default();
        for (name, skill) in &after {
            match before.get(name) {
                None => changes.added.push(name),
                Some(known) if known != skill => changes.changed.push(name),
                Some(_) => {}
            }
        }
        changes.removed.extend(before.keys().filter(|name| !after.contains_key(*name)));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skill(name: &str, description: &str) -> Arc<Skill> {
        Arc::new(Skill {
            name: name.to_owned(),
            description: description.to_owned(),
            path: format!("/skills/{name}/SKILL.md"),
            license: None,
            compatibility: None,
            metadata: serde_json::json!({}),
            allowed_tools: Vec::new(),
            digest: String::new(),
        })
    }

    fn catalog(skills: &[(&str, &str)]) -> Catalog {
        Catalog {
            skills: skills.iter().map(|(name, description)| skill(name, description)).collect(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn an_allow_list_selects_by_exact_name_and_in_order() {
        let skills = Skills::new(catalog(&[("deploy", "d"), ("review", "r"), ("triage", "t")]));
        let check = |allow: &[&str], expected: &[&str]| {
            let allow: Vec<String> = allow.iter().map(ToString::to_string).collect();
            let selected = skills.select(&allow);
            let names: Vec<&str> = selected.iter().map(|skill| skill.name.as_str()).collect();
            assert_eq!(names, expected, "{allow:?}");
        };

        check(&[], &[]);
        check(&["*"], &["deploy", "review", "triage"]);
        check(&["triage", "deploy", "triage"], &["deploy", "triage"]);
        check(&["nobody", "review"], &["review"]);
        check(&["tri*"], &[]);
        check(&["deploy", "*"], &["deploy", "review", "triage"]);
    }

    #[test]
    fn changes_are_distinguished() {
        let check = |old: &[(&str, &str)], new: &[(&str, &str)], added: &[&str], removed: &[&str], changed: &[&str]| {
            let (old, new) = (catalog(old), catalog(new));
            let expected = Changes { added: added.to_vec(), removed: removed.to_vec(), changed: changed.to_vec() };
            assert_eq!(Changes::between(&old, &new), expected);
        };

        check(&[], &[], &[], &[], &[]);
        check(&[("a", "1")], &[("a", "1")], &[], &[], &[]);
        check(&[], &[("a", "1")], &["a"], &[], &[]);
        check(&[("a", "1")], &[], &[], &["a"], &[]);
        check(&[("a", "1")], &[("a", "2")], &[], &[], &["a"]);
        check(&[("a", "1"), ("b", "1")], &[("b", "2"), ("c", "1")], &["c"], &["a"], &["b"]);
    }

    #[test]
    fn every_clone_sees_the_replacement_and_a_catalog_in_use_stays_as_it_was() {
        let skills = Skills::new(catalog(&[("a", "1")]));
        let (clone, in_use) = (skills.clone(), skills.current());

        skills.replace(catalog(&[("b", "1")]));

        assert_eq!(clone.current().skills[0].name, "b");
        assert_eq!(in_use.skills[0].name, "a");
    }
}
