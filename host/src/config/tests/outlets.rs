//! Dead letters and metrics, as the file names them.

use super::*;

fn problem(section: &str) -> String {
    let problems = wrong(&format!("version: 1\n{section}\n"));
    let [problem] = &problems[..] else {
        panic!("{problems:#?}");
    };
    problem.clone()
}

#[test]
fn dead_letters_lie_beside_the_file_and_are_off_without_a_path() {
    let of = |text: &str| {
        let spec = read(&format!("version: 1\n{text}")).unwrap_or_else(|p| panic!("{p}"));
        spec.dead_letters().cloned()
    };
    assert_eq!(of(""), None);
    assert_eq!(of("dead_letters: off"), None);
    let default = of("dead_letters: { path: dead/letters.jsonl }").unwrap();
    assert_eq!(
        default,
        DeadLettersSpec::new("/etc/shop/dead/letters.jsonl")
    );
    assert_eq!(
        default.max_bytes.get() as u64,
        crate::dead_letters::DeadLetterSettings::new("x").max_bytes
    );
    let absolute = of("dead_letters: { path: /var/dead, max_bytes: 1TiB }").unwrap();
    assert_eq!(absolute.path, Path::new("/var/dead"));
    assert_eq!(absolute.max_bytes.get(), 1 << 40);
    let least =
        read("version: 1\nmax_record: 128KiB\ndead_letters: { path: x, max_bytes: 1MiB }").unwrap();
    assert_eq!(least.warnings(), []);
}

#[test]
fn addresses_are_taken() {
    let of = |text: &str| {
        let spec = read(&format!("version: 1\nmetrics: {{ {text} }}"));
        spec.unwrap_or_else(|p| panic!("{p}")).metrics().clone()
    };
    assert_eq!(of(""), MetricsSpec::default());
    let address = of("prometheus: 127.0.0.1:9464").prometheus.on().unwrap();
    assert_eq!(address.to_string(), "127.0.0.1:9464");
    let address = of("prometheus: '[::1]:0'").prometheus.on().unwrap();
    assert_eq!(address.to_string(), "[::1]:0");
    assert!(of("prometheus: off").prometheus.is_off());
}

#[test]
fn what_they_cannot_be_is_refused() {
    for (section, expected) in [
        (
            "dead_letters: logs/dead.jsonl",
            "p.yaml:2:15: dead_letters: is text; expected `off`, or a map of settings",
        ),
        (
            "dead_letters: {}",
            "p.yaml:2:15: dead_letters: `path` is missing; expected the path of a file",
        ),
        (
            "dead_letters: { path: '' }",
            "p.yaml:2:23: dead_letters.path: the path is empty; expected the path of a file",
        ),
        (
            "dead_letters: { path: x, max_bytes: 1023KiB }",
            "p.yaml:2:37: dead_letters.max_bytes: `1023KiB` is out of bounds; expected a size from 1MiB to 1TiB, such as `64MiB`, `1kB` or a number of bytes",
        ),
        (
            "dead_letters: { path: x, max_bytes: 1025GiB }",
            "p.yaml:2:37: dead_letters.max_bytes: `1025GiB` is out of bounds; expected a size from 1MiB to 1TiB, such as `64MiB`, `1kB` or a number of bytes",
        ),
        (
            "metrics: { prometheus: 9464 }",
            "p.yaml:2:24: metrics.prometheus: is a number; expected an IP address and port, such as `127.0.0.1:9464`; or `off`",
        ),
        (
            "metrics: { prometheus: localhost:9464 }",
            "p.yaml:2:24: metrics.prometheus: `localhost:9464`: invalid socket address syntax; expected an IP address and port, such as `127.0.0.1:9464`; or `off`",
        ),
        (
            "metrics: { promethus: off }",
            "p.yaml:2:12: metrics.promethus: unknown key; expected prometheus; did you mean `prometheus`?",
        ),
    ] {
        assert_eq!(problem(section), expected);
    }
}

#[test]
fn dead_letters_that_a_batch_may_not_fit_in_are_a_warning() {
    let yaml = "version: 1\ntargets: { a: { plugin: memory } }\nroutes: [{ to: a }]\ndead_letters: { path: x, max_bytes: 7MiB }\n";
    assert_eq!(
        warnings(yaml),
        [
            "p.yaml:4:37: warning: dead_letters.max_bytes: the letters of one batch may not fit: they can take 8MiB; expected more room, or smaller batches"
        ]
    );
    assert!(warnings(&yaml.replace("7MiB", "8MiB")).is_empty());
}

#[test]
fn a_change_of_them_is_told_apart() {
    let spec = |more: &str| read(&format!("version: 1\n{more}")).unwrap();
    let old = spec("");
    for more in [
        "dead_letters: { path: x }",
        "metrics: { prometheus: 127.0.0.1:9464 }",
    ] {
        let new = spec(more);
        let diff = old.diff(&new);
        assert!(!diff.is_empty() && diff == new.diff(&old), "{more}");
        assert_eq!(diff.dead_letters, more.starts_with("dead"), "{more}");
        assert_eq!(diff.metrics, more.starts_with("metrics"), "{more}");
        assert_ne!(old.digest(), new.digest(), "{more}");
    }
    let same = spec("dead_letters: off\nmetrics: { prometheus: off }");
    assert!(old.diff(&same).is_empty());
    assert_eq!(old.digest(), same.digest());
}

#[test]
fn a_pipeline_in_code_names_them_too() {
    let metrics = MetricsSpec {
        prometheus: OrOff::On("127.0.0.1:0".parse().unwrap()),
    };
    let spec = PipelineSpec::builder()
        .base("/srv")
        .dead_letters(DeadLettersSpec::new("dead"))
        .metrics(metrics.clone())
        .build()
        .unwrap();
    assert_eq!(spec.dead_letters().unwrap().path, Path::new("/srv/dead"));
    assert_eq!(*spec.metrics(), metrics);
}
