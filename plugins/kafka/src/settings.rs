//! From a target's settings to librdkafka's.
//!
//! librdkafka itself says what it takes: every property is set on a configuration of it, and what
//! it refuses is refused here, by its path, before anything changes.

use std::time::Duration;

use rolog_plugin::prelude::*;

use crate::config::{Brokers, Config};
use crate::native::{Conf, Refused};
use crate::topic;

/// What the target sets itself, and what to write in place of it.
const OURS: [(&str, &str); 16] = [
    ("bootstrap.servers", "`brokers`"),
    ("metadata.broker.list", "`brokers`"),
    ("compression.codec", "`compression`"),
    ("compression.type", "`compression`"),
    ("partitioner", "`partitioner`"),
    ("message.timeout.ms", "`delivery_timeout`"),
    ("delivery.timeout.ms", "`delivery_timeout`"),
    ("statistics.interval.ms", "`statistics`"),
    ("queue.buffering.max.messages", "the target's `queue`"),
    ("queue.buffering.max.kbytes", "the target's `queue`"),
    ("log.queue", "nothing: its log is the pipeline's"),
    (
        "transactional.id",
        "nothing: records are not sent in transactions",
    ),
    (
        "delivery.report.only.error",
        "nothing: every record is accounted for",
    ),
    (
        "enable.background.thread",
        "nothing: the target does not need one",
    ),
    // Both are for tokens that anybody can make.
    ("enable.sasl.oauthbearer.unsecure.jwt", "`token_file`"),
    ("sasl.oauthbearer.config", "`token_file`"),
];

/// Files among librdkafka's settings: relative paths are relative to the pipeline's folder.
const FILES: [&str; 6] = [
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.crl.location",
    "https.ca.location",
];

/// Names that librdkafka takes beside those that it lists.
const ALIASES: [&str; 4] = ["acks", "linger.ms", "max.in.flight", "retries"];

/// librdkafka's settings for a target.
///
/// # Errors
/// Settings that it does not take, each by its path.
pub(crate) fn conf(config: &Config, setup: &Setup) -> Result<Conf, ConfigError> {
    let mut conf = Conf::new();
    let mut wrong = Wrong::default();
    let brokers: Vec<&str> = config.brokers.all().collect();
    wrong.set(
        &mut conf,
        "brokers",
        "bootstrap.servers",
        &brokers.join(","),
    );
    let millis = |span: Duration| span.as_millis().to_string();
    for (path, name, value) in [
        (
            "compression",
            "compression.codec",
            config.compression.name(),
        ),
        (
            "delivery_timeout",
            "message.timeout.ms",
            &millis(config.delivery_timeout.0),
        ),
        (
            "statistics",
            "statistics.interval.ms",
            &millis(config.statistics.0),
        ),
        // Of what waits, the stage before it keeps account and bounds; here it is only on its way.
        ("", "queue.buffering.max.messages", "0"),
        ("", "queue.buffering.max.kbytes", "2147483647"),
        ("", "enable.idempotence", "true"),
        // A batch is handed over at once, so that there is little to wait for; see the README.
        ("", "linger.ms", "1"),
        // One topic that is not there is not to keep a batch for as long as a broker that is not.
        ("", "topic.metadata.propagation.max.ms", "5000"),
        // What it would push to the brokers is pushed nowhere else either: metrics are the pipeline's.
        ("", "enable.metrics.push", "false"),
        ("", "client.id", "rolog"),
    ] {
        wrong.set(&mut conf, path, name, value);
    }
    if let Some(partitioner) = &config.partitioner {
        wrong.set(&mut conf, "partitioner", "partitioner", partitioner);
    }
    for (name, value) in &config.properties {
        let path = format!("properties.{name}");
        if let Some((_, instead)) = OURS.iter().find(|(ours, _)| ours == name) {
            let problem = ConfigError::at(path, format!("`{name}` is set by the target"));
            wrong.add(problem.expected((*instead).to_owned()));
        } else if name.starts_with("sasl.oauthbearer.") && !has(&conf, "oidc") {
            let problem = ConfigError::at(path, "this build has no OpenID Connect");
            let instead = "`token_file`, or the plugin built with its feature `oidc`";
            wrong.add(problem.expected(instead));
        } else if FILES.contains(&name.as_str()) {
            let file = setup.resolve(&value.0);
            wrong.set(&mut conf, &path, name, &file.to_string_lossy());
        } else {
            wrong.set(&mut conf, &path, name, &value.0);
        }
    }
    match wrong.0 {
        Some(problems) => Err(problems),
        None => Ok(conf),
    }
}

