//! The report: what was found, and then beside what was wanted.

use crate::options::Plan;
use crate::rounds::Measured;
use crate::row::{Goal, Results, Row};
use crate::table;

/// Prints the figures of every row, and then the goals.
pub(crate) fn print(plan: &Plan, measured: &Measured) {
    let Measured { machine, results, took } = measured;
    print!("\n{machine}");
    println!(
        "{} rounds of {} s, interleaved, {:.0} s in all; medians of the rounds\n",
        plan.rounds,
        plan.effort.time.as_secs(),
        took.as_secs_f64()
    );
    let rows = plan.measured_rows();
    table::print(results, &rows);
    for row in &rows {
        (row.print)(results);
    }
    println!("\n{:<32}{:>12}{:>10}", "goal", "wanted", "found");
    for row in rows {
        for goal in row.goals {
            print_goal(results, row, goal);
        }
    }
}

fn print_goal(results: &Results, row: &Row, goal: &Goal) {
    let Some(found) = (goal.found)(results) else { return };
    let unit = goal.unit;
    let name = format!("{} {}", results.label(row), goal.figure);
    let met = if goal.wanted.is_met_by(found) { "met" } else { "missed" };
    println!("{name:<32}{:>12}{:>10}  {met}", goal.wanted.text(unit), format!("{found:.2}{unit}"));
}
