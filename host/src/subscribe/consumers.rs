//! All consumers: those of the configuration, and those that operators have made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::counter::Counter;

use super::consumer::Consumer;
use super::consumer::record::{CONSUMERS, PARKED, Record, decode, parked_prefix, parked_seq};
use super::consumer::spec::ConsumerSpec;
use super::error::SubscribeError;
use super::start::Since;
use crate::eventlog::{EventLog, EventLogError};

pub(super) struct Consumers {
    by_name: Mutex<BTreeMap<String, Arc<Consumer>>>,
    /// Events that were parked.
    parkings: Counter,
}

impl Consumers {
    /// Those that are in the log, and those of the configuration.
    pub(super) fn load(
        log: &EventLog,
        configured: &BTreeMap<String, ConsumerSpec>,
        parkings: Counter,
    ) -> Result<Self, EventLogError> {
        let mut consumers = BTreeMap::new();
        for (name, value) in log.values(&CONSUMERS, "")? {
            let record: Record = decode("subscribe/consumers", &name, &value)?;
            let parked = log.values(&PARKED, &parked_prefix(&name))?;
            let parked = parked.iter().filter_map(|(key, _)| parked_seq(key)).collect();
            let consumer = Consumer::new(&name, record, true, parked, log.clone(), parkings.clone())
                .map_err(|detail| EventLogError::Corrupt { key: format!("s/subscribe/consumers/{name}"), detail })?;
            consumers.insert(name, Arc::new(consumer));
        }
        let loaded = Self { by_name: Mutex::new(consumers), parkings };
        loaded.configure(log, configured)?;
        Ok(loaded)
    }

    /// Applies the configuration. A consumer that is no longer in it stays, as it was, until somebody deletes it.
    pub(super) fn configure(
        &self,
        log: &EventLog,
        configured: &BTreeMap<String, ConsumerSpec>,
    ) -> Result<(), EventLogError> {
        for (name, spec) in configured {
            let known = self.all().get(name).cloned();
            let applied = match known {
                Some(known) if known.spec() == *spec => Ok(()),
                Some(known) => known.set_spec(spec.clone()),
                None => self.add(log, name, spec)?,
            };
            applied.map_err(EventLogError::Io)?;
        }
        self.hold(log);
        Ok(())
    }

    /// Begins a consumer where its specification says.
    pub(super) fn add(
        &self,
        log: &EventLog,
        name: &str,
        spec: &ConsumerSpec,
    ) -> Result<Result<(), String>, EventLogError> {
        let since = spec.since().unwrap_or(Since::Latest);
        let record = Record::new(spec.clone(), since.find(log)?.after, &Default::default());
        Ok(Consumer::new(name, record, false, Default::default(), log.clone(), self.parkings.clone()).map(|consumer| {
            self.all().insert(name.to_owned(), Arc::new(consumer));
        }))
    }

    /// Deletes a consumer. May be repeated after an error.
    pub(super) async fn delete(&self, consumer: &Arc<Consumer>) -> Result<(), EventLogError> {
        consumer.delete().await?;
        // Only now, so that nobody makes another one of this name before.
        let mut all = self.all();
        if all.get(&consumer.name).is_some_and(|known| Arc::ptr_eq(known, consumer)) {
            all.remove(&consumer.name);
        }
        Ok(())
    }

    pub(super) fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Consumer>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, name: &str) -> Result<Arc<Consumer>, SubscribeError> {
        self.all().get(name).cloned().ok_or_else(|| SubscribeError::UnknownConsumer(name.to_owned()))
    }

    pub(super) fn list(&self) -> Vec<Arc<Consumer>> {
        self.all().values().cloned().collect()
    }

    /// Writes what there is to write. What cannot be written now is written later.
    pub(super) async fn flush(&self, log: &EventLog) {
        for consumer in self.list() {
            consumer.flush_or_wait().await;
        }
        self.hold(log);
    }

    /// Has the log keep what consumers hold.
    pub(super) fn hold(&self, log: &EventLog) {
        log.set_holds(self.list().iter().filter_map(|consumer| consumer.hold()).collect());
    }
}
