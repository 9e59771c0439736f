//! What one source file defines, imports and names.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::{Token, tokens};

/// A file as a module of its crate.
#[derive(Debug)]
pub(super) struct Module {
    /// Its path below the source folder.
    pub(super) file: String,
    /// Its place in the crate: `["a", "b"]` for `a/b.rs`.
    pub(super) place: Vec<String>,
    /// The items at its top level, those of test code left out.
    pub(super) items: BTreeSet<String>,
    /// The modules that only tests compile.
    pub(super) test_modules: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    /// Paths of two and more names in its code, with their lines.
    pub(super) paths: Vec<(Vec<String>, usize)>,
    /// Single names in its code, with the first line of each.
    pub(super) names: BTreeMap<String, usize>,
}

/// One name that a `use` brings in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// From the root of the crate where that is known, otherwise as it was written.
    pub(super) path: Vec<String>,
    /// What it is called here; `*` for everything.
    pub(super) name: String,
    /// Whether others can import it from here.
    pub(super) is_public: bool,
    pub(super) line: usize,
}

/// The first words of items, before their names.
const KEYWORDS: &[&str] = &["fn", "struct", "enum", "union", "trait", "type", "const", "static", "mod", "macro_rules"];

impl Module {
    /// Reads the file at `file`, a path below the source folder.
    pub(super) fn parse(file: &str, text: &str) -> Self {
        let place = match file {
            "lib.rs" | "main.rs" => Vec::new(),
            _ => file.trim_end_matches(".rs").split('/').map(str::to_owned).collect(),
        };
        let module = Self {
            file: file.to_owned(),
            place,
            items: BTreeSet::new(),
            test_modules: BTreeSet::new(),
            imports: Vec::new(),
            paths: Vec::new(),
            names: BTreeMap::new(),
        };
        let mut reader = Reader { tokens: tokens(text), at: 0, depth: 0, inline: Vec::new(), module };
        reader.read();
        reader.module
    }
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    /// Open braces.
    depth: usize,
    /// The modules that are written out around the current token, each with the depth of its braces.
    inline: Vec<(String, usize)>,
    module: Module,
}

