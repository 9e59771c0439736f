//! The table of languages in `docs/writing-plugins.md`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const START: &str = "<!-- languages: written by `cargo xtask languages` -->\n";
const END: &str = "<!-- end of languages -->\n";

/// What the channel of one language costs.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    title: &'static str,
    size: f64,
    compile_ms: f64,
    fresh_us: f64,
    reused_us: f64,
}

impl Row {
    /// Of what the benchmark says of a component.
    pub(crate) fn parse(title: &'static str, said: &str) -> Result<Self> {
        let number = |key: &str| -> Result<f64> {
            let found = said.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == key);
            let (_, value) = found.with_context(|| format!("`{key}` is missing"))?;
            value.parse().with_context(|| format!("`{key}` is no number"))
        };
        Ok(Self {
            title,
            size: number("size")?,
            compile_ms: number("compile_ms")?,
            fresh_us: number("fresh_us")?,
            reused_us: number("reused_us")?,
        })
    }
}

/// The table in Markdown.
pub(crate) fn of(rows: &[Row]) -> String {
    let mut table =
        String::from("| language | size | first load | fresh call | reused call |\n|---|---|---|---|---|\n");
    for Row { title, size, compile_ms, fresh_us, reused_us } in rows {
        let size = if *size < 1_000_000.0 {
            format!("{:.0} kB", size / 1000.0)
        } else {
            format!("{:.1} MB", size / 1_000_000.0)
        };
        let micros = |value: &f64| if *value < 20.0 { format!("{value:.1} µs") } else { format!("{value:.0} µs") };
        let (fresh, reused) = (micros(fresh_us), micros(reused_us));
        table += &format!("| {title} | {size} | {compile_ms:.0} ms | {fresh} | {reused} |\n");
    }
    table
}

/// Puts the table between the two marks of a file.
pub(crate) fn write(file: &Path, table: &str) -> Result<()> {
    let text = fs::read_to_string(file)?;
    let replaced = replaced(&text, table).with_context(|| format!("the marks are not in {}", file.display()))?;
    fs::write(file, replaced).with_context(|| format!("cannot write {}", file.display()))
}

fn replaced(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(START)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{START}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_takes_the_place_of_the_one_before() {
        let said = "size 1607710\ncompile_ms 831.4\ncached_ms 3\nfresh_us 74.3\nreused_us 11.62\n";
        let row = Row::parse("JavaScript", said).unwrap();

        let table = of(&[row]);

        assert_eq!(table.lines().last(), Some("| JavaScript | 1.6 MB | 831 ms | 74 µs | 11.6 µs |"));
        let once = replaced(&format!("a\n{START}old\n{END}b\n"), &table).unwrap();
        assert_eq!(once, format!("a\n{START}\n{table}\n{END}b\n"));
        assert_eq!(replaced(&once, &table).unwrap(), once);
        assert_eq!(replaced("a", &table), None);
    }

    #[test]
    fn the_guide_for_authors_has_a_place_for_the_table() {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/writing-plugins.md");

        assert!(replaced(&fs::read_to_string(guide).unwrap(), "").is_some());
    }

    #[test]
    fn figures_that_are_missing_are_named() {
        let check = |said: &str, expected: &str| {
            assert_eq!(Row::parse("C", said).unwrap_err().to_string(), expected);
        };

        check("size 1\n", "`compile_ms` is missing");
        check("size large\n", "`size` is no number");
    }
}
