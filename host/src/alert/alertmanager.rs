//! Silences in the shape of Alertmanager's API v2: what `amtool silence query -o json` prints, and `amtool silence import` reads.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::matcher::{Matcher, MatcherError, Matchers, Operator};
use super::silence::{Silence, SilenceDraft, SilenceError, SilenceId, SilenceState};
use super::silences::Silences;
use crate::event::Timestamp;

/// `gettableSilence`. `amtool silence import` makes a new silence of it where its id is unknown, and refuses one that has expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertmanagerSilence<'s> {
    id: SilenceId,
    status: Status,
    updated_at: Timestamp,
    matchers: Vec<AlertmanagerMatcher>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    created_by: &'s str,
    comment: &'s str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Status {
    state: SilenceState,
}

/// `postableSilence`, and what else `gettableSilence` has, which is passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a silence")]
struct PostableSilence {
    #[serde(default)]
    id: String,
    matchers: Vec<AlertmanagerMatcher>,
    starts_at: Option<Timestamp>,
    ends_at: Timestamp,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a matcher")]
struct AlertmanagerMatcher {
    name: String,
    value: String,
    #[serde(default)]
    is_regex: bool,
    /// Versions before 0.22 do not know it.
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

/// What an import comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    /// What there is to make and to change.
    pub drafts: Vec<SilenceDraft>,
    pub counts: ImportCounts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportCounts {
    pub added: usize,
    pub changed: usize,
    /// Those that are there already.
    pub unchanged: usize,
    /// Those that are over, which are left out.
    pub expired: usize,
}

/// A text has no silences of Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("expected a silence or a list of silences as JSON: {reason}")]
    NoJson { reason: String },
    #[error("silence {number}: {reason}")]
    NoSilence {
        /// From 1 on.
        number: usize,
        reason: String,
    },
}

impl<'s> AlertmanagerSilence<'s> {
    pub fn new(silence: &'s Silence, now: Timestamp) -> Self {
        Self {
            id: silence.id,
            status: Status { state: silence.state(now) },
            updated_at: silence.updated_at,
            matchers: silence.matchers.iter().map(AlertmanagerMatcher::from).collect(),
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            created_by: &silence.created_by,
            comment: &silence.comment,
        }
    }
}

impl Import {
    /// The comment of a silence that has none, which Alertmanager allows.
    const NO_COMMENT: &str = "imported without a comment";

    /// Compares drafts with the silences that there are. One without an author is `by`'s.
    ///
    /// # Errors
    /// `NoSilence` for the first draft that can become none.
    pub fn new(drafts: Vec<SilenceDraft>, by: &str, silences: &Silences, now: Timestamp) -> Result<Self, ImportError> {
        let mut import = Self { drafts: Vec::new(), counts: ImportCounts::default() };
        for (number, mut draft) in (1..).zip(drafts) {
            if draft.ends_at <= now {
                import.counts.expired += 1;
                continue;
            }
            for (text, default) in [(&mut draft.created_by, by), (&mut draft.comment, Self::NO_COMMENT)] {
                if text.trim().is_empty() {
                    *text = default.to_owned();
                }
            }
            let no_silence = |error: SilenceError| ImportError::NoSilence { number, reason: error.to_string() };
            draft.check(now).map_err(no_silence)?;
            if silences.has(&draft, now) {
                import.counts.unchanged += 1;
                continue;
            }
            let is_known = silences.unexpired(draft.id, now).is_some();
            import.counts.changed += usize::from(is_known);
            import.counts.added += usize::from(!is_known);
            import.drafts.push(draft);
        }
        Ok(import)
    }
}

/// The silences in a JSON text, one or a list.
pub fn import_silences(json: &[u8]) -> Result<Vec<SilenceDraft>, ImportError> {
    let json = serde_json::from_slice(json).map_err(|error| ImportError::NoJson { reason: error.to_string() })?;
    let silences = match json {
        Value::Array(silences) => silences,
        silence => vec![silence],
    };
    let draft = |(number, silence)| draft(silence).map_err(|reason| ImportError::NoSilence { number, reason });
    (1..).zip(silences).map(draft).collect()
}

fn draft(silence: Value) -> Result<SilenceDraft, String> {
    let silence = PostableSilence::deserialize(silence).map_err(|error| error.to_string())?;
    let id = match silence.id.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|_| format!("expected a UUID as `id`, found `{id}`"))?),
    };
    let matchers = Matchers::new(silence.matchers.into_iter().map(Matcher::try_from));
    Ok(SilenceDraft {
        id,
        matchers: matchers.map_err(|error| error.to_string())?,
        starts_at: silence.starts_at,
        ends_at: silence.ends_at,
        created_by: silence.created_by,
        comment: silence.comment,
    })
}

