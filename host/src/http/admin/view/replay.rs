use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::{AgentName, ChannelName, DeliveryState, Seq, Timestamp};
use crate::eventlog::{DeliveryFilter, Selection};
use crate::replay::{Count, Replay, ReplayId, ReplayState};

/// `GET /admin/replays`.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayList {
    /// The latest first.
    pub replays: Vec<ReplayRow>,
}

/// A replay.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `Replay`, and those below")]
pub struct ReplayRow {
    pub id: ReplayId,
    pub state: ReplayState,
    pub by: String,
    pub filter: FilterView,
    pub rate: u32,
    /// How many deliveries there were to replay when it was asked for.
    pub matched: u64,
    /// How many it has added.
    pub replayed: u64,
    /// How many it left alone.
    pub skipped: u64,
    /// The next event it looks at.
    pub next: Seq,
    /// The last event it looks at.
    pub last: Seq,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub error: Option<String>,
}

/// What a replay is about; what is not named is not restricted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `DeliveryFilter`")]
pub struct FilterView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DeliveryState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// `POST /admin/deliveries/replay?dry_run=true`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `Count`, and the one below")]
pub struct DryRun {
    /// Always true: nothing was done.
    pub dry_run: bool,
    pub matched: u64,
    pub by_agent: BTreeMap<AgentName, u64>,
    pub by_channel: BTreeMap<ChannelName, u64>,
    pub skipped: u64,
}

/// All replays.
pub fn replays(replays: Vec<Replay>) -> ReplayList {
    ReplayList { replays: replays.into_iter().map(replay).collect() }
}

/// One replay.
pub fn replay(replay: Replay) -> ReplayRow {
    let DeliveryFilter { events: Selection { channel, kind, since, until, .. }, state, agent } = replay.filter;
    ReplayRow {
        id: replay.id,
        state: replay.state,
        by: replay.by,
        filter: FilterView { channel, kind, state, agent, since, until },
        rate: replay.rate,
        matched: replay.total,
        replayed: replay.replayed,
        skipped: replay.skipped,
        next: replay.next,
        last: replay.last,
        created_at: replay.created_at,
        ended_at: replay.ended_at,
        error: replay.error,
    }
}

/// What a replay would do.
pub fn dry_run(count: Count) -> DryRun {
    let Count { matched, by_agent, by_channel, skipped } = count;
    DryRun { dry_run: true, matched, by_agent, by_channel, skipped }
}
