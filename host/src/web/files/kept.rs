//! Small files that were read a moment ago.
//!
//! A file that many ask for costs one look at the disk in a second, not one for each request, and is up to a second behind it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use super::file::{Accepted, Content, Opened};

/// Bytes of all files that are kept for a site.
const MAX_SIZE: u64 = 16 << 20;

const USUAL_SIZE: u64 = 16 << 10;

const VALID: Duration = Duration::from_secs(1);

pub(crate) struct Kept(Cache<Form, Look, BySize>);

/// A file in the form for callers that accept the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    pub(crate) name: String,
    pub(crate) accepted: Accepted,
}

#[derive(Clone)]
struct Look {
    opened: Arc<Opened>,
    at: Instant,
}

#[derive(Clone)]
struct BySize;

impl Weighter<Form, Look> for BySize {
    fn weight(&self, form: &Form, look: &Look) -> u64 {
        512 + form.name.len() as u64 + look.opened.length
    }
}

impl Kept {
    pub(crate) fn new() -> Self {
        let options = OptionsBuilder::new()
            .shards(8)
            .weight_capacity(MAX_SIZE)
            .estimated_items_capacity((MAX_SIZE / USUAL_SIZE) as usize)
            .build()
            .expect("capacities are given");
        Self(Cache::with_options(options, BySize, Default::default(), DefaultLifecycle::default()))
    }

    /// The file as it was at the last look, and whether that was just now.
    pub(crate) fn get(&self, form: &Form, now: Instant) -> Option<(Arc<Opened>, bool)> {
        let look = self.0.get(form)?;
        Some((look.opened, now.saturating_duration_since(look.at) < VALID))
    }

    /// Keeps the file if it was read as a whole.
    pub(crate) fn keep(&self, form: Form, opened: &Arc<Opened>, at: Instant) {
        if matches!(opened.content, Content::Whole(_)) {
            self.0.insert(form, Look { opened: Arc::clone(opened), at });
        }
    }

    pub(crate) fn forget(&self, form: &Form) {
        self.0.remove(form);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    fn file(length: usize) -> Arc<Opened> {
        Arc::new(Opened {
            content: Content::Whole(Bytes::from(vec![0; length])),
            length: length as u64,
            etag: HeaderValue::from_static("\"a\""),
            modified: SystemTime::UNIX_EPOCH,
            last_modified: HeaderValue::from_static("now"),
            coding: None,
            has_forms: false,
        })
    }

    fn form(name: &str) -> Form {
        Form { name: name.to_owned(), accepted: Accepted::default() }
    }

    #[test]
    fn a_look_is_valid_for_a_second() {
        let (kept, now) = (Kept::new(), Instant::now());
        assert!(kept.get(&form("a"), now).is_none());
        kept.keep(form("a"), &file(1), now);
        assert!(kept.get(&form("a"), now).is_some_and(|(_, is_valid)| is_valid));
        assert!(kept.get(&form("a"), now + VALID).is_some_and(|(_, is_valid)| !is_valid));
        kept.forget(&form("a"));
        assert!(kept.get(&form("a"), now).is_none());
    }

    #[test]
    fn what_is_kept_has_a_limit() {
        let (kept, now) = (Kept::new(), Instant::now());
        for number in 0..1000 {
            kept.keep(form(&number.to_string()), &file(100 << 10), now);
        }
        let found = (0..1000).filter(|number: &u32| kept.get(&form(&number.to_string()), now).is_some()).count();
        assert!((100..=163).contains(&found), "{found}");
    }
}
