//! Limits of memories and tables.

use wasmtime::ResourceLimiter;

use super::super::limits::CallLimits;

/// Limits the memories and tables of one store, and records which limit was hit.
pub(in super::super) struct Limiter {
    memory_left: usize,
    memory: usize,
    elements_left: usize,
    /// How often memory has grown in this call. It begins with what the instance is made with.
    pub(in super::super) growths: u32,
    /// The limit that stopped this call.
    pub(in super::super) hit: Option<&'static str>,
}

impl Limiter {
    pub(super) fn new(limits: &CallLimits) -> Self {
        Self { memory_left: limits.memory, memory: 0, elements_left: limits.table_elements, growths: 0, hit: None }
    }

    /// Prepares the next call.
    pub(super) fn begin(&mut self) {
        self.growths = 0;
        self.hit = None;
    }

    /// Bytes of linear memory in use.
    pub(in super::super) fn memory(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let Some(left) = self.memory_left.checked_sub(growth) else {
            self.hit = Some("memory");
            return Ok(false);
        };
        self.memory_left = left;
        self.memory += growth;
        self.growths += u32::from(current > 0);
        // A guest may ask for less when it did not get more.
        self.hit = None;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let Some(left) = self.elements_left.checked_sub(growth) else {
            self.hit = Some("table");
            return Ok(false);
        };
        self.elements_left = left;
        Ok(true)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}
