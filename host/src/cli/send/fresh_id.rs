//! Fresh ids in a sample: the same sample sent twice is two deliveries, not a delivery and its duplicate.
//!
//! The expected result of a sample says what its plugin takes for the identity. Where that text stands in the request, its
//! digits are replaced. A text with few digits is no id, and a time is none either.

use ::http::HeaderValue;

use crate::cli::webhook::Webhook;
use crate::event::Timestamp;

/// Fewer digits than this cannot tell deliveries apart.
const MIN_DIGITS: usize = 4;

/// Replaces these ids in the headers, the query and the body of a request.
pub(super) fn renew(webhook: &mut Webhook, ids: &[&str]) {
    let mut done: Vec<&str> = Vec::new();
    for id in ids {
        if is_id(id) && !done.contains(id) {
            done.push(id);
            replace(webhook, id, &fresh(id));
        }
    }
}

fn is_id(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_digit).count() >= MIN_DIGITS && text.parse::<Timestamp>().is_err()
}

/// The same text with other digits. The first one stays, because a number does not begin with zero.
fn fresh(id: &str) -> String {
    let mut random = vec![0; id.len()];
    getrandom::fill(&mut random).expect("the randomness of a system that has started does not fail");
    let mut is_first = true;
    let digit = |(c, random): (char, u8)| match c {
        '0'..='9' if !std::mem::take(&mut is_first) => char::from(b'0' + random % 10),
        other => other,
    };
    id.chars().zip(random).map(digit).collect()
}

fn replace(webhook: &mut Webhook, id: &str, fresh: &str) {
    for (_, value) in &mut webhook.headers {
        if let Some(text) = value.to_str().ok().filter(|text| text.contains(id))
            && let Ok(new) = HeaderValue::from_str(&text.replace(id, fresh))
        {
            *value = new;
        }
    }
    webhook.query = webhook.query.replace(id, fresh);
    let (body, id) = (&webhook.body, id.as_bytes());
    let mut new = Vec::with_capacity(body.len());
    let mut rest = &body[..];
    while let Some(at) = rest.windows(id.len()).position(|window| window == id) {
        new.extend_from_slice(&rest[..at]);
        new.extend_from_slice(fresh.as_bytes());
        rest = &rest[at + id.len()..];
    }
    new.extend_from_slice(rest);
    webhook.body = new;
}

#[cfg(test)]
mod tests {
    use ::http::Method;

    use super::*;

    #[test]
    fn an_id_is_replaced_wherever_it_stands() {
        let id = "f6266f16-1bf3-46a5-9ea4-602e06ead473";
        let mut webhook = Webhook {
            method: Method::POST,
            path: "/webhooks/github".to_owned(),
            query: String::new(),
            headers: vec![
                ("x-github-delivery".to_owned(), HeaderValue::from_static("f6266f16-1bf3-46a5-9ea4-602e06ead473")),
                ("x-github-event".to_owned(), HeaderValue::from_static("push")),
            ],
            body: format!("{{\"delivery\":\"{id}\",\"again\":\"{id}\"}}").into_bytes(),
        };

        renew(&mut webhook, &[id, "push", "2026-01-31T12:00:00Z", id]);

        let new = webhook.headers[0].1.to_str().unwrap();
        assert!(new != id && new.len() == id.len() && new.starts_with("f6"), "{new}");
        assert_eq!(webhook.headers[1].1, "push");
        assert_eq!(webhook.body, format!("{{\"delivery\":\"{new}\",\"again\":\"{new}\"}}").into_bytes());
    }

    #[test]
    fn what_has_few_digits_or_is_a_time_is_no_id() {
        for (text, expected) in [
            ("evt_1KettleEvent0001", true),
            ("1234567", true),
            ("kitchen/kettle#7", false),
            ("2026-01-31T12:00:00Z", false),
            ("", false),
        ] {
            assert_eq!(is_id(text), expected, "{text}");
        }
    }
}
