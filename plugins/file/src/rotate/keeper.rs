//! What is done about rotated files, beside the writing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use super::compress;
use super::keep::divided;
use super::name::{Family, Form, Member, Ours, Stamp};
use super::told::{Told, Troubles};
use super::tree;
use crate::config::{Compress, Keep};
use crate::path::Template;

/// How many instances of the library are at this work at a time: it takes threads that others write
/// on.
pub(crate) static AT_WORK: Semaphore = Semaphore::const_new(2);

/// Packs rotated files, and lets go of those that are beyond what is kept.
#[derive(Debug)]
pub(crate) struct Keeper {
    keep: Keep,
    compress: Compress,
    durable: bool,
    ours: Ours,
    scope: Scope,
    told: Told,
    wake: Notify,
    stopped: AtomicBool,
}

/// Whose files they are.
#[derive(Debug)]
enum Scope {
    /// Those of the path's file, wherever links had it lie.
    Families(Mutex<BTreeSet<Family>>),
    /// All below the base that records could lead to; they are looked for each time, since there can
    /// be any number of them.
    Tree(Template),
}

impl Keeper {
    /// For the files of `template`, or of those that it is asked to look after.
    pub(crate) fn new(
        keep: Keep,
        compress: Compress,
        durable: bool,
        ours: Ours,
        template: Option<Template>,
    ) -> Self {
        let families = || Scope::Families(Mutex::default());
        Keeper {
            keep,
            compress,
            durable,
            ours,
            scope: template.map_or_else(families, Scope::Tree),
            told: Told::default(),
            wake: Notify::new(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Looks after this family from now on, and soon.
    pub(crate) fn look_after(&self, family: Family) {
        if let Scope::Families(known) = &self.scope {
            lock(known).insert(family);
        }
        self.wake();
    }

    /// Looks after everything soon.
    pub(crate) fn wake(&self) {
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

    /// Does all there is to do. What goes wrong is said, and tried again the next time; it stops nothing
    /// else.
    pub(crate) fn tend(&self) {
        let mut troubles = Troubles::default();
        self.let_go(&mut troubles);
        for family in self.families(&mut troubles) {
            if let Err(error) = self.tend_family(&family) {
                of_family(&mut troubles, &family, &error);
            }
        }
        self.let_go(&mut troubles);
        self.told.tell(troubles);
    }

    fn families(&self, troubles: &mut Troubles) -> BTreeSet<Family> {
        match &self.scope {
            Scope::Families(known) => lock(known).clone(),
            Scope::Tree(template) => tree::families(template, troubles),
        }
    }

    fn tend_family(&self, family: &Family) -> io::Result<()> {
        let members = family.members(self.ours)?;
        for member in &members {
            if matches!(member.form, Form::Unfinished(_)) {
                unless_gone(compress::clear(member))?;
            }
        }
        let stop = || self.is_stopped();
        for plain in members.iter().filter(|member| member.form == Form::Plain) {
            let packed = members.iter().filter(|other| other.stamp == plain.stamp);
            let mut complete = false;
            for packed in packed {
                complete = complete || compress::complete(plain, packed, &stop)?;
            }
            if !complete && self.compress != Compress::Off && !self.is_stopped() {
                unless_gone(self.pack(plain))?;
            }
        }
        Ok(())
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

    /// Count and age are each family's, the bytes are those of all together.
    fn let_go(&self, troubles: &mut Troubles) {
        if self.keep == Keep::default() {
            return;
        }
        let now = Stamp::now();
        let each = Keep {
            bytes: None,
            ..self.keep
        };
        let all = Keep {
            bytes: self.keep.bytes,
            ..Keep::default()
        };
        let mut kept = Vec::new();
        for family in self.families(troubles) {
            match family.members(self.ours) {
                Ok(members) => {
                    let (staying, going) = divided(&each, members, now);
                    kept.extend(staying);
                    self.remove(&going, troubles);
                }
                Err(error) => of_family(troubles, &family, &error),
            }
        }
        kept.sort_by_key(|member: &Member| (member.moment(now), member.stamp, member.form));
        self.remove(&divided(&all, kept, now).1, troubles);
    }

    fn remove(&self, members: &[Member], troubles: &mut Troubles) {
        for member in members {
            if self.is_stopped() {
                break;
            }
            if let Err(error) = unless_gone(fs::remove_file(&member.path)) {
                let folder = member.path.parent().unwrap_or(Path::new(""));
                let path = member.path.display().to_string();
                troubles.met("remove", folder, &path, &error);
            }
        }
    }
}

fn of_family(troubles: &mut Troubles, family: &Family, error: &io::Error) {
    let what = format!("what {family} was rotated into");
    troubles.met("look after", family.folder(), &what, error);
}

/// Somebody else may have done it already.
fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
