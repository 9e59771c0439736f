//! The SDK for gateway plugins: a channel turns a request into events, an agent delivers an event.
//!
//! A plugin is one function over plain values, and a manifest: JSON that follows `wit/manifest.schema.json`.
//!
//! ```
//! use gateway_plugin_sdk::channel::{Event, Receipt, Rejection, Request};
//!
//! fn receive(request: &Request) -> Result<Receipt, Rejection> {
//!     let kind = request.header("x-kind").ok_or_else(|| Rejection::new(400, "header `x-kind` is missing"))?;
//!     Ok(Event::new(kind).into())
//! }
//!
//! gateway_plugin_sdk::export_channel!(r#"{"name": "kinds", "version": "0.1.0", "summary": "Kind by header"}"#, receive);
//!
//! // The same function in a native test:
//! let receipt = receive(&Request::new("POST").with_header("x-kind", "opened")).expect("the header is there");
//! assert_eq!(receipt.into_event().kind, "opened");
//! ```
//!
//! The function reaches everything through its argument. A request is in it; of a delivery, the argument fetches each value from
//! the host on demand. In a test, it holds the values that the test has set. The macros export on Wasm only, so a plugin's crate
//! builds, links and runs its tests natively.
//!
//! Build for `wasm32-unknown-unknown` with the linker `wasm-component-ld`, as `.cargo/config.toml` of a new plugin says: the
//! component then imports nothing but the gateway. The SDK brings the allocator, and logs panics. A plugin that needs WASI, such
//! as `SystemTime` or `println!`, is built for `wasm32-wasip2`.

pub mod agent;
#[cfg(feature = "alert")]
pub mod alert;
#[cfg(any(test, all(target_family = "wasm", target_os = "unknown")))]
mod arena;
#[doc(hidden)]
pub mod bindings;
pub mod channel;
#[cfg(feature = "message")]
pub mod command;
#[doc(hidden)]
pub mod component;
mod config;
mod content;
mod fact;
#[doc(hidden)]
pub mod host;
#[cfg(any(feature = "message", feature = "alert", feature = "json"))]
pub mod json;
mod network;
pub mod poll;
#[cfg(feature = "json")]
pub mod prompt;
mod query;
mod reply;
pub mod respond;
#[cfg(feature = "json")]
mod settings;

pub use self::content::{Content, Response};
pub use self::fact::{fnv1a, hex, kind_word, kind_words};
pub use self::host::{Host, Level, StateError};
pub use self::query::{decode_form, form_fields, form_values};

/// Exports a channel plugin: its manifest (a `&str` or a `String`) and its function
/// `fn(&channel::Request) -> Result<channel::Receipt, channel::Rejection>`.
#[macro_export]
macro_rules! export_channel {
    ($manifest:expr, $receive:expr) => {
        // Native targets export nothing, but still check and use the function.
        const _: fn(&$crate::channel::Request) -> $crate::channel::Received = $receive;

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Plugin;

            impl $crate::bindings::channel::Exported for Plugin {
                fn describe() -> ::std::string::String {
                    $crate::component::call($crate::host::log_numbers, || ::std::convert::Into::into($manifest))
                }

                fn receive(
                    method: ::std::string::String,
                    path: ::std::string::String,
                    query: ::std::string::String,
                    headers: ::std::string::String,
                    body: ::std::vec::Vec<u8>,
                    config: ::std::string::String,
                ) -> $crate::channel::Received {
                    $crate::component::call($crate::host::log_numbers, || {
                        $receive(&$crate::channel::Request::of_call(method, path, query, headers, body, config))
                    })
                }
            }

    $crate::bindings::channel::export!(Plugin with_types_in $crate::bindings::channel);
        };
    };
}

/// Exports an agent plugin: its manifest (a `&str` or a `String`) and its function
/// `fn(&agent::Delivery) -> Result<agent::Answer, agent::Failure>`.
#[macro_export]
macro_rules! export_agent {
    ($manifest:expr, $deliver:expr) => {
        // Native targets export nothing, but still check and use the function.
        const _: fn(&$crate::agent::Delivery) -> $crate::agent::Delivered = $deliver;

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Plugin;

            impl $crate::bindings::agent::Exported for Plugin {
                fn describe() -> ::std::string::String {
                    $crate::component::call($crate::host::log_numbers, || ::std::convert::Into::into($manifest))
                }

                fn deliver(
                    id: ::std::string::String,
                    kind: ::std::string::String,
                    subject: ::std::option::Option<::std::string::String>,
                    attempt: u32,
                    config: ::std::string::String,
                ) -> $crate::agent::Delivered {
                    $crate::component::call($crate::host::log_numbers, || {
                        $deliver(&$crate::agent::Delivery::of_call(id, kind, subject, attempt, config))
                    })
                }
            }

    $crate::bindings::agent::export!(Plugin with_types_in $crate::bindings::agent);
        };
    };
}

/// Exports, next to a channel, the function that sends answers back to its source:
/// `fn(&respond::Answering) -> Result<(), respond::Failure>`.
#[macro_export]
macro_rules! export_respond {
    ($respond:expr) => {
        // Native targets export nothing, but still check and use the function.
        const _: fn(&$crate::respond::Answering) -> $crate::respond::Responded = $respond;

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Plugin;

            impl $crate::bindings::responding::Exported for Plugin {
                fn respond() -> $crate::respond::Responded {
                    $crate::component::call($crate::host::log_text, || $respond(&$crate::respond::Answering::of_call()))
                }
            }

    $crate::bindings::responding::export!(Plugin with_types_in $crate::bindings::responding);
        };
    };
}

/// Exports, next to a channel, the function that polls its source:
/// `fn(&poll::Source) -> Result<poll::Batch, poll::Failure>`.
#[macro_export]
macro_rules! export_poll {
    ($poll:expr) => {
        // Native targets export nothing, but still check and use the function.
        const _: fn(&$crate::poll::Source) -> $crate::poll::Polled = $poll;

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Plugin;

            impl $crate::bindings::polling::Exported for Plugin {
                fn poll() -> $crate::poll::Polled {
                    $crate::component::call($crate::host::log_text, || $poll(&$crate::poll::Source::of_call()))
                }
            }

    $crate::bindings::polling::export!(Plugin with_types_in $crate::bindings::polling);
        };
    };
}
