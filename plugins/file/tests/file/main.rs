//! The file target, driven as a host drives it.

mod access;
#[path = "../common/mod.rs"]
mod common;
mod delivery;
mod folders;
mod lines;
mod nobody;
mod rotation;
mod settings;
mod template;
