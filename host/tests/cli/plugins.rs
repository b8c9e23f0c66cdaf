//! `rolog plugins`, as a user meets it; what it says of good libraries is shown with real ones in
//! the tests crate.

use crate::support::Place;

#[test]
fn what_is_no_plugin_is_listed_with_the_reason_and_none_of_it_runs() {
    let place = Place::new();
    place.file("librolog_text.so", "#!/bin/sh\ntouch it-ran\n");
    place.file("librolog_empty.so", "");
    place.file("libother.so", "not named like a plugin");
    let run = place.run(["plugins", "."], "");
    assert_eq!(run.code, Some(1), "{run:?}");
    let unusable: Vec<_> = run
        .stdout
        .lines()
        .filter(|line| line.starts_with("unusable"))
        .collect();
    assert_eq!(unusable.len(), 2, "{run:?}");
    for (line, name) in unusable
        .iter()
        .zip(["librolog_empty.so: ", "librolog_text.so: "])
    {
        assert!(line.contains(name), "{line}");
        assert!(line.len() < 200, "one sentence: {line}");
    }
    assert!(!place.path().join("it-ran").exists());
}

#[test]
fn folders_come_from_the_pipeline_or_the_command_line() {
    let place = Place::new();
    place.file("p.yaml", "version: 1\nplugins: { search: [libs] }\ntargets: { a: { plugin: 'null' } }\nroutes: [{ to: a }]\n");
    std::fs::create_dir(place.path().join("libs")).unwrap();
    place.file("libs/librolog_x.so", "");
    let run = place.run(["plugins", "-c", "p.yaml"], "");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.contains("librolog_x.so: "), "{run:?}");

    let run = place.run(["plugins"], "");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stdout
            .starts_with("no plugin found\nbuilt in: console, memory, null"),
        "{run:?}"
    );

    let run = place.run(["plugins", "nowhere"], "");
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("nowhere is no folder"), "{run:?}");
}
