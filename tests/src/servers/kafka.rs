//! Apache Kafka in `KRaft` mode, brought by Maven and run on this machine's Java.

mod leaders;
mod programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::postgres::finish;
use super::proxy::{Cuts, Proxy};
use super::{Folder, Port, Running, User, program};
use programs::{Programs, java, programs};

/// Any will do: 16 bytes in Base64 without padding.
const CLUSTER: &str = "cm9sb2cgdGVzdHMgb25seQ";

/// The password of the users `writer`, who may write, and `stranger`, who may not.
pub const PASSWORD: &str = "open sesame";

/// A cluster of nodes that are broker and controller at once. Topics are not made by themselves.
///
/// Each node listens without security, and a secured cluster of one node also with TLS and with SASL
/// (PLAIN, SCRAM-SHA-256, and OAUTHBEARER with tokens that nobody has signed).
#[derive(Debug)]
pub struct Kafka {
    nodes: Vec<Node>,
    programs: Programs,
    certificate: Option<PathBuf>,
    folder: Folder,
}

#[derive(Debug)]
struct Node {
    running: Running,
    ports: Ports,
    _folder: Folder,
}

#[derive(Debug)]
struct Ports {
    plain: Port,
    /// Where clients are sent that come through a proxy.
    proxied: Port,
    /// Where that proxy leads.
    behind: Port,
    controller: Port,
    tls: Port,
    sasl: Port,
}

impl Kafka {
    /// Starts so many nodes; none where Java, Maven or kcat is not installed, which is noted for the
    /// test named `what`.
    ///
    /// # Panics
    /// When it does not start, or something is missing under `CI=true`.
    pub fn start(what: &str, nodes: usize) -> Option<Kafka> {
        Some(Self::run(programs(what)?, nodes, None))
    }

    /// Starts one node with TLS, SASL and access control.
    ///
    /// # Panics
    /// When it does not start, or something is missing under `CI=true`.
    pub fn start_secured(what: &str) -> Option<Kafka> {
        let programs = programs(what)?;
        let openssl = program(what, "openssl", "openssl")?;
        Some(Self::run(programs, 1, Some(&openssl)))
    }

