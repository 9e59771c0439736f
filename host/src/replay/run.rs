//! One task for each replay that runs: find a piece, wait for its turn, commit it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::count::find;
use super::throttle::Throttle;
use crate::event::{AgentName, DeliveryId, Event, Seq};
use crate::eventlog::{Candidate, EventLog, EventLogError, Replay, ReplayId, ReplayState, ReplayStep, Replayable};

/// How long to wait before the log is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How often it is looked whether open deliveries were settled.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The longest that a replay sleeps without looking whether it was ended.
const NAP: Duration = Duration::from_millis(500);
/// Bytes of the payloads of one piece; a larger event is a piece by itself.
const PIECE_BYTES: usize = 4 << 20;

/// Runs every replay that is to run, until `stop`.
pub(super) async fn all(replays: Arc<Inner>, stop: CancellationToken) {
    let mut tasks: JoinSet<ReplayId> = JoinSet::new();
    let mut active = BTreeSet::new();
    while !stop.is_cancelled() {
        for replay in replays.log.replays().values() {
            if replay.state == ReplayState::Running && active.insert(replay.id) {
                let run = Run { id: replay.id, throttle: Throttle::new(replay.rate, Instant::now()) };
                tasks.spawn(run.run(Arc::clone(&replays), stop.clone()));
            }
        }
        replays.running.set(i64::try_from(tasks.len()).unwrap_or(i64::MAX));
        tokio::select! {
            () = stop.cancelled() => {}
            () = replays.begun.notified() => {}
            Some(ended) = tasks.join_next() => match ended {
                Ok(id) => drop(active.remove(&id)),
                // Its record still says that it runs; the next start goes on with it.
                Err(error) => tracing::error!("Replay broke off: {error}"),
            },
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// One replay that runs.
struct Run {
    id: ReplayId,
    throttle: Throttle,
}

impl Run {
    async fn run(mut self, replays: Arc<Inner>, stop: CancellationToken) -> ReplayId {
        while let Some(replay) = self.running(&replays) {
            // A step that is cut off here is committed as a whole or not at all.
            let step = tokio::select! {
                () = stop.cancelled() => break,
                step = self.step(&replays, &replay) => step,
            };
            match step {
                Ok(Some(replay)) if replay.state == ReplayState::Done => {
                    let Replay { id, replayed, skipped, .. } = replay;
                    tracing::info!(replay = %id, replayed, skipped, "Replay is done");
                }
                Ok(_) => {}
                Err(EventLogError::Closed | EventLogError::Poisoned(_)) => break,
                Err(error) if error.is_transient() => {
                    tracing::warn!(replay = %self.id, "Replay waits: {error}");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(ASK_AGAIN) => {}
                    }
                }
                Err(error) => {
                    tracing::error!(replay = %self.id, "Replay failed: {error}");
                    let told = replays.log.end_replay(self.id, ReplayState::Failed, Some(error.to_string())).await;
                    if let Err(error) = told {
                        tracing::error!(replay = %self.id, "Replay cannot be ended, it goes on after a restart: {error}");
                        break;
                    }
                }
            }
        }
        self.id
    }

    /// The replay as it is, while it runs.
    fn running(&self, replays: &Inner) -> Option<Replay> {
        replays.log.replays().get(&self.id).filter(|replay| replay.state == ReplayState::Running).cloned()
    }

    /// Takes the next piece; none when it was ended before the piece had its turn.
    async fn step(&mut self, replays: &Inner, replay: &Replay) -> Result<Option<Replay>, EventLogError> {
        let portion = self.throttle.portion();
        let found = find(&replays.log, &replay.filter, replay.next, replay.last, portion).await?;
        let mut piece = Piece::of(found);
        if piece.items.iter().any(|candidate| replays.agents.contains(&candidate.agent)) {
            if !self.is_due(replays).await {
                return Ok(None);
            }
            while !piece.fit(&replays.agents, &replays.log.open_replays(), replays.settings.open) {
                if self.running(replays).is_none() {
                    return Ok(None);
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        let Piece { items, next } = piece;
        let found = items.len();
        let known = items.into_iter().filter(|candidate| replays.agents.contains(&candidate.agent));
        let items = with_events(&replays.log, known.map(|candidate| candidate.id).collect()).await?;
        self.throttle.take(items.len(), Instant::now());
        let skipped = (found - items.len()) as u64;
        replays.log.step_replay(ReplayStep { id: self.id, from: replay.next, next, items, skipped }).await.map(Some)
    }

    /// Waits for the next portion; false when the replay was ended meanwhile.
    async fn is_due(&self, replays: &Inner) -> bool {
        loop {
            let wait = self.throttle.free_at().saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return true;
            }
            tokio::time::sleep(wait.min(NAP)).await;
            if self.running(replays).is_none() {
                return false;
            }
        }
    }
}

/// The deliveries with their events, without those that were removed in the meantime.
async fn with_events(log: &EventLog, ids: Vec<DeliveryId>) -> Result<Vec<(DeliveryId, Arc<Event>)>, EventLogError> {
    let log = log.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut items: Vec<(DeliveryId, Arc<Event>)> = Vec::with_capacity(ids.len());
        for id in ids {
            let event = match items.last() {
                Some((last, event)) if last.seq == id.seq => Some(Arc::clone(event)),
                _ => log.get(id.seq)?.map(|stored| Arc::new(stored.event)),
            };
            items.extend(event.map(|event| (id, event)));
        }
        Ok(items)
    });
    read.await.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))
}

