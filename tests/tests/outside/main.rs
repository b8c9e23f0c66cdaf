//! What others bring: their logger under `log`, their spans, and what their plugins say.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod to_log;
mod trace_ids;
mod voices;
