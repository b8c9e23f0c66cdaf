//! Libraries that cannot be used: each is refused for its own reason, in one sentence with the
//! remedy, and the loader goes on.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use proptest::prelude::*;
use rolog_host::loader::{Cause, Copies, LoadError, Loader, LoaderSettings, file_name};
use rolog_plugin::abi::Probe;
use rolog_tests::plugins::loader;
use rolog_tests::{artifacts, fixtures, skip};
use tempfile::TempDir;

/// One line for each cause: the case that shows it, and the sentence it is told in. A cause without
/// a line does not compile.
macro_rules! causes {
    ($($cause:ident: $case:ident => $sentence:expr;)*) => {
        fn name_of(cause: &Cause) -> &'static str {
            match cause {
                $(Cause::$cause { .. } => stringify!($cause),)*
            }
        }

        $(
            #[test]
            fn $case() {
                let Some(error) = cases::$case() else { return };
                let said = error.to_string();
                assert_eq!(name_of(error.cause()), stringify!($cause), "{said}");
                assert!(said.ends_with(AsRef::<str>::as_ref(&$sentence)), "{said}");
                assert!(said.len() < 300 && !said.contains('\n'), "{said}");
            }
        )*
    };
}

causes! {
    NotFound: a_name_that_no_folder_has =>
        ": build it, or add its folder to `plugins: search`";
    Unreadable: a_file_that_is_not_there =>
        ": cannot be read: No such file or directory (os error 2)";
    NotAFile: a_folder =>
        ": is not a file: name a plugin's library";
    TooLarge: a_file_larger_than_any_library =>
        ": has 1073741824 bytes, more than any plugin: name a plugin's library";
    NotElf: a_text =>
        ": is not a dynamic library: name one built with crate-type cdylib";
    OtherMachine: a_library_for_another_machine =>
        format!(": is built for another kind of machine: build it for {}", std::env::consts::ARCH);
    NotShared: an_object_file =>
        ": is a program or an object file, not a dynamic library: build it with crate-type cdylib";
    Damaged: a_library_that_is_cut_short =>
        "): copy it again when it is written completely";
    StaticTls: a_library_with_static_thread_locals =>
        ": build it without them or with the global-dynamic TLS model";
    Origin: a_library_that_looks_beside_itself =>
        " (`$ORIGIN/lib`), but a copy of it is loaded: link them in, or set an absolute path";
    NoProbe: a_library_that_is_no_plugin =>
        ": is no rolog plugin: export one with rolog_plugin::export_target!";
    SeveralProbes: a_library_with_two_plugins =>
        ": holds more than one plugin (rolog_probe_one, rolog_probe_two): build one library for each";
    BadProbe: a_probe_that_begins_otherwise =>
        ": has a probe that cannot be read, for it does not begin as a probe does: build it again with rolog-plugin";
    OtherAbi: a_library_of_another_abi =>
        ": has plugin ABI 2.7, and this host needs 1: build it with rolog-plugin 1";
    OldFrames: a_library_that_reads_no_frames_of_today =>
        ": reads frames up to version 0 only, which this host no longer writes: build it with a newer rolog-plugin";
    PanicAborts: a_library_whose_panics_abort =>
        ": is built with panic = \"abort\", so that a panic in it would end the service: build it with panic = \"unwind\"";
    NoHeader: a_probe_that_leads_nowhere =>
        "` that its probe names: build it without stripping dynamic symbols";
    OtherName: a_library_under_another_name =>
        ": says that it is the plugin `good`, not `other`: name file and plugin alike";
    TooMany: one_version_too_many =>
        ": 0 versions of `good` are loaded already, and none can be unloaded: restart the service";
    NoCopy: no_place_for_a_copy =>
        ": cannot be copied to where it would be loaded from: /nowhere: No such file or directory (os error 2)";
    NoExec: a_place_that_forbids_code =>
        " forbids running code (noexec): set TMPDIR to a folder that allows it";
    NotOpened: a_library_that_needs_what_is_not_there =>
        ": cannot be opened: undefined symbol: nobody_has_this: install what it needs, or link it in";
    OtherAbiStable: a_header_of_another_abi_stable =>
        ": is built with another version of abi_stable: build it with the version that rolog-plugin asks for";
    OtherLayout: a_module_of_other_types =>
        ": has types of the plugin ABI that differ from this host's: build it with a released rolog-plugin";
    NotStarted: a_module_that_refuses =>
        "the licence has expired: ask its author";
    Hung: a_module_that_does_not_come_back =>
        ": did not come back within 50ms while it was loaded: ask its author";
}

