//! Plugins for the gateway's tests that are built for `wasm32-wasip2`: each other file in this folder is a component that uses WASI,
//! or that was built against another version of the contract with what Rust linked at that time.
