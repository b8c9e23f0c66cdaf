//! The dead letters: records that no target took, on disk, readable, and ready to be sent again.
//!
//! # The file
//!
//! One JSON object a line. `frame` is what counts for sending again; all else is for people.
//!
//! | name | value |
//! |---|---|
//! | `record_id` | the record's id, which it keeps when it is sent again |
//! | `target` | the target that gave it up last |
//! | `routed` | the target that it was routed to |
//! | `error` | `{"class": …, "text": …}`: why the last attempt failed, or why it was rejected |
//! | `attempts` | how many attempts that target made |
//! | `first`, `last` | when the first and the last of them failed, RFC 3339 |
//! | `generation` | which instance was in the target's slot |
//! | `maybe_written` | `true`: an interrupted attempt may have written it all the same |
//! | `together` | the id of the first record of the batch that it was given up with; those of one batch follow one another, and are sent again as one |
//! | `record` | the record as [the renderer](rolog_core::render) writes it |
//! | `frame` | the record as a batch of one, Base64 |
//!
//! # Bounds
//!
//! The file and its predecessors take no more than a fixed number of bytes. The file is renamed to
//! `NAME.1`, `NAME.2`, … as it fills up a quarter of them; when all of it would be too large, the
//! oldest goes, and what was in it is counted as discarded.
//!
//! # Promises
//!
//! A burial is all or nothing: what could not be written whole is cut off again. It is on disk when
//! it is confirmed. A line that a crash left torn is closed off when the file is opened, and readers
//! pass over it. Two processes never write one file: the second is refused.
//!
//! A file that was moved away or deleted while the pipeline runs is made anew by the next burial, its
//! folder included; what was moved away takes nothing more then and can be replayed, and one that
//! has the name of a predecessor by then counts as one. Where no new file can be opened, or another
//! process writes to it, that burial fails, and the next one tries again.

mod current;
mod file;
mod letter;
mod reader;
#[cfg(test)]
mod tests;

pub(crate) use self::current::CurrentLetters;
pub use self::file::{DeadLetterFile, DeadLetterSettings};
pub use self::letter::Letter;
pub use self::reader::{LetterFile, Unreadable};
