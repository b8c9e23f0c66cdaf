//! Call sites of other crates' macros: the place in the source that their records come from.
//!
//! A facade's macros give each of its calls a static place, so the table is bounded by the code; a
//! bound of its own stands in for records that were made by hand, with texts that only look static.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use crate::call_site::CallSite;

/// How many places are kept; records of further ones have none.
const MOST: usize = 16_384;

type Key = (usize, usize, u32);

static SITES: LazyLock<RwLock<HashMap<Key, &'static CallSite>>> = LazyLock::new(RwLock::default);

/// The call site of this place.
pub(super) fn site(
    module: &'static str,
    file: &'static str,
    line: u32,
) -> Option<&'static CallSite> {
    let key = (module.as_ptr().addr(), file.as_ptr().addr(), line);
    let known = SITES.read().unwrap_or_else(PoisonError::into_inner);
    let found = known.get(&key).copied();
    // A literal may be the beginning of another one.
    let fits = |site: &&CallSite| site.module() == module && site.file() == file;
    if found.is_some() || known.len() >= MOST {
        return found.filter(fits);
    }
    drop(known);
    let mut sites = SITES.write().unwrap_or_else(PoisonError::into_inner);
    let site = *sites.entry(key).or_insert_with(|| {
        // Kept for the process' life, as the call itself is.
        Box::leak(Box::new(CallSite::new("", 0, &[], module, file, line)))
    });
    Some(site).filter(fits)
}
