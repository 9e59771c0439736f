//! A silence as the body of a request asks for it.

use serde::Deserialize;

use crate::alert::{AlertError, Matchers, Silence, SilenceDraft, SilenceError, SilenceState};
use crate::event::{Timestamp, parse_duration};
use crate::http::refusal::Refusal;

/// `POST /admin/silences`. What is left out stays as it is where an `id` names a silence.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    id: Option<String>,
    matchers: Option<Vec<String>>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    /// From the start, or from now on if it has begun.
    duration: Option<String>,
    created_by: Option<String>,
    comment: Option<String>,
}

impl Wanted {
    /// The draft at `now`. `find` has the silence that an id names; a new one is `by`'s if it names nobody.
    pub(super) fn draft(
        self,
        by: String,
        now: Timestamp,
        find: impl FnOnce(&str) -> Result<Silence, Refusal>,
    ) -> Result<SilenceDraft, Refusal> {
        let Self { id, matchers, starts_at, ends_at, duration, created_by, comment } = self;
        let matchers = matchers.map(|texts| Matchers::parse_all(&texts)).transpose();
        let matchers = matchers.map_err(|error| AlertError::Silence(error.into()))?;
        let known = id.as_deref().map(find).transpose()?;
        let known = known.as_ref();
        let pending = known.filter(|known| known.state(now) == SilenceState::Pending);
        let starts_at = starts_at.or(pending.map(|known| known.starts_at));
        let ends_at = match (ends_at, duration) {
            (Some(ends_at), None) => ends_at,
            (None, Some(text)) => {
                let lasts = parse_duration(&text);
                let lasts = lasts.ok_or_else(|| unfit("duration", "a duration such as `2h`", format!("`{text}`")))?;
                starts_at.map_or(now, |starts_at| starts_at.max(now)).after(lasts)
            }
            (Some(_), Some(_)) => return Err(unfit("ends_at", "either it or `duration`", "both".to_owned())),
            (None, None) => {
                let ends_at = known.map(|known| known.ends_at);
                ends_at.ok_or_else(|| unfit("ends_at", "a time, or a `duration`", "neither".to_owned()))?
            }
        };
        Ok(SilenceDraft {
            id: known.map(|known| known.id),
            matchers: matchers.or_else(|| known.map(|known| known.matchers.clone())).unwrap_or_default(),
            starts_at,
            ends_at,
            created_by: created_by.or_else(|| known.map(|known| known.created_by.clone())).unwrap_or(by),
            comment: comment.or_else(|| known.map(|known| known.comment.clone())).unwrap_or_default(),
        })
    }
}

fn unfit(field: &'static str, expected: &str, found: String) -> Refusal {
    AlertError::from(SilenceError::Invalid { field, expected: expected.to_owned(), found }).into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::alert::SilenceId;
    use crate::http::problem::HttpProblem;

    const NOW: Timestamp = Timestamp::from_millis(3_600_000);

    const fn hour(hour: i64) -> Timestamp {
        Timestamp::from_millis(hour * 3_600_000)
    }

    /// A silence of ann between these hours.
    fn silence(from: i64, until: i64) -> Silence {
        Silence {
            id: SilenceId::new([1; 16]),
            matchers: "alertname=Disk".parse().unwrap(),
            starts_at: hour(from),
            ends_at: hour(until),
            created_by: "ann".to_owned(),
            comment: "a new disk".to_owned(),
            updated_at: hour(0),
        }
    }

    fn draft(body: Value, known: Option<Silence>) -> Result<SilenceDraft, Refusal> {
        let wanted: Wanted = serde_json::from_value(body).unwrap();
        wanted.draft("bob".to_owned(), NOW, |name| {
            assert_eq!(name, "0101");
            known.ok_or(Refusal::NotFound)
        })
    }

    #[test]
    fn a_new_silence_is_of_who_asks_and_lasts_from_its_start_on() {
        let body = |more: Value| {
            let mut body = json!({"matchers": ["a=b", "c!=d"], "comment": "x"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            draft(body, None).unwrap()
        };
        let two = body(json!({"duration": "2h"}));
        let expected = SilenceDraft {
            id: None,
            matchers: "a=b, c!=d".parse().unwrap(),
            starts_at: None,
            ends_at: hour(3),
            created_by: "bob".to_owned(),
            comment: "x".to_owned(),
        };
        assert_eq!(two, expected);
        let later = body(json!({"duration": "2h", "starts_at": hour(5), "created_by": "ann"}));
        assert_eq!((later.ends_at, &*later.created_by), (hour(7), "ann"));
        assert_eq!(body(json!({"duration": "2h", "starts_at": hour(0)})).ends_at, hour(3));
        assert_eq!(body(json!({"ends_at": hour(4)})).ends_at, hour(4));
    }

    #[test]
    fn what_a_change_leaves_out_stays() {
        let change = |more: Value, known: Silence| {
            let mut body = json!({"id": "0101"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            draft(body, Some(known)).unwrap()
        };
        let active = SilenceDraft {
            id: Some(SilenceId::new([1; 16])),
            matchers: "alertname=Disk".parse().unwrap(),
            starts_at: None,
            ends_at: hour(4),
            created_by: "ann".to_owned(),
            comment: "a new disk".to_owned(),
        };
        assert_eq!(change(json!({}), silence(0, 4)), active);
        assert_eq!(change(json!({"duration": "5h"}), silence(0, 4)).ends_at, hour(6));
        assert_eq!(change(json!({"comment": "two"}), silence(0, 4)).comment, "two");
        let pending = change(json!({"duration": "5h", "matchers": ["a=b"]}), silence(2, 4));
        assert_eq!((pending.starts_at, pending.ends_at), (Some(hour(2)), hour(7)));
        assert_eq!(pending.matchers.to_string(), "a=\"b\"");
        assert!(matches!(draft(json!({"id": "0101"}), None), Err(Refusal::NotFound)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_was_expected() {
        for (body, expected) in [
            (json!({}), "ends_at: expected a time, or a `duration`, found neither"),
            (json!({"ends_at": hour(4), "duration": "2h"}), "ends_at: expected either it or `duration`, found both"),
            (json!({"duration": "2"}), "duration: expected a duration such as `2h`, found `2`"),
            (
                json!({"matchers": ["a=~\"(a{1000}){1000}\""]}),
                "expected a regular expression of at most 256 KiB when compiled, `(a{1000}){1000}` is larger",
            ),
        ] {
            let problem = HttpProblem::from(&draft(body, None).unwrap_err());
            assert_eq!((problem.code, &*problem.detail), ("silence_unfit", expected));
        }
    }
}
