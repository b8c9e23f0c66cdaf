//! What is done about rotated files, beside the writing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, Semaphore};

use super::compress;
use super::keep::surplus;
use super::name::{Family, Form, Member, Stamp};
use crate::config::{Compress, Keep};

/// How many instances of the library are at this work at a time: it takes threads that others write
/// on.
pub(crate) static AT_WORK: Semaphore = Semaphore::const_new(2);

/// Packs rotated files, and lets go of those that are beyond what is kept.
#[derive(Debug)]
pub(crate) struct Keeper {
    keep: Keep,
    compress: Compress,
    durable: bool,
    known: Mutex<BTreeSet<Family>>,
    wake: Notify,
    stopped: AtomicBool,
}

impl Keeper {
    pub(crate) fn new(keep: Keep, compress: Compress, durable: bool) -> Self {
        Keeper {
            keep,
            compress,
            durable,
            known: Mutex::default(),
            wake: Notify::new(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Looks after this family from now on, and soon.
    pub(crate) fn look_after(&self, family: Family) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(family);
        self.wake.notify_one();
    }

    /// Resolves when there is something to do.
    pub(crate) async fn wanted(&self) {
        self.wake.notified().await;
    }

    /// Begins, or begins again after a stop.
    pub(crate) fn start(&self) {
        self.stopped.store(false, Ordering::Relaxed);
    }

    /// Ends the work that is under way, at its next chunk. What there is of it is undone.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Does all there is to do. What goes wrong is said, and tried again the next time.
    pub(crate) fn tend(&self) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let families = known.clone();
        drop(known);
        for family in &families {
            if let Err(error) = self.tend_family(family) {
                ::log::warn!("cannot look after what {family} was rotated into: {error}");
            }
        }
    }

    fn tend_family(&self, family: &Family) -> io::Result<()> {
        for member in family.members()? {
            if matches!(member.form, Form::Unfinished(_)) {
                unless_gone(compress::clear(&member))?;
            }
        }
        self.let_go(family)?;
        if self.compress == Compress::Off {
            return Ok(());
        }
        for member in family.members()? {
            if member.form == Form::Plain && !self.is_stopped() {
                unless_gone(self.pack(&member))?;
            }
        }
        self.let_go(family)
    }

    fn pack(&self, plain: &Member) -> io::Result<()> {
        let stop = || self.is_stopped();
        match compress::pack(plain, self.compress, self.durable, &stop) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(io::Error::new(
                error.kind(),
                format!("cannot compress {}: {error}", plain.path.display()),
            )),
            packed => packed.map(drop),
        }
    }

    fn let_go(&self, family: &Family) -> io::Result<()> {
        for member in surplus(&self.keep, &family.members()?, Stamp::now()) {
            if self.is_stopped() {
                break;
            }
            unless_gone(fs::remove_file(&member.path))?;
        }
        Ok(())
    }
}

/// Somebody else may have done it already.
fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
