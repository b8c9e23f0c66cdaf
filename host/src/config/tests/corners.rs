//! YAML's corners, where two parsers could differ.

use super::*;

fn config_of(yaml: &str) -> serde_json::Value {
    let text = format!(
        "version: 1\ntargets:\n  t:\n    plugin: memory\n    config:\n{yaml}\nroutes: [{{ to: t }}]\n"
    );
    let spec = read(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    spec.target("t").unwrap().config.value().clone()
}

#[test]
fn a_key_that_occurs_twice_is_refused_each_time() {
    assert_eq!(
        wrong("version: 1\nrings: { bytes: 1MiB, bytes: 2MiB }\nversion: 1\n\"rings\": {}\n"),
        [
            "p.yaml:2:23: the key `bytes` is already at 2:10; expected each key once",
            "p.yaml:3:1: the key `version` is already at 1:1; expected each key once",
            "p.yaml:4:1: the key `rings` is already at 2:1; expected each key once",
        ]
    );
    // serde_yaml alone would have refused it as well: the two agree.
    let error = serde_yaml::from_str::<serde_yaml::Value>("a: 1\nb: 2\na: 3\n").unwrap_err();
    assert!(error.to_string().contains("duplicate entry"));
}

#[test]
fn anchors_aliases_and_merges_have_values_and_places() {
    let yaml = "\
version: 1
targets:
  a:
    plugin: memory
    flush: &base { interval: 2s, timeout: 9s, max_sise: 1 }
  b:
    plugin: memory
    flush: { <<: *base, timeout: 3s }
  c: { plugin: memory, flush: *base }
routes: [{ to: [a, b, c] }]
";
    let problems = wrong(yaml);
    assert_eq!(problems.len(), 3, "{problems:#?}");
    for (problem, target) in problems.iter().zip(["a", "b", "c"]) {
        let start = format!("p.yaml:5:47: targets.{target}.flush.max_sise: unknown key");
        assert!(problem.starts_with(&start), "{problem}");
    }
    let spec = read(&yaml.replace(", max_sise: 1", "")).unwrap();
    let b = &spec.target("b").unwrap().flush;
    assert_eq!(b.interval.get(), Duration::from_secs(2));
    assert_eq!(b.timeout.get(), Duration::from_secs(3));
    assert_eq!(
        spec.target("c").unwrap().flush,
        spec.target("a").unwrap().flush
    );

    let merged = config_of(
        "      one: &one { a: 1, b: 1 }\n      two: &two { b: 2, c: 2 }\n      all: { <<: [*one, *two], c: 3 }",
    );
    assert_eq!(merged["all"], serde_json::json!({ "a": 1, "b": 1, "c": 3 }));
}

#[test]
fn merges_that_parsers_take_differently_are_refused() {
    let nested = wrong("version: 1\nx: &x { a: 1 }\ny: &y { <<: *x }\nz: { <<: *y }\n");
    assert!(
        nested[0].contains("p.yaml:4:10: a map that is merged merges another one"),
        "{nested:?}"
    );
    let scalar = wrong("version: 1\nx: { <<: 1 }\n");
    assert!(
        scalar[0].contains("`<<` merges something that is no map"),
        "{scalar:?}"
    );
    let own = wrong("version: 1\nx: &x [*x]\n");
    assert!(
        own[0].starts_with("p.yaml:2:8: this alias stands inside its own anchor"),
        "{own:?}"
    );
    let unknown = wrong("version: *nowhere\n");
    assert!(
        unknown[0].starts_with("p.yaml:1:10: not YAML"),
        "{unknown:?}"
    );
}

#[test]
fn one_document_and_no_foreign_tags() {
    let two = wrong("version: 1\n---\nversion: 1\n");
    assert_eq!(
        two,
        ["p.yaml:2:1: a second document begins here; expected one document in one file"]
    );
    let tag = wrong("version: !secret 1\n");
    assert!(tag[0].starts_with("p.yaml:1:"), "{tag:?}");
    assert!(
        tag[0].contains("the tag `!secret` has no meaning here"),
        "{tag:?}"
    );
    assert!(read("--- # explicit\nversion: 1\n...\n").is_ok());
    assert!(read("%YAML 1.2\n---\nversion: 1\n").is_ok());
}

#[test]
fn what_is_no_pipeline_at_all_says_so() {
    for (text, expected) in [
        (
            "",
            "p.yaml: the file is empty; expected at least `version: 1`",
        ),
        ("# only a comment\n", "p.yaml: the file is empty"),
        ("---\n", "p.yaml:"),
        (
            "just text",
            "p.yaml:1:1: is text; expected a map of settings",
        ),
        (
            "[1, 2]",
            "p.yaml:1:1: is a list; expected a map of settings",
        ),
        (
            "targets: {}",
            "p.yaml:1:1: `version` is missing; expected `version: 1`",
        ),
        ("version:", "p.yaml:1:8: version: has no value"),
        (
            "version: 1\ntargets:\nroutes: []",
            "p.yaml:2:8: targets: has no value; expected a map",
        ),
        ("version: 1\n\tx: 1\n", "p.yaml:2:"),
        ("version: 1\ntargets: { a: b\n", "p.yaml:"),
        ("version: \"1\n", "p.yaml:"),
        ("{{{{", "p.yaml:2:1: not YAML: "),
        (
            "? [a, b]\n: 1\nversion: 1\n",
            "p.yaml:1:3: a key that is not text",
        ),
        ("1: 2\nversion: 1\n", "p.yaml:1:1: a key that is not text"),
    ] {
        let problems = wrong(text);
        assert!(problems[0].starts_with(expected), "{text:?}: {problems:?}");
    }
    let tab = wrong("version: 1\ntargets:\n\tapp: { plugin: memory }\n");
    assert!(tab[0].contains("YAML does not indent by tabs"), "{tab:?}");
}

#[test]
fn nesting_and_unfolding_are_bounded() {
    let deep = format!("version: 1\nx: {}{}", "[".repeat(200), "]".repeat(200));
    assert!(
        wrong(&deep)[0].contains("nested deeper than 64 levels"),
        "{:?}",
        wrong(&deep)
    );
    let deeper = format!("x: {}", "[".repeat(500_000));
    assert!(wrong(&deeper)[0].contains("p.yaml:1:"));
    let dashes = format!("x:\n{}", "- ".repeat(500_000));
    assert!(wrong(&dashes)[0].contains("nested deeper than 64 levels"));
    let blocks: Vec<String> = (0..100).map(|level| " ".repeat(level) + "a:").collect();
    assert!(wrong(&blocks.join("\n"))[0].contains("nested deeper than 64 levels"));
    let bomb: Vec<String> = (0..20)
        .map(|level| {
            let below = match level {
                0 => "x".to_owned(),
                level => format!("*a{}", level - 1),
            };
            format!("a{level}: &a{level} [{}]", vec![below; 10].join(", "))
        })
        .collect();
    let bomb = bomb.join("\n");
    assert!(
        wrong(&bomb)[0].contains("unfolds to more than 100000 values"),
        "{:?}",
        wrong(&bomb)
    );
    let huge = vec![b' '; MAX_FILE + 1];
    let problems = parse(&huge, "p.yaml", "/", &Env::empty()).unwrap_err();
    assert!(problems[0].what.contains("larger than 1 MiB"));
}

#[test]
fn the_two_parsers_agree_on_values_and_places() {
    let json = config_of(
        "      plain: a b
      single: 'it''s'
      double: \"tab\\tend\"
      literal: |
        two
        lines
      folded: >-
        one
        line
      int: 0x10
      float: 1.5
      yes: yes
      'null': ~
      list:
      - 1
      - [true, {k: v}]
      ? asked
      : answered
      empty: ''
      ä: ö",
    );
    assert_eq!(
        json,
        serde_json::json!({
            "plain": "a b", "single": "it's", "double": "tab\tend", "literal": "two\nlines\n",
            "folded": "one line", "int": 16, "float": 1.5, "yes": "yes", "null": null,
            "list": [1, [true, {"k": "v"}]], "asked": "answered", "empty": "", "ä": "ö",
        })
    );
}

#[test]
fn numbers_that_json_has_no_form_for_are_refused() {
    for number in [".nan", ".inf", "-.inf"] {
        let yaml = format!(
            "version: 1\ntargets: {{ t: {{ plugin: memory, config: {{ x: {number} }} }} }}"
        );
        assert_eq!(
            wrong(&yaml)[0],
            "p.yaml:2:46: targets.t.config.x: the number is not finite; expected a finite number"
        );
    }
    let wide = wrong(
        "version: 1\ntargets: { t: { plugin: memory, config: { x: 99999999999999999999 } } }",
    );
    assert!(wide[0].starts_with("p.yaml:2:"), "{wide:?}");
}

#[test]
fn a_byte_order_mark_and_other_line_ends_do_no_harm() {
    let spec = parse(
        "\u{FEFF}version: 1\r\nx: 1\r\n",
        "p.yaml",
        "/",
        &Env::empty(),
    );
    assert_eq!(
        spec.unwrap_err()[0].to_string().split(';').next(),
        Some("p.yaml:2:1: x: unknown key")
    );
}

#[test]
fn a_thousand_pieces_of_noise_are_read_without_a_panic() {
    let pieces = [
        "version: 1\n",
        "targets:\n",
        "  a:\n",
        "    plugin: null\n",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "? ",
        "&a ",
        "*a ",
        "<<: ",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "\\x",
        "#",
        "\t",
        "\n",
        "---\n",
        "...\n",
        "%TAG ! x\n",
        "!!str ",
        "!x ",
        "${",
        "}",
        "${N}",
        "${file:x}",
        ",",
        "~",
        "1",
        "off",
        "ä",
        "\u{2028}",
        "\r",
        "  ",
        "routes:\n",
        "@",
        "`",
    ];
    let mut state = 1u64;
    for _ in 0..1000 {
        let mut text = String::new();
        for _ in 0..24 {
            // xorshift: the same noise every time.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push_str(pieces[(state % pieces.len() as u64) as usize]);
        }
        fuzz(text.as_bytes());
    }
}
