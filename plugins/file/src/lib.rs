//! Appends records to a file, one line each.
//!
//! ```yaml
//! targets:
//!   app:
//!     plugin: file
//!     config:
//!       path: logs/app.jsonl     # relative to the folder of the pipeline; folders are made
//!       format: json             # json (default) or text
//!       source: false            # true: each JSON line says where in the code it was logged
//!       fsync: interval          # never, interval (default: within a second), or batch
//! ```
//!
//! What it promises:
//!
//! - **Whole batches of whole lines.** A batch is appended wholly, or what was written of it is cut
//!   off again before it is tried anew; a line that an earlier crash left torn is ended. Where that
//!   cannot be done, because another program wrote to the file meanwhile, the attempt says *maybe
//!   written*.
//! - ***Delivered* means written** to the file, so that it survives the end of the process; with
//!   `fsync: batch` it means synced to the disk, so that it survives the end of the machine.
//! - **A file that was moved or deleted** is noticed at the next batch, which goes into a new one.
//! - **One target a file.** The file is named as the target's resource by its real path and its
//!   identity, so that two names of one file are found out.
//!
//! Trouble is told apart: a full disk or quota is retried (*full*), a permission that is missing and
//! a folder in the file's place are held until someone acts (*auth*, *not found*), anything else is
//! retried.
//!
//! Lines are rendered and written in pieces of 256 KiB, on one of the few threads that all instances
//! of the library share for blocking work. It never reads the file's content but its last byte, and
//! never deletes anything but what it has itself just written.

#![forbid(unsafe_code)]

mod appender;
mod config;
mod disk;
mod log;
mod place;
mod target;
mod trouble;

pub use config::{Config, Fsync};
pub use target::File;

rolog_plugin::export_target!(File, name = "file");
