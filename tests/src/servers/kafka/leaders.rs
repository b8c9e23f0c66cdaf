//! Who leads the partitions of a topic, and that it changes.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::postgres::finish;
use super::Kafka;
use super::programs::java;

/// Longer than anything takes.
const LONG: Duration = Duration::from_mins(1);

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
        let at = ["--bootstrap-server", brokers.as_str()];
        let mut reassign = at.to_vec();
        reassign.extend(["--reassignment-json-file", file.as_str(), "--execute"]);
        self.tool(
            "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
            &reassign,
        );
        let end = Instant::now() + LONG;
        while Some(self.leaders(topic)) != leaders {
            assert!(Instant::now() < end, "the leaders of {topic} stay");
            let mut elect = java(&self.programs);
            elect.arg("org.apache.kafka.tools.LeaderElectionCommand");
            elect.args(at).args(["--election-type", "PREFERRED"]);
            // It fails where a node that is to lead lags behind at that moment.
            let said = elect.arg("--all-topic-partitions").output();
            said.expect("Java was there before");
        }
    }

    fn partitions(&self, topic: &str) -> Vec<Value> {
        let mut kcat = Command::new(&self.programs.kcat);
        kcat.args(["-L", "-J", "-b", &self.brokers(), "-t", topic]);
        let said: Value = serde_json::from_str(&finish(&mut kcat)).expect("kcat writes JSON");
        let partitions = said["topics"][0]["partitions"].as_array();
        let mut partitions = partitions.expect("the topic is there").clone();
        partitions.sort_by_key(|partition| partition["partition"].as_u64());
        partitions
    }
}
