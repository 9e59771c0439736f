//! Decides which generation may replace the serving one.

use crate::event::PluginName;

use super::manifest::Manifest;

/// Decides whether a generation may serve. Called before every swap.
pub trait SwapPolicy: Send + Sync {
    /// Refuses `next`, with a reason for the operator, if it must not replace `serving`.
    fn admit(&self, plugin: &PluginName, serving: Option<&Manifest>, next: &Manifest) -> Result<(), String>;
}

/// Allows every generation to serve.
pub struct AllowAll;

impl SwapPolicy for AllowAll {
    fn admit(&self, _: &PluginName, _: Option<&Manifest>, _: &Manifest) -> Result<(), String> {
        Ok(())
    }
}
