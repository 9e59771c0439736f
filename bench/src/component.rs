//! One component by itself, for the table in `docs/writing-plugins.md`: how large it is, how long loading takes, what a call costs.
//!
//! Measured as row h is; each figure goes to standard output as a line, behind its name.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use gateway::metrics::Metrics;
use gateway::plugin::{AllowAll, PluginHost, Reuse};

use crate::rows::calls::{median_call, settings};

/// More than the reused instance of any language takes in that many calls of 1 KiB.
const REUSE: Reuse = Reuse { max_calls: 1000, max_memory: 256 << 20 };

/// Prints the figures of the channel plugin in `file`; `folder` is there for it alone.
pub(crate) fn measure(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_stem().and_then(|stem| stem.to_str()).context("the file has no name")?;
    let (plugins, cache) = (folder.join("plugins"), folder.join("cache"));
    fs::create_dir_all(&plugins)?;
    let size = fs::copy(file, plugins.join(format!("{name}.wasm")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let host = async |reuse| {
            let settings = settings(&plugins, &cache, reuse)?;
            Ok::<_, anyhow::Error>(
                PluginHost::start(settings, &Metrics::new(), Arc::new(AllowAll), Arc::new(AllowAll)).await?,
            )
        };
        // The first start compiles, the second takes what was compiled from the cache.
        let start = Instant::now();
        let first = host(None).await?;
        let compile_ms = start.elapsed().as_secs_f64() * 1000.0;
        let fresh = median_call(&first, name).await?;
        drop(first);
        let start = Instant::now();
        let second = host(Some(REUSE)).await?;
        let cached_ms = start.elapsed().as_secs_f64() * 1000.0;
        let reused = median_call(&second, name).await?;
        println!("size {size}\ncompile_ms {compile_ms:.0}\ncached_ms {cached_ms:.0}");
        println!("fresh_us {fresh:.1}\nreused_us {reused:.1}");
        Ok(())
    })
}