mod cases {
    use super::*;

    pub(super) fn a_name_that_no_folder_has() -> Option<LoadError> {
        let settings = LoaderSettings {
            search: vec!["/nowhere".into()],
            ..LoaderSettings::default()
        };
        loader(settings).0.find("elsewhere").err()
    }

    pub(super) fn a_file_that_is_not_there() -> Option<LoadError> {
        load(Path::new("/nowhere/librolog_x.so"))
    }

    pub(super) fn a_folder() -> Option<LoadError> {
        load(Path::new("/"))
    }

    pub(super) fn a_file_larger_than_any_library() -> Option<LoadError> {
        let folder = folder();
        let path = folder.path().join("large");
        File::create(&path).unwrap().set_len(1 << 30).unwrap();
        load(&path)
    }

    pub(super) fn a_text() -> Option<LoadError> {
        load_bytes(b"#!/bin/sh\n")
    }

    pub(super) fn a_library_for_another_machine() -> Option<LoadError> {
        let mut bytes = good();
        bytes[18..20].copy_from_slice(&[0x16, 0]); // IBM S/390
        load_bytes(&bytes)
    }

    pub(super) fn an_object_file() -> Option<LoadError> {
        let folder = folder();
        load(&fixtures::c(folder.path(), "int x;", &["-c"]))
    }

    pub(super) fn a_library_that_is_cut_short() -> Option<LoadError> {
        let bytes = good();
        load_bytes(&bytes[..bytes.len() / 2])
    }

    pub(super) fn a_library_with_static_thread_locals() -> Option<LoadError> {
        let folder = folder();
        let source = "extern __thread int x; __thread int x; int *f(void) { return &x; }";
        let flags = ["-ftls-model=initial-exec"];
        load(&fixtures::c(folder.path(), source, &flags))
    }

    pub(super) fn a_library_that_looks_beside_itself() -> Option<LoadError> {
        let folder = folder();
        let flags = ["-Wl,-rpath,$ORIGIN/lib"];
        load(&fixtures::c(folder.path(), "int x;", &flags))
    }

    pub(super) fn a_library_that_is_no_plugin() -> Option<LoadError> {
        let folder = folder();
        load(&fixtures::c(folder.path(), "int x;", &[]))
    }

    pub(super) fn a_library_with_two_plugins() -> Option<LoadError> {
        let folder = folder();
        let source = "int rolog_probe_one = 1, rolog_probe_two = 2;";
        load(&fixtures::c(folder.path(), source, &[]))
    }

    pub(super) fn a_probe_that_begins_otherwise() -> Option<LoadError> {
        load_patched(0, b"R")
    }

    pub(super) fn a_library_of_another_abi() -> Option<LoadError> {
        load_patched(20, &[2, 0, 7, 0])
    }

    pub(super) fn a_library_that_reads_no_frames_of_today() -> Option<LoadError> {
        load(&fixtures::older("outdated"))
    }

    pub(super) fn a_library_whose_panics_abort() -> Option<LoadError> {
        load(fixtures::aborting())
    }

    pub(super) fn a_probe_that_leads_nowhere() -> Option<LoadError> {
        load_patched(224, b"R")
    }

    pub(super) fn a_library_under_another_name() -> Option<LoadError> {
        let folder = folder();
        let path = folder.path().join(file_name("other"));
        symlink(artifacts::library("good"), path).unwrap();
        let settings = LoaderSettings {
            search: vec![folder.path().into()],
            ..LoaderSettings::default()
        };
        loader(settings).0.find("other").err()
    }