/// Checks what librdkafka cannot check one by one.
pub(crate) fn check(config: &Config, setup: &Setup) -> Result<Plan, ConfigError> {
    let mut wrong = Wrong::default();
    if config.brokers.all().next().is_none() || config.brokers.all().any(str::is_empty) {
        let path = match &config.brokers {
            Brokers::List(list) if !list.is_empty() => {
                let empty = list.iter().position(|one| one.trim().is_empty());
                format!("brokers[{}]", empty.unwrap_or_default())
            }
            _ => "brokers".to_owned(),
        };
        wrong.add(ConfigError::at(path, "a broker without a name").expected("host:port"));
    }
    if let Some(problem) = config.topic.fixed().and_then(topic::wrong) {
        wrong.add(
            ConfigError::at("topic", problem)
                .expected("letters, digits, `.`, `_` and `-`, and holes such as {logger}"),
        );
    }
    for name in config.headers.keys() {
        if name.is_empty() || name.contains('\0') {
            wrong.add(ConfigError::at(
                format!("headers.{name}"),
                "a header needs a name",
            ));
        }
    }
    let within = |span: Duration, least: u64, most: u64| {
        (Duration::from_millis(least)..=Duration::from_millis(most)).contains(&span)
    };
    if !within(config.delivery_timeout.0, 10, 900_000) {
        wrong.add(out_of_range("delivery_timeout", "10ms to 15m"));
    }
    if !within(config.connect_timeout.0, 100, 300_000) {
        wrong.add(out_of_range("connect_timeout", "100ms to 5m"));
    }
    if !config.statistics.0.is_zero() && !within(config.statistics.0, 100, 86_400_000) {
        wrong.add(out_of_range("statistics", "0s, or 100ms to 24h"));
    }
    if !config.resource.is_empty() && config.format != crate::Format::Otlp {
        let problem = ConfigError::at("resource", "only OTLP tells of a resource");
        wrong.add(problem.expected("`format: otlp`, or no `resource`"));
    }
    if config.source && config.format == crate::Format::Frame {
        let problem = ConfigError::at("source", "a frame says where it was logged in any case");
        wrong.add(problem.expected("no `source`"));
    }
    match conf(config, setup) {
        Err(problems) => {
            wrong.add(problems);
            Err(wrong.0.expect("something was just added"))
        }
        Ok(conf) => {
            together(config, &conf, &mut wrong);
            mechanism(config, &conf, &mut wrong);
            match wrong.0 {
                Some(problems) => Err(problems),
                None => Ok(plan(&conf)),
            }
        }
    }
}

/// What idempotence needs; librdkafka would say so only when the producer is made.
fn together(config: &Config, conf: &Conf, wrong: &mut Wrong) {
    let value = |name: &str| conf.get(name).unwrap_or_default();
    if value("enable.idempotence") != "true" {
        return;
    }
    let mut needs = |name: &str, fits: bool, what: &str| {
        if !fits {
            let found = value(name);
            let problem = format!("with idempotence `{name}` cannot be {found}");
            let path = format!("properties.{name}");
            let instead = format!("{what}, or `enable.idempotence: false`");
            wrong.add(ConfigError::at(path, problem).expected(instead));
        }
    };
    needs("acks", value("acks") == "-1", "all");
    // Where nobody sets it, librdkafka does.
    for name in ["max.in.flight", "max.in.flight.requests.per.connection"] {
        if config.properties.contains_key(name) {
            let few = value(name).parse().is_ok_and(|n: u64| n <= 5);
            needs(name, few, "at most 5");
        }
    }
    needs("retries", value("retries") != "0", "1 or more");
    needs(
        "queuing.strategy",
        value("queuing.strategy") == "fifo",
        "fifo",
    );
}

