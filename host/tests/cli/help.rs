//! The help texts teach, and what they show is true.

use crate::support::Place;

#[test]
fn each_command_says_what_it_does_with_examples_and_exit_status() {
    let place = Place::new();
    for (args, parts) in [
        (
            &["--help"][..],
            &[
                "Examples:",
                "Exit status:",
                "run",
                "check",
                "plan",
                "replay",
                "plugins",
                "status",
                "reload-plugins",
            ][..],
        ),
        (
            &["run", "--help"],
            &[
                "Examples:",
                "Exit status:",
                "@timestamp",
                "error_severity",
                "SIGTERM",
                "--deadline",
            ],
        ),
        (
            &["check", "--help"],
            &["Exit status:", "pipeline.yaml:9:7:"],
        ),
        (
            &["replay", "--help"],
            &["Examples:", "Exit status:", "--to", "taken"],
        ),
        (
            &["plan", "--help"],
            &[
                "Examples:",
                "Exit status:",
                "replaced",
                "***",
                "--exit-code",
            ],
        ),
        (
            &["plugins", "--help"],
            &["Exit status:", "ABI", "--control"],
        ),
        (
            &["status", "--help"],
            &["Examples:", "Exit status:", "--control", "--json"],
        ),
        (&["generations", "--help"], &["Exit status:", "control: "]),
        (&["reload", "--help"], &["Exit status:", "place"]),
        (
            &["rollback", "--help"],
            &["Exit status:", "the next change"],
        ),
        (
            &["reload-plugins", "--help"],
            &["Exit status:", "new builds"],
        ),
    ] {
        let run = place.run(args, "");
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{args:?}");
        for part in parts {
            assert!(
                run.stdout.contains(part),
                "{part:?} is missing in the help of {args:?}"
            );
        }
        let widest = run.stdout.lines().map(|line| line.chars().count()).max();
        assert!(
            widest <= Some(100),
            "{args:?} has lines of {widest:?} characters"
        );
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let run = Place::new().run(["--version"], "");
    assert_eq!(run.stdout, format!("rolog {}\n", env!("CARGO_PKG_VERSION")));
}
