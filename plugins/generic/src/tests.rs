use serde_json::{Value, json};

use super::*;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=kettle";

fn request(content_type: &str, body: &str) -> Request {
    Request::new("POST").with_header("Content-Type", content_type).with_body(body)
}

fn received(request: &Request) -> Event {
    receive(request).unwrap().into_event()
}

/// The body, converted to JSON.
fn read(content_type: &str, body: &str) -> Value {
    let event = received(&request(content_type, body).with_config("data", "json"));
    assert_eq!(event.content_type.as_deref(), Some(JSON));
    serde_json::from_slice(event.data.unwrap().as_bytes()).unwrap()
}

fn refused(content_type: &str, body: &str) -> Rejection {
    receive(&request(content_type, body)).unwrap_err()
}

#[test]
fn without_settings_a_body_is_kept_unchanged() {
    for (content_type, body) in
        [(JSON, r#"{"a":[1,2]}"#), ("text/xml", "<a/>"), (FORM, "a=1"), ("Application/JSON ; a=b", "7")]
    {
        assert_eq!(received(&request(content_type, body)), Event::new("received"), "{body}");
    }
}

#[test]
fn the_delivery_id_comes_from_a_header_or_the_setting() {
    let given = || request(JSON, r#"{"n":7}"#).with_header("idempotency-key", "k").with_header("webhook-id", "w");
    assert_eq!(received(&given()).delivery_id.as_deref(), Some("w"));
    assert_eq!(received(&request(JSON, "1").with_header("idempotency-key", "k")).delivery_id.as_deref(), Some("k"));
    assert_eq!(received(&given().with_config("id", "/n")).delivery_id.as_deref(), Some("7"));
    assert_eq!(received(&given().with_config("id", "/none")).delivery_id, None);
}

#[test]
fn facts_come_from_pointers_headers_the_query_and_literals() {
    let event = received(
        &request(JSON, r#"{"type":"build.failed","build":{"id":7,"ok":false,"steps":[{"a/b~c":"é\n"}],"none":null}}"#)
            .with_header("X-Host", "ci-1")
            .with_query("team=a+b&team=c")
            .with_config("kind", "/type")
            .with_config("subject", "/build/id")
            .with_config("key", "header:x-host")
            .with_config(
                "attributes",
                r#"{"ok":"/build/ok","step":"/build/steps/0/a~1b~0c","team":"query:team","env":"live","n":"/build/none","o":"/build","x":"/build/steps/01","y":"/type/z"}"#,
            ),
    );
    assert_eq!(
        (&*event.kind, event.subject.as_deref(), event.key.as_deref()),
        ("build.failed", Some("7"), Some("ci-1"))
    );
    assert_eq!(
        (event.attribute("ok"), event.attribute("team"), event.attribute("env")),
        (Some("false"), Some("a b"), Some("live"))
    );
    assert!(event.attribute("step").unwrap().starts_with("é ~"));
    assert_eq!(["n", "o", "x", "y"].map(|name| event.attribute(name)), [None; 4]);
}

#[test]
fn the_kind_is_a_literal_or_a_cleaned_text_from_the_body() {
    for (setting, body, expected, warned) in [
        ("deploy", "{}", "deploy", false),
        ("/k", r#"{"k":"a b.c\n"}"#, "a_b.c_", false),
        ("/k", r#"{"k":""}"#, "received", true),
        ("/k", r#"{"k":"..."}"#, "received", true),
        ("/k", "{}", "received", true),
        ("/k", "[]", "received", true),
    ] {
        let request = request(JSON, body).with_config("kind", setting);
        assert_eq!(received(&request).kind, expected, "{setting} {body}");
        assert_eq!(!request.host().logged().is_empty(), warned, "{setting} {body}");
    }
}

#[test]
fn each_item_of_an_array_is_an_event() {
    let request = request(JSON, r#"{"items":[{"id":1,"n":1.0},{"id":2},7],"type":"x"}"#)
        .with_config("events", "/items")
        .with_config("kind", "item")
        .with_config("subject", "/id");
    let events = receive(&request).unwrap().events;
    let found: Vec<_> = events
        .iter()
        .map(|event| (event.subject.as_deref(), std::str::from_utf8(event.data.as_ref().unwrap().as_bytes()).unwrap()))
        .collect();
    assert_eq!(found, [(Some("1"), r#"{"id":1,"n":1.0}"#), (Some("2"), r#"{"id":2}"#), (None, "7")]);
}

#[test]
fn invalid_items_are_refused_with_a_pointer() {
    let items = |body: &str| receive(&request(JSON, body).with_config("events", "/items"));
    assert_eq!(items(r#"{"items":[]}"#).unwrap().events, []);
    let expected = Rejection::at(422, "/items", "expected an array, because the setting `events` points to it");
    for body in ["{}", r#"{"items":{}}"#, r#"{"items":null}"#, "[]"] {
        assert_eq!(items(body).unwrap_err(), expected);
    }
    let many = |count| format!(r#"{{"items":[{}]}}"#, vec!["1"; count].join(","));
    assert_eq!(items(&many(1001)).unwrap().events.len(), 1001);
    let expected = Rejection::at(413, "/items", "100001 items, expected at most 100000");
    assert_eq!(items(&many(100_001)).unwrap_err(), expected);
}

/// SendGrid, HubSpot and Event Grid send an array.
#[test]
fn an_empty_pointer_is_the_whole_body() {
    let items = |body: &str| receive(&request(JSON, body).with_config("events", "").with_config("subject", "/id"));
    let events = items(r#"[{"id":1},{"id":2},"x"]"#).unwrap().events;
    assert_eq!(events.iter().map(|event| event.subject.as_deref()).collect::<Vec<_>>(), [Some("1"), Some("2"), None]);
    assert_eq!(items("[]").unwrap().events, []);
    let expected = Rejection::new(422, "the body: expected an array, because the setting `events` points to it");
    assert_eq!(items(r#"{"id":1}"#).unwrap_err(), expected);
}

#[test]
fn json_is_taken_under_any_name() {
    for content_type in
        ["application/json; charset=latin1", "text/json", "application/vnd.acme+json", "application/json;charset="]
    {
        let event = received(&request(content_type, r#"{"id":7}"#).with_config("subject", "/id"));
        assert_eq!((event.subject.as_deref(), &event.data, event.content_type), (Some("7"), &None, None));
    }
    for content_type in ["text/plain; charset=UTF-8", ""] {
        let event = received(&request(content_type, r#"{"id":7}"#).with_config("subject", "/id"));
        assert_eq!((event.subject.as_deref(), &event.data), (Some("7"), &None));
        assert_eq!(event.content_type.as_deref(), Some(JSON), "agents get it as JSON");
    }
    let event = received(&request(FORM, r#"{"id":7}"#).with_config("subject", "/id"));
    assert_eq!(event.subject.as_deref(), Some("7"), "`curl -d` calls JSON a form");
    assert_eq!(refused("text/plain", "hello").status, 400);
    let event = received(&request("application/soap+xml", "<a><b>7</b></a>").with_config("subject", "/a/b"));
    assert_eq!(event.subject.as_deref(), Some("7"));
}

#[test]
fn a_byte_order_mark_is_not_part_of_the_body() {
    for (content_type, body) in
        [(JSON, "\u{feff}{\"id\":\"x\"}"), (FORM, "\u{feff}id=x"), ("text/xml", "\u{feff}<id>x</id>")]
    {
        assert_eq!(received(&request(content_type, body).with_config("subject", "/id")).subject.as_deref(), Some("x"));
    }
}

/// Half of a surrogate pair or a member that is given twice costs one text.
#[test]
fn odd_json_costs_one_text_and_not_the_others() {
    for (body, title) in [
        (r#"{"type":"opened","title":"cut \ud83d","id":7}"#, Some("cut \u{fffd}")),
        (r#"{"\udc00":1,"type":"opened","title":"t","id":7}"#, Some("t")),
        (r#"{"type":"closed","title":"a","title":"b","type":"opened","id":7}"#, Some("b")),
        (r#"{"type":"opened","title":1e999,"id":7}"#, Some("1e999")),
    ] {
        let request = request(JSON, body)
            .with_config("kind", "/type")
            .with_config("subject", "/id")
            .with_config("attributes", r#"{"title":"/title"}"#);
        let event = received(&request);
        assert_eq!((&*event.kind, event.subject.as_deref()), ("opened", Some("7")), "{body}");
        assert_eq!(event.attribute("title"), title, "{body}");
    }
}

#[test]
fn a_pointer_leads_into_json_inside_of_a_text() {
    let part = |head: &str| {
        format!(
            "--kettle\r\nContent-Disposition: form-data; name=\"event\"{head}\r\n\r\n{{\"id\":[\"x\"]}}\r\n--kettle--"
        )
    };
    for (content_type, body) in [
        (FORM, String::from("event=%7B%22id%22%3A%5B%22x%22%5D%7D")),
        (MULTIPART, part("")),
        (MULTIPART, part("\r\nContent-Type: application/json")),
        (MULTIPART, part("; filename=\"event.json\"\r\nContent-Type: application/json; charset=utf-8")),
        (JSON, String::from(r#"{"event":"{\"id\":[\"x\"]}"}"#)),
        (JSON, String::from(r#"{"event":"{\"id\":[\"x\"],\"cut\":\"\\ud83d\"}"}"#)),
        (JSON, String::from(r#"{"event":"{\"id\":\"[\\\"x\\\"]\"}"}"#)),
    ] {
        let subject = |pointer: &str| received(&request(content_type, &body).with_config("subject", pointer)).subject;
        assert_eq!(subject("/event/id/0").as_deref(), Some("x"), "{body}");
        for pointer in ["/event/id", "/event/id/1", "/event/id/0/x", "/event/nope"] {
            assert_ne!(subject(pointer).as_deref(), Some("x"), "{pointer} {body}");
        }
    }
    let form = request(FORM, "event=%7B%22id%22%3A%5B%22x%22%5D%7D").with_config("events", "/event/id");
    assert_eq!(received(&form).data, Some(r#""x""#.into()));
    let text = received(&request(JSON, r#"{"event":"{not json"}"#).with_config("subject", "/event/id"));
    assert_eq!(text.subject, None);
}

#[test]
fn an_invalid_setting_is_logged_and_the_event_is_kept() {
    for (name, value) in [
        ("attributes", "[]"),
        ("attributes", r#"{"a":1}"#),
        ("attributes", r#"{"Bad Name":"/a"}"#),
        ("events", "items"),
        ("data", "xml"),
    ] {
        let request = request(JSON, "{}").with_config(name, value);
        assert_eq!(received(&request), Event::new("received"), "{name}");
        assert_eq!(request.host().logged()[0].0, Level::Error, "{name}");
    }
}

#[test]
fn xml_becomes_json() {
    for (xml, expected) in [
        ("<a/>", json!({"a": ""})),
        (
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- b --><a> é &amp; &#65;<![CDATA[<b>]]> </a>\n",
            json!({"a": "é & A<b>"}),
        ),
        ("<a b='1 &lt; 2' c:d=\"e\"/>", json!({"a": {"@b": "1 < 2", "@c:d": "e"}})),
        ("<a b=\"1\">text</a>", json!({"a": {"@b": "1", "#text": "text"}})),
        ("<a><b>1</b><c/><b>2</b><b x=\"y\"/></a>", json!({"a": {"b": ["1", "2", {"@x": "y"}], "c": ""}})),
        ("<a>one<b/> two</a>", json!({"a": {"b": "", "#text": "one two"}})),
        (
            "<s:Envelope xmlns:s=\"u\"><s:Body>1</s:Body></s:Envelope>",
            json!({"s:Envelope": {"@xmlns:s": "u", "s:Body": "1"}}),
        ),
        ("<!DOCTYPE a [<!ENTITY e \"x\">]><a>1</a>", json!({"a": "1"})),
    ] {
        assert_eq!(read("application/xml", xml), expected, "{xml}");
    }
}

#[test]
fn facts_are_found_in_xml() {
    let request = request("text/xml; charset=utf-8", "<alarm id=\"7\"><host>web-1</host><level>major</level></alarm>")
        .with_config("kind", "alarm")
        .with_config("subject", "/alarm/host")
        .with_config("key", "/alarm/@id")
        .with_config("attributes", r#"{"severity":"/alarm/level"}"#);
    let event = received(&request);
    assert_eq!((event.subject.as_deref(), event.key.as_deref()), (Some("web-1"), Some("7")));
    assert_eq!((event.attribute("severity"), &event.data), (Some("major"), &None));
}

#[test]
fn malformed_or_hostile_xml_is_refused_with_a_position() {
    let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;&x;\">]><a>&y;</a>";
    let deep = ["<a>".repeat(65), "</a>".repeat(65)].concat();
    let many = format!("<a>{}</a>", "<b/>".repeat(20_000));
    let attributes: String = (0..300).map(|number| format!(" a{number}=''")).collect();
    for (xml, problem) in [
        ("", "no element"),
        ("text", "text outside the root element"),
        ("<a>", "element `a` does not end"),
        ("<a/><b/>", "a second root element"),
        ("<a></b>", "at byte"),
        ("<a b=1/>", "at byte"),
        ("<a b='1' b='2'/>", "at byte"),
        (bomb, "`&y;` is not expanded"),
        ("<a b='&y;'/>", "at byte"),
        ("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a>&a;</a>", "`&a;` is not expanded"),
        (&deep, "more than 64 nested elements"),
        (&many, "more than 20000 elements"),
        (&format!("<a{attributes}/>"), "more than 256 attributes"),
    ] {
        let rejection = refused("application/xml", xml);
        assert_eq!(rejection.status, 400);
        let detail = rejection.detail;
        assert!(
            detail.starts_with("body is not XML: ") && detail.contains(problem) && detail.contains(" at byte "),
            "{detail}"
        );
    }
}

#[test]
fn a_form_becomes_json() {
    let expected = json!({"a": "1 2", "b": ["x", "", "y"], "": "z"});
    assert_eq!(read(FORM, "a=1+2&b=x&b&b=y&=z"), expected);
    assert_eq!(read(FORM, ""), json!({}));
    let many = "a&".repeat(1001);
    assert_eq!(refused(FORM, &many), Rejection::new(413, "the form has more than 1000 fields"));
}

#[test]
fn a_multipart_body_becomes_json() {
    let body = "preamble\r\n--kettle\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\ntwo\r\n--kettle \r\n\
                content-disposition: form-data; filename=\"C:\\log \\\"1\\\".txt\"; name=file\r\nContent-Type: text/plain\r\n\r\n\
                hello\r\n--kettle\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--kettle--\r\nepilogue";
    let file = json!({"filename": "C:\\log \"1\".txt", "content_type": "text/plain", "size": 5, "base64": "aGVsbG8="});
    assert_eq!(read(MULTIPART, body), json!({"a": ["one\r\ntwo", ""], "file": file}));
    assert_eq!(read("multipart/form-data;boundary=\"a b\"", "--a b--"), json!({}));
}

#[test]
fn a_part_that_is_not_utf8_is_a_file() {
    let body = b"--kettle\r\nContent-Disposition: form-data; name=\"raw\"\r\n\r\n\xff\x00\r\n--kettle--".to_vec();
    let request =
        Request::new("PUT").with_header("content-type", MULTIPART).with_body(body).with_config("data", "json");
    let data: Value = serde_json::from_slice(received(&request).data.unwrap().as_bytes()).unwrap();
    assert_eq!(data, json!({"raw": {"size": 2, "base64": "/wA="}}));
}

#[test]
fn malformed_or_hostile_multipart_is_refused_with_a_position() {
    let part = "--kettle\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
    let long = format!("--kettle\r\nX: {}\r\n\r\n1\r\n--kettle--", "x".repeat(10_000));
    let many = part.repeat(101);
    for (content_type, body, problem) in [
        ("multipart/form-data", part, "the content type has no boundary of 1 to 70 characters"),
        (MULTIPART, "", "the boundary does not occur"),
        (MULTIPART, part, "a part does not end at byte"),
        (MULTIPART, "--kettlex\r\n\r\n--kettle--", "expected a line break after the boundary at byte 8"),
        (MULTIPART, "--kettle\r\n\r\n1\r\n--kettle--", "the headers of a part do not end at byte 8"),
        (MULTIPART, "--kettle\r\nX: y\r\n\r\n1\r\n--kettle--", "a part has no name at byte 8"),
        (MULTIPART, &long, "the headers of a part do not end at byte 8"),
        (MULTIPART, &many, "more than 100 parts at byte"),
    ] {
        let rejection = refused(content_type, body);
        assert_eq!(rejection.status, 400);
        assert!(rejection.detail.starts_with(&format!("body is not multipart: {problem}")), "{}", rejection.detail);
    }
}

#[test]
fn invalid_json_and_invalid_utf8_are_refused() {
    for (body, problem) in
        [("", "EOF while parsing"), ("{\n\"a\":1,}", "key must be a string at line 2 column 7"), ("{} x", "trailing")]
    {
        let rejection = refused(JSON, body);
        assert_eq!(rejection.status, 400);
        assert!(rejection.detail.starts_with(&format!("body is not JSON: {problem}")), "{}", rejection.detail);
    }
    for (content_type, expected) in [
        (JSON, "body is not JSON: expected value at line 1 column 1"),
        ("text/xml", "body is not UTF-8: invalid utf-8 sequence of 1 bytes from index 0"),
    ] {
        let request = Request::new("POST").with_header("content-type", content_type).with_body(b"\xff".to_vec());
        assert_eq!(receive(&request).unwrap_err(), Rejection::new(400, expected));
    }
}

/// XML says itself which encoding it has, so it is refused above; JSON and forms have only this one.
#[test]
fn a_text_that_is_cut_off_within_a_character_costs_itself_alone() {
    for (content_type, body) in [(JSON, &b"{\"id\":7,\"text\":\"caf\xc3\"}"[..]), (FORM, b"id=7&text=caf\xc3")] {
        let request = Request::new("POST").with_header("content-type", content_type).with_body(body);
        let attributes = r#"{"text":"/text"}"#;
        let event = received(&request.with_config("subject", "/id").with_config("attributes", attributes));
        assert_eq!((event.subject.as_deref(), event.attribute("text")), (Some("7"), Some("caf\u{fffd}")));
        assert_eq!(event.data, None, "the data is the body as it was sent");
    }
}

#[test]
fn events_of_an_ignored_sender_are_dropped() {
    let given = |body: &str| {
        request(JSON, body)
            .with_config("attributes", r#"{"sender":"/by/name"}"#)
            .with_config("ignore_senders", r#"["kettle-bot"]"#)
    };
    for body in [
        r#"{"by":{"name":"kettle-bot"}}"#,
        r#"{"by":{"name":"Kettle-Bot"},"text":"cut off \ud83d"}"#,
        r#"{"by":{"name":"ada"},"text":1,"text":[],"by":{"name":"kettle-bot"}}"#,
    ] {
        assert_eq!(receive(&given(body)).unwrap(), Receipt::empty(), "{body}");
    }
    for body in [r#"{"by":{"name":"ada"}}"#, r#"{"by":{}}"#] {
        let request = given(body);
        received(&request);
        assert!(request.host().logged().is_empty(), "{body}");
    }
    let items = given(r#"[{"by":{"name":"ada"}},{"by":{"name":"kettle-bot"}},{"by":{"name":"bob"}}]"#);
    let events = receive(&items.with_config("events", "")).unwrap().events;
    let senders: Vec<_> = events.iter().map(|event| event.attribute("sender").unwrap()).collect();
    assert_eq!(senders, ["ada", "bob"]);
}

#[test]
fn ignoring_senders_without_a_source_for_them_is_logged() {
    let expected = "`ignore_senders` has no effect: `attributes` does not say where the `sender` is";
    let one = request(JSON, "{}");
    let several = request(JSON, "[{},{}]").with_config("events", "");
    for request in [one, several] {
        let request = request.with_config("ignore_senders", r#"["kettle-bot"]"#);
        receive(&request).unwrap();
        assert_eq!(request.host().logged(), [(Level::Warn, expected.to_owned())]);
    }
}

/// A recursive parser would overflow its stack.
#[test]
fn deep_json_is_parsed_only_where_needed() {
    let deep = format!(r#"{{"deep":{}{},"id":"x"}}"#, "[".repeat(50_000), "]".repeat(50_000));
    let request = request(JSON, &deep).with_config("subject", "/id").with_config("key", "/deep/0/0");
    let event = received(&request);
    assert_eq!((event.subject.as_deref(), event.key), (Some("x"), None));
}

mod cloud_events;
mod confirmations;
