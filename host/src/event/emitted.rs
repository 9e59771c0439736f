//! Events that services emit: CloudEvents from elsewhere.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::portable::{Members, attributes, check_texts, data, short, text};
use super::{ChannelName, Event, HOST_ATTRIBUTES, MAX_ATTRIBUTE, MAX_ATTRIBUTES, Timestamp, is_attribute_name};

/// Names that the emitter chose, as attributes: its source, and its time.
const ORIGINAL_SOURCE: &str = "originalsource";
const ORIGINAL_TIME: &str = "originaltime";

/// A CloudEvent of a service, before it is one of this log. Its source and id say whether it was emitted before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmittedEvent {
    pub source: String,
    pub id: String,
    /// The `type`, as it was given.
    pub kind: String,
    pub subject: Option<String>,
    pub content_type: String,
    pub data: Bytes,
    /// With what the emitter calls the event.
    pub attributes: Vec<(String, String)>,
    pub traceparent: Option<String>,
}

impl EmittedEvent {
    /// Reads structured JSON (CloudEvents 1.0, JSON event format).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let members: Members<'_> =
            serde_json::from_slice(json).map_err(|error| format!("not a JSON object: {error}"))?;
        let given = |name: &str| members.get(name).map_or(Ok(None), |value| text(name, value));
        let content_type = given("datacontenttype")?.unwrap_or_else(|| "application/json".to_owned());
        Self {
            source: String::new(),
            id: String::new(),
            kind: String::new(),
            subject: given("subject")?,
            data: data(&members, &content_type)?,
            content_type,
            attributes: attributes(&members)?,
            traceparent: None,
        }
        .complete(given("specversion")?, given("id")?, given("source")?, given("type")?, given("time")?)
    }

    /// Reads a batch of structured JSON, at most `limit` events.
    ///
    /// # Errors
    /// What is wrong with it, and with which event.
    pub fn read_batch(json: &[u8], limit: usize) -> Result<Vec<Self>, String> {
        let batch: Vec<&RawValue> =
            serde_json::from_slice(json).map_err(|error| format!("not a JSON array of events: {error}"))?;
        if batch.len() > limit {
            return Err(format!("{} events, expected at most {limit}", batch.len()));
        }
        let read = |(index, json): (usize, &&RawValue)| {
            Self::read(json.get().as_bytes()).map_err(|problem| format!("event {index}: {problem}"))
        };
        batch.iter().enumerate().map(read).collect()
    }

    /// Reads binary mode: attributes as headers `ce-*`, the data as the body (CloudEvents 1.0, HTTP binding, section 3.1).
    /// `headers` are without the prefix.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_headers<'a>(
        headers: impl Iterator<Item = (&'a str, &'a str)>,
        content_type: &str,
        data: Bytes,
    ) -> Result<Self, String> {
        let mut event = Self {
            source: String::new(),
            id: String::new(),
            kind: String::new(),
            subject: None,
            content_type: content_type.to_owned(),
            data,
            attributes: Vec::new(),
            traceparent: None,
        };
        let (mut version, mut id, mut source, mut kind, mut time) = (None, None, None, None, None);
        for (name, value) in headers {
            let value = percent_decoded(value).ok_or_else(|| format!("`ce-{}` is not UTF-8", short(name)))?;
            match name {
                "specversion" => version = Some(value),
                "id" => id = Some(value),
                "source" => source = Some(value),
                "type" => kind = Some(value),
                "time" => time = Some(value),
                "subject" => event.subject = Some(value),
                name if !is_attribute_name(name) => {
                    return Err(format!("attribute `{}` must have 1 to 20 of `a-z0-9`", short(name).escape_default()));
                }
                _ if value.len() > MAX_ATTRIBUTE => {
                    return Err(format!(
                        "attribute `{name}` has {} bytes, expected at most {MAX_ATTRIBUTE}",
                        value.len()
                    ));
                }
                name => event.attributes.push((name.to_owned(), value)),
            }
        }
        event.complete(version, id, source, kind, time)
    }

    fn complete(
        mut self,
        version: Option<String>,
        id: Option<String>,
        source: Option<String>,
        kind: Option<String>,
        time: Option<String>,
    ) -> Result<Self, String> {
        let required = |name: &str, value: Option<String>| value.ok_or_else(|| format!("`{name}` is missing"));
        let version = required("specversion", version)?;
        if version != "1.0" {
            return Err(format!("`specversion`: expected `1.0`, found `{}`", short(&version)));
        }
        self.id = required("id", id)?;
        self.source = required("source", source)?;
        self.kind = required("type", kind)?;
        if let Some(time) = &time
            && time.parse::<Timestamp>().is_err()
        {
            return Err(format!("`time`: expected a time such as `2026-01-31T12:00:00Z`, found `{}`", short(time)));
        }
        check_texts(&[
            ("id", Some(&self.id), 255),
            ("source", Some(&self.source), 1024),
            ("type", Some(&self.kind), 192),
            ("subject", self.subject.as_ref(), 1024),
            ("datacontenttype", Some(&self.content_type), 128),
        ])?;
        if let Some(place) = self.attributes.iter().position(|(name, _)| name == "traceparent") {
            self.traceparent = Some(self.attributes.swap_remove(place).1);
        }
        let own = [
            (Event::ORIGINAL_ID, Some(&self.id)),
            (ORIGINAL_SOURCE, Some(&self.source)),
            (ORIGINAL_TIME, time.as_ref()),
        ];
        // Which schema it was checked with is not for the emitter to say.
        let is_own = |name: &str| HOST_ATTRIBUTES.contains(&name) || own.iter().any(|(own, _)| name == *own);
        self.attributes.retain(|(name, _)| !is_own(name));
        if self.attributes.len() + own.len() > MAX_ATTRIBUTES {
            let most = MAX_ATTRIBUTES - own.len();
            return Err(format!("{} attributes, expected at most {most}", self.attributes.len()));
        }
        let own: Vec<_> = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone()))).collect();
        self.attributes.extend(own);
        Ok(self)
    }

    /// The kind as an event of `channel`: a type that begins with its name and a dot is not prefixed again.
    pub fn kind_in(&self, channel: &ChannelName) -> String {
        match self.kind.strip_prefix(channel.as_str()) {
            Some(rest) if rest.starts_with('.') && rest.len() > 1 => self.kind.clone(),
            _ => format!("{channel}.{}", self.kind),
        }
    }
}