    pub(super) fn one_version_too_many() -> Option<LoadError> {
        load_with(LoaderSettings {
            most_versions: 0,
            ..LoaderSettings::default()
        })
    }

    pub(super) fn no_place_for_a_copy() -> Option<LoadError> {
        load_with(LoaderSettings {
            copies: Copies::Below("/nowhere".into()),
            ..LoaderSettings::default()
        })
    }

    /// In a process with a file system of its own.
    pub(super) fn a_place_that_forbids_code() -> Option<LoadError> {
        const PLACE: &str = "ROLOG_TEST_NOEXEC";

        if let Some(place) = std::env::var_os(PLACE) {
            return load_with(LoaderSettings {
                copies: Copies::Below(place.into()),
                ..LoaderSettings::default()
            });
        }
        let folder = folder();
        let inside = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "--mount", "sh", "-euc"]);
            let mount = "mount -t tmpfs -o noexec tmpfs \"$ROLOG_TEST_NOEXEC\";";
            command.arg(format!("{mount} {script}"));
            command.env(PLACE, folder.path());
            command.output()
        };
        let mounts = inside(":");
        if !mounts.is_ok_and(|output| output.status.success()) {
            skip(
                "a place that forbids code",
                "no file system can be mounted here",
            );
            return None;
        }
        let test = std::env::current_exe().unwrap();
        let again = format!(
            "exec '{}' --exact a_place_that_forbids_code",
            test.display()
        );
        let output = inside(&again).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}"
        );
        None
    }

    pub(super) fn a_library_that_needs_what_is_not_there() -> Option<LoadError> {
        load_handmade(NEEDS)
    }

    pub(super) fn a_header_of_another_abi_stable() -> Option<LoadError> {
        load_handmade("")
    }

    pub(super) fn a_module_of_other_types() -> Option<LoadError> {
        load(&fixtures::older("differs"))
    }

    pub(super) fn a_module_that_refuses() -> Option<LoadError> {
        load(&fixtures::older("refuses"))
    }

    pub(super) fn a_module_that_does_not_come_back() -> Option<LoadError> {
        let settings = LoaderSettings {
            answer_deadline: Duration::from_millis(50),
            ..LoaderSettings::default()
        };
        let (loader, _) = loader(settings);
        let first = loader.load(fixtures::older("hangs")).err();
        let again = loader.load(fixtures::older("hangs")).err();
        assert_eq!(first, again, "it is not tried twice");
        first
    }
}

#[test]
fn a_plugin_that_is_built_alone_by_its_author_loads() {
    let (loader, _heard) = loader(LoaderSettings::default());
    let library = loader.load(fixtures::third_party()).unwrap();
    assert_eq!(library.info().name, "good");
}

/// A function that is nowhere.
const NEEDS: &str = "int nobody_has_this(void); int f(void) { return nobody_has_this(); }";

/// A library that is waited for, and comes late or never, is tried with each reload.
#[cfg(target_os = "linux")]
#[test]
fn what_the_linker_refuses_leaves_no_copy_behind() {
    let copies = |name: &str| {
        let links = fs::read_dir("/proc/self/fd").unwrap();
        let links = links.filter_map(|open| fs::read_link(open.unwrap().path()).ok());
        let of_name = format!("rolog_{name} ");
        links
            .filter(|link| link.to_string_lossy().contains(&of_name))
            .count()
    };
    for _ in 0..3 {
        let refused = load_named("lacking", NEEDS).unwrap();
        assert!(matches!(refused.cause(), Cause::NotOpened { .. }));
        assert_eq!(copies("lacking"), 0);
    }
    // Its code may run for as long as the process.
    let opened = load_named("unlike", "").unwrap();
    assert_eq!(*opened.cause(), Cause::OtherAbiStable);
    assert_eq!(copies("unlike"), 1);
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = folder();
    let path = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    assert_eq!(load(&path).unwrap().cause(), &Cause::NotAFile);
}

