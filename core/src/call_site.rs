//! Where in the code a record is logged: what the macros know at compile time.

#[cfg(unix)]
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The constant part of every record that one macro call makes. A `static` of that call.
#[derive(Debug)]
pub struct CallSite {
    id: AtomicU32,
    template: &'static str,
    arguments: u16,
    keys: &'static [&'static str],
    module: &'static str,
    file: &'static str,
    line: u32,
}

static SITES: Mutex<Vec<&'static CallSite>> = Mutex::new(Vec::new());

/// Nobody else registers one while this is there.
#[cfg(unix)]
pub(crate) type Held = MutexGuard<'static, Vec<&'static CallSite>>;

#[cfg(unix)]
pub(crate) fn hold() -> Held {
    SITES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CallSite {
    /// For the macros: a template, how many positional arguments come with it, the keys of its data,
    /// and the place in the source.
    #[doc(hidden)]
    pub const fn new(
        template: &'static str,
        arguments: u16,
        keys: &'static [&'static str],
        module: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        CallSite {
            id: AtomicU32::new(0),
            template,
            arguments,
            keys,
            module,
            file,
            line,
        }
    }

    /// Its id in this process, from 1; given out at the first call.
    #[inline]
    pub fn register(&'static self) -> u32 {
        // Relaxed: the id is only a name for this static; who looks it up goes through the lock.
        match self.id.load(Ordering::Relaxed) {
            0 => self.register_slow(),
            id => id,
        }
    }

    #[cold]
    fn register_slow(&'static self) -> u32 {
        let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
        match self.id.load(Ordering::Relaxed) {
            0 => {
                sites.push(self);
                let id = sites.len() as u32;
                self.id.store(id, Ordering::Relaxed);
                id
            }
            id => id,
        }
    }

    /// The call sites registered since the first `known`, for the pump's own table.
    pub fn since(known: usize) -> Vec<&'static CallSite> {
        let sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
        sites.get(known..).unwrap_or_default().to_vec()
    }

    /// Its id, 0 before its first record.
    pub fn id(&self) -> u32 {
        self.id.load(Ordering::Relaxed)
    }

    /// The message template; empty where each record brings its own text.
    pub fn template(&self) -> &'static str {
        self.template
    }

    /// How many positional arguments each record has.
    pub fn arguments(&self) -> u16 {
        self.arguments
    }

    /// The keys of each record's data, in order.
    pub fn keys(&self) -> &'static [&'static str] {
        self.keys
    }

    /// The module that logs.
    pub fn module(&self) -> &'static str {
        self.module
    }

    /// The source file.
    pub fn file(&self) -> &'static str {
        self.file
    }

    /// The line in it, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }
}

/// The name of a key as the macros' `stringify!` gives it, without the `r#` of a raw identifier.
#[doc(hidden)]
pub const fn bare_key(key: &'static str) -> &'static str {
    match key.as_bytes() {
        [b'r', b'#', ..] => key.split_at(2).1,
        _ => key,
    }
}
