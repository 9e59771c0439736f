//! Bindings generated from `wit/plugin.wit`: types and imports of all worlds, and the glue behind the export macros.
//!
//! Plugins do not use this module directly.

/// The world `receiving-plugin`.
pub mod channel {
    pub use self::exports::gateway::plugin::receive::Guest as Exported;

    wit_bindgen::generate!({
        path: "../../wit",
        world: "receiving-plugin",
        pub_export_macro: true,
        additional_derives: [PartialEq, Eq],
        generate_unused_types: true,
    });
}

/// The world `delivering-plugin`.
pub mod agent {
    pub use self::exports::gateway::plugin::deliver::Guest as Exported;

    wit_bindgen::generate!({
        path: "../../wit",
        world: "delivering-plugin",
        pub_export_macro: true,
        additional_derives: [PartialEq, Eq],
        with: {
            "gateway:plugin/types@0.1.3": super::channel::gateway::plugin::types,
            "gateway:plugin/log@0.1.3": super::channel::gateway::plugin::log,
            "gateway:plugin/host@0.1.3": super::channel::gateway::plugin::host,
            "gateway:plugin/state@0.1.3": super::channel::gateway::plugin::state,
        },
    });
}

/// The world `responding`.
pub mod responding {
    pub use self::exports::gateway::plugin::respond::Guest as Exported;

    wit_bindgen::generate!({
        path: "../../wit",
        world: "responding",
        pub_export_macro: true,
        additional_derives: [PartialEq, Eq],
        with: {
            "gateway:plugin/types@0.1.3": super::channel::gateway::plugin::types,
            "gateway:plugin/host@0.1.3": super::channel::gateway::plugin::host,
            "gateway:plugin/state@0.1.3": super::channel::gateway::plugin::state,
            "gateway:plugin/outbound@0.1.3": super::agent::gateway::plugin::outbound,
            "gateway:plugin/http@0.1.3": super::agent::gateway::plugin::http,
        },
    });
}

/// The world `polling`.
pub mod polling {
    pub use self::exports::gateway::plugin::poll::Guest as Exported;

    wit_bindgen::generate!({
        path: "../../wit",
        world: "polling",
        pub_export_macro: true,
        additional_derives: [PartialEq, Eq],
        with: {
            "gateway:plugin/types@0.1.3": super::channel::gateway::plugin::types,
            "gateway:plugin/host@0.1.3": super::channel::gateway::plugin::host,
            "gateway:plugin/state@0.1.3": super::channel::gateway::plugin::state,
            "gateway:plugin/http@0.1.3": super::agent::gateway::plugin::http,
        },
    });
}
