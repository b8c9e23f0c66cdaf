//! Records of the `log` and `tracing` crates, into a pipeline and out of it.
//!
//! Each direction has a feature of this crate: `log`, `tracing`; neither is on by default, and the
//! host crate turns both on. Into a pipeline, one line for each:
//!
//! ```
//! # fn example(factory: &rolog_core::LoggerFactory) -> Result<(), rolog_core::Error> {
#![cfg_attr(
    feature = "log",
    doc = "rolog_core::bridge::log::install(factory)?;       // what libraries say through `log`"
)]
#![cfg_attr(
    feature = "tracing",
    doc = "rolog_core::bridge::tracing::install(factory)?;   // events and spans of `tracing`"
)]
//! # Ok(())
//! # }
//! ```
//!
//! * **Names.** A record's `target`, by default the path of its module, is its logger's name, and is
//!   routed as one: `hyper::client` is `hyper.client`. Up to 4,096 names are loggers like any others;
//!   what has a further name passes by that name, and costs the look-up of its routes at each call.
//! * **Levels** are those of the pipeline, also after a reload or a change at run time: what no logger
//!   lets through is off at the facade itself, by `log::set_max_level` and by the interest that
//!   `tracing` keeps for each call site, so that a disabled call costs what the facade makes it cost.
//! * **Messages** are literal text, never templates. Key-values of `log`, and fields of `tracing`, are
//!   data by their keys and of their types; an error by the key `error`, `err` or `exception` is the
//!   error that the record tells of, with its sources.
//! * **Spans** of `tracing` are [context](mod@crate::context): their fields are part of every record that
//!   is made in them, those of the macros of this crate included; `span` has their names.
//! * **No circles.** What the pipeline's own threads, targets and linked plugins log takes the way of
//!   the pipeline's [own records](crate::feedback), and what the targets `log::ToLog` and
//!   `tracing::ToTracing` write is not taken again.
//! * **Again.** There is one logger of `log`, and one subscriber of `tracing`, in a process; installing
//!   a bridge a second time, for another pipeline, moves it there.

#[cfg(feature = "log")]
pub mod log;
mod outlet;
mod sites;
#[cfg(feature = "tracing")]
pub mod tracing;

use std::cell::RefCell;

use outlet::{Outlet, Place};

use crate::Level;
use crate::call_site::CallSite;
use crate::feedback;
use crate::logger::{Logger, Parts};

/// The largest buffers that a thread keeps for the parts of records.
const KEPT: usize = 64 * 1024;

thread_local! {
    static PARTS: RefCell<Parts> = RefCell::default();
}

/// Takes a record in, if its logger wants it: `fill` reads its parts, `publish` sends them off.
fn take(
    outlet: &Outlet,
    place: &Place<'_>,
    level: Level,
    fill: impl FnOnce(&mut Parts),
    publish: impl FnOnce(&Logger, Option<&'static CallSite>, &Parts),
) {
    if feedback::is_silent() {
        return;
    }
    outlet.with(place, |logger, site| {
        if !logger.is_enabled(level) {
            return;
        }
        with_parts(|parts| {
            let plugin = feedback::plugin();
            match plugin {
                Some(_) => parts.keep_in_fields(),
                None => logger.prepare(level, parts),
            }
            if !logger.capture(|| fill(parts)) {
                return;
            }
            match plugin {
                Some(plugin) => (plugin.log)(level, logger.name(), &parts.message, parts.pairs()),
                None => publish(logger, site, parts),
            }
        });
    });
}

/// Lends the thread's buffers. A value that logs while it is read, and a thread that is ending, get
/// some of their own.
fn with_parts(work: impl FnOnce(&mut Parts)) {
    let kept = PARTS.try_with(|kept| {
        kept.try_borrow_mut()
            .map(|mut kept| std::mem::take(&mut *kept))
    });
    let mut parts = kept.ok().and_then(Result::ok).unwrap_or_default();
    parts.clear();
    work(&mut parts);
    if parts.capacity() <= KEPT {
        let _ = PARTS.try_with(|kept| kept.replace(parts));
    }
}

/// A logger's name with `::` between its segments, as targets of the facades have it.
fn path(logger: &str) -> String {
    logger.replace("::", ".").replace('.', "::")
}