/// The text of a header `ce-*`: `%XX` stands for a byte (section 3.1.3.2).
fn percent_decoded(text: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute<'a>(event: &'a EmittedEvent, name: &str) -> Option<&'a str> {
        event.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn structured_and_binary_mode_say_the_same() {
        let json = br#"{"specversion":"1.0","id":"7","source":"/shop","type":"created","subject":"h\u00f6he","priority":"high",
            "time":"2026-01-31T12:00:00Z","datacontenttype":"application/json","data":{"n":1},"traceparent":"00-a"}"#;
        let headers = [
            ("specversion", "1.0"),
            ("id", "7"),
            ("source", "/shop"),
            ("type", "created"),
            ("subject", "h%C3%B6he"),
            ("priority", "high"),
            ("time", "2026-01-31T12:00:00Z"),
            ("traceparent", "00-a"),
        ];

        let structured = EmittedEvent::read(json).unwrap();
        let binary =
            EmittedEvent::of_headers(headers.into_iter(), "application/json", Bytes::from_static(b"{\"n\":1}"))
                .unwrap();

        assert_eq!(structured, binary);
        assert_eq!(structured.subject.as_deref(), Some("höhe"));
        assert_eq!(
            (attribute(&structured, "originalid"), attribute(&structured, "originalsource")),
            (Some("7"), Some("/shop"))
        );
        assert_eq!(
            (attribute(&structured, "priority"), structured.traceparent.as_deref()),
            (Some("high"), Some("00-a"))
        );
    }

    #[test]
    fn which_schema_an_event_has_is_not_the_emitters_to_say() {
        let json = br#"{"specversion":"1.0","id":"1","source":"s","type":"t","dataschema":"https://x.example/y"}"#;
        let headers = [("specversion", "1.0"), ("id", "1"), ("source", "s"), ("type", "t"), ("dataschema", "y")];
        let binary = EmittedEvent::of_headers(headers.into_iter(), "text/plain", Bytes::new()).unwrap();

        assert_eq!(attribute(&EmittedEvent::read(json).unwrap(), "dataschema"), None);
        assert_eq!(attribute(&binary, "dataschema"), None);
    }

    #[test]
    fn a_type_that_names_the_channel_is_not_prefixed_again() {
        let channel = "api".parse().unwrap();
        for (kind, expected) in [
            ("deployed", "api.deployed"),
            ("api.deployed", "api.deployed"),
            ("apiary.x", "api.apiary.x"),
            ("api.", "api.api."),
        ] {
            let json = format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"{kind}"}}"#);
            assert_eq!(EmittedEvent::read(json.as_bytes()).unwrap().kind_in(&channel), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let read = |json: &str| EmittedEvent::read(json.as_bytes()).unwrap_err();
        for (json, problem) in [
            ("[]", "not a JSON object"),
            (r#"{"id":"1"}"#, "`specversion` is missing"),
            (r#"{"specversion":"0.3","id":"1","source":"s","type":"t"}"#, "`specversion`: expected `1.0`, found `0.3`"),
            (r#"{"specversion":"1.0","source":"s","type":"t"}"#, "`id` is missing"),
            (r#"{"specversion":"1.0","id":"1","source":"s","type":""}"#, "`type` must have 1 to 192 bytes"),
            (r#"{"specversion":"1.0","id":"1","source":"s","type":"t","time":"now"}"#, "`time`: expected a time"),
            (r#"{"specversion":"1.0","id":"1","source":"s","type":"t","Bad":"x"}"#, "attribute `Bad`"),
            (
                r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"%"}"#,
                "`data_base64` is not base64",
            ),
        ] {
            assert!(read(json).starts_with(problem), "{json}: {}", read(json));
        }
        let one = r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
        assert_eq!(
            EmittedEvent::read_batch(format!("[{one},{one}]").as_bytes(), 1).unwrap_err(),
            "2 events, expected at most 1"
        );
        assert!(EmittedEvent::read_batch(format!("[{one},{{}}]").as_bytes(), 2).unwrap_err().starts_with("event 1: "));
    }
}
