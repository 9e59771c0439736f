//! `echo` behind a signature: copying the open `echo` over it must be refused.

use gateway_plugin_sdk::channel::{Received, Request};

gateway_plugin_sdk::export_channel!(
    r#"{
        "name": "sealed", "version": "1.0.0", "summary": "Test guest", "max_body": "25MiB",
        "verification": [{"scheme": "hmac", "algorithm": "sha256", "header": "x-hub-signature-256", "prefix": "sha256=",
                          "encoding": "hex", "signed": ["body"]}]
    }"#,
    receive
);

fn receive(_: &Request) -> Received {
    guests::echo("1")
}
