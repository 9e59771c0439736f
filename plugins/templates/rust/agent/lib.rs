//! A destination of events: each event is posted to the setting `url`.

use gateway_plugin_sdk::Response;
use gateway_plugin_sdk::agent::{Answer, Delivered, Delivery, Failure, HttpError, HttpRequest};

gateway_plugin_sdk::export_agent!(include_str!("../manifest.json"), deliver);

fn deliver(delivery: &Delivery) -> Delivered {
    let config = |key: &str| delivery.host().config(key);
    let url = config("url")
        .ok_or_else(|| Failure::reject("invalid", "`url` is missing in the agent's `config`"))?;
    let request = HttpRequest::new("POST", url)
        .with_header("content-type", "application/json")
        .with_header("idempotency-key", delivery.id())
        .with_body(delivery.envelope())
        .with_credential(config("credential"));
    match delivery.send(&request) {
        Ok(response) => outcome(response),
        // A retry would end the same for these two codes, but may succeed for any other.
        Err(HttpError { code, message }) if code == "denied" || code == "too-large" => {
            Err(Failure::reject(code, message))
        }
        Err(HttpError { code, message }) => Err(Failure::retry(code, message, None)),
    }
}

/// Maps a response to the outcome of the delivery.
fn outcome(response: Response) -> Delivered {
    let message = format!("answered {}", response.status);
    let after = response.header("retry-after").map(str::to_owned);
    match response.status {
        200..=299 => {
            let content_type = response
                .header("content-type")
                .unwrap_or("application/octet-stream")
                .to_owned();
            Ok(Answer {
                content_type,
                body: response.body,
                attributes: Vec::new(),
            })
        }
        429 => Err(Failure::retry("throttled", message, after)),
        503 => Err(Failure::retry("busy", message, after)),
        408 | 425 | 500..=599 => Err(Failure::retry("status", message, after)),
        _ => Err(Failure::reject("status", message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> Delivered {
        let headers = vec![("retry-after".to_owned(), "30".to_owned())];
        let delivery = Delivery::new("1", "doors.opened")
            .with_config("url", "http://127.0.0.1:9000/events")
            .with_config("credential", "api")
            .with_remote(move |request| {
                assert_eq!(request.credential.as_deref(), Some("api"));
                Ok(Response {
                    status,
                    headers: headers.clone(),
                    body: None,
                })
            });
        deliver(&delivery)
    }

    #[test]
    fn a_2xx_is_the_answer() {
        assert!(answered(204).is_ok());
    }

    #[test]
    fn a_busy_agent_is_retried_after_its_pause() {
        let failure = answered(503).unwrap_err();

        assert_eq!(
            failure,
            Failure::retry("busy", "answered 503", Some("30".to_owned()))
        );
    }

    #[test]
    fn any_other_status_is_final() {
        assert_eq!(
            answered(404).unwrap_err(),
            Failure::reject("status", "answered 404")
        );
    }

    #[test]
    fn a_request_without_a_response_is_retried() {
        let refused = HttpError {
            code: "connect".to_owned(),
            message: "refused".to_owned(),
        };
        let delivery = Delivery::new("1", "doors.opened")
            .with_config("url", "http://127.0.0.1:9000/events")
            .with_remote(move |_| Err(refused.clone()));

        assert_eq!(
            deliver(&delivery).unwrap_err(),
            Failure::retry("connect", "refused", None)
        );
    }
}
