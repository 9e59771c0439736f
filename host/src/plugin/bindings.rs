//! Rust bindings of `wit/plugin.wit`, one world each; what several worlds import is generated once. What a guest asks of the
//! host is a span of the level `trace`: [`super::call_stats`] counts them, and nobody else pays for them.

#![expect(unreachable_pub, reason = "generated code")]

pub mod channel {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "channel-plugin",
        imports: { default: trappable | tracing },
        exports: { default: async },
    });
}

pub mod agent {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "agent-plugin",
        imports: { "gateway:plugin/http.send": async | trappable | tracing, default: trappable | tracing },
        exports: { default: async },
        with: {
            "gateway:plugin/types": super::channel::gateway::plugin::types,
            "gateway:plugin/host": super::channel::gateway::plugin::host,
            "gateway:plugin/state": super::channel::gateway::plugin::state,
        },
    });
}

/// What a channel plugin may export to take answers back.
pub mod responding {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "responding",
        imports: { default: trappable | tracing },
        exports: { default: async },
        with: {
            "gateway:plugin/types": super::channel::gateway::plugin::types,
            "gateway:plugin/host": super::channel::gateway::plugin::host,
            "gateway:plugin/state": super::channel::gateway::plugin::state,
            "gateway:plugin/outbound": super::agent::gateway::plugin::outbound,
            "gateway:plugin/http": super::agent::gateway::plugin::http,
        },
    });
}

/// What a channel plugin may export to fetch events.
pub mod polling {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "polling",
        imports: { default: trappable | tracing },
        exports: { default: async },
        with: {
            "gateway:plugin/types": super::channel::gateway::plugin::types,
            "gateway:plugin/host": super::channel::gateway::plugin::host,
            "gateway:plugin/state": super::channel::gateway::plugin::state,
            "gateway:plugin/http": super::agent::gateway::plugin::http,
        },
    });
}