impl From<&Matcher> for AlertmanagerMatcher {
    fn from(matcher: &Matcher) -> Self {
        Self {
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
            is_regex: matcher.operator().is_regex(),
            is_equal: matcher.operator().is_equal(),
        }
    }
}

impl TryFrom<AlertmanagerMatcher> for Matcher {
    type Error = MatcherError;

    fn try_from(matcher: AlertmanagerMatcher) -> Result<Self, MatcherError> {
        Self::new(&matcher.name, Operator::new(matcher.is_regex, matcher.is_equal), &matcher.value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::silences::SilenceSettings;
    use super::*;

    const ID: &str = "b61a8b0c-5d0e-4d4d-9d1b-0a4a6f2f7c11";

    /// As `amtool silence query -o json` prints it.
    const PRINTED: &str = r#"[{"id":"b61a8b0c-5d0e-4d4d-9d1b-0a4a6f2f7c11","status":{"state":"active"},
        "updatedAt":"2026-01-31T21:58:00.123Z","comment":"a new disk","createdBy":"ada","endsAt":"2026-02-01T00:00:00.000+01:00",
        "matchers":[{"isEqual":true,"isRegex":false,"name":"alertname","value":"DiskFull"},
                    {"isEqual":false,"isRegex":false,"name":"severity","value":"info"},
                    {"isEqual":true,"isRegex":true,"name":"host.name","value":"db-\\d+"},
                    {"isEqual":false,"isRegex":true,"name":"team","value":"a|b"}],
        "annotations":{},"startsAt":"2026-01-31T21:58:00.123456789Z"}]"#;

    #[test]
    fn what_is_exported_is_what_was_imported() {
        let now = "2026-01-31T22:00:00Z".parse().unwrap();
        let mut silences = Silences::new(SilenceSettings::default());
        let drafts = import_silences(PRINTED.as_bytes()).unwrap();
        let [draft] = &drafts[..] else { panic!("{drafts:?}") };
        assert_eq!(
            draft.matchers.to_string(),
            r#"alertname="DiskFull", severity!="info", "host.name"=~"db-\\d+", team!~"a|b""#
        );
        let put = silences.put(draft.clone(), now, [0; 16]).unwrap();

        let exported = serde_json::to_value(AlertmanagerSilence::new(silences.get(put.id).unwrap(), now)).unwrap();
        assert_eq!(
            exported,
            json!({
                "id": ID,
                "status": { "state": "active" },
                "updatedAt": "2026-01-31T22:00:00.000Z",
                "matchers": [
                    { "name": "alertname", "value": "DiskFull", "isRegex": false, "isEqual": true },
                    { "name": "severity", "value": "info", "isRegex": false, "isEqual": false },
                    { "name": "host.name", "value": "db-\\d+", "isRegex": true, "isEqual": true },
                    { "name": "team", "value": "a|b", "isRegex": true, "isEqual": false },
                ],
                "startsAt": "2026-01-31T21:58:00.123Z",
                "endsAt": "2026-01-31T23:00:00.000Z",
                "createdBy": "ada",
                "comment": "a new disk",
            })
        );
        assert_eq!(import_silences(exported.to_string().as_bytes()).unwrap(), drafts);
    }

