//! Rejects every request with status 418 or `?status=N`, even if a rejection must not have that status.

use gateway_plugin_sdk::channel::{Received, Rejection, Request};

gateway_plugin_sdk::export_channel!(guests::manifest("rejecting", "1.0.0"), receive);

fn receive(request: &Request) -> Received {
    let status = u16::try_from(guests::number(request, "status", 418)).unwrap_or(u16::MAX);
    Err(Rejection::new(status, "refused on purpose"))
}
