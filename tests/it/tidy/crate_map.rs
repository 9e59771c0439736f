//! A crate as the graph of its files: which file uses what another one defines.
//!
//! File A uses file B when A names an item that B defines: in a `use`, or by a path in its code. An item that is imported from
//! a module which only imports it itself (`pub use`) is one of the file that defines it. `mod` lines and `pub use` lines are no
//! uses by themselves; a `pub use` is one when its file also works with the name. Test code uses nothing, and neither do calls
//! of methods, whose types have been named somewhere before.

use std::collections::BTreeMap;

use super::module::{Import, Module};

/// All files of a crate.
pub(super) struct CrateMap {
    modules: BTreeMap<Vec<String>, Module>,
}

/// What a file uses: other files, with the first name of each and its line.
pub(super) type Uses = BTreeMap<String, (String, usize)>;

/// How many re-exports may lead from a name to its item.
const MOST_STEPS: usize = 16;

impl CrateMap {
    /// Of the files of one crate, each with its path below the source folder and its text.
    pub(super) fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let modules = files.into_iter().map(|(file, text)| Module::parse(file, text));
        let mut modules: BTreeMap<_, _> = modules.map(|module| (module.place.clone(), module)).collect();
        let tests: Vec<Vec<String>> = modules
            .values()
            .flat_map(|module| {
                module.test_modules.iter().map(|name| [&module.place[..], std::slice::from_ref(name)].concat())
            })
            .collect();
        modules.retain(|place, _| !tests.iter().any(|test| place.starts_with(test)));
        Self { modules }
    }

    /// The uses of every file.
    pub(super) fn uses(&self) -> BTreeMap<String, Uses> {
        self.modules.values().map(|module| (module.file.clone(), self.uses_of(module))).collect()
    }

    fn uses_of(&self, module: &Module) -> Uses {
        let mut uses = Uses::new();
        let mut note = |path: &[String], line: usize| {
            if let Some(file) = self.defined_in(module, path, MOST_STEPS)
                && file != module.file
            {
                let name = path.last().cloned().unwrap_or_default();
                uses.entry(file.to_owned()).or_insert((name, line));
            }
        };
        for Import { path, name, is_public, line } in &module.imports {
            if name == "*" && !is_public {
                note(&[&path[..], &["*".to_owned()]].concat(), *line);
            } else if !is_public {
                note(path, *line);
            } else if let Some(line) = module.names.get(name) {
                note(path, *line);
            }
        }
        for (path, line) in &module.paths {
            note(path, *line);
        }
        uses
    }

    /// The file that defines what `path` means in `module`; `None` for a module as such, and for other crates.
    fn defined_in<'a>(&'a self, module: &'a Module, path: &[String], steps: usize) -> Option<&'a str> {
        let steps = steps.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        if first == "crate" {
            return self.below_root(rest, steps);
        }
        let child = [&module.place[..], std::slice::from_ref(first)].concat();
        if self.modules.contains_key(&child) {
            return self.below_root(&[child, rest.to_vec()].concat(), steps);
        }
        if module.items.contains(first) {
            return Some(&module.file);
        }
        let import = module.imports.iter().find(|import| import.name == *first && import.path != path)?;
        self.defined_in(module, &[&import.path[..], rest].concat(), steps)
    }

    /// The same of a path that starts at the root of the crate.
    fn below_root<'a>(&'a self, path: &[String], steps: usize) -> Option<&'a str> {
        let length = (0..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let module = &self.modules[&path[..length]];
        let (name, rest) = path[length..].split_first()?;
        if module.items.contains(name) {
            return Some(&module.file);
        }
        if let Some(import) = module.imports.iter().find(|import| import.name == *name) {
            let elsewhere = [&import.path[..], rest].concat();
            return self.defined_in(module, &elsewhere, steps).or(Some(&module.file));
        }
        let globs = module.imports.iter().filter(|import| import.name == "*");
        let mut found = globs.filter_map(|glob| {
            let path = [&glob.path[..], &path[length..]].concat();
            let file = self.defined_in(module, &path, steps)?;
            // Where it is not defined there either, that file is no more than a guess.
            let defines = self.modules.values().any(|module| module.file == file && module.items.contains(name));
            defines.then_some(file)
        });
        found.next().or(Some(&module.file))
    }
}

/// The circles of a graph: groups of files that all use one another, directly or through others. Each as the way from one of
/// its files back to it.
pub(super) fn circles(uses: &BTreeMap<String, Uses>) -> Vec<String> {
    let reaches = |way: &BTreeMap<&str, &str>, file: &str| way.contains_key(file);
    let mut left: Vec<&String> = uses.keys().collect();
    let mut circles = Vec::new();
    while let Some(start) = left.first().copied() {
        let forth = way(uses, start, None);
        let group: Vec<&String> = left
            .iter()
            .copied()
            .filter(|file| reaches(&forth, file) && reaches(&way(uses, file, None), start))
            .collect();
        if reaches(&forth, start) {
            circles.push(describe(uses, start, &group));
        }
        left.retain(|file| file != &start && !group.contains(file));
    }
    circles
}

/// Which files can be reached from `start`, each with the file before it on a shortest way. Stops at `end`.
fn way<'a>(uses: &'a BTreeMap<String, Uses>, start: &'a str, end: Option<&str>) -> BTreeMap<&'a str, &'a str> {
    let mut before = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for next in uses.get(file).into_iter().flat_map(BTreeMap::keys) {
            if !before.contains_key(next.as_str()) {
                before.insert(next.as_str(), file);
                queue.push_back(next);
                if end == Some(next) {
                    return before;
                }
            }
        }
    }
    before
}

/// A shortest way from `start` back to it, and what else is in its circle.
fn describe(uses: &BTreeMap<String, Uses>, start: &str, group: &[&String]) -> String {
    let before = way(uses, start, Some(start));
    let (mut steps, mut named) = (Vec::new(), vec![start]);
    let mut file = start;
    loop {
        let user = before[file];
        let (name, line) = &uses[user][file];
        steps.push(format!("{user}:{line} uses `{name}` of {file}"));
        named.push(user);
        file = user;
        if file == start {
            break;
        }
    }
    steps.reverse();
    let others: Vec<&str> = group.iter().map(|file| file.as_str()).filter(|file| !named.contains(file)).collect();
    let others = if others.is_empty() { String::new() } else { format!("; also in it: {}", others.join(", ")) };
    format!("a circle of {} files: {}{others}", group.len(), steps.join(", "))
}
