//! Values of an event as conditions compare them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// A number, whole ones exactly.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    Whole(i128),
    Real(f64),
}

/// One value. What a condition expects is never `Attribute` or `Other`.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(Number),
    Flag(bool),
    /// The value of an attribute: text that may stand for a number or a flag.
    Attribute(&'a str),
    /// Nothing that a condition can expect, such as `null`.
    Other(&'static str),
}

impl Number {
    /// The number that `text` stands for.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let whole = text.parse().ok().map(Self::Whole);
        whole.or_else(|| text.parse().ok().filter(|real: &f64| real.is_finite()).map(Self::Real))
    }

    fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.partial_cmp(other),
            (one, other) => one.real().partial_cmp(&other.real()),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => whole.fmt(f),
            Self::Real(real) => real.fmt(f),
        }
    }
}

impl Scalar<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Attribute(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Attribute(text) => Number::parse(text),
            _ => None,
        }
    }

    /// Whether it is what a condition expects.
    pub(super) fn equals(&self, expected: &Scalar<'_>) -> bool {
        match expected {
            Scalar::Text(text) => self.text() == Some(text),
            Scalar::Number(number) => self.number() == Some(*number),
            Scalar::Flag(flag) => match self {
                Self::Flag(own) => own == flag,
                Self::Attribute(text) => text.parse() == Ok(*flag),
                _ => false,
            },
            Scalar::Attribute(_) | Scalar::Other(_) => false,
        }
    }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 60;
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Other(what) => f.write_str(what),
            Self::Text(_) | Self::Attribute(_) => {
                let text = self.text().unwrap_or_default();
                let cut = text.char_indices().nth(SHOWN).map_or(text.len(), |(at, _)| at);
                write!(f, "{:?}", &text[..cut])?;
                if cut < text.len() { f.write_str("…") } else { Ok(()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_whatever_its_text_stands_for() {
        let text = |text: &'static str| Scalar::Text(text.into());
        let number = |text| Scalar::Number(Number::parse(text).unwrap());
        for (value, expected, equal) in [
            (Scalar::Attribute("5"), number("5.0"), true),
            (Scalar::Attribute("5"), text("5"), true),
            (Scalar::Attribute("true"), Scalar::Flag(true), true),
            (Scalar::Attribute("yes"), Scalar::Flag(true), false),
            (text("5"), number("5"), false),
            (number("9007199254740993"), number("9007199254740992"), false),
            (Scalar::Flag(true), text("true"), false),
            (Scalar::Other("null"), Scalar::Flag(false), false),
        ] {
            assert_eq!(value.equals(&expected), equal, "{value} {expected}");
        }
        assert!(Number::parse("inf").is_none());
    }
}