/// What a step may take: whole events, the oldest first.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    items: Vec<Candidate>,
    next: Option<Seq>,
}

impl Piece {
    /// The beginning of what was found that has not too many bytes.
    fn of(found: Replayable) -> Self {
        let mut piece = Self { items: found.items, next: found.next };
        let (mut bytes, mut last) = (0_usize, None);
        let too_large = piece.items.iter().position(|Candidate { id, bytes: own, .. }| {
            if last != Some(id.seq) {
                bytes = bytes.saturating_add(*own);
            }
            let is_first = last.is_none_or(|last| last == id.seq);
            last = Some(id.seq);
            bytes > PIECE_BYTES && !is_first
        });
        if let Some(index) = too_large {
            piece.end_before(piece.items[index].id.seq);
        }
        piece
    }

    /// Leaves out the events from the first one on that would have more than `limit` open at one of `agents`; whether
    /// anything is left.
    fn fit(&mut self, agents: &BTreeSet<AgentName>, open: &BTreeMap<AgentName, u64>, limit: u64) -> bool {
        let mut open = open.clone();
        let too_many = self.items.iter().position(|candidate| {
            let count = open.entry(candidate.agent.clone()).or_default();
            *count += 1;
            *count > limit && agents.contains(&candidate.agent)
        });
        match too_many.map(|index| self.items[index].id.seq) {
            None => true,
            Some(seq) if seq == self.items[0].id.seq => false,
            Some(seq) => {
                self.end_before(seq);
                true
            }
        }
    }

    fn end_before(&mut self, seq: Seq) {
        self.items.retain(|candidate| candidate.id.seq < seq);
        self.next = Some(seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(items: &[(u64, &str, usize)]) -> Piece {
        let candidate = |(seq, agent, bytes): &(u64, &str, usize)| Candidate {
            id: DeliveryId { seq: Seq(*seq), index: 0 },
            agent: agent.parse().unwrap(),
            channel: "github".parse().unwrap(),
            bytes: *bytes,
        };
        Piece::of(Replayable { items: items.iter().map(candidate).collect(), next: Some(Seq(9)) })
    }

    fn shape(piece: &Piece) -> (Vec<u64>, u64) {
        (piece.items.iter().map(|candidate| candidate.id.seq.0).collect(), piece.next.unwrap().0)
    }

    #[test]
    fn a_piece_has_whole_events_within_its_bytes() {
        const HALF: usize = PIECE_BYTES / 2;
        for (items, expected) in [
            (&[][..], (vec![], 9)),
            (&[(1, "a", 5), (1, "b", 5), (2, "b", 5)], (vec![1, 1, 2], 9)),
            (&[(1, "a", HALF), (1, "b", HALF), (2, "a", HALF), (3, "a", 1)], (vec![1, 1, 2], 3)),
            (&[(1, "a", 9 * HALF), (1, "b", 9 * HALF), (2, "a", 1)], (vec![1, 1], 2)),
        ] {
            assert_eq!(shape(&piece(items)), expected);
        }
    }

    #[test]
    fn a_piece_waits_while_too_many_are_open() {
        let agents = ["a", "b"].into_iter().map(|name| name.parse().unwrap()).collect();
        for (open, fits, expected) in
            [(7, true, (vec![1, 1, 2, 2, 3], 9)), (9, true, (vec![1, 1], 2)), (10, false, (vec![1, 1, 2, 2, 3], 9))]
        {
            let mut piece = piece(&[(1, "a", 1), (1, "b", 1), (2, "b", 1), (2, "gone", 1), (3, "b", 1)]);
            let open = BTreeMap::from([("b".parse().unwrap(), open), ("gone".parse().unwrap(), 99)]);

            assert_eq!(piece.fit(&agents, &open, 10), fits);

            assert_eq!(shape(&piece), expected);
        }
    }
}
