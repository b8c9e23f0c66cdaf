//! Why a library cannot be used.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rolog_plugin::abi::ABI_MAJOR;

/// A library that cannot be used, and why, in one sentence with its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    path: PathBuf,
    cause: Cause,
}

/// What is wrong with a library. The variants stand in the order in which they are looked for: all
/// up to [`Cause::TooMany`] are found without running any of its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No search folder has a library of this name.
    NotFound {
        /// The plugin's name.
        name: String,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// The file cannot be read.
    Unreadable {
        /// What the operating system says.
        reason: String,
    },
    /// A folder, a pipe or a device.
    NotAFile,
    /// Larger than any library is.
    TooLarge {
        /// The file's length.
        bytes: u64,
    },
    /// Not an ELF file.
    NotElf,
    /// Built for another kind of machine.
    OtherMachine,
    /// A program, or a part of one, but no dynamic library.
    NotShared,
    /// Cut short or damaged: opening it could kill the process.
    Damaged {
        /// What part of it.
        what: String,
    },
    /// Wants a place in the static TLS block, of which little is left in a running process.
    StaticTls,
    /// Looks for other libraries beside its file, where its copy is not.
    Origin {
        /// What it looks for.
        what: String,
    },
    /// No plugin of rolog.
    NoProbe,
    /// More than one plugin in one library.
    SeveralProbes {
        /// The symbols found.
        symbols: Vec<String>,
    },
    /// A probe that cannot be read.
    BadProbe {
        /// What is wrong with it.
        what: &'static str,
    },
    /// Built for another major version of the interface.
    OtherAbi {
        /// Its major and minor version.
        theirs: (u16, u16),
    },
    /// Reads only versions of frames that are no longer written.
    OldFrames {
        /// The highest version that it reads.
        theirs: u16,
    },
    /// A panic in it would end the process.
    PanicAborts,
    /// The probe leads nowhere.
    NoHeader {
        /// The symbol it names.
        symbol: String,
    },
    /// Another plugin than its file's name says.
    OtherName {
        /// What was looked for.
        expected: String,
        /// What it says.
        found: String,
    },
    /// Too many versions of it are loaded already.
    TooMany {
        /// The plugin's name.
        name: String,
        /// How many there may be.
        limit: usize,
    },
    /// There is no place for the copy that is opened.
    NoCopy {
        /// What the operating system says.
        reason: String,
    },
    /// The place of the copy forbids running code.
    NoExec {
        /// That place.
        folder: PathBuf,
    },
    /// The dynamic linker refuses it.
    NotOpened {
        /// What it says.
        reason: String,
    },
    /// Built with another version of `abi_stable`.
    OtherAbiStable,
    /// Its types differ from this host's, although the versions agree.
    OtherLayout,
    /// Its module could not be made.
    NotStarted {
        /// What it says.
        reason: String,
    },
    /// Its own code did not come back while it was loaded.
    Hung {
        /// How long was waited.
        deadline: Duration,
    },
}

impl LoadError {
    pub(super) fn new(path: impl Into<PathBuf>, cause: Cause) -> Self {
        LoadError {
            path: path.into(),
            cause,
        }
    }

    /// The file, or the name where no file was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.cause, Cause::NotFound { .. }) {
            write!(f, "{}: ", self.path.display())?;
        }
        self.cause.fmt(f)
    }
}

impl std::error::Error for LoadError {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::NotFound { name, searched } => not_found(f, name, searched),
            Cause::Unreadable { reason } => write!(f, "cannot be read: {reason}"),
            Cause::NotAFile => f.write_str("is not a file: name a plugin's library"),
            Cause::TooLarge { bytes } => write!(
                f,
                "has {bytes} bytes, more than any plugin: name a plugin's library"
            ),
            Cause::NotElf => f.write_str("is not a dynamic library: name one built with crate-type cdylib"),
            Cause::OtherMachine => write!(
                f,
                "is built for another kind of machine: build it for {}",
                std::env::consts::ARCH
            ),
            Cause::NotShared => f.write_str(
                "is a program or an object file, not a dynamic library: build it with crate-type cdylib",
            ),
            Cause::Damaged { what } => write!(
                f,
                "is cut short or damaged ({what}): copy it again when it is written completely"
            ),
            Cause::StaticTls => f.write_str(
                "needs static thread-local storage, as some allocators do: build it without them or with the global-dynamic TLS model",
            ),
            Cause::Origin { what } => write!(
                f,
                "looks for other libraries relative to its own folder (`{what}`), but a copy of it is loaded: link them in, or set an absolute path"
            ),
            Cause::NoProbe => f.write_str(
                "is no rolog plugin: export one with rolog_plugin::export_target!",
            ),
            Cause::SeveralProbes { symbols } => write!(
                f,
                "holds more than one plugin ({}): build one library for each",
                symbols.join(", ")
            ),
            Cause::BadProbe { what } => write!(
                f,
                "has a probe that cannot be read, for {what}: build it again with rolog-plugin"
            ),
            Cause::OtherAbi { theirs: (major, minor) } => write!(
                f,
                "has plugin ABI {major}.{minor}, and this host needs {ABI_MAJOR}: build it with rolog-plugin {ABI_MAJOR}"
            ),
            Cause::OldFrames { theirs } => write!(
                f,
                "reads frames up to version {theirs} only, which this host no longer writes: build it with a newer rolog-plugin"
            ),
            Cause::PanicAborts => f.write_str(
                "is built with panic = \"abort\", so that a panic in it would end the service: build it with panic = \"unwind\"",
            ),
            Cause::NoHeader { symbol } => write!(
                f,
                "lacks the symbol `{symbol}` that its probe names: build it without stripping dynamic symbols"
            ),
            Cause::OtherName { expected, found } => write!(
                f,
                "says that it is the plugin `{found}`, not `{expected}`: name file and plugin alike"
            ),
            Cause::TooMany { name, limit } => write!(
                f,
                "{limit} versions of `{name}` are loaded already, and none can be unloaded: restart the service"
            ),
            Cause::NoCopy { reason } => write!(
                f,
                "cannot be copied to where it would be loaded from: {reason}"
            ),
            Cause::NoExec { folder } => write!(
                f,
                "cannot be loaded from its copy, because {} forbids running code (noexec): set TMPDIR to a folder that allows it",
                folder.display()
            ),
            Cause::NotOpened { reason } => write!(
                f,
                "cannot be opened: {reason}: install what it needs, or link it in"
            ),
            Cause::OtherAbiStable => f.write_str(
                "is built with another version of abi_stable: build it with the version that rolog-plugin asks for",
            ),
            Cause::OtherLayout => f.write_str(
                "has types of the plugin ABI that differ from this host's: build it with a released rolog-plugin",
            ),
            Cause::NotStarted { reason } => write!(f, "did not start: {reason}: ask its author"),
            Cause::Hung { deadline } => write!(
                f,
                "did not come back within {deadline:?} while it was loaded: ask its author"
            ),
        }
    }
}

fn not_found(f: &mut fmt::Formatter<'_>, name: &str, searched: &[PathBuf]) -> fmt::Result {
    if searched.is_empty() {
        return write!(
            f,
            "no plugin `{name}` is linked in, and there is no folder to search: set `plugins: search`"
        );
    }
    let folders: Vec<_> = searched
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    write!(
        f,
        "no {} in {}: build it, or add its folder to `plugins: search`",
        super::search::file_name(name),
        folders.join(", ")
    )
}
