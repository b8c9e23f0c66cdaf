//! Who leads the partitions of a topic, and that it changes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::postgres::finish;
use super::Kafka;
use super::programs::java;

/// Longer than anything takes.
const LONG: Duration = Duration::from_mins(3);

impl Kafka {
    /// The leader of each partition of a topic, in their order.
    ///
    /// # Panics
    /// When the brokers do not say.
    pub fn leaders(&self, topic: &str) -> Vec<u64> {
        let leader = |partition: &Value| partition["leader"].as_u64().expect("a leader");
        self.partitions(topic).iter().map(leader).collect()
    }

    /// Has each partition of a topic led by the next one of its nodes, without one of them ending, and
    /// waits until it is.
    ///
    /// # Panics
    /// When it cannot be done.
    pub fn move_leaders(&self, topic: &str) {
        let next = |(number, partition): (usize, &Value)| {
            let replicas = partition["replicas"].as_array().expect("a list");
            let mut replicas: Vec<&Value> = replicas.iter().map(|one| &one["id"]).collect();
            let leader = replicas.iter().position(|id| **id == partition["leader"]);
            // The first is the one that the brokers prefer.
            replicas.rotate_left(leader.expect("one of them leads") + 1);
            json!({ "topic": topic, "partition": number, "replicas": replicas })
        };
        let partitions = self.partitions(topic);
        let wanted: Vec<Value> = partitions.iter().enumerate().map(next).collect();
        let leaders = wanted.iter().map(|one| one["replicas"][0].as_u64());
        let leaders: Option<Vec<u64>> = leaders.collect();
        let wanted = json!({ "version": 1, "partitions": wanted }).to_string();
        let file = self.folder.write("leaders.json", wanted);
        let (brokers, file) = (self.brokers(), file.display().to_string());
        let tool = |class: &str, arguments: &[&str]| {
            let mut tool = java(&self.programs);
            tool.arg(class).args(["--bootstrap-server", &brokers]);
            tool.args(arguments).stdin(Stdio::null());
            tool.output().expect("Java was there before")
        };
        let (mut reassigned, mut said) = (false, Vec::new());
        let end = Instant::now() + LONG;
        // Each may fail where a node is not heard from or lags behind at that moment, and can be had
        // again.
        while Some(self.leaders(topic)) != leaders {
            assert!(
                Instant::now() < end,
                "the leaders of {topic} stay: {said:#?}"
            );
            if !reassigned {
                let reassign = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
                let output = tool(reassign, &["--reassignment-json-file", &file, "--execute"]);
                reassigned = output.status.success();
                said.push(output);
            }
            let elect = "org.apache.kafka.tools.LeaderElectionCommand";
            let preferred = ["--election-type", "PREFERRED", "--all-topic-partitions"];
            said.push(tool(elect, &preferred));
        }
    }

    /// The partitions of a topic in their order, when all of them are led: a node that is asked right
    /// after the topic was made may not know of it yet.
    fn partitions(&self, topic: &str) -> Vec<Value> {
        let end = Instant::now() + LONG;
        loop {
            let mut kcat = Command::new(&self.programs.kcat);
            kcat.args(["-L", "-J", "-b", &self.brokers(), "-t", topic]);
            let said: Value = serde_json::from_str(&finish(&mut kcat)).expect("kcat writes JSON");
            let partitions = said["topics"][0]["partitions"].as_array();
            let mut partitions = partitions.cloned().unwrap_or_default();
            partitions.sort_by_key(|partition| partition["partition"].as_u64());
            let is_led = |partition: &Value| partition["leader"].as_u64().is_some();
            if !partitions.is_empty() && partitions.iter().all(is_led) {
                return partitions;
            }
            assert!(Instant::now() < end, "nobody leads {topic}: {said}");
        }
    }
}
