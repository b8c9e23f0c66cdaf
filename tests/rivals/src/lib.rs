//! What rolog's speed is held against.

pub mod bare;
