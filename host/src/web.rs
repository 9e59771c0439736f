//! The web gateway: sites, whose requests go to backends, to files, or to what is stored of earlier answers.
//!
//! It owns the routes of sites, the connections to backends, what is known of their health, and the cache. It promises that a backend sees a request
//! with one meaning only, that what the gateway says of a caller cannot be forged, that bodies stream in both directions without being
//! gathered, and that a request is sent twice only when it was not begun, or is safe to repeat. Deliberately absent: sockets of callers,
//! status codes and texts of refusals (`http`).

mod backends;
mod body;
mod byte_range;
mod cache;
mod cached;
mod caller;
mod conditions;
mod cors;
mod error;
mod files;
mod gate;
mod headers;
mod health;
mod metrics;
mod path;
mod proxy;
mod relayed;
mod route;
mod settings;
mod status;
mod tunnel;
mod upload;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use http::header::TRANSFER_ENCODING;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::backends::Backend;
pub use self::backends::{AddressStatus, BackendStatus};
pub use self::body::Body;
use self::cache::Cache;
pub use self::cache::Settings as CacheSettings;
pub use self::caller::{CallerLeft, Departure, WebCaller};
pub use self::error::{Bound, Failure, WebError};
pub use self::files::Settings as FilesSettings;
use self::gate::Gate;
pub use self::health::BackendHealth;
use self::metrics::WebMetrics;
use self::proxy::Tunnels;
pub use self::proxy::{Answer, WebRequest};
use self::route::{Route, Table};
pub use self::settings::{
    Address, BackendSettings, Caching, CorsSettings, HostHeader, Origins, ProbeSettings, RouteSettings, Settings,
    SiteSettings, Target,
};
pub use self::status::{CacheStatus, RouteStatus, SiteStatus};
pub use self::tunnel::Tunnel;
use crate::caller::{Access, Bucket, look_up_names};
use crate::lifecycle::Tasks;
use crate::metrics::{ByReason, Metrics};

/// The name of the tasks of [`Web::start`].
pub const WEB: &str = "web";

/// The web gateway; clones are the same.
#[derive(Clone)]
pub struct Web(Arc<Inner>);

struct Inner {
    live: ArcSwap<Live>,
    cache: ArcSwap<Cache>,
    metrics: WebMetrics,
    tasks: TaskTracker,
    /// Backends came that nobody looks after yet.
    changed: Notify,
}

/// What is in force. A request keeps what it began with.
struct Live {
    settings: Settings,
    table: Table,
    backends: Vec<Arc<Backend>>,
    tunnels: Tunnels,
}

/// Settings that can replace those in force.
pub struct PreparedWeb(Live);

/// The route of a request.
#[derive(Clone)]
pub struct Found {
    route: Arc<Route>,
    /// The header that admits the caller's page.
    origin: Option<HeaderValue>,
}

impl Web {
    /// Nothing is looked up or tried yet.
    pub fn new(settings: Settings, metrics: &Metrics) -> Self {
        let (metrics, tasks) = (WebMetrics::register(metrics), TaskTracker::new());
        let cache = ArcSwap::from_pointee(Cache::new(settings.cache, metrics.cache.clone()));
        let live = Live::new(settings, None, &metrics, &tasks);
        Self(Arc::new(Inner { live: ArcSwap::from_pointee(live), cache, metrics, tasks, changed: Notify::new() }))
    }

    /// Whether sites are served.
    pub fn is_on(&self) -> bool {
        self.0.live.load().settings.is_on()
    }

    /// Whether the path is that of the health of backends.
    pub fn is_health(&self, path: &str) -> bool {
        let live = self.0.live.load();
        live.settings.is_on() && live.settings.health == path
    }

    /// Looks up the names of backends, and those of callers.
    pub async fn look_up(&self) {
        self.0.live.load_full().look_up().await;
    }

    /// Prepares other settings; names are looked up.
    pub async fn prepare(&self, settings: Settings) -> PreparedWeb {
        let live = Live::new(settings, Some(&self.0.live.load()), &self.0.metrics, &self.0.tasks);
        live.look_up().await;
        PreparedWeb(live)
    }

    /// Replaces what is in force, for the requests that begin from now on.
    pub fn replace(&self, prepared: PreparedWeb) {
        let before = self.0.live.swap(Arc::new(prepared.0));
        let live = self.0.live.load();
        for gone in &before.backends {
            if !live.backends.iter().any(|backend| Arc::ptr_eq(backend, gone)) {
                gone.retired.cancel();
            }
            if !live.backends.iter().any(|backend| backend.settings.name == gone.settings.name) {
                self.0.metrics.forget(&gone.settings.name);
            }
        }
        if before.settings.cache != live.settings.cache {
            self.0.cache.store(Arc::new(Cache::new(live.settings.cache, self.0.metrics.cache.clone())));
        } else if before.settings.sites != live.settings.sites || before.settings.backends != live.settings.backends {
            // What was stored may be of another backend.
            self.0.cache.load().purge("");
        }
        self.0.changed.notify_one();
    }

    /// Starts to look after backends.
    pub fn start(&self) -> Tasks {
        let mut tasks = Tasks::new(WEB);
        let web = self.clone();
        tasks.spawn(|stop| web.look_after(stop));
        tasks
    }

    async fn look_after(self, stop: CancellationToken) {
        loop {
            for backend in &self.0.live.load().backends {
                if !backend.is_watched.swap(true, Ordering::AcqRel) {
                    self.0.tasks.spawn(health::look_after(Arc::clone(backend)));
                }
            }
            if stop.run_until_cancelled(self.0.changed.notified()).await.is_none() {
                break;
            }
        }
        self.0.cache.load_full().stop().await;
        self.0.live.load().backends.iter().for_each(|backend| backend.retired.cancel());
    }

