//! The file target, driven as a host drives it.

#[path = "../common/mod.rs"]
mod common;
mod delivery;
mod rotation;
mod settings;
mod template;
