//! Pages of what is known in memory, the newest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::str::FromStr;

use crate::event::Timestamp;

/// Where a thing stands among others, the newest of which is the greatest; as a text, the cursor of what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place<Id> {
    pub(crate) at: Timestamp,
    pub(crate) id: Id,
}

impl<Id: fmt::Display> fmt::Display for Place<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.as_millis(), self.id)
    }
}

impl<Id: FromStr> FromStr for Place<Id> {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once('.').ok_or(())?;
        Ok(Self { at: Timestamp::from_millis(at.parse().map_err(|_| ())?), id: id.parse().map_err(|_| ())? })
    }
}

/// The `limit` newest places, newest first, and the cursor if there are more. No more than these are kept at any time.
pub(crate) fn newest<Id: Ord + Copy + fmt::Display>(
    places: impl Iterator<Item = Place<Id>>,
    limit: usize,
) -> (Vec<Place<Id>>, Option<String>) {
    // The oldest of those that are kept is the greatest, and one more says whether there are more.
    let mut kept = BinaryHeap::with_capacity(limit + 1);
    for place in places.map(Reverse) {
        if kept.len() <= limit {
            kept.push(place);
        } else if let Some(mut oldest) = kept.peek_mut().filter(|oldest| place < **oldest) {
            *oldest = place;
        }
    }
    let is_cut = kept.len() > limit;
    let mut page: Vec<_> = kept.into_sorted_vec().into_iter().map(|Reverse(place)| place).collect();
    page.truncate(limit);
    let next = page.last().filter(|_| is_cut).map(ToString::to_string);
    (page, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(at: i64, id: u32) -> Place<u32> {
        Place { at: Timestamp::from_millis(at), id }
    }

    /// Pages of `limit` that follow each other.
    fn pages(all: &[Place<u32>], limit: usize) -> Vec<Vec<Place<u32>>> {
        let (mut pages, mut before) = (Vec::new(), None::<Place<u32>>);
        loop {
            let places = all.iter().copied().filter(|place| before.is_none_or(|before| *place < before));
            let (page, next) = newest(places, limit);
            pages.push(page);
            match next {
                Some(next) => before = Some(next.parse().unwrap()),
                None => return pages,
            }
        }
    }

    #[test]
    fn pages_have_everything_once_and_the_newest_first() {
        let all = [place(5, 1), place(-7, 4), place(5, 3), place(9, 0), place(5, 2)];
        let sorted = [place(9, 0), place(5, 3), place(5, 2), place(5, 1), place(-7, 4)];
        for (limit, sizes) in [(1, &[1, 1, 1, 1, 1][..]), (2, &[2, 2, 1]), (4, &[4, 1]), (5, &[5]), (500, &[5])] {
            let pages = pages(&all, limit);
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{limit}");
            assert_eq!(pages.concat(), sorted, "{limit}");
        }
        assert_eq!(newest(std::iter::empty::<Place<u32>>(), 5), (Vec::new(), None));
    }

    #[test]
    fn a_cursor_that_is_none_is_refused() {
        for text in ["", "5", "5.", ".5", "x.5", "5.x", "5.5.5"] {
            assert_eq!(text.parse::<Place<u32>>(), Err(()), "{text}");
        }
    }
}
