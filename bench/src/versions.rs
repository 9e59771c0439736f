//! Versions of a plugin: the same component with other bytes, put into the plugin folder, and the wait until it serves.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::subject::{Folder, Subject, wait_for_metric};

/// How long one reload may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same component with other bytes, so that it is compiled again and not taken from the cache.
pub(crate) fn version_of(component: &[u8], number: u32) -> Vec<u8> {
    [component, &custom_section("bench", &number.to_le_bytes())].concat()
}

/// Replaces a plugin in one step.
pub(crate) fn replace(folder: &Folder, name: &str, component: &[u8]) -> Result<()> {
    let new = folder.path().join("new.part");
    fs::write(&new, component)?;
    Ok(fs::rename(new, folder.plugins().join(name).with_extension("wasm"))?)
}

/// Waits until generation `number` of a plugin serves.
pub(crate) fn wait_for_generation(gateway: &Subject, plugin: &str, number: u32) -> Result<()> {
    let wanted = format!("gateway_plugin_generation{{plugin=\"{plugin}\"}} {number}");
    let patience = if number == 1 { 10 * PATIENCE } else { PATIENCE };
    wait_for_metric(&gateway.server, &wanted, patience)
        .with_context(|| format!("version {number} of `{plugin}` does not serve"))
}

/// A section that means nothing: kind 0, its length, its name and its content.
fn custom_section(name: &str, content: &[u8]) -> Vec<u8> {
    let mut section = vec![0, 0, u8::try_from(name.len()).expect("the name is short")];
    section.extend(name.as_bytes());
    section.extend(content);
    // Below 128 a LEB128 number is one byte.
    section[1] = u8::try_from(section.len() - 2).ok().filter(|length| *length < 128).expect("the content is short");
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_section_states_its_lengths() {
        assert_eq!(custom_section("ab", &[7, 8, 9]), [0, 6, 2, b'a', b'b', 7, 8, 9]);
    }
}
