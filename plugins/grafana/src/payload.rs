//! Grafana's default payload, as far as events are made of it. What is handed on stays the text it was sent as.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The request body. Written out again it is what it says about all of its alerts.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "camelCase", serialize = "camelCase"))]
pub(crate) struct Notification<'a> {
    /// `1`; Alertmanager's is `4`.
    #[serde(borrow, skip_serializing)]
    pub(crate) version: Cow<'a, str>,
    #[serde(borrow, skip_serializing)]
    pub(crate) alerts: Vec<&'a RawValue>,
    #[serde(borrow)]
    receiver: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow)]
    org_id: Option<&'a RawValue>,
    #[serde(borrow)]
    group_key: Option<&'a RawValue>,
    #[serde(borrow)]
    group_labels: Option<&'a RawValue>,
    #[serde(borrow)]
    common_labels: Option<&'a RawValue>,
    #[serde(borrow, rename = "externalURL")]
    external_url: Option<&'a RawValue>,
    #[serde(borrow)]
    truncated_alerts: Option<&'a RawValue>,
}

impl Notification<'_> {
    /// The number of the organization as text, empty when there is none.
    pub(crate) fn organization(&self) -> &str {
        self.org_id.map_or("", RawValue::get)
    }

    /// The key of the alert group, for people: it changes with the notification policies.
    pub(crate) fn group_key(&self) -> Option<Cow<'_, str>> {
        self.group_key.and_then(|key| serde_json::from_slice(key.get().as_bytes()).ok())
    }

    /// How many alerts of the group were left out.
    pub(crate) fn truncated_alerts(&self) -> u64 {
        self.truncated_alerts.and_then(|count| count.get().parse().ok()).unwrap_or(0)
    }
}

/// One alert.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert<'a> {
    #[serde(borrow)]
    pub(crate) status: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) fingerprint: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) starts_at: Cow<'a, str>,
    #[serde(default)]
    labels: Option<Labels>,
}

#[derive(Debug, Deserialize)]
struct Labels {
    alertname: Option<String>,
    severity: Option<String>,
}

impl Alert<'_> {
    /// The label `alertname`.
    pub(crate) fn name(&self) -> Option<&str> {
        self.labels.as_ref().and_then(|labels| labels.alertname.as_deref())
    }

    /// The label `severity`, as it is.
    pub(crate) fn severity(&self) -> Option<&str> {
        self.labels.as_ref().and_then(|labels| labels.severity.as_deref())
    }
}