    #[test]
    fn what_may_be_left_out_has_a_default() {
        let json = r#"{"matchers":[{"name":"a","value":"b"},{"name":"c","value":"d","isRegex":true}],"endsAt":"2026-02-01T00:00:00Z"}"#;
        let drafts = import_silences(json.as_bytes()).unwrap();

        assert_eq!(
            drafts,
            [SilenceDraft {
                id: None,
                matchers: r#"a="b", c=~"d""#.parse().unwrap(),
                starts_at: None,
                ends_at: "2026-02-01T00:00:00Z".parse().unwrap(),
                created_by: String::new(),
                comment: String::new(),
            }]
        );
    }

    #[test]
    fn what_is_no_silence_is_refused_with_its_number() {
        let good = r#"{"id":"","matchers":[],"endsAt":"2026-02-01T00:00:00Z"}"#;
        let check = |json: &str, expected: &str| {
            assert_eq!(import_silences(json.as_bytes()).unwrap_err().to_string(), expected, "{json}");
        };

        assert!(import_silences(good.as_bytes()).is_ok());
        check("{", "expected a silence or a list of silences as JSON: EOF while parsing an object at line 1 column 1");
        check("7", "silence 1: invalid type: integer `7`, expected a silence");
        check(&format!("[{good},{{}}]"), "silence 2: missing field `matchers`");
        check(&good.replace(r#""id":"""#, r#""id":"disk""#), "silence 1: expected a UUID as `id`, found `disk`");
        check(
            &good.replace("[]", r#"[{"name":"a","value":"(a{1000}){1000}","isRegex":true}]"#),
            "silence 1: expected a regular expression of at most 256 KiB when compiled, `(a{1000}){1000}` is larger",
        );
        check(
            &good.replace("[]", r#"[{"name":"a","value":7}]"#),
            "silence 1: invalid type: integer `7`, expected a string",
        );
        check(
            &good.replace("[]", r#"[{"name":"","value":"b"}]"#),
            "silence 1: expected the name of a label, found an empty text",
        );
    }

    #[test]
    fn an_import_makes_and_changes_what_differs() {
        let now = "2026-01-31T22:00:00Z".parse().unwrap();
        let mut silences = Silences::new(SilenceSettings::default());
        let mut import = |json: &str| {
            let drafts = import_silences(json.as_bytes()).unwrap();
            let import = Import::new(drafts, "ann", &silences, now);
            for draft in import.iter().flat_map(|import| &import.drafts) {
                silences.put(draft.clone(), now, [1; 16]).unwrap();
            }
            import.map(|import| import.counts)
        };
        let counts = |added, changed, unchanged, expired| Ok(ImportCounts { added, changed, unchanged, expired });

        assert_eq!(import(PRINTED), counts(1, 0, 0, 0));
        assert_eq!(import(PRINTED), counts(0, 0, 1, 0));
        assert_eq!(import(&PRINTED.replace("a new disk", "two new disks")), counts(0, 1, 0, 0));
        assert_eq!(
            import(&PRINTED.replace("2026-02-01T00:00:00.000+01:00", "2026-01-31T22:00:00Z")),
            counts(0, 0, 0, 1)
        );
        assert_eq!(import("[]"), counts(0, 0, 0, 0));
        // Another id, as an Alertmanager gives one that does not know the silence.
        let other = PRINTED.replace(ID, "00000000-0000-4000-8000-000000000001");
        assert_eq!(import(&other.replace("a new disk", "two new disks")), counts(0, 0, 1, 0));
        assert_eq!(import(&other), counts(1, 0, 0, 0));

        let nobody =
            r#"{"matchers":[{"name":"a","value":"b"}],"endsAt":"2026-02-01T00:00:00Z","createdBy":"","comment":""}"#;
        assert_eq!(import(nobody), counts(1, 0, 0, 0));
        assert_eq!(import(nobody), counts(0, 0, 1, 0));
        let error = import(&format!("[{nobody},{}]", nobody.replace("\"b\"", "\"\""))).unwrap_err().to_string();
        assert_eq!(
            error,
            "silence 2: expected at least one matcher that does not match the empty text, found `a=\"\"`"
        );
        let made = silences.iter().find(|silence| silence.created_by == "ann").unwrap();
        assert_eq!(made.comment, "imported without a comment");
    }
}
