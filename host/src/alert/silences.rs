//! All silences: they are added, changed and ended by the rules of Alertmanager, and kept for a while after their end.
//!
//! What has been is not changed: a change that would makes another silence, and ends the first one. Every change tells which
//! silences have to be stored or removed; this set stores nothing itself.

mod index;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use self::index::SilenceIndex;
use super::silence::{Silence, SilenceDraft, SilenceError, SilenceId, SilenceState};
use crate::event::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceSettings {
    /// The most silences, expired ones included.
    pub max_silences: usize,
    /// How long an expired silence is kept.
    pub retention: Duration,
}

/// All silences by their ids.
#[derive(Clone, Debug)]
pub struct Silences {
    settings: SilenceSettings,
    all: BTreeMap<SilenceId, Silence>,
    /// Those that were not over when they were stored or last looked through.
    index: SilenceIndex,
    /// Their starts and ends.
    changes: BTreeSet<(Timestamp, SilenceId)>,
}

/// What a draft came to: the silences to store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutSilence {
    /// The one that the draft asked for.
    pub id: SilenceId,
    /// The one that it takes the place of, ended.
    pub replaced: Option<SilenceId>,
}

impl Default for SilenceSettings {
    fn default() -> Self {
        Self { max_silences: 10_000, retention: Duration::from_hours(120) }
    }
}

impl Silences {
    pub fn new(settings: SilenceSettings) -> Self {
        Self { settings, all: BTreeMap::new(), index: SilenceIndex::default(), changes: BTreeSet::new() }
    }

    /// The settings from now on. No silence goes because of a lower limit.
    pub fn set_settings(&mut self, settings: SilenceSettings) {
        self.settings = settings;
    }

    /// Takes a silence as it was stored.
    pub fn restore(&mut self, silence: Silence, now: Timestamp) {
        self.remove(silence.id);
        if silence.state(now) != SilenceState::Expired {
            self.index.insert(silence.id, &silence.matchers);
        }
        self.changes.extend([(silence.starts_at, silence.id), (silence.ends_at, silence.id)]);
        self.all.insert(silence.id, silence);
    }

    /// Makes or changes a silence.
    ///
    /// A known silence is changed in place if its matchers stay the same and so does what has been: an active one keeps its
    /// second of start, a pending one starts now at the earliest. Otherwise it ends now, and a new one with an id from `random` takes
    /// its place. A new one starts now at the earliest. An unknown id is kept with its start, so that an import that is
    /// repeated changes nothing.
    pub fn put(&mut self, draft: SilenceDraft, now: Timestamp, random: [u8; 16]) -> Result<PutSilence, SilenceError> {
        let known = draft.id.and_then(|id| self.all.get(&id));
        let state = known.map(|known| known.state(now));
        let default = known.filter(|_| state == Some(SilenceState::Active)).map_or(now, |known| known.starts_at);
        let starts_at = draft.starts_at.unwrap_or(default);
        if let Some(known) = known
            && can_update(known, &draft, starts_at, now)
        {
            let silence = draft.checked(known.id, starts_at, now)?;
            let id = silence.id;
            self.restore(silence, now);
            return Ok(PutSilence { id, replaced: None });
        }
        let (id, starts_at) = match (draft.id, known) {
            (Some(id), None) => (id, starts_at),
            _ => (SilenceId::new(random), starts_at.max(now)),
        };
        let replaced = known.filter(|_| state != Some(SilenceState::Expired)).map(|known| known.id);
        let silence = draft.checked(id, starts_at, now)?;
        if self.all.len() >= self.settings.max_silences {
            return Err(SilenceError::TooMany { limit: self.settings.max_silences });
        }
        if let Some(replaced) = replaced {
            self.expire(replaced, now)?;
        }
        self.restore(silence, now);
        Ok(PutSilence { id, replaced })
    }