/// What this build can do of SASL; librdkafka would say so only when the producer is made.
fn mechanism(config: &Config, conf: &Conf, wrong: &mut Wrong) {
    let names = ["sasl.mechanism", "sasl.mechanisms"];
    let named = |value: &str| {
        let mut set = names.iter().filter_map(|name| config.properties.get(*name));
        set.any(|property| property.0 == value)
    };
    if config.token_file.is_some() && !named("OAUTHBEARER") {
        let problem = ConfigError::at("token_file", "only OAUTHBEARER takes a token");
        wrong.add(problem.expected("`sasl.mechanism: OAUTHBEARER`, or no `token_file`"));
    }
    for name in names {
        let Some(value) = config.properties.get(name) else {
            continue;
        };
        let needed = match value.0.as_str() {
            "OAUTHBEARER" => "sasl_oauthbearer",
            scram if scram.starts_with("SCRAM-") => "sasl_scram",
            _ => continue,
        };
        if !has(conf, needed) {
            let problem = format!("this build has no {}", value.0);
            let problem = ConfigError::at(format!("properties.{name}"), problem);
            wrong.add(problem.expected("PLAIN, or the plugin built with its feature `tls`"));
        }
        let method = conf.get("sasl.oauthbearer.method").unwrap_or_default();
        if needed == "sasl_oauthbearer" && config.token_file.is_none() && method != "oidc" {
            let problem = ConfigError::at("token_file", "OAUTHBEARER needs a token");
            let instead = "a file with the token, or `sasl.oauthbearer.method: oidc`";
            wrong.add(problem.expected(instead));
        }
    }
}

/// Whether librdkafka was built with a feature of its own.
fn has(conf: &Conf, feature: &str) -> bool {
    let built = conf.get("builtin.features").unwrap_or_default();
    built.split(',').any(|one| one == feature)
}

fn plan(conf: &Conf) -> Plan {
    // Many messages at a time, since each batch waits for the answer to its last one.
    let mut plan = Plan::new().preferred_batch(5000);
    if conf.get("acks").as_deref() == Some("0") {
        plan = plan.warning(
            "with `acks: 0` a record counts as delivered once it is sent, whatever the broker does",
        );
    } else if conf.get("enable.idempotence").as_deref() != Some("true") {
        plan = plan.warning(
            "without idempotence a connection that breaks can double records or change their order",
        );
    }
    if conf.get("test.mock.num.brokers").is_some_and(|n| n != "0") {
        plan = plan.warning("`test.mock.num.brokers` sends the records to a cluster of nowhere");
    }
    let secured = conf.get("security.protocol").unwrap_or_default();
    if secured == "sasl_plaintext" {
        plan = plan.warning("`security.protocol: sasl_plaintext` sends records in clear");
    }
    plan
}

fn out_of_range(path: &str, range: &str) -> ConfigError {
    ConfigError::at(path, "the time is out of range").expected(range)
}

/// Everything that is wrong.
#[derive(Default)]
struct Wrong(Option<ConfigError>);

impl Wrong {
    fn add(&mut self, problem: ConfigError) {
        self.0 = Some(match self.0.take() {
            Some(earlier) => earlier.and(problem),
            None => problem,
        });
    }

    fn set(&mut self, conf: &mut Conf, path: &str, name: &str, value: &str) {
        match conf.set(name, value) {
            Ok(()) => {}
            Err(Refused::Unknown) => {
                let problem = ConfigError::at(path, format!("librdkafka has no `{name}`"));
                self.add(match near(name, &conf.names()) {
                    Some(near) => problem.expected(format!("`{near}`, perhaps")),
                    None => problem.expected("a property that librdkafka documents"),
                });
            }
            // Its words quote the value.
            Err(Refused::Invalid(_)) if secret(name) => {
                let problem = ConfigError::at(path, format!("librdkafka does not take `{name}`"));
                self.add(problem);
            }
            Err(Refused::Invalid(why)) => {
                let why = why.trim_end_matches('.');
                self.add(ConfigError::at(path, why).expected("what librdkafka takes"));
            }
        }
    }
}

fn near(name: &str, known: &[String]) -> Option<String> {
    let known = known.iter().map(String::as_str);
    known
        .chain(ALIASES)
        .map(|one| (strsim::damerau_levenshtein(one, name), one))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, one)| one.to_owned())
}

