//! Libraries that no member of the workspace builds: plugins of third parties, and bad ones.
//!
//! They are built when a test asks for them, offline and with the workspace's own lock, into a
//! target folder that they share.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::artifacts;

/// A plugin built on the frozen interface of an earlier minor version, from the examples of
/// `fixtures/older`.
pub fn older(example: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        cargo("older", &["build", "--examples"], &[]);
        target_folder().join("debug").join("examples")
    });
    let path = folder.join(format!("lib{example}{}", env::consts::DLL_SUFFIX));
    assert!(path.is_file(), "{} was not built", path.display());
    path
}

/// The plugin of `fixtures/good`, built alone, as its author would.
pub fn third_party() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build_good("as-it-is", &[]))
}

/// The same, built with `panic = "abort"`.
pub fn aborting() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build_good("aborts", &["-C", "panic=abort"]))
}

/// Compiles C to a dynamic library, or with `-c` to an object file, in `folder`.
///
/// # Panics
/// When it does not compile.
pub fn c(folder: &Path, source: &str, flags: &[&str]) -> PathBuf {
    let (code, out) = (folder.join("code.c"), folder.join("code.so"));
    fs::write(&code, source).expect("the source can be written");
    let mut compiler = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    if !flags.contains(&"-c") {
        compiler.args(["-shared", "-fPIC"]);
    }
    compiler.args(flags).arg("-o").arg(&out).arg(&code);
    let status = compiler
        .status()
        .expect("a C compiler is part of Rust's own needs");
    assert!(status.success(), "{source} does not compile");
    out
}

fn build_good(name: &str, flags: &[&str]) -> PathBuf {
    let built = target_folder().join("debug").join(format!(
        "{}rolog_good{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    ));
    let kept = target_folder().join(format!("good-{name}{}", env::consts::DLL_SUFFIX));
    let _one_at_a_time = lock();
    build("good", &["rustc", "--lib", "--crate-type", "cdylib"], flags);
    // Renamed into place: another process may be reading the one that is there.
    let fresh = kept.with_extension(format!("{}", std::process::id()));
    fs::copy(&built, &fresh).expect("the library can be copied");
    fs::rename(&fresh, &kept).expect("the library can be renamed");
    kept
}

fn cargo(fixture: &str, arguments: &[&str], flags: &[&str]) {
    let _one_at_a_time = lock();
    build(fixture, arguments, flags);
}

fn build(fixture: &str, arguments: &[&str], flags: &[&str]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.join("fixtures").join(fixture);
    // The versions of the workspace, which are there already; Cargo drops what it does not need.
    fs::copy(here.join("../Cargo.lock"), folder.join("Cargo.lock"))
        .expect("the workspace has a lock");
    let cargo = env::var_os("CARGO");
    let status = Command::new(cargo.as_deref().unwrap_or(OsStr::new("cargo")))
        .args(arguments)
        .args(["--quiet", "--offline", "--target-dir"])
        .arg(target_folder())
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .args(flags.first().map(|_| "--"))
        .args(flags)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the fixture {fixture} does not build");
}

/// Held while a fixture is built, by any test of any process.
fn lock() -> File {
    fs::create_dir_all(target_folder()).expect("the target folder can be made");
    let file = File::create(target_folder().join("lock")).expect("the lock can be made");
    file.lock().expect("the lock can be taken");
    file
}

fn target_folder() -> PathBuf {
    artifacts::target_folder().join("fixtures")
}