    fn run(programs: Programs, count: usize, openssl: Option<&Path>) -> Kafka {
        let folder = Folder::new(User::Current);
        let ports: Vec<Ports> = (0..count).map(|_| Ports::free()).collect();
        let voters: Vec<String> = (1..)
            .zip(&ports)
            .map(|(id, ports)| format!("{id}@127.0.0.1:{}", ports.controller.number()))
            .collect();
        let voters = voters.join(",");
        let certificate = openssl.map(|openssl| certify(openssl, &folder));
        // None is ready before most of them are.
        let nodes = std::thread::scope(|scope| {
            let starting: Vec<_> = (1..)
                .zip(ports)
                .map(|(id, ports)| {
                    let (programs, voters, folder) = (&programs, &voters, &folder);
                    let secured = openssl.is_some();
                    scope.spawn(move || {
                        let secured = secured.then(|| folder.path());
                        Node::start(programs, id, count, ports, voters, secured)
                    })
                })
                .collect();
            let started = starting.into_iter().map(|node| match node.join() {
                Ok(node) => node,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            started.collect()
        });
        Kafka {
            nodes,
            programs,
            certificate,
            folder,
        }
    }

    /// Where clients begin, without security.
    pub fn brokers(&self) -> String {
        self.addresses(|ports| &ports.plain)
    }

    /// Where clients begin with TLS, and the certificate to trust.
    ///
    /// # Panics
    /// When the cluster is not secured.
    pub fn tls(&self) -> (String, &Path) {
        let certificate = self.certificate.as_deref().expect("a secured cluster");
        (self.addresses(|ports| &ports.tls), certificate)
    }

    /// Where clients begin with SASL, without TLS.
    pub fn sasl(&self) -> String {
        self.addresses(|ports| &ports.sasl)
    }

    /// A way to the first node that cuts connections, for clients that begin at its address.
    ///
    /// # Panics
    /// When it is asked for twice.
    pub fn proxy(&self, cuts: Cuts) -> Proxy {
        let ports = &self.nodes[0].ports;
        Proxy::start(&ports.proxied, &ports.behind, cuts)
    }

    /// Has the brokers slow down whoever writes more than so many bytes a second.
    ///
    /// # Panics
    /// When it cannot be done.
    pub fn throttle(&self, bytes: u32) {
        let brokers = self.brokers();
        let rate = format!("producer_byte_rate={bytes}");
        self.tool(
            "kafka.admin.ConfigCommand",
            &[
                "--bootstrap-server",
                &brokers,
                "--alter",
                "--add-config",
                &rate,
                "--entity-type",
                "clients",
                "--entity-default",
            ],
        );
    }

    /// The process of a node, from 0.
    pub fn node(&mut self, index: usize) -> &mut Running {
        &mut self.nodes[index].running
    }

    /// Makes a topic, replicated to all nodes, most of which have to have a record before it counts.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn topic(&self, name: &str, partitions: u32, settings: &[&str]) {
        let (nodes, partitions) = (self.nodes.len(), partitions.to_string());
        let (replicas, least) = (nodes.to_string(), nodes.div_ceil(2));
        let brokers = self.brokers();
        let least = format!("min.insync.replicas={least}");
        let mut arguments = vec!["--bootstrap-server", &brokers, "--create", "--topic", name];
        arguments.extend([
            "--partitions",
            &partitions,
            "--replication-factor",
            &replicas,
        ]);
        for setting in settings.iter().copied().chain([least.as_str()]) {
            arguments.extend(["--config", setting]);
        }
        self.tool("org.apache.kafka.tools.TopicCommand", &arguments);
    }

    /// Lets `writer` write to every topic.
    ///
    /// # Panics
    /// When it cannot be done.
    pub fn allow_writer(&self) {
        let brokers = self.brokers();
        self.tool(
            "kafka.admin.AclCommand",
            &[
                "--bootstrap-server",
                &brokers,
                "--add",
                "--allow-principal",
                "User:writer",
                "--operation",
                "Write",
                "--topic",
                "*",
            ],
        );
    }

    /// Reads a topic to its end with another client, each message as `format` has it (kcat's `-f`),
    /// partition by partition.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(&self, topic: &str, format: &str) -> Vec<String> {
        let mut kcat = Command::new(&self.programs.kcat);
        kcat.args(["-C", "-q", "-e", "-o", "beginning", "-X", "check.crcs=true"]);
        kcat.args(["-b", &self.brokers(), "-t", topic, "-f"]);
        kcat.arg(format!("{format}\\n"));
        let all = finish(&mut kcat);
        all.lines().map(str::to_owned).collect()
    }

    /// [`read`](Self::read) until so many messages are there, at most a minute: a node that leads a
    /// partition since a moment ago shows the last of them only when those that follow it have asked
    /// for more. Returns what is there then.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read_so_many(&self, topic: &str, format: &str, count: usize) -> Vec<String> {
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            let there = self.read(topic, format);
            if there.len() >= count || Instant::now() >= end {
                return there;
            }
        }
    }

    fn tool(&self, class: &str, arguments: &[&str]) {
        finish(java(&self.programs).arg(class).args(arguments));
    }

    fn addresses(&self, port: impl Fn(&Ports) -> &Port) -> String {
        let address = |node: &Node| format!("127.0.0.1:{}", port(&node.ports).number());
        let all: Vec<String> = self.nodes.iter().map(address).collect();
        all.join(",")
    }
}

impl Node {
    fn start(
        programs: &Programs,
        id: usize,
        count: usize,
        ports: Ports,
        voters: &str,
        secured: Option<&Path>,
    ) -> Node {
        let folder = Folder::new(User::Current);
        let settings = folder.write(
            "server.properties",
            settings(&folder, id, count, &ports, voters, secured),
        );
        folder.write("log4j.properties", LOG);
        let mut format = java(programs);
        format
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"])
            .arg(&settings);
        if secured.is_some() {
            for user in ["writer", "stranger"] {
                let scram = format!("SCRAM-SHA-256=[name={user},password={PASSWORD}]");
                format.args(["--add-scram", &scram]);
            }
        }
        finish(&mut format);
        let (kcat, me) = (programs.kcat.clone(), ports.plain.number());
        let run = programs.clone();
        let command = move |folder: &Path| {
            let mut command = java(&run);
            let log = folder.join("log4j.properties");
            command.arg(format!("-Dlog4j.configuration=file:{}", log.display()));
            command.arg("kafka.Kafka").arg(&settings);
            command
        };
        let address = format!("127.0.0.1:{me}");
        let told = format!("broker {id} at {address}");
        let ready = move || {
            std::net::TcpStream::connect(&address).is_ok() && {
                let mut list = Command::new(&kcat);
                list.args(["-L", "-m", "2", "-b", &address])
                    .stdin(Stdio::null());
                let output = list.output();
                output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&told))
            }
        };
        Node {
            running: Running::start(&format!("kafka-{id}"), &folder, command, ready),
            ports,
            _folder: folder,
        }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // One that is asked to end waits for the others.
        for node in &mut self.nodes {
            node.running.kill();
        }
    }
}