impl Reader {
    fn read(&mut self) {
        while self.at < self.tokens.len() {
            let word = self.word(0).to_owned();
            match word.as_str() {
                "{" => self.depth += 1,
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    self.inline.retain(|(_, depth)| *depth <= self.depth);
                }
                "#" if self.is_test_attribute() => {
                    self.skip_test_item();
                    continue;
                }
                "use" if self.word(1) != "<" => {
                    self.import();
                    continue;
                }
                _ if KEYWORDS.contains(&word.as_str()) => self.item(&word),
                _ if is_name(&word) => {
                    self.path();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// The text of the token so far ahead; empty behind the end.
    fn word(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| &token.text)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    /// Notes what an item is called, and enters a module that is written out.
    fn item(&mut self, keyword: &str) {
        let ahead = if keyword == "macro_rules" && self.word(1) == "!" { 2 } else { 1 };
        let name = self.word(ahead).to_owned();
        if !is_name(&name) {
            return;
        }
        if self.depth == 0 {
            self.module.items.insert(name.clone());
        }
        if keyword == "mod" && self.word(2) == "{" {
            self.inline.push((name, self.depth + 1));
        }
        // The name itself is no use of anything.
        self.at += ahead;
    }

    fn is_test_attribute(&self) -> bool {
        let words: Vec<_> = (1..7).map(|ahead| self.word(ahead)).collect();
        matches!(
            words[..],
            ["[", "cfg", "(", "test", ..] | ["[", "cfg", "(", "all", "(", "test"] | ["[", "test", "]", ..]
        )
    }

    /// Skips an attribute and what it stands before.
    fn skip_test_item(&mut self) {
        while self.word(0) == "#" {
            self.at += 1;
            self.skip_brackets();
        }
        let start = self.at;
        let visible = ["pub", "fn", "struct", "use", "impl", "async", "unsafe", "static", "type", "trait", "enum"];
        let is_item = visible.contains(&self.word(0)) || KEYWORDS.contains(&self.word(0));
        let is_import = (0..6).map(|ahead| self.word(ahead)).take_while(|word| *word != "{").any(|word| word == "use");
        while self.at < self.tokens.len() {
            match self.word(0) {
                ";" => break,
                "," if !is_item => break,
                "}" | ")" => return self.note_test_module(start),
                "(" | "[" => {
                    self.skip_brackets();
                    continue;
                }
                "{" => {
                    self.skip_brackets();
                    if is_import {
                        continue;
                    }
                    return self.note_test_module(start);
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
        self.note_test_module(start);
    }

    fn note_test_module(&mut self, start: usize) {
        let words: Vec<_> =
            self.tokens[start..self.at.min(self.tokens.len())].iter().map(|token| &token.text).collect();
        if let Some(at) = words.iter().position(|word| *word == "mod") {
            self.module.test_modules.extend(words.get(at + 1).map(|name| (*name).clone()));
        }
    }

    /// Skips from an opening bracket of any kind to behind the one that closes it.
    fn skip_brackets(&mut self) {
        let mut open = 0;
        while self.at < self.tokens.len() {
            match self.word(0) {
                "(" | "[" | "{" => open += 1,
                ")" | "]" | "}" => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    /// Reads a `use` with all of its names.
    fn import(&mut self) {
        let is_public = self.is_public();
        self.at += 1;
        self.tree(&[], is_public);
        if self.word(0) == ";" {
            self.at += 1;
        }
    }

    /// Whether `pub`, `pub(crate)` or the like stands before this token.
    fn is_public(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).map_or("", |at| self.tokens[at].text.as_str());
        if before(1) != ")" {
            return before(1) == "pub";
        }
        (2..8).find(|back| before(*back) == "(").is_some_and(|open| before(open + 1) == "pub")
    }

    /// Reads one part of a `use`: a path, and what is in the braces at its end.
    fn tree(&mut self, prefix: &[String], is_public: bool) {
        let line = self.line();
        let mut path = prefix.to_vec();
        loop {
            match self.word(0).to_owned().as_str() {
                "{" => {
                    self.at += 1;
                    while !["}", ""].contains(&self.word(0)) {
                        self.tree(&path, is_public);
                        if self.word(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "::" => self.at += 1,
                "*" => {
                    self.at += 1;
                    self.module.imports.push(Import {
                        path: self.absolute(path),
                        name: "*".to_owned(),
                        is_public,
                        line,
                    });
                    return;
                }
                "as" => {
                    let name = self.word(1).to_owned();
                    self.at += 2;
                    self.module.imports.push(Import { path: self.absolute(path), name, is_public, line });
                    return;
                }
                word if is_name(word) => {
                    path.push(word.to_owned());
                    self.at += 1;
                }
                _ => break,
            }
        }
        // `a::{self}` is `a`.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(name) = path.last().cloned() {
            self.module.imports.push(Import { path: self.absolute(path), name, is_public, line });
        }
    }

    /// Reads a name, or a path of names.
    fn path(&mut self) {
        let line = self.line();
        let is_member = self.at > 0 && [".", "::"].contains(&self.tokens[self.at - 1].text.as_str());
        let mut path = vec![self.word(0).to_owned()];
        self.at += 1;
        while self.word(0) == "::" && is_name(self.word(1)) {
            path.push(self.word(1).to_owned());
            self.at += 2;
        }
        if is_member {
            return;
        }
        if path.len() == 1 {
            self.module.names.entry(path.remove(0)).or_insert(line);
        } else {
            let path = self.absolute(path);
            self.module.paths.push((path, line));
        }
    }

    /// The path from the root of the crate, if it says where it starts; it then begins with `crate`.
    fn absolute(&self, path: Vec<String>) -> Vec<String> {
        let mut base = self.module.place.clone();
        base.extend(self.inline.iter().map(|(name, _)| name.clone()));
        let start = match path.first().map(String::as_str) {
            Some("crate") => return path,
            Some("self") => 1,
            Some("super") => {
                let levels = path.iter().take_while(|name| *name == "super").count();
                base.truncate(base.len().saturating_sub(levels));
                levels
            }
            _ => return path,
        };
        // A module that is written out is a part of its file.
        base.truncate(base.len().min(self.module.place.len()));
        [vec!["crate".to_owned()], base, path[start..].to_vec()].concat()
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
