//! Conditions of a route: what it expects of a value of the event.

use std::fmt;

use super::pointer::Pointer;
use super::value::{Number, Scalar};
use crate::event::Pattern;

/// One member of `where`.
#[derive(Clone, Debug)]
pub struct Condition {
    pub field: Field,
    pub test: Test,
}

/// The value that is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    Subject,
    Attribute(String),
    /// A value in the data.
    Data(Pointer),
}

/// What a value must be. A value that is not there passes only [`Test::Not`]; of a list one item must pass.
#[derive(Clone, Debug)]
pub enum Test {
    Is(Scalar<'static>),
    Like(Pattern),
    /// Both limits included.
    Range {
        min: Option<Number>,
        max: Option<Number>,
    },
    AnyOf(Vec<Test>),
    All(Vec<Test>),
    Not(Box<Test>),
}

impl Condition {
    /// Conditions of one route.
    pub const MAX: usize = 32;
    /// Values of one condition.
    pub const MAX_VALUES: usize = 256;
}

impl Test {
    pub(super) fn passes(&self, values: &[Scalar<'_>]) -> bool {
        let any = |passes: &dyn Fn(&Scalar<'_>) -> bool| values.iter().any(passes);
        match self {
            Self::Is(expected) => any(&|value| value.equals(expected)),
            Self::Like(pattern) => any(&|value| value.text().is_some_and(|text| pattern.matches(text))),
            Self::Range { min, max } => any(&|value| {
                let number = value.number();
                number.is_some_and(|number| min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max))
            }),
            Self::AnyOf(tests) => tests.iter().any(|test| test.passes(values)),
            Self::All(tests) => tests.iter().all(|test| test.passes(values)),
            Self::Not(test) => !test.passes(values),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("subject"),
            Self::Attribute(name) => f.write_str(name),
            Self::Data(pointer) => write!(f, "data.{pointer}"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be {}", self.field, self.test)
    }
}

/// As the end of "`severity` to be".
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(value) => value.fmt(f),
            Self::Like(pattern) => write!(f, "like `{}`", pattern.as_str()),
            Self::Range { min: Some(min), max: Some(max) } => write!(f, "from {min} to {max}"),
            Self::Range { min: Some(min), max: None } => write!(f, "at least {min}"),
            Self::Range { min: None, max: Some(max) } => write!(f, "at most {max}"),
            Self::Range { min: None, max: None } => f.write_str("a number"),
            Self::AnyOf(tests) => join(f, tests, " or "),
            Self::All(tests) => join(f, tests, " and "),
            Self::Not(test) => write!(f, "not {test}"),
        }
    }
}

/// The first few of `tests`.
fn join(f: &mut fmt::Formatter<'_>, tests: &[Test], last: &str) -> fmt::Result {
    const SHOWN: usize = 8;
    for (index, test) in tests.iter().take(SHOWN).enumerate() {
        let separator = match index {
            0 => "",
            _ if index + 1 == tests.len() => last,
            _ => ", ",
        };
        write!(f, "{separator}{test}")?;
    }
    if tests.len() > SHOWN { write!(f, "{last}{} more", tests.len() - SHOWN) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Test {
        Test::Is(Scalar::Text(text.into()))
    }

    #[test]
    fn of_a_list_one_item_must_pass_and_what_is_missing_passes_nothing_but_not() {
        let number = |number| Some(Number::Whole(number));
        let values = [Scalar::Text("critical".into()), Scalar::Number(Number::Whole(7))];
        let like = |glob| Test::Like(Pattern::new(glob).unwrap());
        for (test, some, none) in [
            (text("critical"), true, false),
            (text("page"), false, false),
            (Test::AnyOf(vec![text("page"), text("critical")]), true, false),
            (like("crit*"), true, false),
            (like("*"), true, false),
            (Test::Range { min: number(7), max: None }, true, false),
            (Test::Range { min: number(1), max: number(6) }, false, false),
            (Test::Not(Box::new(text("critical"))), false, true),
            (Test::All(vec![like("crit*"), Test::Not(Box::new(text("page")))]), true, false),
        ] {
            assert_eq!((test.passes(&values), test.passes(&[])), (some, none), "{test}");
        }
    }

    #[test]
    fn a_test_reads_as_a_sentence() {
        let range = Test::Range { min: Some(Number::Whole(1)), max: Some(Number::Real(2.5)) };
        for (test, expected) in [
            (Test::AnyOf(vec![text("a"), text("b"), range]), r#""a", "b" or from 1 to 2.5"#),
            (Test::Not(Box::new(Test::AnyOf(vec![text("a"), text("b")]))), r#"not "a" or "b""#),
            (Test::AnyOf((0..10).map(|_| text("a")).collect()), r#""a", "a", "a", "a", "a", "a", "a", "a" or 2 more"#),
        ] {
            assert_eq!(test.to_string(), expected);
        }
    }
}
