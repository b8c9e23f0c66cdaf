//! Kafka and the programs that it needs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::postgres::finish;
use super::super::program;
use crate::artifacts::target_folder;

const VERSION: &str = "3.9.1";

#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) java: PathBuf,
    pub(super) kcat: PathBuf,
    pub(super) classes: String,
}

pub(super) fn java(programs: &Programs) -> Command {
    let mut java = Command::new(&programs.java);
    // It starts in half the time without its better compiler, and does little afterwards.
    java.args([
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
    ]);
    java.arg(&programs.classes);
    java
}

pub(super) fn programs(what: &str) -> Option<Programs> {
    let java = program(what, "java", "openjdk-17-jre-headless")?;
    let maven = program(what, "mvn", "maven")?;
    let kcat = program(what, "kcat", "kcat")?;
    let classes = classes(&maven);
    let classes = format!("{}/*", classes.display());
    Some(Programs {
        java,
        kcat,
        classes,
    })
}

/// Kafka's classes, in a folder below `target` that is filled once.
fn classes(maven: &Path) -> PathBuf {
    let folder = target_folder().join("servers");
    fs::create_dir_all(&folder).expect("`target` can be written");
    let lock = File::create(folder.join("kafka.lock")).expect("`target` can be written");
    lock.lock().expect("a file can be locked");
    let classes = folder.join(format!("kafka-{VERSION}"));
    if classes.is_dir() {
        return classes;
    }
    let new = tempfile::tempdir_in(&folder).expect("`target` can be written");
    let pom = new.path().join("pom.xml");
    fs::write(&pom, POM.replace("VERSION", VERSION)).expect("`target` can be written");
    let mut fetch = Command::new(maven);
    fetch.args(["-B", "-q", "-f"]).arg(&pom);
    fetch.arg("dependency:copy-dependencies");
    fetch.arg(format!(
        "-DoutputDirectory={}",
        new.path().join("classes").display()
    ));
    finish(&mut fetch);
    fs::rename(new.path().join("classes"), &classes).expect("nobody else fills the folder");
    classes
}

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rolog</groupId><artifactId>servers</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"#;