    /// The route of a request.
    ///
    /// # Errors
    /// `Method`, `Path`, `TransferCoding`, `NotFound`.
    pub fn find(&self, head: &Parts, host: &str) -> Result<Found, WebError> {
        let path = head.uri.path();
        if matches!(head.method, Method::CONNECT | Method::TRACE) {
            return Err(WebError::Method(head.method.clone()));
        }
        if path::is_ambiguous(path) {
            return Err(WebError::Path);
        }
        let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
        if codings
            .next()
            .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked") || codings.next().is_some())
        {
            return Err(WebError::TransferCoding);
        }
        let live = self.0.live.load();
        let route = live.table.find(host, path).cloned().ok_or(WebError::NotFound)?;
        let origin = route.cors.as_ref().and_then(|cors| cors.admitted(&head.headers));
        Ok(Found { route, origin })
    }

    /// What answers to the request.
    ///
    /// # Errors
    /// All but those of [`Web::find`].
    pub async fn answer(&self, found: &Found, request: WebRequest<'_>) -> Result<Answer, WebError> {
        let route = &found.route;
        let answered = match &route.backend {
            Some(backend) => {
                let (live, cache) = (self.0.live.load_full(), self.0.cache.load_full());
                cached::answer(&cache, route, backend, &live.tunnels, request).await
            }
            None => served(route, request.head).await,
        };
        if let Err(WebError::Busy(bound)) = &answered {
            self.0.metrics.refused.get_or_create(&ByReason::new(bound.as_str())).inc();
        }
        answered
    }

    /// Which backends are up.
    pub fn health(&self) -> BackendHealth {
        BackendHealth::of(self.0.live.load().backends.iter())
    }

    /// The backends, in the order of the configuration.
    pub fn backends(&self) -> Vec<BackendStatus> {
        self.0.live.load().backends.iter().map(|backend| backend.status()).collect()
    }

    /// What is stored for sites, and what became of requests.
    pub fn cache(&self) -> CacheStatus {
        CacheStatus::of(&self.0.cache.load())
    }

    /// Removes what is stored of all addresses that begin with `prefix`, or whose path does if `prefix` begins with `/`. Returns how
    /// many answers that were.
    pub fn purge(&self, prefix: &str) -> usize {
        self.0.cache.load().purge(prefix)
    }

    /// The sites, in the order of the configuration.
    pub fn sites(&self) -> Vec<SiteStatus> {
        self.0.live.load().table.status()
    }
}

/// A file.
async fn served(route: &Route, head: &Parts) -> Result<Answer, WebError> {
    let Some(files) = &route.files else { return Err(WebError::NotFound) };
    let _pass = proxy::enter(&route.gate, Bound::Route)?;
    let settings = &route.settings;
    let path = head.uri.path();
    let below = settings.strip_prefix.then(|| path::below(&settings.prefix, path)).flatten().unwrap_or(path);
    let path = if below.is_empty() { "/" } else { below };
    let response = files.answer(&head.method, path, &head.headers).await;
    Ok(Answer::Response { response: response.map(Body::of_file), is_early: false })
}

impl Live {
    /// Backends that stay as they are keep their connections and what is known of them.
    fn new(settings: Settings, before: Option<&Self>, metrics: &WebMetrics, tasks: &TaskTracker) -> Self {
        let known = before.map(|live| live.backends.as_slice()).unwrap_or_default();
        let backend = |settings: &Arc<BackendSettings>| {
            let same = known.iter().find(|backend| backend.settings == *settings).cloned();
            same.unwrap_or_else(|| Backend::new(Arc::clone(settings), metrics.of(&settings.name), tasks.clone()))
        };
        // Nobody needs backends that nobody can reach.
        let backends: Vec<_> = settings.backends.iter().filter(|_| settings.is_on()).map(backend).collect();
        let named = |name: &str| backends.iter().find(|backend| backend.settings.name == name).cloned();
        let table = Table::new(&settings, before.map_or(&Table::default(), |live| &live.table), &named);
        let gate = before.filter(|live| live.settings.max_tunnels == settings.max_tunnels);
        let gate = gate.map_or_else(|| Gate::new(settings.max_tunnels), |live| Arc::clone(&live.tunnels.gate));
        let tunnels = Tunnels { gate, open: metrics.tunnels.clone(), idle: settings.tunnel_idle };
        Self { table, backends, tunnels, settings }
    }

    async fn look_up(&self) {
        let names: Vec<_> = self
            .table
            .access()
            .filter_map(|access| access.from.as_ref())
            .flat_map(|from| from.names())
            .cloned()
            .collect();
        let backends = self.backends.iter().filter(|backend| backend.has_names()).map(|backend| backend.look_up());
        tokio::join!(join_all(backends), look_up_names(&names));
    }
}

impl Found {
    /// Who may call.
    pub fn access(&self) -> &Access {
        &self.route.settings.access
    }

    /// The rate of all callers together.
    pub fn bucket(&self) -> Option<&Bucket> {
        self.route.bucket.as_ref()
    }

    /// The answer to a preflight of a browser; `None` when the request is none.
    pub fn preflight(&self, head: &Parts) -> Option<Response<Body>> {
        self.route.cors.as_ref()?.preflight(head)
    }

    /// Marks an answer, of whomever, for the pages that may read it.
    pub fn mark(&self, headers: &mut HeaderMap) {
        if let Some(cors) = &self.route.cors {
            cors.mark(self.origin.clone(), headers);
        }
    }
}
