//! The templates that `gateway plugin new` writes, as they lie in `plugins/templates/`, and with them the SDK for Rust.
//!
//! A template is what all of them have, what its kind has in every language, what its language has for both kinds, and
//! what only the two together have. They are called `plugin-name` until they get a name.

use super::project::{FILE_NAME, Lang};
use crate::event::PluginName;
use crate::plugin::Kind;

/// A file of a template.
struct File {
    /// Where it lies in the repository, below `plugins/`.
    #[cfg(test)]
    source: &'static str,
    /// Where it is written, below the new folder.
    path: &'static str,
    text: &'static str,
}

type Files = &'static [File];

macro_rules! files {
    ($($source:literal => $path:literal),* $(,)?) => {
        &[$(File {
            #[cfg(test)]
            source: $source,
            path: $path,
            text: include_str!(concat!("../../../../plugins/", $source)),
        }),*]
    };
}

const ALL: Files = files![
    "templates/gitignore" => ".gitignore",
    "templates/plugin.toml" => "plugin.toml",
    "templates/wit/plugin.wit" => "wit/plugin.wit",
];

const CHANNEL: Files = files![
    "templates/channel/samples/broken.expected.json" => "samples/broken.expected.json",
    "templates/channel/samples/broken.json" => "samples/broken.json",
    "templates/channel/samples/opened.expected.json" => "samples/opened.expected.json",
    "templates/channel/samples/opened.headers" => "samples/opened.headers",
    "templates/channel/samples/opened.json" => "samples/opened.json",
    "templates/channel/samples/unnamed.expected.json" => "samples/unnamed.expected.json",
    "templates/channel/samples/unnamed.json" => "samples/unnamed.json",
];

const AGENT: Files = files![
    "templates/agent/samples/busy.delivery.json" => "samples/busy.delivery.json",
    "templates/agent/samples/delivered.delivery.json" => "samples/delivered.delivery.json",
    "templates/agent/samples/refused.delivery.json" => "samples/refused.delivery.json",
];

// Where a language can read a file while it is compiled, the manifest is one; elsewhere it is in the source.
const CHANNEL_MANIFEST: Files = files!["templates/channel/manifest.json" => "manifest.json"];
const AGENT_MANIFEST: Files = files!["templates/agent/manifest.json" => "manifest.json"];

const RUST: Files = files![
    "templates/rust/.cargo/config.toml" => ".cargo/config.toml",
    "templates/rust/Cargo.toml" => "Cargo.toml",
    "templates/rust/README.md" => "README.md",
    "templates/rust/sdk.toml" => "vendor/gateway-plugin-sdk/Cargo.toml",
    "sdk/src/agent.rs" => "vendor/gateway-plugin-sdk/src/agent.rs",
    "sdk/src/alert.rs" => "vendor/gateway-plugin-sdk/src/alert.rs",
    "sdk/src/alert/notification.rs" => "vendor/gateway-plugin-sdk/src/alert/notification.rs",
    "sdk/src/arena.rs" => "vendor/gateway-plugin-sdk/src/arena.rs",
    "sdk/src/bindings.rs" => "vendor/gateway-plugin-sdk/src/bindings.rs",
    "sdk/src/channel.rs" => "vendor/gateway-plugin-sdk/src/channel.rs",
    "sdk/src/command.rs" => "vendor/gateway-plugin-sdk/src/command.rs",
    "sdk/src/command/tests.rs" => "vendor/gateway-plugin-sdk/src/command/tests.rs",
    "sdk/src/component.rs" => "vendor/gateway-plugin-sdk/src/component.rs",
    "sdk/src/config.rs" => "vendor/gateway-plugin-sdk/src/config.rs",
    "sdk/src/content.rs" => "vendor/gateway-plugin-sdk/src/content.rs",
    "sdk/src/fact.rs" => "vendor/gateway-plugin-sdk/src/fact.rs",
    "sdk/src/host.rs" => "vendor/gateway-plugin-sdk/src/host.rs",
    "sdk/src/json.rs" => "vendor/gateway-plugin-sdk/src/json.rs",
    "sdk/src/json/repair.rs" => "vendor/gateway-plugin-sdk/src/json/repair.rs",
    "sdk/src/json/tests.rs" => "vendor/gateway-plugin-sdk/src/json/tests.rs",
    "sdk/src/lib.rs" => "vendor/gateway-plugin-sdk/src/lib.rs",
    "sdk/src/network.rs" => "vendor/gateway-plugin-sdk/src/network.rs",
    "sdk/src/poll.rs" => "vendor/gateway-plugin-sdk/src/poll.rs",
    "sdk/src/prompt.rs" => "vendor/gateway-plugin-sdk/src/prompt.rs",
    "sdk/src/query.rs" => "vendor/gateway-plugin-sdk/src/query.rs",
    "sdk/src/reply.rs" => "vendor/gateway-plugin-sdk/src/reply.rs",
    "sdk/src/respond.rs" => "vendor/gateway-plugin-sdk/src/respond.rs",
    "sdk/src/settings.rs" => "vendor/gateway-plugin-sdk/src/settings.rs",
];
const RUST_CHANNEL: Files = files!["templates/rust/channel/lib.rs" => "src/lib.rs"];
const RUST_AGENT: Files = files!["templates/rust/agent/lib.rs" => "src/lib.rs"];

