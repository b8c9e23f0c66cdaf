//! What Maven brings, kept in a folder below `target`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::postgres::finish;
use crate::artifacts::target_folder;

/// A folder of this name with what a goal of Maven makes of these dependencies, and what `prepare`
/// does with that; made once.
///
/// # Panics
/// When Maven fails, or `target` cannot be written.
pub(super) fn fetched(
    maven: &Path,
    name: &str,
    goal: &str,
    dependencies: &str,
    prepare: impl FnOnce(&Path),
) -> PathBuf {
    let folder = target_folder().join("servers");
    fs::create_dir_all(&folder).expect("`target` can be written");
    let lock = File::create(folder.join("maven.lock")).expect("`target` can be written");
    lock.lock().expect("a file can be locked");
    let made = folder.join(name);
    if made.is_dir() {
        return made;
    }
    let new = tempfile::tempdir_in(&folder).expect("`target` can be written");
    let pom = new.path().join("pom.xml");
    let text = POM.replace("DEPENDENCIES", dependencies);
    fs::write(&pom, text).expect("`target` can be written");
    let output = new.path().join("output");
    let mut fetch = Command::new(maven);
    fetch.args(["-B", "-q", "-f"]).arg(&pom).arg(goal);
    fetch.arg(format!("-DoutputDirectory={}", output.display()));
    finish(&mut fetch);
    prepare(&output);
    fs::rename(&output, &made).expect("nobody else fills the folder");
    made
}

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rolog</groupId><artifactId>servers</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>DEPENDENCIES</dependencies>
</project>
"#;
