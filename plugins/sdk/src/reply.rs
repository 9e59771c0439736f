//! Maps the HTTP reply of an agent to the outcome of the delivery.

use crate::agent::Failure;
use crate::network::HttpError;
use crate::{Content, Response};

/// Characters of a reply that an error or an attribute quotes.
const QUOTED: usize = 200;

/// Returns a 2xx response as it is; every other reply is a failure:
///
/// | reply | failure |
/// |---|---|
/// | 429 | retried, `throttled`, not before `Retry-After` |
/// | 503, 529 | retried, `busy`, not before `Retry-After` |
/// | 408, 425, other 5xx | retried, `status`, not before `Retry-After` |
/// | no reply | retried, with the error's code; `denied` and `too-large` are rejected, because a retry would end the same |
/// | 410 | rejected, `gone` |
/// | any other | rejected, `status` |
///
/// `reason` extracts the agent's error message from a response; if it finds none, the start of the body is quoted.
pub fn accepted(
    sent: Result<Response, HttpError>,
    reason: impl FnOnce(&Response) -> Option<String>,
) -> Result<Response, Failure> {
    let response = sent.map_err(|HttpError { code, message }| match code.as_str() {
        "denied" | "too-large" => Failure::reject(code, message),
        _ => Failure::retry(code, message, None),
    })?;
    let status = response.status;
    if (200..300).contains(&status) {
        return Ok(response);
    }
    let reason = reason(&response).map_or_else(|| quoted(body_of(&response)), |reason| quoted(reason.as_bytes()));
    let message = if reason.is_empty() { format!("answered {status}") } else { format!("answered {status}: {reason}") };
    let after = response.header("retry-after").map(str::to_owned);
    Err(match status {
        429 => Failure::retry("throttled", message, after),
        503 | 529 => Failure::retry("busy", message, after),
        408 | 425 | 500..=599 => Failure::retry("status", message, after),
        410 => Failure::reject("gone", message),
        _ => Failure::reject("status", message),
    })
}

/// The first 200 characters of a text, on one line.
pub fn quoted(text: &[u8]) -> String {
    // A character has at most four bytes.
    let start = String::from_utf8_lossy(&text[..text.len().min(QUOTED * 4)]);
    let line: String =
        start.chars().take(QUOTED).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    line.trim().to_owned()
}

pub(crate) fn body_of(response: &Response) -> &[u8] {
    response.body.as_ref().map_or(&[], Content::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(sent: Result<Response, HttpError>) -> String {
        match accepted(sent, |_| None) {
            Ok(response) => format!("accepted {}", response.status),
            Err(Failure::Retry(retry)) => format!("retry {}", retry.code),
            Err(Failure::Reject(refusal)) => format!("reject {}", refusal.code),
        }
    }

    #[test]
    fn the_status_decides_whether_to_retry() {
        for (status, expected) in [
            (200, "accepted 200"),
            (299, "accepted 299"),
            (301, "reject status"),
            (304, "reject status"),
            (400, "reject status"),
            (401, "reject status"),
            (404, "reject status"),
            (408, "retry status"),
            (410, "reject gone"),
            (413, "reject status"),
            (425, "retry status"),
            (429, "retry throttled"),
            (500, "retry status"),
            (503, "retry busy"),
            (529, "retry busy"),
            (599, "retry status"),
        ] {
            assert_eq!(outcome(Ok(Response::new(status))), expected, "{status}");
        }
        for (error, expected) in [
            ("denied", "reject denied"),
            ("too-large", "reject too-large"),
            ("dns", "retry dns"),
            ("connect", "retry connect"),
            ("tls", "retry tls"),
            ("timeout", "retry timeout"),
            ("protocol", "retry protocol"),
        ] {
            let sent = Err(HttpError { code: error.to_owned(), message: String::from("no") });
            assert_eq!(outcome(sent), expected, "{error}");
        }
    }

    #[test]
    fn retry_after_is_passed_on_unchanged() {
        let after = "Wed, 21 Oct 2026 07:28:00 GMT";
        let response = Response::new(503).with_header("Retry-After", after);
        let expected = Failure::retry("busy", "answered 503", Some(after.to_owned()));
        assert_eq!(accepted(Ok(response), |_| None), Err(expected));
    }

    #[test]
    fn an_error_quotes_the_reason_or_the_start_of_the_body_on_one_line() {
        let long = format!("no\r\n\u{1b}[31m{}", "é".repeat(1000));
        let response = Response::new(404).with_body(long.into_bytes());
        let expected = format!("answered 404: no   [31m{}", "é".repeat(191));
        assert_eq!(accepted(Ok(response.clone()), |_| None), Err(Failure::reject("status", expected)));
        let expected = Failure::reject("status", "answered 404: no such  model");
        assert_eq!(accepted(Ok(response), |_| Some(String::from("no such\r\nmodel"))), Err(expected));
    }
}
