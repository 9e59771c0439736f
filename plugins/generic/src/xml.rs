//! XML as JSON: an object with the root element under its name.
//!
//! An element with attributes or children becomes an object: attributes as `@name`, children by name, its own text as `#text`.
//! Any other element becomes a string. Children of the same name become an array. Names keep their prefix. White space at the
//! ends of a text is removed. Comments, processing instructions and a document type declaration are skipped.
//!
//! Only the five entities of XML itself and numeric character references are expanded, so a document cannot grow while it is
//! parsed, and cannot reach anything outside itself.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion, escape};
use serde_json::Value;

use crate::members::Members;

/// The most nested elements.
const MAX_DEPTH: usize = 64;
/// The most elements of a document: each needs more memory than its length suggests.
const MAX_ELEMENTS: usize = 20_000;
/// The most attributes of an element: each is compared with all before it.
const MAX_ATTRIBUTES: usize = 256;

/// An element whose end tag has not been read yet.
struct OpenElement {
    name: String,
    members: Members,
    text: String,
}

impl OpenElement {
    fn into_value(mut self) -> Value {
        let text = self.text.trim();
        if self.members.is_empty() {
            return Value::from(text);
        }
        if !text.is_empty() {
            self.members.add(String::from("#text"), Value::from(text));
        }
        self.members.into_value()
    }
}

/// The document as JSON, or a problem and its position.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut document = Document::default();
    loop {
        let event = reader.read_event().map_err(|error| at(&error, reader.error_position()))?;
        if matches!(event, Event::Eof) {
            return document.into_value().map_err(|problem| at(&problem, reader.buffer_position()));
        }
        document.process(event).map_err(|problem| at(&problem, reader.buffer_position()))?;
    }
}

fn at(problem: &dyn std::fmt::Display, place: u64) -> String {
    format!("{problem} at byte {place}")
}

#[derive(Default)]
struct Document {
    elements: usize,
    open: Vec<OpenElement>,
    root: Option<(String, Value)>,
}

impl Document {
    fn process(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.start(&start),
            Event::End(_) => {
                self.end();
                Ok(())
            }
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(name) => {
                let reference = ["&", &*name.xml10_content(), ";"].concat();
                let text = escape::unescape(&reference).map_err(|_| format!("`{reference}` is not expanded"))?;
                self.text(&text)
            }
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Eof => {
                Ok(())
            }
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.root.is_some() {
            return Err(String::from("a second root element"));
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(format!("more than {MAX_ELEMENTS} elements"));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} nested elements"));
        }
        let mut members = Members::default();
        for (index, attribute) in start.attributes().enumerate() {
            if index == MAX_ATTRIBUTES {
                return Err(format!("more than {MAX_ATTRIBUTES} attributes"));
            }
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
            members.add(["@", attribute.key.as_ref()].concat(), Value::from(value));
        }
        self.open.push(OpenElement { name: start.name().as_ref().to_owned(), members, text: String::new() });
        Ok(())
    }

    fn end(&mut self) {
        let Some(mut ended) = self.open.pop() else { return };
        let name = std::mem::take(&mut ended.name);
        let value = ended.into_value();
        match self.open.last_mut() {
            Some(parent) => parent.members.add(name, value),
            None => self.root = Some((name, value)),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(open) => open.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(String::from("text outside the root element")),
        }
        Ok(())
    }

    fn into_value(self) -> Result<Value, String> {
        if let Some(open) = self.open.last() {
            return Err(format!("element `{}` does not end", open.name));
        }
        let (name, value) = self.root.ok_or_else(|| String::from("no element"))?;
        let mut document = Members::default();
        document.add(name, value);
        Ok(document.into_value())
    }
}
