//! What a target does after a failure, as the file says it and as the stage takes it.

use super::*;
use crate::stage::{BreakerRules, Growth, Pace, RetryPolicy, StageSettings};

/// A pipeline in which the target `a` has these flush settings, and a fallback.
fn flush(settings: &str) -> String {
    format!(
        "version: 1\ntargets:\n  a: {{ plugin: memory, flush: {{ fallback: b, {settings} }} }}\n  b: {{ plugin: memory }}\nroutes: [{{ to: a }}]\n"
    )
}

fn stage(settings: &str) -> StageSettings {
    let spec = read(&flush(settings)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(spec.warnings(), [], "{settings}");
    let stage = spec.targets["a"].stage_settings(None);
    assert_eq!(stage.check(), Ok(()), "{settings}");
    stage
}

/// The one problem of a pipeline with these flush settings, without its place.
fn problem(settings: &str) -> String {
    let problems = wrong(&flush(settings));
    let [problem] = &problems[..] else {
        panic!("{problems:#?}");
    };
    let start = "p.yaml:3:";
    assert!(problem.starts_with(start), "{problem}");
    let (_, rest) = problem[start.len()..].split_once(": targets.a.").unwrap();
    rest.to_owned()
}

/// The same for a warning.
fn warning(settings: &str) -> String {
    let warnings = warnings(&flush(settings));
    let [warning] = &warnings[..] else {
        panic!("{warnings:#?}");
    };
    let (_, rest) = warning.split_once("warning: targets.a.").unwrap();
    rest.to_owned()
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn every_policy_reaches_the_stage() {
    let all = stage(
        "max_retries: 4, retry_delay: 2s, retry: { kind: exponential, jitter: 0.25, max_delay: 9s, give_up_after: 5m }, \
         breaker: { failures: 7, successes: 3, probe: 1s, max_probe: 10s }, hold: { probe: 3s, max_probe: 2h }, \
         grace: 0s, quarantine_after: 9",
    );
    let retry = RetryPolicy::new(4, ms(2000), Growth::Exponential)
        .with_jitter(0.25)
        .unwrap()
        .with_max_delay(ms(9000))
        .with_give_up_after(ms(300_000));
    let pace = |first, most| Pace {
        first: ms(first),
        most: ms(most),
    };
    let expected = StageSettings {
        retry,
        breaker: BreakerRules {
            failures: 7,
            successes: 3,
            pace: pace(1000, 10_000),
        },
        hold: pace(3000, 7_200_000),
        grace: Duration::ZERO,
        quarantine_after: 9,
        ..StageSettings::default()
    };
    assert_eq!(all, expected);
    // Each stands for itself: the rest keeps its default.
    let one = stage("breaker: { failures: 1 }");
    assert_eq!(
        one.breaker,
        BreakerRules {
            failures: 1,
            ..BreakerRules::default()
        }
    );
    assert_eq!(one.hold, Pace::default());
}

#[test]
fn what_is_off_is_off_in_the_stage() {
    let off =
        stage("breaker: off, quarantine_after: off, retry: { max_delay: off, give_up_after: off }");
    assert_eq!((off.breaker.failures, off.quarantine_after), (0, 0));
    assert_eq!(off.retry, RetryPolicy::default());
}

#[test]
fn the_kinds_of_retry_grow_as_named_with_their_own_jitter() {
    let retry = |settings: &str| stage(settings).retry;
    let delay = ms(600);
    for (settings, growth) in [
        ("retry: { kind: progressive }", Growth::Progressive),
        ("progressive_delay: true", Growth::Progressive),
        ("retry: { kind: constant }", Growth::Constant),
        ("progressive_delay: false", Growth::Constant),
        ("retry: { kind: exponential }", Growth::Exponential),
        // Both words for one thing, and alike.
        (
            "retry: { kind: constant }, progressive_delay: false",
            Growth::Constant,
        ),
    ] {
        let expected = RetryPolicy::new(3, delay, growth);
        assert_eq!(retry(settings), expected, "{settings}");
    }
    let unvaried = RetryPolicy::new(3, delay, Growth::Exponential)
        .with_jitter(0.0)
        .unwrap();
    assert_eq!(retry("retry: { kind: exponential, jitter: 0 }"), unvaried);
}

#[test]
fn two_words_for_one_thing_must_agree() {
    for (progressive, kind, meant) in [
        ("true", "constant", "progressive"),
        ("true", "exponential", "progressive"),
        ("false", "progressive", "constant"),
        ("false", "exponential", "constant"),
    ] {
        let settings = format!("progressive_delay: {progressive}, retry: {{ kind: {kind} }}");
        assert_eq!(
            problem(&settings),
            format!(
                "flush.progressive_delay: means `{meant}`, and `retry.kind` says `{kind}`; expected one of the two, or both alike"
            )
        );
    }
}

#[test]
fn every_bound_is_taken_and_what_is_beyond_it_refused() {
    for (taken, refused) in [
        ("retry: { jitter: 0 }", "retry: { jitter: -0.1 }"),
        ("retry: { jitter: 1 }", "retry: { jitter: 1.01 }"),
        (
            "retry_delay: 0s, retry: { give_up_after: 1ms }",
            "retry_delay: 0s, retry: { give_up_after: 0s }",
        ),
        (
            "retry: { give_up_after: 7d }",
            "retry: { give_up_after: 8d }",
        ),
        (
            "retry_delay: 1ms, retry: { max_delay: 1ms }",
            "retry_delay: 1ms, retry: { max_delay: 0s }",
        ),
        ("retry: { max_delay: 1d }", "retry: { max_delay: 25h }"),
        ("breaker: { failures: 1 }", "breaker: { failures: 0 }"),
        ("breaker: { failures: 1000 }", "breaker: { failures: 1001 }"),
        ("breaker: { successes: 1 }", "breaker: { successes: 0 }"),
        (
            "breaker: { successes: 1000 }",
            "breaker: { successes: 1001 }",
        ),
        ("breaker: { probe: 1ms }", "breaker: { probe: 0s }"),
        (
            "breaker: { probe: 1h, max_probe: 1d }",
            "breaker: { probe: 61m, max_probe: 1d }",
        ),
        (
            "breaker: { probe: 1ms, max_probe: 1ms }",
            "breaker: { probe: 1ms, max_probe: 0s }",
        ),
        ("breaker: { max_probe: 24h }", "breaker: { max_probe: 25h }"),
        ("hold: { probe: 1ms }", "hold: { probe: 0s }"),
        (
            "hold: { probe: 1h, max_probe: 24h }",
            "hold: { probe: 61m, max_probe: 24h }",
        ),
        ("hold: { max_probe: 24h }", "hold: { max_probe: 25h }"),
        ("grace: 0s", "grace: -1s"),
        ("grace: 1h", "grace: 61m"),
        ("quarantine_after: 1", "quarantine_after: 0"),
        ("quarantine_after: 1000", "quarantine_after: 1001"),
    ] {
        stage(taken);
        let line = problem(refused);
        assert!(line.contains("; expected "), "{refused}: {line}");
        let why = ["is out of bounds", "it is negative"];
        assert!(why.iter().any(|why| line.contains(why)), "{line}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_reason() {
    for (settings, expected) in [
        (
            "retry: { kind: expotential }",
            "flush.retry.kind: `expotential` is not a kind of retry; expected progressive, constant or exponential; did you mean `exponential`?",
        ),
        (
            "retry: { jitter: 10% }",
            "flush.retry.jitter: is text; expected a number from 0 to 1",
        ),
        (
            "retry: { max_delays: 1s }",
            "flush.retry.max_delays: unknown key; expected kind, jitter, max_delay or give_up_after; did you mean `max_delay`?",
        ),
        (
            "retry: { kind: constant, max_delay: 9s }",
            "flush.retry.max_delay: bounds nothing: the pause is constant; expected another `retry.kind`, or no `max_delay`",
        ),
        (
            "retry: { max_delay: 599ms }",
            "flush.retry.max_delay: 599ms is shorter than the first pause, `retry_delay`: 600ms; expected at least `retry_delay`",
        ),
        (
            "retry: { give_up_after: 599ms }",
            "flush.retry.give_up_after: 599ms is over before the first retry, which comes after 600ms; expected at least `retry_delay`, or `max_retries: 0` for one attempt",
        ),
        (
            "breaker: on",
            "flush.breaker: is text; expected `off`, or a map of settings",
        ),
        (
            "breaker: { probe: 61s }",
            "flush.breaker.probe: 1m1s is longer than `max_probe`, 1m, which it is to rise to; expected at most `max_probe`, or a longer `max_probe`",
        ),
        (
            "hold: { max_probe: 4s }",
            "flush.hold.probe: 5s is longer than `max_probe`, 4s, which it is to rise to; expected at most `max_probe`, or a longer `max_probe`",
        ),
        (
            "hold: off",
            "flush.hold: is text; expected a map of settings",
        ),
        (
            "quarantine_after: never",
            "flush.quarantine_after: is text; expected a number from 1 to 1000; or `off`",
        ),
        (
            "retry: { max_delay: 10 }",
            "flush.retry.max_delay: `10`: the time has no unit: `10ms`, `10s`?; expected a time from 1ms to 1d, such as `600ms`, `1s` or `1h30m`; or `off`",
        ),
    ] {
        assert_eq!(problem(settings), expected);
    }
}

#[test]
fn what_has_no_effect_is_said() {
    for (settings, expected) in [
        (
            "max_retries: 0, retry: { jitter: 0.5 }",
            "flush.retry: has no effect: `max_retries` is 0, so there is one attempt; expected `max_retries` of at least 1, or no `retry`",
        ),
        (
            "retry_delay: 0, retry: { kind: exponential }",
            "flush.retry: what it says of the pauses has no effect: `retry_delay` is 0; expected a `retry_delay`",
        ),
    ] {
        assert_eq!(warning(settings), expected);
    }
    let lonely = warnings(
        "version: 1\ntargets: { a: { plugin: memory, flush: { breaker: { failures: 2 } } } }\nroutes: [{ to: a }]",
    );
    assert_eq!(
        lonely,
        [
            "p.yaml:2:51: warning: targets.a.flush.breaker: has no effect: without a `fallback` there is nowhere else to send records; expected a `fallback`, or no `breaker`"
        ]
    );
}

#[test]
fn substitutions_are_taken_wherever_a_policy_stands() {
    let env = Env::of([("J", "0.5"), ("Q", "4"), ("OFF", "off")]);
    let yaml = flush("retry: { jitter: '${J}' }, quarantine_after: '${Q}', breaker: '${OFF}'");
    let spec = parse(&yaml, "p.yaml", "/etc/shop", &env).unwrap();
    let stage = spec.targets["a"].stage_settings(None);
    assert_eq!((stage.quarantine_after, stage.breaker.failures), (4, 0));
    let jittered = RetryPolicy::default().with_jitter(0.5).unwrap();
    assert_eq!(stage.retry, jittered);
    let nan = Env::of([("J", "NaN"), ("Q", "4"), ("OFF", "off")]);
    assert!(parse(&yaml, "p.yaml", "/etc/shop", &nan).is_err());
}

#[test]
fn a_policy_retunes_the_stage_and_isolation_replaces_the_instance() {
    let base = read(&flush("timeout: 30s")).unwrap();
    for changed in [
        "retry: { kind: constant }",
        "retry: { jitter: 0.5 }",
        "retry: { max_delay: 9s }",
        "retry: { give_up_after: 9s }",
        "breaker: off",
        "breaker: { failures: 6 }",
        "breaker: { successes: 3 }",
        "breaker: { probe: 6s }",
        "breaker: { max_probe: 61s }",
        "hold: { probe: 6s }",
        "hold: { max_probe: 61s }",
        "grace: 6s",
        "quarantine_after: 4",
        "quarantine_after: off",
    ] {
        let new = read(&flush(changed)).unwrap();
        assert_eq!(
            base.diff(&new).targets["a"],
            TargetChange::Retuned,
            "{changed}"
        );
        let (before, after) = (base.targets["a"].digest(), new.targets["a"].digest());
        assert_eq!(before.instance, after.instance, "{changed}");
        assert_ne!(before.stage, after.stage, "{changed}");
        assert_ne!(base.digest(), new.digest(), "{changed}");
    }
    // The default, stated, is no change.
    let stated = read(&flush(
        "retry: { kind: progressive }, breaker: { failures: 5 }, hold: {}, grace: 5000ms, quarantine_after: 3",
    ))
    .unwrap();
    assert!(base.diff(&stated).is_empty());
    assert_eq!(base.digest(), stated.digest());

    let alone = flush("timeout: 30s").replace(
        "a: { plugin: memory,",
        "a: { plugin: memory, isolate: true,",
    );
    let alone = read(&alone).unwrap();
    assert!(alone.targets["a"].isolate && !alone.targets["b"].isolate);
    assert_eq!(base.diff(&alone).targets["a"], TargetChange::Replaced);
    let (before, after) = (base.targets["a"].digest(), alone.targets["a"].digest());
    assert_ne!(before.instance, after.instance);
    assert_eq!(before.stage, after.stage);
}

#[test]
fn a_pipeline_in_code_is_held_to_the_same() {
    let flush = FlushSpec {
        retry: RetrySpec {
            kind: RetryKind::Constant,
            max_delay: OrOff::On(MaxDelay::new(ms(9000)).unwrap()),
            ..RetrySpec::default()
        },
        ..FlushSpec::default()
    };
    let problems = PipelineSpec::builder()
        .target("a", Target::of("memory").flush(flush).isolate(true))
        .build()
        .unwrap_err();
    assert_eq!(problems.len(), 1, "{problems}");
    assert!(problems[0].what.starts_with("bounds nothing"), "{problems}");
}
