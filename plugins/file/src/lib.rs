//! Appends records to a file, one line each.
//!
//! ```yaml
//! targets:
//!   app:
//!     plugin: file
//!     config:
//!       path: logs/app.jsonl     # relative to the folder of the pipeline; folders are made
//!       format: json             # json (default), text, logfmt, or pattern with a `pattern`
//!       shape: rolog             # of JSON lines: rolog (default), ecs or opentelemetry
//!       source: false            # true: each JSON line says where in the code it was logged
//!       fsync: interval          # never, interval (default: within a second), or batch
//!       rotate: { size: 64MiB, every: day }
//!       zone: Europe/Berlin      # whose days those are, and those of dates in the path; default UTC
//!       keep: { files: 30, age: 14d, bytes: 1GiB }
//!       compress: zstd           # off (default), gzip or zstd
//!       mode: "0640"             # of files that are made; existing ones may not allow more
//!       owner: self              # whose files are, made or found; also shop, :adm or shop:adm
//!       lock: true               # keep a second process out (default)
//! ```
//!
//! The path may be a template, `logs/{logger}/{date}.jsonl`: each record goes into the file that its
//! logger, level, time or data name, always below `logs`, with `max_open` (64) files open at a time.
//!
//! The crate's README has each setting with its bounds. What it promises:
//!
//! - **Whole batches of whole lines.** A batch is appended wholly, or what was written of it is cut
//!   off again before it is tried anew; a line that an earlier crash left torn is ended. Where that
//!   cannot be done, because another program wrote to the file meanwhile, the attempt says *maybe
//!   written*.
//! - ***Delivered* means written** to the file, so that it survives the end of the process; with
//!   `fsync: batch` it means synced to the disk, with the names of files and folders that were made
//!   for it, so that it survives the end of the machine. Batches in flight together share a sync.
//! - **A rotation loses and doubles nothing**, wherever a crash cuts it short. A file is renamed, never
//!   copied; compression keeps the plain file until the packed one is on the disk under its name.
//! - **Nothing of another program's is deleted**: only regular files of our own user (or of the one
//!   that `owner` names), whose name is the file's own with the moment of its rotation in it, to the
//!   microsecond.
//! - **A file that was moved, deleted or replaced** (as by logrotate) is noticed at the next batch,
//!   which goes into what is there then; a file that was emptied is gone on with.
//! - **One writer a file.** The file is named as the target's resource by its real path and its
//!   identity, so that two names of one file are found out; a second process is kept out by an
//!   advisory lock, and told who has it.
//!
//! - **No value leads out of the base directory** of a template: what fills a hole is an ordinary piece
//!   of a file name, whatever the record holds, and a link that leads out is not followed. A file in
//!   trouble holds its own records and no others.
//!
//! Trouble is told apart: a full disk or quota is held until there is room (*full*), a permission that
//! is missing (*auth*), a folder in the file's place (*not found*) and a second process (*unavailable*)
//! are held until someone acts, anything else is retried.
//!
//! Lines are rendered and written in pieces of 256 KiB, on one of the few threads that all instances
//! of the library share for blocking work; compression takes at most two of those. It never reads what
//! is in the file it writes to but its last byte.

#![forbid(unsafe_code)]

mod appender;
mod batching;
mod checks;
mod commits;
mod config;
mod disk;
mod lock;
mod log;
mod logs;
mod path;
mod rotate;
mod target;
mod trouble;
mod writer;
mod zone;

pub use config::{
    Compress, Config, Every, Format, Fsync, JsonShape, Keep, Mode, Owner, Rotate, Size, Span, Times,
};
pub use target::File;
pub use zone::Zone;

rolog_plugin::export_target!(File, name = "file");
