//! Decides which generation may replace the serving one.

use std::pin::Pin;

use crate::event::PluginName;

use super::generation::Generation;
use super::manifest::Manifest;

/// Decides whether a generation may serve. Called before every swap.
pub trait SwapPolicy: Send + Sync {
    /// Refuses `next`, with a reason for the operator, if it must not replace `serving`.
    fn admit(&self, plugin: &PluginName, serving: Option<&Manifest>, next: &Manifest) -> Result<(), String>;
}

/// Tries a generation before it replaces a serving one.
pub trait SwapTrial: Send + Sync {
    /// Refuses `next`, with a reason for the operator, if it does not do what its file says. `next` is made for this trial alone.
    fn run<'a>(&'a self, next: Generation, file: &'a [u8]) -> Trying<'a>;
}

pub type Trying<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

/// Allows every generation to serve.
pub struct AllowAll;

impl SwapPolicy for AllowAll {
    fn admit(&self, _: &PluginName, _: Option<&Manifest>, _: &Manifest) -> Result<(), String> {
        Ok(())
    }
}

impl SwapTrial for AllowAll {
    fn run<'a>(&'a self, _: Generation, _: &'a [u8]) -> Trying<'a> {
        Box::pin(async { Ok(()) })
    }
}
