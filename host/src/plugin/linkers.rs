//! Links imports to host functions, once for each kind of plugin and each engine.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker};

use super::bindings::agent::AgentPluginPre;
use super::bindings::agent::gateway::plugin::{http, outbound};
use super::bindings::channel::ChannelPluginPre;
use super::bindings::channel::gateway::plugin::{host, inbound, state, types};
use super::bindings::delivering::DeliveringPluginPre;
use super::bindings::polling::PollingPre;
use super::bindings::receiving::ReceivingPluginPre;
use super::bindings::receiving::gateway::plugin::log;
use super::bindings::responding::RespondingPre;
use super::bindings::responding::gateway::plugin::answer;
use super::contract::{self, DELIVER, Kind, POLL, RECEIVE, RESPOND, SERVED};
use super::engine::Engines;
use super::guest::Guest;
use super::prepared::{Deliverer, Prepared, Receiver};

/// The linkers of all engines.
pub(super) struct Linkers(Vec<EngineLinkers>);

/// The linkers of one engine.
struct EngineLinkers {
    engine: Engine,
    channel: Linker<Guest>,
    agent: Linker<Guest>,
}

impl Linkers {
    pub(super) fn new(engines: &Engines) -> wasmtime::Result<Self> {
        engines.all().into_iter().map(EngineLinkers::new).collect::<wasmtime::Result<_>>().map(Self)
    }

    pub(super) fn prepare(&self, component: &Component, kind: Kind) -> wasmtime::Result<Prepared> {
        let own = self.0.iter().find(|linkers| Engine::same(&linkers.engine, component.engine()));
        own.ok_or_else(|| wasmtime::Error::msg("the component is of another engine"))?.prepare(component, kind)
    }
}

impl EngineLinkers {
    fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut agent: Linker<Guest> = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut agent)?;
        types::add_to_linker::<Guest, HasSelf<Guest>>(&mut agent, |guest| guest)?;
        host::add_to_linker::<Guest, HasSelf<Guest>>(&mut agent, |guest| guest)?;
        log::add_to_linker::<Guest, HasSelf<Guest>>(&mut agent, |guest| guest)?;
        state::add_to_linker::<Guest, HasSelf<Guest>>(&mut agent, |guest| guest)?;
        outbound::add_to_linker::<Guest, HasSelf<Guest>>(&mut agent, |guest| guest)?;
        http::add_to_linker::<Guest, HasSelf<Guest>>(&mut agent, |guest| guest)?;
        // A channel may import some of these only with certain exports. The contract was checked before.
        let mut channel = agent.clone();
        inbound::add_to_linker::<Guest, HasSelf<Guest>>(&mut channel, |guest| guest)?;
        answer::add_to_linker::<Guest, HasSelf<Guest>>(&mut channel, |guest| guest)?;
        Ok(Self { engine: engine.clone(), channel, agent })
    }

    fn prepare(&self, component: &Component, kind: Kind) -> wasmtime::Result<Prepared> {
        let linker = match kind {
            Kind::Channel => &self.channel,
            Kind::Agent => &self.agent,
        };
        let newer = contract::newer_imports(component);
        let instance = if newer.is_empty() {
            linker.instantiate_pre(component)?
        } else {
            let mut linker = linker.clone();
            newer.iter().try_for_each(|name| stub(&mut linker, component, name))?;
            linker.instantiate_pre(component)?
        };
        if kind == Kind::Agent {
            return Ok(Prepared::Agent(if contract::is_called_through(component, DELIVER) {
                Deliverer::WithFacts(DeliveringPluginPre::new(instance)?)
            } else {
                Deliverer::Bare(AgentPluginPre::new(instance)?)
            }));
        }
        let exports = |interface| contract::exports(component, interface);
        Ok(Prepared::Channel {
            responding: exports(RESPOND).then(|| RespondingPre::new(instance.clone())).transpose()?,
            polling: exports(POLL).then(|| PollingPre::new(instance.clone())).transpose()?,
            receiver: if contract::is_called_through(component, RECEIVE) {
                Receiver::WithRequest(ReceivingPluginPre::new(instance)?)
            } else {
                Receiver::Bare(ChannelPluginPre::new(instance)?)
            },
        })
    }
}

/// Defines a trap for every function of the import `name` that this gateway does not have.
///
/// Interpreters import the whole world they were built against, so a component of a newer patch version has imports that
/// it may never call.
fn stub(linker: &mut Linker<Guest>, component: &Component, name: &str) -> wasmtime::Result<()> {
    let engine = component.engine();
    let import =
        component.component_type().imports(engine).find(|(import, _)| *import == name).map(|(_, item)| item.ty);
    let Some(ComponentItem::ComponentInstance(interface)) = import else { return Ok(()) };
    let served = name.split('@').next().unwrap_or(name);
    let mut instance = linker.instance(&format!("{served}@{SERVED}"))?;
    for (function, item) in interface.exports(engine) {
        if let ComponentItem::ComponentFunc(_) = item.ty {
            let missing = format!("`{name}` has `{function}`, which this gateway ({SERVED}) does not have yet");
            // Defining an existing function again fails, and the existing one stays.
            drop(instance.func_new(function, move |_, _, _, _| Err(wasmtime::Error::msg(missing.clone()))));
        }
    }
    Ok(())
}
