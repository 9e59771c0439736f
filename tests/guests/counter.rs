//! Counts its requests in its state and responds with the count. `?then=trap|reject` fails after counting; `?fill=N` stores N
//! more bytes and responds with `ok` or the error's code.

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Rejection, Request};
use gateway_plugin_sdk::{Response, form_values};

gateway_plugin_sdk::export_channel!(guests::manifest("counter", "1.0.0"), receive);

fn receive(request: &Request) -> Received {
    let (host, query) = (request.host(), request.query());
    let value = |name: &str| form_values(query, name).next().map(|value| value.into_owned());
    if let Some(bytes) = value("fill").and_then(|bytes| bytes.parse().ok()) {
        let result =
            host.set_state("fill", &vec![b'x'; bytes]).map_or_else(|error| error.code, |()| String::from("ok"));
        return Ok(Receipt::empty().with_response(Response::new(200).with_body(result)));
    }
    let count =
        host.state("count").and_then(|count| String::from_utf8(count).ok()?.parse::<u64>().ok()).unwrap_or(0) + 1;
    let result =
        host.set_state("count", count.to_string().as_bytes()).map_or_else(|error| error.code, |()| count.to_string());
    match value("then").as_deref() {
        Some("trap") => panic!("trapped on purpose"),
        Some("reject") => return Err(Rejection::new(400, "rejected on purpose")),
        _ => {}
    }
    let receipt = Receipt::from(Event::new("counted").with_delivery_id(value("id")));
    Ok(receipt.with_response(Response::new(200).with_body(result)))
}
