//! Where the build left what the tests load and run.
//!
//! A plugin of the workspace is a dev-dependency of this crate, so Cargo builds its dynamic library,
//! fresh and in the profile of the test, before any test starts: next to the test's own executable.
//! The `rolog` command is no library and cannot be depended on; it is built here when it is missing
//! or older than one of its sources.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The dynamic library of a plugin of this workspace: `library("file")` is `librolog_file.so`.
///
/// # Panics
/// When it was not built, which means that the plugin is not among the dev-dependencies of this
/// crate.
pub fn library(plugin: &str) -> PathBuf {
    let name = format!(
        "{}rolog_{plugin}{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    );
    let path = profile_folder().join("deps").join(name);
    assert!(
        path.is_file(),
        "{} was not built: add rolog-plugin-{plugin} to the dev-dependencies of rolog-tests",
        path.display()
    );
    path
}

/// The folder of [`library`]'s files, for a pipeline's `plugins: search`.
pub fn library_folder() -> PathBuf {
    profile_folder().join("deps")
}

/// The `rolog` command, built in the profile of the test.
///
/// # Panics
/// When it does not build.
pub fn command() -> &'static Path {
    static COMMAND: OnceLock<PathBuf> = OnceLock::new();
    COMMAND.get_or_init(|| {
        let folder = profile_folder();
        let path = folder.join(format!("rolog{}", env::consts::EXE_SUFFIX));
        if !is_fresh(&path) {
            build_command(&folder);
        }
        assert!(path.is_file(), "{} was not built", path.display());
        path
    })
}

/// `target`, wherever this build has it.
pub(crate) fn target_folder() -> PathBuf {
    let profile = profile_folder();
    profile
        .parent()
        .expect("a profile is below a target folder")
        .to_path_buf()
}

/// `target/debug` or `target/release`: an integration test runs from `deps` below it.
fn profile_folder() -> PathBuf {
    let test = env::current_exe().expect("a test knows its executable");
    test.ancestors()
        .skip(1)
        .find(|folder| folder.ends_with("deps"))
        .and_then(Path::parent)
        .expect("Cargo keeps tests in a folder named deps")
        .to_path_buf()
}

fn build_command(folder: &Path) {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", "rolog-host"])
        .args(["--bin", "rolog", "--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env(
            "CARGO_TARGET_DIR",
            folder.parent().expect("a profile is below a target folder"),
        )
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the rolog command does not build");
}

/// Whether `path` exists and is newer than every source that Cargo notes in the `.d` file beside it.
fn is_fresh(path: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let (Some(built), Ok(sources)) = (modified(path), fs::read_to_string(path.with_extension("d")))
    else {
        return false;
    };
    newer_than_all(built, sources_of(&sources).map(|source| modified(&source)))
}

fn newer_than_all(built: SystemTime, sources: impl Iterator<Item = Option<SystemTime>>) -> bool {
    let mut sources = sources.peekable();
    sources.peek().is_some() && sources.all(|source| source.is_some_and(|time| time <= built))
}

/// The prerequisites of a rule in Make's syntax, `target: a b\ c`.
fn sources_of(rule: &str) -> impl Iterator<Item = PathBuf> {
    let list = rule.split_once(": ").map_or("", |(_, list)| list);
    list.replace("\\ ", "\0")
        .split_whitespace()
        .map(|name| PathBuf::from(name.replace('\0', " ")))
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_is_stale_when_a_source_is_newer_or_gone_or_none_is_known() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(newer_than_all(
            at(5),
            [Some(at(4)), Some(at(5))].into_iter()
        ));
        assert!(!newer_than_all(
            at(5),
            [Some(at(4)), Some(at(6))].into_iter()
        ));
        assert!(!newer_than_all(at(5), [Some(at(4)), None].into_iter()));
        assert!(!newer_than_all(at(5), std::iter::empty()));
    }

    #[test]
    fn a_rule_names_its_sources_with_spaces_escaped() {
        let names: Vec<_> = sources_of("/t/rolog: /a/b.rs /c\\ d/e.rs\n").collect();
        assert_eq!(names, [Path::new("/a/b.rs"), Path::new("/c d/e.rs")]);
        assert_eq!(sources_of("nothing").count(), 0);
    }

    #[test]
    fn the_command_and_the_file_plugin_are_there() {
        assert!(command().is_file());
        assert!(library("file").starts_with(library_folder()));
    }
}
