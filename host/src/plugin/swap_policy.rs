//! Who may take the place of what serves.

use crate::event::PluginName;

use super::manifest::Manifest;

/// Says whether a generation may serve. Asked before every swap.
pub trait SwapPolicy: Send + Sync {
    /// Refuses `next`, with the reason for the operator, when it must not take the place of `serving`.
    fn admit(&self, plugin: &PluginName, serving: Option<&Manifest>, next: &Manifest) -> Result<(), String>;
}

/// Lets every plugin serve.
pub struct AllowAll;

impl SwapPolicy for AllowAll {
    fn admit(&self, _: &PluginName, _: Option<&Manifest>, _: &Manifest) -> Result<(), String> {
        Ok(())
    }
}
