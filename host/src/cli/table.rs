//! Tables of text.

use super::output::clean;
use super::terminal::{View, painted};

/// The maximum width of a cell where nothing else limits it. Longer ones are cut, except in the last column.
const MAX_WIDTH: usize = 48;

/// No column gets narrower than this to make room for others.
const MIN_WIDTH: usize = 8;

/// The columns whose words are coloured.
const STATES: [&str; 3] = ["state", "status", "breaker"];

/// Rows below headings, aligned with spaces.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    fitted(headings, rows, View::whole())
}

/// The same for this view: as wide as the terminal at most.
pub(super) fn fitted(headings: &[&str], rows: &[Vec<String>], view: View) -> String {
    let cell = |text: &str| if text.is_empty() { "-".to_owned() } else { clean(text, false) };
    let heading = headings.iter().map(|heading| heading.to_uppercase()).collect();
    let body = rows.iter().map(|row| row.iter().map(|text| cell(text)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(body).collect();
    let widths = widths(&lines, view);
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let last = line.len().saturating_sub(1);
        let padded = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let cell = cut(cell, *width);
            let padded = if column == last { cell } else { format!("{cell:width$}") };
            let is_state = number > 0 && headings.get(column).is_some_and(|heading| STATES.contains(heading));
            if is_state { painted(&padded) } else { padded }
        });
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The width of each column. The widest ones make room until all fit.
fn widths(lines: &[Vec<String>], view: View) -> Vec<usize> {
    let columns = lines.first().map_or(0, Vec::len);
    let natural =
        |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let mut widths: Vec<usize> = (0..columns).map(|column| natural(column).unwrap_or(0)).collect();
    let Some(limit) = view.width else {
        if !view.is_whole {
            let last = columns.saturating_sub(1);
            widths.iter_mut().take(last).for_each(|width| *width = (*width).min(MAX_WIDTH));
        }
        return widths;
    };
    let gaps = 2 * columns.saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > limit {
        match widths.iter_mut().max().filter(|widest| **widest > MIN_WIDTH) {
            Some(widest) => *widest -= 1,
            None => break,
        }
    }
    widths
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["github", "", "x"]), row(&["é", "waiting", "a\nb"])];

        assert_eq!(
            table(&["name", "state", "detail"], &rows),
            "NAME    STATE    DETAIL\ngithub  -        x\né       waiting  a b\n"
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

    #[test]
    fn a_table_fits_the_terminal_at_the_cost_of_its_widest_columns() {
        let row = vec!["17".to_owned(), "github.pull_request".to_owned(), "x".repeat(300)];

        let text = fitted(&["seq", "kind", "subject"], &[row], View::narrow(40, Timestamp::now()));

        // The two columns that are too wide share what is left.
        let expected = format!("SEQ  {:<17}  SUBJECT\n17   github.pull_requ…  {}…\n", "KIND", "x".repeat(15));
        assert_eq!(text, expected);
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    }
}