const JS: Files = files![
    "templates/js/README.md" => "README.md",
    "templates/js/jsconfig.json" => "jsconfig.json",
    "templates/js/package.json" => "package.json",
];
const JS_CHANNEL: Files = files!["templates/js/channel/plugin.js" => "plugin.js"];
const JS_AGENT: Files = files!["templates/js/agent/plugin.js" => "plugin.js"];

const TS: Files = files![
    "templates/ts/README.md" => "README.md",
    "templates/ts/package.json" => "package.json",
    "templates/ts/tsconfig.json" => "tsconfig.json",
];
const TS_CHANNEL: Files = files!["templates/ts/channel/plugin.ts" => "plugin.ts"];
const TS_AGENT: Files = files!["templates/ts/agent/plugin.ts" => "plugin.ts"];

const CHANNEL_TYPES: Files = files!["templates/js/channel/gateway.d.ts" => "gateway.d.ts"];
const AGENT_TYPES: Files = files!["templates/js/agent/gateway.d.ts" => "gateway.d.ts"];

const PYTHON: Files = files![
    "templates/python/README.md" => "README.md",
    "templates/python/pyrightconfig.json" => "pyrightconfig.json",
    "templates/python/requirements.txt" => "requirements.txt",
];
const PYTHON_CHANNEL: Files = files!["templates/python/channel/plugin.py" => "plugin.py"];
const PYTHON_AGENT: Files = files!["templates/python/agent/plugin.py" => "plugin.py"];

const GO: Files = files![
    "templates/go/README.md" => "README.md",
    "templates/go/go.mod" => "go.mod",
    "templates/go/wit/LICENSE" => "gateway/wit/LICENSE",
    "templates/go/wit/runtime/empty.s" => "gateway/wit/runtime/empty.s",
    "templates/go/wit/runtime/runtime.go" => "gateway/wit/runtime/runtime.go",
    "templates/go/wit/types/option.go" => "gateway/wit/types/option.go",
    "templates/go/wit/types/result.go" => "gateway/wit/types/result.go",
    "templates/go/wit/types/tuple.go" => "gateway/wit/types/tuple.go",
    "templates/go/wit/types/unit.go" => "gateway/wit/types/unit.go",
];
const GO_CHANNEL: Files = files![
    "templates/go/channel/gateway.go" => "gateway.go",
    "templates/go/channel/gateway/channel/empty.s" => "gateway/channel/empty.s",
    "templates/go/channel/gateway/channel/wit_bindings.go" => "gateway/channel/wit_bindings.go",
    "templates/go/channel/gateway/host/empty.s" => "gateway/host/empty.s",
    "templates/go/channel/gateway/host/wit_bindings.go" => "gateway/host/wit_bindings.go",
    "templates/go/channel/gateway/inbound/empty.s" => "gateway/inbound/empty.s",
    "templates/go/channel/gateway/inbound/wit_bindings.go" => "gateway/inbound/wit_bindings.go",
    "templates/go/channel/gateway/state/empty.s" => "gateway/state/empty.s",
    "templates/go/channel/gateway/state/wit_bindings.go" => "gateway/state/wit_bindings.go",
    "templates/go/channel/gateway/types/empty.s" => "gateway/types/empty.s",
    "templates/go/channel/gateway/types/wit_bindings.go" => "gateway/types/wit_bindings.go",
    "templates/go/channel/plugin.go" => "plugin.go",
];
const GO_AGENT: Files = files![
    "templates/go/agent/gateway.go" => "gateway.go",
    "templates/go/agent/gateway/agent/empty.s" => "gateway/agent/empty.s",
    "templates/go/agent/gateway/agent/wit_bindings.go" => "gateway/agent/wit_bindings.go",
    "templates/go/agent/gateway/host/empty.s" => "gateway/host/empty.s",
    "templates/go/agent/gateway/host/wit_bindings.go" => "gateway/host/wit_bindings.go",
    "templates/go/agent/gateway/http/empty.s" => "gateway/http/empty.s",
    "templates/go/agent/gateway/http/wit_bindings.go" => "gateway/http/wit_bindings.go",
    "templates/go/agent/gateway/outbound/empty.s" => "gateway/outbound/empty.s",
    "templates/go/agent/gateway/outbound/wit_bindings.go" => "gateway/outbound/wit_bindings.go",
    "templates/go/agent/gateway/state/empty.s" => "gateway/state/empty.s",
    "templates/go/agent/gateway/state/wit_bindings.go" => "gateway/state/wit_bindings.go",
    "templates/go/agent/gateway/types/empty.s" => "gateway/types/empty.s",
    "templates/go/agent/gateway/types/wit_bindings.go" => "gateway/types/wit_bindings.go",
    "templates/go/agent/plugin.go" => "plugin.go",
];