    /// Whether a draft would change nothing: its silence is there as it is, or, where there is none that is not over, another one that
    /// keeps the same quiet until the same time, by the same author for the same reason.
    pub fn has(&self, draft: &SilenceDraft, now: Timestamp) -> bool {
        let is_same = |known: &Silence| {
            known.state(now) != SilenceState::Expired
                && known.ends_at == draft.ends_at
                && known.matchers == draft.matchers
                && known.created_by == draft.created_by
                && known.comment == draft.comment
        };
        match self.unexpired(draft.id, now) {
            Some(known) => is_same(known) && draft.starts_at.is_none_or(|starts_at| starts_at == known.starts_at),
            None => {
                let starts_at = draft.starts_at.map_or(now, |starts_at| starts_at.max(now));
                let at_its_end = (draft.ends_at, SilenceId::FIRST)..=(draft.ends_at, SilenceId::LAST);
                let mut others = self.changes.range(at_its_end).filter_map(|(_, id)| self.all.get(id));
                others.any(|known| is_same(known) && known.starts_at <= starts_at)
            }
        }
    }

    /// The silence with this id, unless it is over.
    pub fn unexpired(&self, id: Option<SilenceId>, now: Timestamp) -> Option<&Silence> {
        self.all.get(&id?).filter(|silence| silence.state(now) != SilenceState::Expired)
    }

    /// Ends a silence now. Whether that changed it: one that is over stays as it is.
    pub fn expire(&mut self, id: SilenceId, now: Timestamp) -> Result<bool, SilenceError> {
        let silence = self.all.get(&id).ok_or(SilenceError::NotFound(id))?;
        let starts_at = match silence.state(now) {
            SilenceState::Expired => return Ok(false),
            SilenceState::Active => silence.starts_at,
            SilenceState::Pending => now,
        };
        let ended = Silence { starts_at, ends_at: now, updated_at: now, ..silence.clone() };
        self.restore(ended, now);
        Ok(true)
    }

    /// Looks through all: those that were over for the retention go, and are returned.
    ///
    /// Those that are over are no longer looked at, which saves time, and do not come back with a clock that is put back.
    pub fn collect(&mut self, now: Timestamp) -> Vec<SilenceId> {
        let over = self.all.values().filter(|silence| silence.state(now) == SilenceState::Expired);
        let mut gone = Vec::new();
        for silence in over {
            self.index.remove(silence.id, &silence.matchers);
            if silence.ends_at.after(self.settings.retention) <= now {
                gone.push(silence.id);
            }
        }
        for id in &gone {
            self.remove(*id);
        }
        gone
    }

    pub fn get(&self, id: SilenceId) -> Option<&Silence> {
        self.all.get(&id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.all.values()
    }

    /// The active silences of labels; `label` finds the value of a label by its name.
    pub fn matching<'l>(
        &self,
        label: impl Fn(&str) -> Option<&'l str> + Copy,
        now: Timestamp,
    ) -> impl Iterator<Item = &Silence> {
        let candidates = self.index.candidates(label).filter_map(|id| self.all.get(&id));
        candidates.filter(move |silence| silence.state(now) == SilenceState::Active && silence.matchers.matches(label))
    }

    /// When the next silence starts or ends.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let later = (Bound::Excluded((now, SilenceId::LAST)), Bound::Unbounded);
        self.changes.range(later).next().map(|(time, _)| *time)
    }

    fn remove(&mut self, id: SilenceId) {
        if let Some(silence) = self.all.remove(&id) {
            self.index.remove(id, &silence.matchers);
            self.changes.remove(&(silence.starts_at, id));
            self.changes.remove(&(silence.ends_at, id));
        }
    }
}

