//! Which program this is: its version, the commit that it was built from, and the contract with plugins that it serves.

use std::sync::OnceLock;

use crate::metrics::COMMIT;
use crate::plugin;

/// As `gateway --version` shows it after the name.
pub(super) fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let commit = COMMIT.unwrap_or("unknown");
        format!("{} (commit {commit}, plugins gateway:plugin@{})", env!("CARGO_PKG_VERSION"), plugin::SERVED)
    })
}
