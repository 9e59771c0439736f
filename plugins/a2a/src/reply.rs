//! Parses the agent's replies in both protocol versions.

use gateway_plugin_sdk::agent::{Answer, Delivered, Failure, quoted};
use serde_json::Value;

use crate::protocol::Version;

/// A message, or a task.
#[derive(Debug)]
pub(crate) enum Reply {
    Message(Parts),
    Task(Task),
}

/// A task in its last known state.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: String,
    context: Option<String>,
    /// In the form of version 0.3, such as `input-required`.
    state: String,
    artifacts: Parts,
    /// The agent's message about the state.
    message: Parts,
}

/// The parts of a message or of artifacts.
#[derive(Debug, Default)]
pub(crate) struct Parts(Vec<Value>);

impl Reply {
    /// Parses the result of sending a message. Version 1.0 wraps it in a member, version 0.3 has its `kind`.
    pub(crate) fn of(version: Version, result: &Value) -> Result<Self, Failure> {
        let (task, message) = match version {
            Version::One => (result.get("task"), result.get("message")),
            Version::ZeroThree => {
                (Some(result).filter(|it| it["kind"] == "task"), Some(result).filter(|it| it["kind"] == "message"))
            }
        };
        match (task, message) {
            (Some(task), _) => Task::of(task).map(Self::Task),
            (None, Some(message)) => Ok(Self::Message(Parts::of([message]))),
            (None, None) => Err(unexpected(result)),
        }
    }

    /// Whether this is a task that is still running.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Task(Task { state, .. }) if ["submitted", "working"].contains(&state.as_str()))
    }

    /// The outcome of the delivery.
    pub(crate) fn into_delivered(self) -> Delivered {
        let Task { id, context, state, artifacts, message } = match self {
            Self::Message(parts) => return Ok(parts.answer()),
            Self::Task(task) => task,
        };
        let answer = match state.as_str() {
            "failed" | "canceled" | "rejected" => {
                let text = message.text();
                let text = if text.is_empty() { format!("task {id}") } else { format!("task {id}: {text}") };
                return Err(Failure::reject(state, quoted(text.as_bytes())));
            }
            "completed" if !artifacts.0.is_empty() => artifacts.answer(),
            _ => message.answer(),
        };
        Ok(answer
            .with_attribute("taskid", Some(id))
            .with_attribute("taskstate", Some(state))
            .with_attribute("contextid", context))
    }
}

impl Task {
    /// Parses a task.
    pub(crate) fn of(task: &Value) -> Result<Self, Failure> {
        let (Some(id), Some(state)) = (task["id"].as_str(), task["status"]["state"].as_str()) else {
            return Err(unexpected(task));
        };
        let state = state.strip_prefix("TASK_STATE_").unwrap_or(state);
        Ok(Self {
            id: id.to_owned(),
            context: task["contextId"].as_str().map(str::to_owned),
            state: state.to_ascii_lowercase().replace('_', "-"),
            artifacts: Parts::of(task["artifacts"].as_array().into_iter().flatten()),
            message: Parts::of([&task["status"]["message"]]),
        })
    }
}

impl Parts {
    fn of<'a>(sources: impl IntoIterator<Item = &'a Value>) -> Self {
        Self(sources.into_iter().filter_map(|source| source["parts"].as_array()).flatten().cloned().collect())
    }

    /// The parts as text: data as JSON, a file as its URL.
    fn text(&self) -> String {
        let text = |part: &Value| {
            let file = part["url"].as_str().or(part["file"]["uri"].as_str());
            let data = || part.get("data").map(Value::to_string);
            part["text"].as_str().or(file).map(str::to_owned).or_else(data)
        };
        self.0.iter().filter_map(text).collect::<Vec<_>>().join("\n\n")
    }

    fn answer(&self) -> Answer {
        let is_data = |part: &Value| part["text"].is_null() && part.get("data").is_some();
        let is_json = matches!(&self.0[..], [part] if is_data(part));
        Answer::new(if is_json { "application/json" } else { "text/markdown; charset=utf-8" }, self.text())
    }
}

fn unexpected(result: &Value) -> Failure {
    let result = quoted(result.to_string().as_bytes());
    Failure::reject("answer", format!("the result is neither a message nor a task: {result}"))
}
