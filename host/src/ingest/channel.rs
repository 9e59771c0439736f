//! Channels: configured sources, and what becomes of them while generations of their plugins come and go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwapOption;
use http::Method;
use serde::Serialize;

use super::policy::ChannelPolicy;
use super::poll::status::{PollStatus, Polling};
use super::recording::recorder::Recorder;
use super::settings::ChannelSettings;
use crate::caller::{Access, Bucket};
use crate::egress::Egress;
use crate::event::{ChannelName, Timestamp};
use crate::plugin::{Binding, CallLimits, Generation, Kind, Network, PluginHost, PluginState, config_text};
use crate::verify::Scheme;

/// Failures of one channel are logged once in this many milliseconds: forged requests must not fill the log.
const WARN_EVERY: i64 = 10_000;

/// Lives until its settings change. What is known of its polls, and a recording, pass on to the channel that replaces it.
pub struct Channel {
    pub(super) settings: ChannelSettings,
    pub(super) binding: Arc<Binding>,
    /// What `poll` is called with: it has the network and a time limit of its own.
    pub(super) polled: Arc<Binding>,
    pub(super) polling: Arc<Polling>,
    /// Whether it was mounted without a table in the configuration.
    pub(super) automatic: bool,
    policy: ArcSwapOption<ChannelPolicy>,
    recorder: Arc<ArcSwapOption<Recorder>>,
    bucket: Option<Arc<Bucket>>,
    warned_at: AtomicI64,
}

/// Whether a channel serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelState {
    Serving,
    /// Something is missing; requests are answered 503.
    Waiting,
}

/// One row of `/admin/channels`, without the counts.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelStatus {
    pub name: String,
    pub plugin: String,
    pub paths: Vec<String>,
    pub state: ChannelState,
    /// What it waits for.
    pub detail: Option<String>,
    pub required: bool,
    pub automatic: bool,
    pub generation: Option<u64>,
    pub methods: Vec<String>,
    pub max_body: Option<usize>,
    /// The verification in force, in the manifest's form; empty when the channel is open.
    pub verification: Vec<Scheme>,
    /// `None` when the plugin does not poll.
    pub poll: Option<PollStatus>,
    /// Bytes of state in use, and bytes that are granted.
    pub state_used: usize,
    pub state_quota: usize,
}

impl Channel {
    pub(super) fn new(settings: ChannelSettings, state: Option<Arc<PluginState>>, automatic: bool) -> Self {
        let name = settings.name.as_str();
        let config: BTreeMap<_, _> =
            settings.config.iter().map(|(key, value)| (key.clone(), config_text(value))).collect();
        let binding = Binding::new(name, config.clone(), Network::Closed, &settings.limits);
        let polled = CallLimits { time: settings.poll.timeout, concurrency: 1, ..settings.limits.clone() };
        let network = Network::Granted(Box::new(Egress::new(settings.egress.clone())));
        let polled = Binding::new(name, config, network, &polled);
        Self {
            bucket: settings.rate_limit.map(Bucket::new).map(Arc::new),
            settings,
            binding: Arc::new(binding.with_state(state.clone())),
            polled: Arc::new(polled.with_state(state)),
            polling: Arc::default(),
            automatic,
            policy: ArcSwapOption::empty(),
            recorder: Arc::default(),
            warned_at: AtomicI64::new(0),
        }
    }

    /// The channel in the place of `before`, which has other settings.
    pub(super) fn instead_of(self, before: &Self) -> Self {
        let bucket =
            if before.settings.rate_limit == self.settings.rate_limit { before.bucket.clone() } else { self.bucket };
        let (polling, recorder) = (Arc::clone(&before.polling), Arc::clone(&before.recorder));
        Self { polling, recorder, bucket, ..self }
    }

