//! Tables of text.

use super::output::clean;

/// The maximum width of a cell. Longer ones are cut, except in the last column.
const MAX_WIDTH: usize = 48;

/// Rows below headings, aligned with spaces.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let last = headings.len().saturating_sub(1);
    let cell = |(column, text): (usize, &str)| {
        let text = if text.is_empty() { "-".to_owned() } else { clean(text, false) };
        if column < last { cut(&text) } else { text }
    };
    let heading = headings.iter().map(|heading| heading.to_uppercase()).collect();
    let body = rows.iter().map(|row| row.iter().map(String::as_str).enumerate().map(cell).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(body).collect();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..headings.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_WIDTH {
        return text.to_owned();
    }
    text.chars().take(MAX_WIDTH - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["github", "", "x"]), row(&["é", "waiting", "a\nb"])];

        assert_eq!(
            table(&["name", "state", "detail"], &rows),
            "NAME    STATE    DETAIL\ngithub  -        x\né       waiting  a\u{fffd}b\n"
        );
    }

    #[test]
    fn a_long_cell_is_cut_unless_it_is_the_last() {
        let long = "x".repeat(100);

        assert_eq!(
            table(&["a", "b"], &[vec![long.clone(), long.clone()]]).lines().nth(1).unwrap(),
            format!("{}…  {long}", "x".repeat(47))
        );
    }
}
