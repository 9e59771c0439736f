//! Generated from `wit/plugin.wit`: the types and imports of both worlds, and the glue behind the export macros.
//!
//! Nothing in here is meant to be named by a plugin.

/// The world `channel-plugin`.
pub mod channel {
    pub use self::exports::gateway::plugin::channel::Guest as Exported;

    wit_bindgen::generate!({
        path: "../../wit",
        world: "channel-plugin",
        pub_export_macro: true,
        additional_derives: [PartialEq, Eq],
        generate_unused_types: true,
    });
}

/// The world `agent-plugin`.
pub mod agent {
    pub use self::exports::gateway::plugin::agent::Guest as Exported;

    wit_bindgen::generate!({
        path: "../../wit",
        world: "agent-plugin",
        pub_export_macro: true,
        additional_derives: [PartialEq, Eq],
        with: {
            "gateway:plugin/types@0.1.0": super::channel::gateway::plugin::types,
            "gateway:plugin/host@0.1.0": super::channel::gateway::plugin::host,
        },
    });
}
