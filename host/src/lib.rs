//! What a service links: the pipeline of rolog.

pub mod instance;
pub mod lines;
pub mod run;
pub mod stage;
