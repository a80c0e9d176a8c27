//! The world of `wit/transform.wit`, as Rust types.

// What bindgen writes has no documentation and its own idea of visibility.
#![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "transform",
    imports: { default: trappable },
    ownership: Borrowing { duplicate_if_necessary: false },
});
