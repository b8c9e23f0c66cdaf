//! Kafka and the programs that it needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::maven::fetched;
use super::super::program;

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

/// Kafka's classes, fetched once.
fn classes(maven: &Path) -> PathBuf {
    let dependencies = DEPENDENCIES.replace("VERSION", VERSION);
    let goal = "dependency:copy-dependencies";
    fetched(
        maven,
        &format!("kafka-{VERSION}"),
        goal,
        &dependencies,
        |_| {},
    )
}

const DEPENDENCIES: &str = "
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version>
    </dependency>";
