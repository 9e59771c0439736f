//! Rust bindings of `wit/plugin.wit`, one module a world. Interfaces that several worlds import are generated once.
//!
//! Each call of a host function is a span at the level `trace`. Only `call_stats` subscribes to them.

#![expect(unreachable_pub, reason = "generated code")]

pub mod channel {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "channel-plugin",
        imports: { default: trappable | tracing },
        exports: { default: async },
    });
}

/// A channel whose call brings the request along.
pub mod receiving {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "receiving-plugin",
        imports: { default: trappable | tracing },
        exports: { default: async },
        with: {
            "gateway:plugin/types": crate::plugin::bindings::channel::gateway::plugin::types,
            "gateway:plugin/host": crate::plugin::bindings::channel::gateway::plugin::host,
            "gateway:plugin/inbound": crate::plugin::bindings::channel::gateway::plugin::inbound,
            "gateway:plugin/state": crate::plugin::bindings::channel::gateway::plugin::state,
        },
    });
}

pub mod agent {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "agent-plugin",
        imports: {
            "gateway:plugin/http.send": async | trappable | tracing,
            "gateway:plugin/http.notify": async | trappable | tracing,
            default: trappable | tracing,
        },
        exports: { default: async },
        with: {
            "gateway:plugin/types": crate::plugin::bindings::channel::gateway::plugin::types,
            "gateway:plugin/host": crate::plugin::bindings::channel::gateway::plugin::host,
            "gateway:plugin/state": crate::plugin::bindings::channel::gateway::plugin::state,
        },
    });
}

/// An agent whose call brings along what most agents need.
pub mod delivering {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "delivering-plugin",
        imports: { default: trappable | tracing },
        exports: { default: async },
        with: {
            "gateway:plugin/types": crate::plugin::bindings::channel::gateway::plugin::types,
            "gateway:plugin/log": crate::plugin::bindings::receiving::gateway::plugin::log,
            "gateway:plugin/host": crate::plugin::bindings::channel::gateway::plugin::host,
            "gateway:plugin/state": crate::plugin::bindings::channel::gateway::plugin::state,
            "gateway:plugin/outbound": crate::plugin::bindings::agent::gateway::plugin::outbound,
            "gateway:plugin/http": crate::plugin::bindings::agent::gateway::plugin::http,
        },
    });
}

/// Exported by a channel plugin that sends answers back.
pub mod responding {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "responding",
        imports: { default: trappable | tracing },
        exports: { default: async },
        with: {
            "gateway:plugin/types": crate::plugin::bindings::channel::gateway::plugin::types,
            "gateway:plugin/host": crate::plugin::bindings::channel::gateway::plugin::host,
            "gateway:plugin/state": crate::plugin::bindings::channel::gateway::plugin::state,
            "gateway:plugin/outbound": crate::plugin::bindings::agent::gateway::plugin::outbound,
            "gateway:plugin/http": crate::plugin::bindings::agent::gateway::plugin::http,
        },
    });
}

/// Exported by a channel plugin that fetches events.
pub mod polling {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "polling",
        imports: { default: trappable | tracing },
        exports: { default: async },
        with: {
            "gateway:plugin/types": crate::plugin::bindings::channel::gateway::plugin::types,
            "gateway:plugin/host": crate::plugin::bindings::channel::gateway::plugin::host,
            "gateway:plugin/state": crate::plugin::bindings::channel::gateway::plugin::state,
            "gateway:plugin/http": crate::plugin::bindings::agent::gateway::plugin::http,
        },
    });
}