/// Whether the draft can take the place of a silence and leave what has been as it was.
fn can_update(silence: &Silence, draft: &SilenceDraft, starts_at: Timestamp, now: Timestamp) -> bool {
    silence.matchers == draft.matchers
        && match silence.state(now) {
            SilenceState::Active => silence.starts_at.as_secs() == starts_at.as_secs(),
            SilenceState::Pending => starts_at >= now,
            SilenceState::Expired => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn id(random: u8) -> SilenceId {
        SilenceId::new([random; 16])
    }

    /// From 100 to 200.
    fn draft(id: Option<SilenceId>, matchers: &str) -> SilenceDraft {
        SilenceDraft {
            id,
            matchers: matchers.parse().unwrap(),
            starts_at: Some(at(100)),
            ends_at: at(200),
            created_by: "ada".to_owned(),
            comment: "a new disk".to_owned(),
        }
    }

    /// One silence, `id(1)`, made at second 50.
    fn one() -> Silences {
        let mut silences = Silences::new(SilenceSettings::default());
        let put = silences.put(draft(None, "alertname=DiskFull"), at(50), [1; 16]).unwrap();
        assert_eq!(put, PutSilence { id: id(1), replaced: None });
        silences
    }

    fn times(silences: &Silences, id: SilenceId) -> (Timestamp, Timestamp) {
        let silence = silences.get(id).unwrap();
        (silence.starts_at, silence.ends_at)
    }

    fn matching(silences: &Silences, labels: &[(&str, &str)], now: Timestamp) -> Vec<SilenceId> {
        let label = |name: &str| labels.iter().find(|(label, _)| *label == name).map(|(_, value)| *value);
        silences.matching(label, now).map(|silence| silence.id).collect()
    }

    #[test]
    fn a_new_silence_starts_now_at_the_earliest() {
        let mut silences = one();
        assert_eq!(times(&silences, id(1)), (at(100), at(200)));

        silences.put(draft(None, "a=b"), at(150), [2; 16]).unwrap();
        assert_eq!(times(&silences, id(2)), (at(150), at(200)));
        silences.put(SilenceDraft { starts_at: None, ..draft(None, "a=b") }, at(20), [3; 16]).unwrap();
        assert_eq!(times(&silences, id(3)), (at(20), at(200)));
    }

    #[test]
    fn a_change_that_leaves_what_has_been_is_made_in_place() {
        let check = |now: i64, change: fn(&mut SilenceDraft), expected: Option<(i64, i64)>| {
            let mut silences = one();
            let mut draft = draft(Some(id(1)), "alertname=DiskFull");
            change(&mut draft);
            let put = silences.put(draft, at(now), [2; 16]).unwrap();
            match expected {
                Some((starts_at, ends_at)) => {
                    assert_eq!(put, PutSilence { id: id(1), replaced: None });
                    assert_eq!(times(&silences, id(1)), (at(starts_at), at(ends_at)));
                    assert_eq!(silences.get(id(1)).unwrap().updated_at, at(now));
                    assert_eq!(silences.iter().count(), 1);
                }
                None => assert_eq!((put.id, silences.iter().count()), (id(2), 2)),
            }
        };

        // Pending.
        check(60, |draft| (draft.starts_at, draft.ends_at) = (Some(at(60)), at(300)), Some((60, 300)));
        check(60, |draft| draft.starts_at = Some(at(59)), None);
        check(60, |draft| draft.matchers = "alertname=Disk".parse().unwrap(), None);
        // Active.
        check(150, |draft| draft.comment = "two new disks".to_owned(), Some((100, 200)));
        check(150, |draft| draft.ends_at = at(151), Some((100, 151)));
        check(150, |draft| draft.starts_at = None, Some((100, 200)));
        check(150, |draft| draft.starts_at = Some(at(101)), None);
        check(150, |draft| draft.matchers = "alertname=Disk".parse().unwrap(), None);
        // Expired.
        check(200, |draft| draft.ends_at = at(300), None);
    }

    #[test]
    fn another_change_ends_the_silence_and_makes_a_new_one() {
        let mut silences = one();
        let put = silences.put(draft(Some(id(1)), "alertname=Disk"), at(150), [2; 16]).unwrap();

        assert_eq!(put, PutSilence { id: id(2), replaced: Some(id(1)) });
        assert_eq!(times(&silences, id(1)), (at(100), at(150)));
        assert_eq!(times(&silences, id(2)), (at(150), at(200)));
        assert_eq!(matching(&silences, &[("alertname", "DiskFull")], at(150)), []);
        assert_eq!(matching(&silences, &[("alertname", "Disk")], at(150)), [id(2)]);

        // One that has expired stays as it is.
        let mut silences = one();
        let put =
            silences.put(SilenceDraft { ends_at: at(300), ..draft(Some(id(1)), "a=b") }, at(250), [2; 16]).unwrap();
        assert_eq!(put, PutSilence { id: id(2), replaced: None });
        assert_eq!(times(&silences, id(1)), (at(100), at(200)));
    }

    #[test]
    fn a_change_that_is_refused_changes_nothing() {
        let mut silences = one();
        let before = silences.get(id(1)).cloned();

        let bad = SilenceDraft { comment: String::new(), ..draft(Some(id(1)), "a=b") };
        assert!(silences.put(bad, at(150), [2; 16]).is_err());
        silences.set_settings(SilenceSettings { max_silences: 1, ..SilenceSettings::default() });
        assert_eq!(silences.put(draft(Some(id(1)), "a=b"), at(150), [2; 16]), Err(SilenceError::TooMany { limit: 1 }));
        assert_eq!(silences.get(id(1)).cloned(), before);
        // In place there is room.
        let later = SilenceDraft { ends_at: at(300), ..draft(Some(id(1)), "alertname=DiskFull") };
        assert!(silences.put(later, at(150), [2; 16]).is_ok());
    }

    #[test]
    fn an_import_that_is_repeated_changes_nothing() {
        let mut silences = Silences::new(SilenceSettings::default());
        let import = draft(Some(id(9)), "alertname=DiskFull");
        for now in [150, 160] {
            let put = silences.put(import.clone(), at(now), [1; 16]).unwrap();
            assert_eq!(put, PutSilence { id: id(9), replaced: None });
            assert_eq!(times(&silences, id(9)), (at(100), at(200)));
        }
        assert_eq!(silences.iter().count(), 1);
    }

    #[test]
    fn a_draft_that_changes_nothing_is_known() {
        let check = |now: i64, change: fn(&mut SilenceDraft), expected: bool| {
            let mut draft = draft(Some(id(1)), "alertname=DiskFull");
            change(&mut draft);
            assert_eq!(one().has(&draft, at(now)), expected, "{draft:?} at {now}");
        };

        check(60, |_| (), true);
        check(60, |draft| draft.starts_at = None, true);
        check(60, |draft| draft.starts_at = Some(at(110)), false);
        check(60, |draft| draft.ends_at = at(201), false);
        check(60, |draft| draft.matchers = "alertname=Disk".parse().unwrap(), false);
        check(60, |draft| draft.created_by = "bob".to_owned(), false);
        check(60, |draft| draft.comment = "another disk".to_owned(), false);
        check(200, |_| (), false);
        // Under another id, or none: no later start is news, an earlier one is.
        check(150, |draft| draft.id = None, true);
        check(150, |draft| (draft.id, draft.starts_at) = (Some(id(2)), Some(at(160))), true);
        check(60, |draft| (draft.id, draft.starts_at) = (Some(id(2)), Some(at(99))), false);
        check(150, |draft| (draft.id, draft.ends_at) = (None, at(201)), false);

        // One that was ended here is made again once, and not with each import.
        let mut silences = one();
        silences.expire(id(1), at(150)).unwrap();
        let import = draft(Some(id(1)), "alertname=DiskFull");
        assert!(!silences.has(&import, at(160)));
        silences.put(import.clone(), at(160), [2; 16]).unwrap();
        assert!(silences.has(&import, at(170)));
    }

    #[test]
    fn a_silence_that_is_ended_early_ends_now() {
        let mut silences = one();
        assert_eq!(silences.expire(id(2), at(150)), Err(SilenceError::NotFound(id(2))));

        assert_eq!(silences.expire(id(1), at(150)), Ok(true));
        assert_eq!(times(&silences, id(1)), (at(100), at(150)));
        assert_eq!(matching(&silences, &[("alertname", "DiskFull")], at(150)), []);
        assert_eq!(silences.expire(id(1), at(160)), Ok(false));
        assert_eq!(times(&silences, id(1)), (at(100), at(150)));

        let mut pending = one();
        assert_eq!(pending.expire(id(1), at(60)), Ok(true));
        assert_eq!(times(&pending, id(1)), (at(60), at(60)));
    }

    #[test]
    fn an_expired_silence_goes_after_the_retention() {
        let mut silences = one();
        let retention = SilenceSettings::default().retention;
        silences.put(SilenceDraft { ends_at: at(300), ..draft(None, "a=b") }, at(50), [2; 16]).unwrap();

        assert_eq!(silences.collect(at(200)), []);
        assert_eq!(silences.collect(at(199).after(retention)), []);
        assert_eq!(silences.collect(at(200).after(retention)), [id(1)]);
        assert_eq!(silences.get(id(1)), None);
        assert_eq!(silences.iter().count(), 1);
    }

    #[test]
    fn only_active_silences_match() {
        let mut silences = one();
        for (random, matchers) in [
            (2, r#"alertname=~"Disk.*""#),
            (3, "alertname=DiskFull, host=a"),
            (4, "alertname=DiskFull, host=b"),
            (5, "alertname=DiskFull, team="),
            (6, "host!=a"),
        ] {
            silences.put(draft(None, matchers), at(50), [random; 16]).unwrap();
        }
        let check = |labels: &[(&str, &str)], now: i64, expected: &[u8]| {
            let mut ids = matching(&silences, labels, at(now));
            ids.sort();
            assert_eq!(ids, expected.iter().copied().map(id).collect::<Vec<_>>(), "{labels:?} at {now}");
        };

        check(&[("alertname", "DiskFull"), ("host", "a")], 100, &[1, 2, 3, 5]);
        check(&[("alertname", "DiskFull"), ("host", "b"), ("team", "x")], 199, &[1, 2, 4, 6]);
        check(&[("alertname", "DiskSlow"), ("host", "a")], 150, &[2]);
        check(&[], 150, &[6]);
        check(&[("alertname", "DiskFull"), ("host", "a")], 99, &[]);
        check(&[("alertname", "DiskFull"), ("host", "a")], 200, &[]);
    }

    #[test]
    fn a_change_of_all_silences_is_known_before() {
        let mut silences = one();
        silences.put(SilenceDraft { ends_at: at(180), ..draft(None, "a=b") }, at(50), [2; 16]).unwrap();
        for (now, expected) in [(50, Some(100)), (99, Some(100)), (100, Some(180)), (180, Some(200)), (200, None)] {
            assert_eq!(silences.next_change(at(now)), expected.map(at), "{now}");
        }
        silences.expire(id(2), at(150)).unwrap();
        assert_eq!(silences.next_change(at(150)), Some(at(200)));
        silences.collect(at(200));
        assert_eq!(silences.next_change(at(150)), Some(at(200)));
    }

    /// Whatever was made, changed, ended, read back and collected: the index finds what a look at every silence finds.
    #[test]
    fn the_index_passes_no_silence_by() {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut silences = Silences::new(SilenceSettings { max_silences: 60, retention: Duration::from_secs(20) });
        let mut found = 0;
        for step in 0..3000_i64 {
            let now = at(step / 4);
            let ids: Vec<_> = silences.iter().map(|silence| silence.id).collect();
            let some = ids.get(next(40) as usize).copied();
            match (next(8), some) {
                (0, Some(id)) => assert!(silences.expire(id, now).is_ok()),
                (1, _) => assert!(silences.collect(now).iter().all(|id| silences.get(*id).is_none())),
                (2, Some(id)) => silences.restore(silences.get(id).unwrap().clone(), now),
                _ => {
                    let term = |label: u64, operator: u64, value: u64| {
                        format!("{}{}{value}", ["a", "b"][label as usize], ["=", "!=", "=~"][operator as usize])
                    };
                    let matchers = [term(next(2), next(3), next(4)), term(next(2), next(3), next(4))].join(",");
                    let starts_at = Some(now.after(Duration::from_secs(next(10))));
                    let ends_at = now.after(Duration::from_secs(10 + next(20)));
                    let draft = SilenceDraft { starts_at, ends_at, ..draft(some, &matchers) };
                    let bytes = [next(256) as u8, next(256) as u8, next(256) as u8].repeat(6);
                    let put = silences.put(draft, now, bytes[..16].try_into().unwrap());
                    assert!(matches!(put, Ok(_) | Err(SilenceError::TooMany { limit: 60 })), "{put:?}");
                }
            }
            let (a, b) = (next(4).to_string(), next(4).to_string());
            let label = |name: &str| if name == "a" { Some(&*a) } else { Some(&*b) };
            let is_hit =
                |silence: &&Silence| silence.state(now) == SilenceState::Active && silence.matchers.matches(label);
            let expected: Vec<_> = silences.iter().filter(is_hit).map(|silence| silence.id).collect();
            let mut hits: Vec<_> = silences.matching(label, now).map(|silence| silence.id).collect();
            hits.sort();
            assert_eq!(hits, expected, "step {step}");
            found += hits.len();

            let times = silences.iter().flat_map(|silence| [silence.starts_at, silence.ends_at]);
            assert_eq!(silences.next_change(now), times.filter(|time| *time > now).min(), "step {step}");
        }
        assert!(found > 1000, "{found}");
    }
}
