//! Rust bindings of `wit/plugin.wit`, one world each; what both worlds share is generated once.

#![expect(unreachable_pub, reason = "generated code")]

pub mod channel {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "channel-plugin",
        imports: { default: trappable },
        exports: { default: async },
    });
}

pub mod agent {
    wasmtime::component::bindgen!({
        path: "../wit/plugin.wit",
        world: "agent-plugin",
        imports: { "gateway:plugin/http.send": async | trappable, default: trappable },
        exports: { default: async },
        with: {
            "gateway:plugin/types": super::channel::gateway::plugin::types,
            "gateway:plugin/host": super::channel::gateway::plugin::host,
        },
    });
}
