//! The stage as its users see it, on a paused clock.

mod basics;
