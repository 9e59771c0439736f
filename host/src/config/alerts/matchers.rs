//! Lists of matchers.

use crate::alert::Matchers;
use crate::config::problem::quoted;
use crate::config::section::Section;

const EXPECTED: &str = "matchers such as `severity=\"info\"` or `cluster=~\"eu-.*\"`";

/// The matchers at `name`, at least one.
pub(super) fn matchers(section: &Section<'_>, name: &str) -> Option<Matchers> {
    let place = section.place(name);
    if !section.has(name) {
        place.problem_with_hint(EXPECTED, "nothing", place.example("['severity=\"info\"']"));
    }
    let texts = section.texts(name)?;
    if texts.is_empty() {
        place.problem(EXPECTED, "an empty list");
    }
    let mut is_good = !texts.is_empty();
    for (text, place) in &texts {
        if let Err(error) = text.parse::<Matchers>() {
            place.problem_with_hint(EXPECTED, quoted(text), error.to_string());
            is_good = false;
        }
    }
    let texts: Vec<_> = texts.into_iter().map(|(text, _)| text).collect();
    // What is wrong with one of them is told.
    let all = if is_good { Matchers::parse_all(&texts).and_then(Matchers::present) } else { return None };
    all.map_err(|error| place.problem_with_hint(EXPECTED, "other ones", error.to_string())).ok()
}