/// Whether the value of a setting is not for others to see.
fn secret(name: &str) -> bool {
    let parts = [
        "password",
        "secret",
        "pem",
        "token",
        "jwt",
        "sasl.oauthbearer",
        "ssl.key",
    ];
    parts.iter().any(|part| name.contains(part)) && !name.ends_with(".location")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(json: &str) -> Result<Plan, ConfigError> {
        let config: Config = serde_json::from_str(json).unwrap();
        check(&config, &Setup::new("kafka"))
    }

    fn refused(json: &str) -> Vec<(String, String)> {
        let problems = checked(json).unwrap_err();
        let problems = problems.problems().iter();
        problems
            .map(|one| (one.path.clone(), one.to_string()))
            .collect()
    }

    #[test]
    fn what_librdkafka_refuses_is_refused_by_its_path() {
        let all = refused(
            r#"{"brokers": "a:1", "topic": "a b", "partitioner": "dice", "delivery_timeout": "5ms",
                "properties": {"linger.m": 5, "socket.timeout.ms": "soon", "transactional.id": "x",
                               "acks": "1", "message.timeout.ms": 5}}"#,
        );
        let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "topic",
                "delivery_timeout",
                "partitioner",
                "properties.linger.m",
                "properties.message.timeout.ms",
                "properties.socket.timeout.ms",
                "properties.transactional.id",
            ]
        );
        assert!(all[3].1.contains("linger.ms"), "{}", all[3].1);
    }

    #[test]
    fn what_idempotence_needs_is_asked_for() {
        let all = refused(
            r#"{"brokers": "a:1", "topic": "t", "properties":
                {"acks": "1", "max.in.flight": 6, "retries": 0}}"#,
        );
        let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "properties.acks",
                "properties.max.in.flight",
                "properties.retries"
            ]
        );
        let usual = r#"{"brokers": "a:1", "topic": "t"}"#;
        let usual = conf(&serde_json::from_str(usual).unwrap(), &Setup::new("kafka")).unwrap();
        assert_eq!(usual.get("enable.idempotence").as_deref(), Some("true"));
        assert_eq!(usual.get("acks").as_deref(), Some("-1"), "all");
        assert_eq!(usual.get("linger.ms").as_deref(), Some("1"));
        let without = r#"{"brokers": "a:1", "topic": "t", "properties":
            {"acks": "1", "enable.idempotence": false}}"#;
        assert_eq!(checked(without).unwrap().warnings().len(), 1);
    }

    #[test]
    fn a_mechanism_that_this_build_lacks_is_refused() {
        let config = r#"{"brokers": "a:1", "topic": "t", "properties":
            {"security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-256"}}"#;
        if cfg!(feature = "tls") {
            assert!(checked(config).is_ok());
        } else {
            assert_eq!(refused(config)[0].0, "properties.sasl.mechanism");
        }
    }

    #[test]
    fn a_token_goes_with_the_mechanism_that_takes_it() {
        let with = |more: &str, properties: &str| {
            format!(
                r#"{{"brokers": "a:1", "topic": "t", {more} "properties":
                    {{"security.protocol": "sasl_plaintext", {properties}}}}}"#
            )
        };
        let all = refused(&with(
            r#""token_file": "t","#,
            r#""sasl.mechanism": "PLAIN", "sasl.oauthbearer.config": "hush""#,
        ));
        let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["properties.sasl.oauthbearer.config"]);
        let all = refused(&with(
            r#""token_file": "t","#,
            r#""sasl.mechanism": "PLAIN""#,
        ));
        assert_eq!(all[0].0, "token_file");
        let without = refused(&with("", r#""sasl.mechanism": "OAUTHBEARER""#));
        assert_eq!(without.last().unwrap().0, "token_file");
        if cfg!(feature = "tls") {
            checked(&with(
                r#""token_file": "t","#,
                r#""sasl.mechanism": "OAUTHBEARER""#,
            ))
            .unwrap();
        }
    }

    #[test]
    fn openid_connect_needs_a_build_that_has_it() {
        let config = r#"{"brokers": "a:1", "topic": "t", "properties":
            {"security.protocol": "sasl_plaintext", "sasl.mechanism": "OAUTHBEARER",
             "sasl.oauthbearer.method": "oidc", "sasl.oauthbearer.client.id": "rolog",
             "sasl.oauthbearer.client.secret": "hush",
             "sasl.oauthbearer.token.endpoint.url": "https://id.example.com/token"}}"#;
        if cfg!(feature = "oidc") {
            checked(config).unwrap();
        } else {
            let all = refused(config);
            assert_eq!(all[0].0, "properties.sasl.oauthbearer.client.id");
            assert!(all[0].1.contains("its feature `oidc`"), "{}", all[0].1);
            assert!(!format!("{all:?}").contains("hush"), "{all:?}");
        }
    }

    #[test]
    fn a_secret_is_not_repeated() {
        // Refused in every build: without OpenID Connect for its name, with it for its value.
        let all = refused(
            r#"{"brokers": "a:1", "topic": "t",
                "properties": {"sasl.oauthbearer.method": "hush hush"}}"#,
        );
        assert!(!all[0].1.contains("hush"), "{}", all[0].1);
    }
}
