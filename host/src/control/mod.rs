//! Asking and steering a pipeline from outside its process.
//!
//! A pipeline whose file says `control: <path>` listens at a Unix socket of mode 0600: whoever is the
//! service's own user, or root, can ask what it is doing and have it reload. `rolog status`, `reload`
//! and others speak to it, and so can anything else that writes lines.
//!
//! # The protocol, version 1
//!
//! Lines of JSON, ended by `\n`. Each request is answered by one line, in the order of the requests:
//!
//! ```text
//! > {"v":1,"id":7,"op":"reload"}
//! < {"v":1,"id":7,"ok":{"changed":true,"generation":{"number":2,…}}}
//! > {"v":1,"op":"replay","with":{"file":"dead.jsonl"}}
//! < {"v":1,"error":{"kind":"request","message":"`file` is relative: …"}}
//! ```
//!
//! | part of a request | value |
//! |---|---|
//! | `v` | 1 |
//! | `op` | one of the [operations] |
//! | `with` | what the operation wants to know, an object; nothing where it wants nothing |
//! | `id` | anything; the answer has the same |
//!
//! An answer has `ok` or `error`, never both. `error` has `kind` (`version`, `request`,
//! `unknown_operation`, `config`, `refused`, `disposed`, `system`), `message` in one or more lines, and
//! for a configuration that is wrong `problems`, each with its place.
//!
//! A version only grows: objects of answers gain keys, operations gain optional parts, and a client
//! ignores what it does not know. What would break one is version 2, and a host that no longer speaks
//! version 1 says so.
//!
//! # Promises
//!
//! A socket that another process listens at is never replaced; one that a process left behind when it
//! was killed is, in one step. Nobody else can connect at any moment. A request is at most 64 KiB, and
//! at most eight connections are served at a time; one that says nothing for five minutes is closed.
//! What is asked for is done to its end, even if nobody waits for the answer. Secrets are masked in
//! every answer. Reading and answering never touch the path of a record.

mod client;
mod operations;
mod protocol;
mod report;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod socket;
#[cfg(not(unix))]
mod unsupported;

pub use client::{Client, ClientError};
pub use operations::{Operation, markdown, operations};
pub use protocol::VERSION;
#[cfg(unix)]
pub(crate) use server::ControlServer;
#[cfg(not(unix))]
pub(crate) use unsupported::ControlServer;
