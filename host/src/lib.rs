//! The plugin-driven logging pipeline that a service embeds, and the `rolog` command.

pub mod config;
pub mod instance;
pub mod lines;
pub mod loader;
pub mod pattern;
pub mod router;
pub mod run;
pub mod stage;
