//! What plugins say of their settings, at its place in the file.

use super::*;

#[test]
fn a_plugins_refusal_is_shown_at_its_setting() {
    let spec = read(
        "\
version: 1
targets:
  app:
    plugin: http
    config:
      url: ftp://x
      tls.verify: 1
      headers:
        - { name: a }
        - { name: b, value: '' }
routes: [{ to: app }]
",
    )
    .unwrap();
    let app: TargetName = "app".parse().unwrap();
    let at = |path: &str| spec.refusal(&app, path, "wrong").to_string();
    assert_eq!(at("url"), "p.yaml:6:12: targets.app.config.url: wrong");
    assert_eq!(
        at("tls.verify"),
        "p.yaml:7:19: targets.app.config.\"tls.verify\": wrong"
    );
    for path in ["headers[1].value", "/headers/1/value", "$.headers[1].value"] {
        assert_eq!(
            at(path),
            "p.yaml:10:29: targets.app.config.headers[1].value: wrong"
        );
    }
    // What is missing is shown where it would have to be.
    assert_eq!(
        at("headers[0].value"),
        "p.yaml:9:11: targets.app.config.headers[0].value: wrong"
    );
    assert_eq!(at(""), "p.yaml:6:7: targets.app.config: wrong");
    let unknown = spec.unknown_plugin(&app, ["https", "file"]).to_string();
    assert_eq!(
        unknown,
        "p.yaml:4:13: targets.app.plugin: no plugin has the name `http`; expected https or file; did you mean `https`?"
    );
}

#[test]
fn two_targets_on_one_resource_are_refused_at_the_second() {
    let spec = read(FULL).unwrap();
    let names: Vec<&TargetName> = spec.targets().keys().collect();
    let same = ["/var/log/x".to_owned(), "/var/log/x".to_owned()];
    let problems = spec.shared_resources([(names[0], &same[..]), (names[1], &same[..1])]);
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].to_string(),
        "p.yaml:27:5: targets.rescue.config: `/var/log/x` is already the resource of target `app` at 11:5; expected one target for each resource"
    );
}

#[test]
fn a_file_in_the_folder_of_another_target_is_refused_with_both_places() {
    let spec = read(FULL).unwrap();
    let names: Vec<&TargetName> = spec.targets().keys().collect();
    let [folder, file] = ["folder:/var/log", "file:/var/log/x"].map(|name| [name.to_owned()]);
    for (first, second, what) in [
        (
            &folder,
            &file,
            "`file:/var/log/x` lies in `folder:/var/log`, the resource of target `app` at 11:5",
        ),
        (
            &file,
            &folder,
            "in `folder:/var/log` lies `file:/var/log/x`, the resource of target `app` at 11:5",
        ),
    ] {
        let problems = spec.shared_resources([(names[0], &first[..]), (names[1], &second[..])]);
        assert_eq!(problems.len(), 1);
        assert_eq!(
            problems[0].to_string(),
            format!(
                "p.yaml:27:5: targets.rescue.config: {what}; expected a folder that no other target writes to"
            )
        );
    }
}
