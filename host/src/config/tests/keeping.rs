//! The rules of routes, and the flight recorder.

use super::*;

fn route(rule: &str) -> String {
    format!("version: 1\ntargets: {{ a: {{ plugin: memory }} }}\nroutes:\n  - to: a\n    {rule}\n")
}

#[test]
fn what_is_not_stated_has_its_default() {
    let yaml = route("sample: {}\n    limit: {}\n    repeat: {}\nrecorder: {}");
    let spec = read(&yaml).unwrap_or_else(|problems| panic!("{problems}"));
    let rules = &spec.routes()[0].rules;
    assert_eq!(rules.sample, OrOff::On(SampleSpec::default()));
    assert_eq!(rules.limit, OrOff::On(LimitSpec::default()));
    assert_eq!(rules.repeat, OrOff::On(RepeatSpec::default()));
    assert_eq!(spec.recorder(), Some(&RecorderSpec::default()));
    let off = read(&route("sample: off\nrecorder: off")).unwrap_or_else(|p| panic!("{p}"));
    assert!(off.routes()[0].rules.is_none() && off.recorder().is_none());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (yaml, expected) in [
        (
            route("sample: { every: 3 }"),
            "p.yaml:5:15: routes[0].sample.every: unknown key; expected first, then, per, by or keep",
        ),
        (
            route("limit: { rate: 0 }"),
            "p.yaml:5:20: routes[0].limit.rate: 0 is out of bounds; expected a number from 1 to 1000000000",
        ),
        (
            route("limit: { by: calsite }"),
            "p.yaml:5:18: routes[0].limit.by: `calsite` is not known here; expected call_site, logger or field:NAME; did you mean `call_site`?",
        ),
        (
            route("limit: { by: 'field:' }"),
            "p.yaml:5:18: routes[0].limit.by: `field:` is not known here; expected call_site, logger or field:NAME",
        ),
        (
            route("repeat: { after: 2s, max: 1s }"),
            "p.yaml:5:31: routes[0].repeat.max: 1s is shorter than `after`, 2s; expected at least as long as `after`",
        ),
        (
            route("repeat: { same: text }"),
            "p.yaml:5:21: routes[0].repeat.same: `text` is not known here; expected values or template",
        ),
        (
            route("sample: yes"),
            "p.yaml:5:13: routes[0].sample: is text; expected `off`, or a map of settings",
        ),
        (
            route("final: false\nrecorder: { level: error }"),
            "p.yaml:6:11: recorder.dump_on: error is not above `level`, error; expected a level above `level`",
        ),
        (
            route("final: false\nrecorder: { by: trace }"),
            "p.yaml:6:17: recorder.by: `trace` is not known here; expected thread, trace_id or field:NAME",
        ),
        (
            "version: 1\nroutes:\n  - { to: [], final: true, sample: {} }\n".to_owned(),
            "p.yaml:3:5: routes[0]: the route has a rule, and no target that it could hold back from; expected a target, or no rule",
        ),
    ] {
        assert_eq!(wrong(&yaml), [expected]);
    }
}

#[test]
fn a_change_of_rules_or_recorder_shows_in_diff_digest_and_plan() {
    let parsed = |text: &str| read(text).unwrap_or_else(|problems| panic!("{problems}"));
    let none = parsed(&route("final: false"));
    let rule = parsed(&route("sample: {}"));
    let diff = none.diff(&rule);
    assert!(diff.routes && !diff.recorder && !diff.is_empty());
    assert_ne!(none.digest(), rule.digest());
    let recorder = parsed(&route("final: false\nrecorder: { keep: 5 }"));
    let diff = none.diff(&recorder);
    assert!(diff.recorder && !diff.routes && !diff.is_empty());
    assert_ne!(none.digest(), recorder.digest());
    let other = parsed(&route("final: false\nrecorder: { keep: 6, by: trace_id }"));
    let plan = crate::reload::Plan::new(&recorder, &other);
    assert_eq!(
        plan.settings,
        [
            "recorder: { logger: **, level: debug, dump_on: error, by: thread, keep: 5, max_bytes: 16MiB } -> { logger: **, level: debug, dump_on: error, by: trace_id, keep: 6, max_bytes: 16MiB }"
        ]
    );
}

#[test]
fn the_same_can_be_built_in_code() {
    let spec = PipelineSpec::builder()
        .target("a", Target::of("memory"))
        .route(
            Route::from("**")
                .sample(SampleSpec::default())
                .limit(LimitSpec::default())
                .repeat(RepeatSpec::default())
                .to(["a"]),
        )
        .recorder(RecorderSpec::default())
        .build()
        .unwrap_or_else(|problems| panic!("{problems}"));
    let yaml = route("sample: {}\n    limit: {}\n    repeat: {}\nrecorder: {}");
    let read = read(&yaml).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(
        (spec.routes(), spec.recorder()),
        (read.routes(), read.recorder())
    );
}

#[test]
fn counting_by_a_field_that_is_masked_is_a_warning() {
    let rules = "sample: { by: 'field:n' }\n    limit: { by: 'field:user_password' }\n";
    let hidden = |redact: &str| {
        route(&format!(
            "{rules}recorder: {{ by: 'field:session_id' }}\n{redact}"
        ))
    };
    let warnings = |yaml: &str| {
        let spec = read(yaml).unwrap_or_else(|problems| panic!("{problems}"));
        let warnings = spec.warnings().iter().map(ToString::to_string);
        warnings.collect::<Vec<_>>()
    };
    let tail = "expected another field, `redact.with: hash`, or this one under `redact.except`";
    assert_eq!(
        warnings(&hidden("redact: { keys: ['*_password'] }")),
        [
            format!(
                "p.yaml:6:18: warning: routes[0].limit.by: `redact` masks `user_password`, so all its values are counted as one; {tail}"
            ),
            format!(
                "p.yaml:7:17: warning: recorder.by: `redact` masks `session_id`, so all its values are counted as one; {tail}"
            ),
        ]
    );
    assert!(warnings(&hidden("")).is_empty());
    assert!(warnings(&hidden("redact: { except: [session_id, user_password] }")).is_empty());
}
