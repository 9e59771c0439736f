use serde_json::json;

use super::*;
use crate::channel::Receipt;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    object: Object<Inner<'a>>,
    #[serde(borrow)]
    objects: Objects<Inner<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Inner<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

/// The text, and the names in the object and in the objects.
fn read(json: &str) -> String {
    let payload: Payload<'_> = serde_json::from_str(json).unwrap();
    let name = |inner: &Inner<'_>| inner.name.get().unwrap_or("-").to_owned();
    let objects: Vec<_> = payload.objects.get().iter().map(name).collect();
    format!("{:?} {:?} {objects:?}", payload.text.get(), payload.object.get().map(name))
}

#[test]
fn a_member_of_another_shape_is_missing_and_the_others_are_not() {
    for (json, expected) in [
        (r#"{"text":"a","object":{"name":"b"},"objects":[{"name":"c"},{}]}"#, r#"Some("a") Some("b") ["c", "-"]"#),
        (r#"{"text":"\u00e9","object":{"name":5}}"#, r#"Some("é") Some("5") []"#),
        (r#"{"text":-7,"object":[{"name":"b"}],"objects":{"name":"c"}}"#, r#"Some("-7") None []"#),
        (r#"{"text":{"a":[1]},"object":"b","objects":[1,"c",null,{"name":"d"},[{}]]}"#, r#"None None ["d"]"#),
        (r#"{"text":["a"],"object":1.5,"objects":-1}"#, "None None []"),
        (r#"{"text":true,"object":null,"objects":false}"#, r#"Some("true") None []"#),
        (r#"{"text":null,"more":[{"a":{}}]}"#, "None None []"),
        (r#"{"text":""}"#, "None None []"),
    ] {
        assert_eq!(read(json), expected, "{json}");
    }
}

#[test]
fn an_id_is_a_text_or_a_member_of_an_object() {
    for (json, expected) in [
        (r#""C1""#, Some("C1")),
        ("7", Some("7")),
        (r#"{"name":{"id":1},"id":"C1","more":[{"id":"x"}]}"#, Some("C1")),
        (r#"{"name":"C1"}"#, None),
        (r#"{"id":{"id":"C1"}}"#, None),
        ("[1]", None),
        ("null", None),
    ] {
        assert_eq!(serde_json::from_str::<Id<'_>>(json).unwrap().get(), expected, "{json}");
    }
}

#[test]
fn json_that_does_not_fit_is_kept_and_invalid_json_is_refused() {
    let request = Request::new("POST");
    for json in ["[]", "7", "null", "[[\"\\ud83d\"]]"] {
        assert_eq!(parse::<Payload<'_>>(&request, json).unwrap().text.get(), None, "{json}");
        assert!(request.host().logged().pop().unwrap().1.starts_with("Payload has an unexpected shape"), "{json}");
    }
    let deep = "[".repeat(100_000);
    for json in ["", "{", "nul", &deep] {
        assert_eq!(parse::<Payload<'_>>(&request, json).unwrap_err().status, 400, "{json:.20}");
    }
}

/// Each of them costs the text that it is in, and no other fact.
#[test]
fn odd_json_costs_one_text_and_not_the_others() {
    let deep = ["[".repeat(1000), "]".repeat(1000)].concat();
    for (json, text) in [
        (r#"{"text":"a\ud83d","object":{"name":"b"},"objects":[{"name":"c"}]}"#, Some("a\u{fffd}")),
        (r#"{"text":"a","text":"b","object":{"name":"x"},"object":{"name":"b"},"objects":[{"name":"c"}]}"#, Some("b")),
        (r#"{"objects":[{"name":"c"}],"object":{"name":"x","name":"b"},"\udc00":1}"#, None),
        (r#"{"text":1e999,"object":{"name":"b"},"objects":[{"name":"c"}]}"#, None),
        (&format!(r#"{{"text":{deep},"object":{{"name":"b"}},"objects":[{{"name":"c"}}]}}"#), None),
    ] {
        let request = Request::new("POST");
        let payload = parse::<Payload<'_>>(&request, json).unwrap();
        let name = |inner: &Inner<'_>| inner.name.get().map(str::to_owned);
        assert_eq!(payload.text.get(), text, "{json:.80}");
        assert_eq!(payload.object.get().and_then(name).as_deref(), Some("b"), "{json:.80}");
        assert_eq!(payload.objects.get().iter().filter_map(name).collect::<Vec<_>>(), ["c"], "{json:.80}");
        assert!(request.host().logged().is_empty(), "{json:.80}");
    }
}

#[test]
fn a_byte_order_mark_is_not_part_of_the_text() {
    let request = Request::new("POST").with_body("\u{feff}{}");
    assert_eq!(text(&request).unwrap(), "{}");
}

/// JSON is read all the same; other formats can have other encodings.
#[test]
fn bytes_that_are_not_utf8_cost_one_text_of_json() {
    let request =
        Request::new("POST").with_body(b"\xef\xbb\xbf{\"text\":\"caf\xc3\",\"object\":{\"name\":\"b\"}}".to_vec());
    let read = with_text(&request, |text| {
        let payload = parse::<Payload<'_>>(&request, text)?;
        assert_eq!(payload.text.get(), Some("caf\u{fffd}"));
        assert_eq!(payload.object.get().and_then(|inner| inner.name.get()), Some("b"));
        Ok(Receipt::empty())
    });
    assert_eq!(read, Ok(Receipt::empty()));
    let refused = text(&request).unwrap_err();
    assert_eq!(refused, Rejection::new(400, "body is not UTF-8: invalid utf-8 sequence of 1 bytes from index 12"));
}

#[test]
fn an_odd_text_in_a_response_costs_that_text_alone() {
    for (body, expected) in [
        (&br#"{"a":1}"#[..], json!({"a": 1})),
        (br#"{"a":"b \ud83d"}"#, json!({"a": "b \u{fffd}"})),
        (b"\xef\xbb\xbf{\"a\":\"caf\xc3\"}", json!({"a": "caf\u{fffd}"})),
        (br#"{"a":1,"a":2,"b":1e999}"#, json!({"a": 2, "b": ""})),
        (b"", json!(null)),
        (b"<html>", json!(null)),
    ] {
        let response = Response::new(200).with_body(body.to_vec());
        assert_eq!(response.json(), expected, "{}", String::from_utf8_lossy(body));
    }
}
