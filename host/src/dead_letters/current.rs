//! The dead letters of a pipeline as they are now: a reload may have them kept elsewhere.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use rolog_core::delivery::{Class, Failure};

use super::file::DeadLetterFile;
use crate::instance::BoxFuture;
use crate::stage::{DeadLetters, Letters};

/// The file that takes dead letters now, if one does. Every stage of a pipeline has it, from the start
/// to the end.
#[derive(Default)]
pub(crate) struct CurrentLetters {
    file: RwLock<Option<DeadLetterFile>>,
    /// What earlier files had discarded.
    discarded: AtomicU64,
}

impl CurrentLetters {
    fn file(&self) -> Option<DeadLetterFile> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        file.clone()
    }

    /// From now on letters go here, or nowhere. What is being buried in the one before still is; its
    /// file is free after that.
    pub(crate) fn set(&self, file: Option<DeadLetterFile>) {
        let mut now = self.file.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = std::mem::replace(&mut *now, file) {
            self.discarded
                .fetch_add(before.discarded(), Ordering::Relaxed);
        }
    }

    /// Keeps so many bytes from now on.
    pub(crate) fn set_max_bytes(&self, max_bytes: u64) {
        if let Some(file) = self.file() {
            file.set_max_bytes(max_bytes);
        }
    }

    /// Lets go of the file, so that it can be replayed; nothing is buried any more.
    pub(crate) fn close(&self) {
        if let Some(file) = self.file() {
            file.close();
        }
    }

    /// Where they are kept, if they are.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.file()
            .as_ref()
            .map(DeadLetterFile::path)
            .map(Path::to_owned)
    }

    /// Records that were buried and have been discarded since.
    pub(crate) fn discarded(&self) -> u64 {
        let now = self.file().map_or(0, |file| file.discarded());
        self.discarded.load(Ordering::Relaxed) + now
    }
}

impl DeadLetters for CurrentLetters {
    fn are_kept(&self) -> bool {
        self.file().is_some()
    }

    fn bury(&self, letters: Letters) -> BoxFuture<'_, Result<(), Failure>> {
        let file = self.file();
        Box::pin(async move {
            let Some(file) = file else {
                let message = "no dead letters are kept any more";
                return Err(Failure::new(Class::Unavailable, message));
            };
            file.bury(letters).await
        })
    }
}
