//! What an agent replies, in either version of the protocol.

use gateway_plugin_sdk::agent::{Answer, Delivered, Failure, quoted};
use serde_json::Value;

use crate::protocol::Version;

/// A message, or a task.
#[derive(Debug)]
pub(crate) enum Reply {
    Message(Said),
    Task(Task),
}

/// A task as it was last seen.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: String,
    context: Option<String>,
    /// In the words of version 0.3, such as `input-required`.
    state: String,
    artifacts: Said,
    /// What the agent says of the state.
    message: Said,
}

/// What parts say: one piece of JSON, or text.
#[derive(Debug, Default)]
pub(crate) struct Said {
    parts: Vec<Value>,
}

impl Reply {
    /// The result of sending a message. Version 1.0 wraps it in a member that names it, version 0.3 says its `kind`.
    pub(crate) fn of(version: Version, result: &Value) -> Result<Self, Failure> {
        let (task, message) = match version {
            Version::One => (result.get("task"), result.get("message")),
            Version::ZeroThree => {
                (Some(result).filter(|it| it["kind"] == "task"), Some(result).filter(|it| it["kind"] == "message"))
            }
        };
        match (task, message) {
            (Some(task), _) => Task::of(task).map(Self::Task),
            (None, Some(message)) => Ok(Self::Message(Said::of([message]))),
            (None, None) => Err(strange(result)),
        }
    }

    /// Whether it is a task that will change by itself.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Task(Task { state, .. }) if ["submitted", "working"].contains(&state.as_str()))
    }

    /// What it means for the delivery.
    pub(crate) fn judge(self) -> Delivered {
        let Task { id, context, state, artifacts, message } = match self {
            Self::Message(said) => return Ok(said.answer()),
            Self::Task(task) => task,
        };
        let answer = match state.as_str() {
            "failed" | "canceled" | "rejected" => {
                let told = message.text();
                let told = if told.is_empty() { format!("task {id}") } else { format!("task {id}: {told}") };
                return Err(Failure::reject(state, quoted(told.as_bytes())));
            }
            "completed" if !artifacts.parts.is_empty() => artifacts.answer(),
            _ => message.answer(),
        };
        Ok(answer
            .with_attribute("taskid", Some(id))
            .with_attribute("taskstate", Some(state))
            .with_attribute("contextid", context))
    }
}

impl Task {
    /// A task as JSON.
    pub(crate) fn of(task: &Value) -> Result<Self, Failure> {
        let (Some(id), Some(state)) = (task["id"].as_str(), task["status"]["state"].as_str()) else {
            return Err(strange(task));
        };
        let state = state.strip_prefix("TASK_STATE_").unwrap_or(state);
        Ok(Self {
            id: id.to_owned(),
            context: task["contextId"].as_str().map(str::to_owned),
            state: state.to_ascii_lowercase().replace('_', "-"),
            artifacts: Said::of(task["artifacts"].as_array().into_iter().flatten()),
            message: Said::of([&task["status"]["message"]]),
        })
    }
}

impl Said {
    /// The parts of messages or artifacts.
    fn of<'a>(sources: impl IntoIterator<Item = &'a Value>) -> Self {
        let parts = sources.into_iter().filter_map(|source| source["parts"].as_array()).flatten();
        Self { parts: parts.cloned().collect() }
    }

    /// Its text; data as JSON, a file by its address.
    fn text(&self) -> String {
        let text = |part: &Value| {
            let file = part["url"].as_str().or(part["file"]["uri"].as_str());
            let data = || part.get("data").map(Value::to_string);
            part["text"].as_str().or(file).map(str::to_owned).or_else(data)
        };
        self.parts.iter().filter_map(text).collect::<Vec<_>>().join("\n\n")
    }

    fn answer(&self) -> Answer {
        let is_data = |part: &Value| part["text"].is_null() && part.get("data").is_some();
        let is_json = matches!(&self.parts[..], [part] if is_data(part));
        Answer::new(if is_json { "application/json" } else { "text/markdown; charset=utf-8" }, self.text())
    }
}

fn strange(result: &Value) -> Failure {
    let told = format!("the result is neither a message nor a task: {}", quoted(result.to_string().as_bytes()));
    Failure::reject("answer", told)
}
