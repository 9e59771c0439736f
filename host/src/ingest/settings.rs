//! The settings of channels.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};

use crate::caller::{Access, Rate};
use crate::coding::Coding;
use crate::egress::EgressSettings;
use crate::event::{ChannelName, PluginName};
use crate::plugin::{CallLimits, OnUnknown, StateGroup};
use crate::verify::{Recipe, Secret};

/// Where channels are mounted that have no path of their own.
pub(super) const PREFIX: &str = "/webhooks/";

/// Valid input of the module.
#[derive(Clone, Debug)]
pub struct Settings {
    pub channels: Vec<ChannelSettings>,
    /// Whether a channel plugin without a channel of its own is served at `/webhooks/<name>`.
    pub auto_mount: bool,
    /// The limits of its calls.
    pub auto_limits: CallLimits,
}

/// One configured channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelSettings {
    pub name: ChannelName,
    pub plugin: PluginName,
    /// Whether callers emit its events themselves: there is no plugin then, and no path of its own.
    pub emit: bool,
    /// Where it is mounted: absolute paths without a slash at the end.
    pub paths: Vec<String>,
    /// Any of them verifies a request.
    pub secrets: Vec<Secret>,
    /// Why there is no secret although one is configured.
    pub missing_secret: Option<String>,
    /// Replaces the verification of the manifest.
    pub verification: Option<Recipe>,
    /// Who may call, and from where.
    pub access: Access,
    /// The rate of all callers together; `None` means no limit.
    pub rate_limit: Option<Rate>,
    /// Replaces the manifest's answer to callers over their rate.
    pub overload_status: Option<StatusCode>,
    /// Whether the gateway is ready only while this channel is.
    pub required: bool,
    /// Narrows the methods of the manifest.
    pub methods: Option<Vec<Method>>,
    /// Replaces the media types of the manifest; in lower case, with `*` as in `text/*`.
    pub content_types: Option<Vec<String>>,
    /// Replaces the manifest's way with verified bodies that the plugin refuses.
    pub on_unknown: Option<OnUnknown>,
    /// Narrows the limit of the manifest; bytes.
    pub max_body: Option<usize>,
    /// Codings in which bodies are accepted.
    pub encodings: Vec<Coding>,
    /// Replaces the kinds of the manifest whose keys name states.
    pub states: Option<Vec<StateGroup>>,
    /// How long after a state was told another one may be late; zero means that none is.
    pub late_window: Duration,
    /// Whether an event that repeats the last state of its thing is stored for processors.
    pub keep_repeats: bool,
    /// When a channel from which nothing comes is silent; `None` means never.
    pub silent_after: Option<Duration>,
    /// Request headers that are kept with the event.
    pub keep_headers: Vec<HeaderName>,
    /// Settings of the plugin.
    pub config: BTreeMap<String, serde_json::Value>,
    pub limits: CallLimits,
    /// The network that the plugin is granted while it polls.
    pub egress: EgressSettings,
    /// Bytes of state that the plugin is granted.
    pub state: usize,
    pub poll: PollSettings,
}

/// When a source is polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollSettings {
    /// From the end of one call to the next; zero means never.
    pub every: Duration,
    /// Time for one call, the network included.
    pub timeout: Duration,
}

impl PollSettings {
    pub const NEVER: Self = Self { every: Duration::ZERO, timeout: Duration::from_secs(30) };
}

impl ChannelSettings {
    /// The members of a cluster of Alertmanagers wait 15 seconds for each other; their senders are slower.
    pub const LATE_WINDOW: Duration = Duration::from_secs(90);

    /// A channel without a table in the configuration, for the plugin of the same name.
    pub(super) fn automatic(name: &ChannelName, limits: &CallLimits) -> Self {
        Self {
            name: name.clone(),
            plugin: name.as_str().parse().expect("channels and plugins are named by the same rule"),
            emit: false,
            paths: vec![format!("{PREFIX}{name}")],
            secrets: Vec::new(),
            missing_secret: None,
            verification: None,
            access: Access::default(),
            rate_limit: None,
            overload_status: None,
            required: false,
            methods: None,
            content_types: None,
            on_unknown: None,
            max_body: None,
            encodings: Vec::new(),
            states: None,
            late_window: Self::LATE_WINDOW,
            keep_repeats: false,
            silent_after: None,
            keep_headers: Vec::new(),
            config: BTreeMap::new(),
            limits: limits.clone(),
            egress: EgressSettings::default(),
            state: 0,
            poll: PollSettings::NEVER,
        }
    }
}