#[test]
fn where_there_are_no_files_in_memory_a_copy_in_a_folder_does() {
    let folder = folder();
    let (loader, _heard) = loader(LoaderSettings {
        copies: Copies::Below(folder.path().into()),
        ..LoaderSettings::default()
    });
    let mut bytes = good();
    bytes.extend(b"in a folder");
    let path = folder.path().join("library");
    fs::write(&path, bytes).unwrap();
    let library = loader.load(&path).unwrap();
    assert!(library.describe().is_ok());
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "the copy's name is gone again: {left:?}");
}

#[test]
fn a_library_cut_anywhere_is_refused() {
    let folder = folder();
    let (loader, path) = lister(&folder);
    let bytes = fs::read(fixtures::older("older")).unwrap();
    for part in 0..200 {
        fs::write(&path, &bytes[..bytes.len() * part / 200]).unwrap();
        let listed = loader.list().remove(0);
        assert!(listed.probe.is_err(), "cut at {part}/200");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing in a file can make the look from outside panic or read out of bounds.
    #[test]
    fn damage_anywhere_in_a_library_never_panics(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        near_the_start in any::<bool>(),
    ) {
        let folder = folder();
        let (loader, path) = lister(&folder);
        let mut bytes = fs::read(fixtures::older("older")).unwrap();
        let room = if near_the_start { 4096 } else { bytes.len() };
        for (index, byte) in damage {
            bytes[index.index(room)] = byte;
        }
        fs::write(&path, bytes).unwrap();
        prop_assert_eq!(loader.list().len(), 1);
    }
}

fn lister(folder: &TempDir) -> (Loader, PathBuf) {
    let settings = LoaderSettings {
        search: vec![folder.path().into()],
        ..LoaderSettings::default()
    };
    (loader(settings).0, folder.path().join(file_name("damaged")))
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn good() -> Vec<u8> {
    fs::read(artifacts::library("good")).unwrap()
}

fn load(path: &Path) -> Option<LoadError> {
    loader(LoaderSettings::default()).0.load(path).err()
}

fn load_bytes(bytes: &[u8]) -> Option<LoadError> {
    let folder = folder();
    let path = folder.path().join("library");
    fs::write(&path, bytes).unwrap();
    load(&path)
}

/// A library that no other test loads, so that it is not open already.
fn load_with(settings: LoaderSettings) -> Option<LoadError> {
    let folder = folder();
    let path = folder.path().join("library");
    let mut bytes = good();
    bytes.extend(format!("{settings:?}").bytes());
    fs::write(&path, bytes).unwrap();
    loader(settings).0.load(&path).err()
}

/// A good library whose probe has other bytes at this place.
fn load_patched(at: usize, patch: &[u8]) -> Option<LoadError> {
    let mut bytes = good();
    let mut start = Probe::MAGIC.to_vec();
    start.extend((Probe::SIZE as u32).to_ne_bytes());
    let probe = bytes
        .windows(start.len())
        .position(|window| window == start)
        .expect("there is a probe");
    bytes[probe + at..probe + at + patch.len()].copy_from_slice(patch);
    load_bytes(&bytes)
}

/// A library with a probe as it should be, and nothing that it promises.
fn load_handmade(code: &str) -> Option<LoadError> {
    load_named("handmade", code)
}

/// A plugin of this name whose header is none, with more code.
fn load_named(name: &str, code: &str) -> Option<LoadError> {
    let folder = folder();
    let source = format!(
        r#"
        #include <stdint.h>
        struct probe {{
            char magic[16]; uint32_t size; uint16_t major, minor, frame, flags;
            char reserved[36], name[64], version[64], sdk[32], header[256];
        }};
        const struct probe rolog_probe_handmade = {{
            "rolog plugin\r\n\x1a", 480, 1, 0, 1, 0,
            {{0}}, "{name}", "1.0.0", "1.0.0", "rolog_header_handmade"
        }};
        const char rolog_header_handmade[1024] = {{1}};
        {code}
        "#
    );
    load(&fixtures::c(folder.path(), &source, &[]))
}
