//! Memory that a burst needed goes back to the system.

use crate::shared::suite::memory;
use crate::support::{Setup, built_in};

/// Bytes of a large webhook.
const LARGE: usize = 19 << 20;

/// What may stay. An allocator that is left alone keeps twice as much.
const KEPT: u64 = 160 << 20;

#[tokio::test]
async fn the_memory_of_large_webhooks_goes_back() {
    let config = "\n[channels.github]\nsecret = { env = \"GITHUB_WEBHOOK_SECRET\" }\n";
    let setup = Setup::new().plugin(built_in::GITHUB).config(config).env("GITHUB_WEBHOOK_SECRET", "mysecret");
    let gateway = setup.start().await;
    let idle = memory(gateway.pid(), "VmRSS:");

    for number in 0..8 {
        let text = "x".repeat(LARGE);
        let body = format!(r#"{{"action":"opened","issue":{{"number":{number},"body":"{text}"}}}}"#);
        gateway.client.post_github("issues", &[], body).await.expect_status(202);
    }

    gateway.until("memory to go back", async || (memory(gateway.pid(), "VmRSS:") < idle + KEPT).then_some(())).await;
}
