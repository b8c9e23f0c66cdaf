//! From a copy to the plugin's functions. Here foreign code runs for the first time.

use std::path::Path;

use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::check_layout_compatibility;
use abi_stable::library::{AbiHeaderRef, LibHeader, LibraryError};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use rolog_plugin::abi::ModuleRef;

use super::Cause;

/// Opens a copy for good, and reaches its module.
///
/// It is never closed: threads, destructors of thread-locals and the layouts that were compared
/// refer to it until the process ends.
pub(super) fn open(copy: &Path, header: &str) -> Result<ModuleRef, Cause> {
    // SAFETY: the file has passed the preflight; that its constructors behave is what it means to
    // trust a plugin.
    let library = unsafe { Library::open(Some(copy), RTLD_NOW | RTLD_LOCAL) };
    let library = std::mem::ManuallyDrop::new(library.map_err(|error| Cause::NotOpened {
        reason: reason(&error, copy),
    })?);
    // SAFETY: the symbol is that of an abi_stable library's header, whose first part has the same
    // shape in all versions and is compared by `upgrade` before the rest is looked at.
    let header = unsafe { library.get::<AbiHeaderRef>(header.as_bytes()) }
        .map(|symbol| *symbol)
        .map_err(|_| Cause::NoHeader {
            symbol: header.to_owned(),
        })?;
    let header = header.upgrade().map_err(|_| Cause::OtherAbiStable)?;
    if !compatible(header) {
        return Err(Cause::OtherLayout);
    }
    // SAFETY: the layouts have just been compared.
    unsafe { header.init_root_module_with_unchecked_layout::<ModuleRef>() }.map_err(|error| {
        Cause::NotStarted {
            reason: match &error {
                LibraryError::RootModule { err, .. } => first_line(&err.to_string()),
                other => first_line(&other.to_string()),
            },
        }
    })
}

/// Whether one side's types contain the other's.
///
/// The check of `abi_stable` accepts a library that is newer than its host and refuses one that is
/// older, as soon as a table of functions has grown. Both are safe: tables grow only at their end,
/// and whoever is newer asks before it uses what the other may lack. Since the interface's history
/// is linear, one of the two directions passes for every pair of its versions.
fn compatible(header: &LibHeader) -> bool {
    let ours = <ModuleRef as StableAbi>::LAYOUT;
    header.layout().is_some_and(|theirs| {
        check_layout_compatibility(ours, theirs).is_ok()
            || check_layout_compatibility(theirs, ours).is_ok()
    })
}

/// What the dynamic linker says, without the copy's path, which means nothing to anybody.
fn reason(error: &libloading::Error, copy: &Path) -> String {
    let text = match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    };
    let text = text.trim_matches('"');
    let text = text
        .strip_prefix(copy.to_string_lossy().as_ref())
        .unwrap_or(text);
    first_line(text.trim_start_matches([':', ' ']))
}

fn first_line(text: &str) -> String {
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("no reason given")
        .trim()
        .to_owned()
}