impl Ports {
    fn free() -> Ports {
        Ports {
            plain: Port::free(),
            proxied: Port::free(),
            behind: Port::free(),
            controller: Port::free(),
            tls: Port::free(),
            sasl: Port::free(),
        }
    }
}

const LOG: &str = "\
log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c %m%n
";

fn settings(
    folder: &Folder,
    id: usize,
    count: usize,
    ports: &Ports,
    voters: &str,
    secured: Option<&Path>,
) -> String {
    let at = |name: &str, port: &Port| format!("{name}://127.0.0.1:{}", port.number());
    let mut listeners = vec![
        at("PLAINTEXT", &ports.plain),
        at("PROXIED", &ports.behind),
        at("CONTROLLER", &ports.controller),
    ];
    let mut advertised = vec![at("PLAINTEXT", &ports.plain), at("PROXIED", &ports.proxied)];
    let mut protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT".to_owned();
    let mut more = String::new();
    if let Some(keys) = secured {
        for more in [at("SSL", &ports.tls), at("SASL_PLAINTEXT", &ports.sasl)] {
            advertised.push(more.clone());
            listeners.push(more);
        }
        protocols += ",SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT";
        let sasl = "listener.name.sasl_plaintext";
        let login = "org.apache.kafka.common.security";
        more = format!(
            "ssl.keystore.type=PEM\n\
             ssl.keystore.location={}\n\
             sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,OAUTHBEARER\n\
             {sasl}.oauthbearer.sasl.jaas.config={login}.oauthbearer.OAuthBearerLoginModule required;\n\
             {sasl}.scram-sha-256.sasl.jaas.config={login}.scram.ScramLoginModule required;\n\
             {sasl}.plain.sasl.jaas.config={login}.plain.PlainLoginModule required \
             user_writer=\"{PASSWORD}\" user_stranger=\"{PASSWORD}\";\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS\n",
            keys.join("keystore.pem").display()
        );
    }
    format!(
        "process.roles=broker,controller\n\
         node.id={id}\n\
         listeners={}\n\
         advertised.listeners={}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map={protocols}\n\
         controller.quorum.voters={voters}\n\
         log.dirs={}\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor={count}\n\
         transaction.state.log.replication.factor={count}\n\
         transaction.state.log.min.isr=1\n\
         broker.session.timeout.ms=3000\n\
         broker.heartbeat.interval.ms=500\n\
         replica.lag.time.max.ms=3000\n\
         group.initial.rebalance.delay.ms=0\n\
         log.cleaner.dedupe.buffer.size=2097152\n\
         {more}",
        listeners.join(","),
        advertised.join(","),
        folder.path().join("data").display()
    )
}

/// A key and a certificate for 127.0.0.1, and both in one file as Kafka wants them.
fn certify(openssl: &Path, folder: &Folder) -> PathBuf {
    let (key, certificate) = (
        folder.path().join("key.pem"),
        folder.path().join("cert.pem"),
    );
    let mut command = Command::new(openssl);
    command.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ]);
    command.args([
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]);
    command
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    finish(&mut command);
    let both = [&key, &certificate].map(|file| fs::read_to_string(file).expect("openssl wrote it"));
    folder.write("keystore.pem", both.concat());
    certificate
}

#[cfg(test)]
mod tests {
    use super::super::Signal;
    use super::*;

    #[test]
    fn a_topic_is_there_after_its_only_node_was_killed() {
        let Some(mut kafka) = Kafka::start("the harness's Kafka", 1) else {
            return;
        };
        kafka.topic("t", 1, &[]);
        kafka.node(0).kill();
        kafka.node(0).start_again();
        assert!(kafka.read("t", "%s").is_empty());
        assert!(kafka.node(0).stop(Signal::TERM).code().is_some());
    }
}