    pub(super) fn status(&self, plugins: &PluginHost) -> ChannelStatus {
        if self.settings.emit {
            return self.emit_status();
        }
        let generation = self.generation(plugins);
        let policy = generation.as_ref().ok().map(|generation| self.policy(generation));
        let detail = match (&generation, &policy) {
            (Err(detail), _) => Some(detail.clone()),
            (Ok(_), policy) => policy.as_ref().and_then(|policy| policy.blocked_by.clone()),
        };
        ChannelStatus {
            name: self.settings.name.to_string(),
            plugin: self.settings.plugin.to_string(),
            paths: self.settings.paths.clone(),
            state: if detail.is_none() { ChannelState::Serving } else { ChannelState::Waiting },
            detail,
            required: self.settings.required,
            automatic: self.automatic,
            generation: generation.as_ref().ok().map(|generation| generation.number),
            methods: policy.iter().flat_map(|policy| &policy.methods).map(ToString::to_string).collect(),
            max_body: policy.as_ref().map(|policy| policy.max_body),
            poll: generation
                .as_ref()
                .is_ok_and(|generation| generation.polls())
                .then(|| self.polling.status(self.settings.poll.every)),
            state_used: self.binding.state.as_ref().map_or(0, |state| state.used()),
            state_quota: self.settings.state,
            verification: policy.iter().flat_map(|policy| policy.recipe.schemes()).cloned().collect(),
        }
    }

    /// It waits for nothing.
    fn emit_status(&self) -> ChannelStatus {
        ChannelStatus {
            name: self.settings.name.to_string(),
            plugin: String::new(),
            paths: Vec::new(),
            state: ChannelState::Serving,
            detail: None,
            required: self.settings.required,
            automatic: false,
            generation: None,
            methods: vec![Method::POST.to_string()],
            max_body: self.settings.max_body,
            poll: None,
            state_used: 0,
            state_quota: 0,
            verification: Vec::new(),
        }
    }

    pub(super) fn generation(&self, plugins: &PluginHost) -> Result<Arc<Generation>, String> {
        let plugin = &self.settings.plugin;
        let generation = plugins
            .serving(plugin.as_str())
            .ok_or_else(|| format!("no serving plugin `{plugin}` in the plugin folder"))?;
        match generation.kind() {
            Kind::Channel => Ok(generation),
            Kind::Agent => Err(format!("plugin `{plugin}` is an agent plugin")),
        }
    }

    /// The policy with this generation, made once for each.
    pub(super) fn policy(&self, generation: &Generation) -> Arc<ChannelPolicy> {
        if let Some(policy) = &*self.policy.load()
            && policy.digest == generation.digest
        {
            return Arc::clone(policy);
        }
        let policy = Arc::new(ChannelPolicy::new(&self.settings, generation));
        if let Some(reason) = &policy.blocked_by {
            let ChannelSettings { name, required, missing_secret, .. } = &self.settings;
            // Nobody set it up, or whoever did said that it may wait.
            if self.automatic || (!required && missing_secret.is_some()) {
                tracing::debug!(channel = %name, "Channel waits: {reason}");
            } else {
                tracing::warn!(channel = %name, "Channel waits: {reason}");
            }
        }
        self.policy.store(Some(Arc::clone(&policy)));
        policy
    }

    pub fn name(&self) -> &ChannelName {
        &self.settings.name
    }

    /// Who may call, and from where.
    pub fn access(&self) -> &Access {
        &self.settings.access
    }

    /// `None` when its rate has no limit.
    pub fn bucket(&self) -> Option<&Bucket> {
        self.bucket.as_deref()
    }

    pub(super) fn recorder(&self) -> Option<Arc<Recorder>> {
        self.recorder.load_full()
    }

    /// False when another recording is under way.
    pub(super) fn begin_recording(&self, recorder: &Arc<Recorder>) -> bool {
        let before = self.recorder.compare_and_swap(&None::<Arc<Recorder>>, Some(Arc::clone(recorder)));
        before.is_none()
    }

    pub(super) fn end_recording(&self, recorder: &Arc<Recorder>) {
        self.recorder.compare_and_swap(recorder, None);
    }

    /// Logs what became of a request or a poll because of an error, once in a while.
    pub(super) fn warn_of(&self, outcome: &'static str, error: &dyn std::error::Error) {
        let now = Timestamp::now().as_millis();
        let last = self.warned_at.load(Ordering::Relaxed);
        let due = now - last >= WARN_EVERY;
        if due && self.warned_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(channel = %self.settings.name, "{outcome}: {error}");
        } else {
            tracing::debug!(channel = %self.settings.name, "{outcome}: {error}");
        }
    }
}