const C: Files = files!["templates/c/README.md" => "README.md"];
const C_CHANNEL: Files = files![
    "templates/c/channel/plugin.c" => "plugin.c",
    "templates/c/json.h" => "json.h",
];
const C_AGENT: Files = files!["templates/c/agent/plugin.c" => "plugin.c"];

const ZIG: Files = files!["templates/zig/README.md" => "README.md"];
const ZIG_CHANNEL: Files = files![
    "templates/zig/channel/gateway/bindings.zig" => "gateway/bindings.zig",
    "templates/zig/channel/plugin.zig" => "plugin.zig",
];
const ZIG_AGENT: Files = files![
    "templates/zig/agent/gateway/bindings.zig" => "gateway/bindings.zig",
    "templates/zig/agent/plugin.zig" => "plugin.zig",
];

// Zig calls what C does.
const CHANNEL_HEADERS: Files = files![
    "templates/c/channel/gateway/receiving_plugin.c" => "gateway/receiving_plugin.c",
    "templates/c/channel/gateway/receiving_plugin.h" => "gateway/receiving_plugin.h",
];
const AGENT_HEADERS: Files = files![
    "templates/c/agent/gateway/agent_plugin.c" => "gateway/agent_plugin.c",
    "templates/c/agent/gateway/agent_plugin.h" => "gateway/agent_plugin.h",
];

/// The files of a new plugin: path below its folder, and text.
pub(super) fn files(name: &PluginName, kind: Kind, lang: Lang) -> impl Iterator<Item = (&'static str, String)> {
    let name = name.to_string();
    parts(kind, lang).into_iter().flatten().map(move |file| {
        let mut text = file.text.replace("plugin-name", &name);
        if file.path == FILE_NAME {
            text = text.replace("plugin-kind", kind.as_str()).replace("plugin-lang", lang.id());
        }
        (file.path, text)
    })
}

fn parts(kind: Kind, lang: Lang) -> Vec<Files> {
    let pick = |of_channel, of_agent| match kind {
        Kind::Channel => of_channel,
        Kind::Agent => of_agent,
    };
    let manifest = pick(CHANNEL_MANIFEST, AGENT_MANIFEST);
    let types = pick(CHANNEL_TYPES, AGENT_TYPES);
    let headers = pick(CHANNEL_HEADERS, AGENT_HEADERS);
    let mut parts = vec![ALL, pick(CHANNEL, AGENT)];
    parts.extend(match lang {
        Lang::Rust => vec![RUST, pick(RUST_CHANNEL, RUST_AGENT), manifest],
        Lang::Js => vec![JS, pick(JS_CHANNEL, JS_AGENT), types],
        Lang::Ts => vec![TS, pick(TS_CHANNEL, TS_AGENT), types],
        Lang::Python => vec![PYTHON, pick(PYTHON_CHANNEL, PYTHON_AGENT)],
        Lang::Go => vec![GO, pick(GO_CHANNEL, GO_AGENT), manifest],
        Lang::C => vec![C, pick(C_CHANNEL, C_AGENT), manifest, headers],
        Lang::Zig => vec![ZIG, pick(ZIG_CHANNEL, ZIG_AGENT), manifest, headers],
    });
    parts
}

#[cfg(test)]
mod tests;
