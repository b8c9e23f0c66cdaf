//! The plugin-driven logging pipeline that a service embeds, and the `rolog` command.

pub mod instance;
pub mod lines;
pub mod loader;
pub mod run;
pub mod stage;
