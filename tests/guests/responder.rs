//! Returns its own response: status 200 or `?status=N`, with some headers that the host must remove.

use gateway_plugin_sdk::Response;
use gateway_plugin_sdk::channel::{Receipt, Received, Request};

gateway_plugin_sdk::export_channel!(guests::manifest("responder", "1.0.0"), receive);

const HEADERS: [(&str, &str); 8] = [
    ("content-type", "text/plain"),
    ("x-repeated", "one"),
    ("X-Repeated", "two"),
    ("connection", "close, x-named"),
    ("x-named", "by connection"),
    ("keep-alive", "timeout=5"),
    ("transfer-encoding", "chunked"),
    ("content-length", "999"),
];

fn receive(request: &Request) -> Received {
    let status = u16::try_from(guests::number(request, "status", 200)).unwrap_or(u16::MAX);
    let response =
        HEADERS.iter().fold(Response::new(status), |response, (name, value)| response.with_header(*name, *value));
    Ok(Receipt::empty().with_response(response.with_body(b"challenge".to_vec())))
}
