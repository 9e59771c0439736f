//! The thread that makes rollbacks, one after the other: a version may have to be compiled again.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};
use std::thread;

use tokio::runtime::Handle;

use super::error::PluginError;
use super::history::History;
use super::registry::Registry;
use super::rollback::{Asker, Cause, Refusal, RollbackError, RollbackRequest, RolledBack};
use super::status::Failed;
use crate::event::{PluginName, Timestamp};
use crate::priority::give_way_if_possible;

/// Starts the thread. It ends with the registry.
pub(super) fn start(registry: &Arc<Registry>, requests: Receiver<RollbackRequest>) -> Result<(), PluginError> {
    let (registry, runtime) = (Arc::downgrade(registry), Handle::current());
    let work = move || {
        give_way_if_possible();
        while let Ok(RollbackRequest { plugin, asker }) = requests.recv() {
            let Some(registry) = Weak::upgrade(&registry) else { return };
            match asker {
                Asker::Operator(answer) => drop(answer.send(runtime.block_on(registry.roll_back(&plugin)))),
                Asker::Calls { generation, failures, calls } => {
                    runtime.block_on(registry.roll_back_failing(&plugin, generation, failures, calls));
                }
            }
        }
    };
    thread::Builder::new().name("plugin-rollback".to_owned()).spawn(work).map_err(PluginError::Thread)?;
    Ok(())
}

impl Registry {
    /// Rolls back for an operator.
    async fn roll_back(&self, name: &PluginName) -> Result<RolledBack, RollbackError> {
        let reason = "it was rolled back by an operator".to_owned();
        let done = self.swap_back(name, None, Cause::Operator, reason).await?;
        tracing::info!(plugin = %name, generation = done.generation, version = done.version, rolled_back_from = done.rolled_back_from, "Plugin rolled back by an operator");
        Ok(done)
    }

    /// Rolls back because so many of the first calls of `generation` failed. Does nothing if that one serves no more.
    async fn roll_back_failing(&self, name: &PluginName, generation: u64, failures: u64, calls: u64) {
        let failing = || self.serving(name.as_str()).filter(|serving| serving.number == generation);
        if failing().is_none() {
            return;
        }
        let reason = format!("it was rolled back because {failures} of its first {calls} calls failed");
        match self.swap_back(name, Some(generation), Cause::Calls, reason).await {
            Ok(done) => tracing::error!(
                plugin = %name,
                generation = done.generation,
                version = done.version,
                rolled_back_from = done.rolled_back_from,
                "Plugin rolled back, because {failures} of its first {calls} calls failed"
            ),
            Err(error) => {
                if let Some(failing) = failing() {
                    tracing::error!(plugin = %name, generation, "Plugin fails and cannot be rolled back: {error}");
                    failing.forget_before();
                }
            }
        }
    }

    /// Puts the version before into the place of the serving one, which must be the generation `expected`.
    async fn swap_back(
        &self,
        name: &PluginName,
        expected: Option<u64>,
        cause: Cause,
        reason: String,
    ) -> Result<RolledBack, RollbackError> {
        let file = format!("{name}.wasm");
        let unknown = || RollbackError::Unknown(name.to_string());
        let turn = self.slot(&file).ok_or_else(unknown)?.turn;
        let _turn = turn.lock().await;
        let mut slot = self.slot(&file).ok_or_else(unknown)?;
        let failing = slot.serving.clone().ok_or_else(unknown)?;
        if expected.is_some_and(|expected| expected != failing.number) {
            return Err(unknown());
        }
        let before = slot.history.before.ok_or_else(|| RollbackError::NothingBefore(name.clone()))?;
        let generation = self.kept_generation(name, Some(before)).await.map_err(RollbackError::Load)?;
        self.admit(name, Some(&failing), &generation).map_err(RollbackError::Load)?;
        let version = failing.manifest.version.to_string();
        let reason = format!(
            "version {version} is refused: {reason}\nhint: put another file in its place; to try this one again, remove it and add it again"
        );
        let done = RolledBack {
            plugin: name.clone(),
            generation: generation.number,
            version: generation.manifest.version.to_string(),
            digest: before,
            rolled_back_from: version.clone(),
            refused: failing.digest,
        };
        let refusal = Refusal { digest: failing.digest, version, cause, reason, at: Timestamp::now() };
        slot.failure = Some(Failed { message: refusal.reason.clone(), at: refusal.at });
        self.record(name, &mut slot, History::back(before, refusal));
        self.serve(&mut slot, generation);
        if !self.update(&file, &slot) {
            return Err(unknown());
        }
        failing.forget_before();
        self.count_rollback(name, cause);
        Ok(done)
    }
}
