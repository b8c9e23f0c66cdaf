//! The compiled router against a naive one, and the rules by example.

use std::sync::Arc;

use proptest::prelude::*;
use rolog_core::{Level, LevelRange, Threshold};

use super::*;
use crate::config::{Route, Target};
use crate::pattern::LoggerGlob;

fn names(router: &Router, logger: &str, level: Level) -> Vec<String> {
    router
        .resolve(logger)
        .targets(level)
        .iter()
        .map(|index| router.targets()[*index].to_string())
        .collect()
}

fn name(text: &str) -> TargetName {
    text.parse().unwrap()
}

fn shop() -> PipelineSpec {
    PipelineSpec::builder()
        .level("**", Level::Information)
        .level("shop.db", Level::Debug)
        .level("shop.*.noise", Threshold::Off)
        .target("app", Target::of("memory"))
        .target("pay", Target::of("memory"))
        .target("err", Target::of("memory"))
        .route(Route::from("**").level("error..").to(["err"]))
        .route(
            Route::from("shop.payments.**")
                .level("warning..")
                .to(["pay", "app"])
                .last(),
        )
        .route(Route::from("shop.health").to([] as [&str; 0]).last())
        .route(Route::from("shop.**").to(["app", "err"]))
        .build()
        .unwrap()
}

#[test]
fn routes_are_taken_in_order_until_one_is_final_and_a_target_once() {
    let router = Router::compile(&shop());
    assert_eq!(
        names(&router, "shop.api", Level::Information),
        ["app", "err"]
    );
    assert_eq!(names(&router, "shop.api", Level::Error), ["err", "app"]);
    assert_eq!(
        names(&router, "shop.payments", Level::Error),
        ["err", "pay", "app"]
    );
    assert_eq!(
        names(&router, "shop::payments::card", Level::Information),
        ["app", "err"]
    );
    assert_eq!(names(&router, "shop.health", Level::Warning), [""; 0]);
    assert_eq!(names(&router, "shop.health", Level::Critical), ["err"]);
    assert_eq!(names(&router, "other", Level::Warning), [""; 0]);
}

#[test]
fn the_gate_is_the_least_level_that_goes_anywhere() {
    let router = Router::compile(&shop());
    let gate = |logger: &str| router.resolve(logger).gate;
    assert_eq!(gate("shop.db.pool"), Some(Level::Debug));
    assert_eq!(gate("shop.api"), Some(Level::Information));
    assert_eq!(gate("other"), Some(Level::Error));
    assert_eq!(router.resolve("other").threshold, Some(Level::Information));
    assert_eq!(gate("shop.db.noise"), None, "three segments beat two");
    assert_eq!(router.resolve("shop.db.noise").threshold, None);
}

#[test]
fn overrides_come_first_and_go_again() {
    let spec = shop();
    let mut overrides = Overrides::default();
    overrides.set("shop", Level::Trace).unwrap();
    overrides.set("shop.payments", Threshold::Off).unwrap();
    let router = Router::builder(&spec).overrides(&overrides).build();
    assert_eq!(router.resolve("shop.db").gate, Some(Level::Trace));
    assert_eq!(router.resolve("shop.payments.card").gate, None);
    overrides.set("shop::payments", Threshold::Inherit).unwrap();
    assert_eq!(overrides.rules().len(), 1);
    assert!(overrides.set("sh*p", Level::Trace).is_err());
}

#[test]
fn in_process_targets_have_minimums_of_their_own() {
    let spec = shop();
    let router = Router::builder(&spec)
        .default_level(Level::Trace)
        .minimum(name("app"), Threshold::At(Level::Error))
        .attach(name("mem"), Threshold::At(Level::Warning))
        .attach(name("err"), Threshold::Inherit)
        .build();
    assert_eq!(router.targets().len(), 4);
    assert_eq!(names(&router, "shop.api", Level::Information), ["err"]);
    assert_eq!(names(&router, "shop.api", Level::Warning), ["err", "mem"]);
    assert_eq!(
        names(&router, "shop.api", Level::Critical),
        ["err", "app", "mem"]
    );
    assert_eq!(
        names(&router, "shop.health", Level::Warning),
        ["mem", "err"],
        "routes end, these do not"
    );
    assert_eq!(router.resolve("shop.noise").gate, Some(Level::Information));
    let empty = PipelineSpec::builder().build().unwrap();
    let router = Router::builder(&empty)
        .default_level(Level::Debug)
        .attach(name("mem"), Threshold::Inherit)
        .build();
    assert_eq!(router.resolve("any").gate, Some(Level::Debug));
    assert_eq!(Router::compile(&empty).resolve("any").gate, None);
}

#[test]
fn the_cache_is_bounded_and_forgets_with_the_router() {
    let router = Router::compile(&shop());
    let mut cache = RouteCache::new(8);
    let kept = cache.resolve(&router, "shop.db");
    for index in 0..1000 {
        let again = cache.resolve(&router, "shop.db");
        assert!(Arc::ptr_eq(&kept, &again), "a name in use stays");
        cache.resolve(&router, &format!("run.time.{index}"));
        assert!(cache.len() <= 8, "{}", cache.len());
    }
    cache.resolve(&router, &"x".repeat(10_000));
    assert!(cache.len() <= 8);
    let other = Router::compile(&PipelineSpec::builder().build().unwrap());
    assert_eq!(cache.resolve(&other, "shop.db").gate, None);
    assert_eq!(cache.len(), 1);
}

/// Matches by trying every way to spread the segments.
fn naive(glob: &[&str], name: &[&str]) -> bool {
    match (glob.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), None) => naive(rest, name),
        (Some((&"**", rest)), Some((_, after))) => naive(rest, name) || naive(glob, after),
        (Some((&"*", rest)), Some((_, after))) => naive(rest, after),
        (Some((part, rest)), Some((segment, after))) => part == segment && naive(rest, after),
        _ => false,
    }
}

fn glob() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "*", "**"]), 1..6)
}

fn logger() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 0..7)
}

fn range() -> impl Strategy<Value = LevelRange> {
    (0..6usize, 0..6usize).prop_map(|(one, other)| {
        LevelRange::new(Level::ALL[one.min(other)], Level::ALL[one.max(other)]).unwrap()
    })
}

/// What the module's documentation says of specificity, by comparing two patterns.
fn beats(one: &[&str], other: &[&str]) -> bool {
    let named = |glob: &[&str]| glob.iter().filter(|part| **part != "**").count();
    let literal = |glob: &[&str]| glob.iter().filter(|part| !part.contains('*')).count();
    let closed = |glob: &[&str]| usize::from(!glob.contains(&"**"));
    let stars = |glob: &[&str]| -> Vec<usize> {
        glob.iter()
            .map(|part| part.chars().filter(|c| *c == '*').count())
            .collect()
    };
    let key = |glob: &[&str]| (named(glob), literal(glob), closed(glob));
    key(one) > key(other) || (key(one) == key(other) && stars(one) < stars(other))
}

/// As a level's pattern is read: a plain name has its subtree, repeated `**` are one.
fn subtree(glob: &[&'static str]) -> Vec<&'static str> {
    let mut parts = glob.to_vec();
    parts.dedup_by(|one, other| one == other && *one == "**");
    if parts.iter().all(|part| !part.contains('*')) {
        parts.push("**");
    }
    parts
}

proptest! {
    #[test]
    fn a_glob_matches_as_the_naive_matcher_does(glob in glob(), name in logger()) {
        let parsed: LoggerGlob = glob.join(".").parse().unwrap();
        prop_assert_eq!(parsed.matches(&name.join("::")), naive(&glob, &name));
    }

    #[test]
    fn the_router_agrees_with_a_naive_one(
        levels in prop::collection::vec((glob(), 0..7usize), 0..6),
        routes in prop::collection::vec(
            (glob(), range(), prop::sample::subsequence(vec!["t0", "t1", "t2", "t3"], 1..4), any::<bool>()),
            0..8,
        ),
        name in logger(),
    ) {
        let threshold = |at: usize| Level::ALL.get(at).map_or(Threshold::Off, |level| Threshold::At(*level));
        let mut builder = PipelineSpec::builder();
        let mut rules: Vec<(Vec<&str>, Threshold)> = Vec::new();
        for (glob, at) in &levels {
            let parts = subtree(glob);
            if !rules.iter().any(|(known, _)| *known == parts) {
                builder = builder.level(&glob.join("."), threshold(*at));
                rules.push((parts, threshold(*at)));
            }
        }
        for target in ["t0", "t1", "t2", "t3"] {
            builder = builder.target(target, Target::of("memory"));
        }
        for (glob, range, to, last) in &routes {
            let route = Route::from(glob.join("::")).level(range.to_string()).to(to.iter().copied());
            builder = builder.route(if *last { route.last() } else { route });
        }
        let router = Router::compile(&builder.build().unwrap());
        let resolved = router.resolve(&name.join("."));

        let mut best: Option<&(Vec<&str>, Threshold)> = None;
        for rule in rules.iter().filter(|(glob, _)| naive(glob, &name)) {
            if best.is_none_or(|best| beats(&rule.0, &best.0)) {
                best = Some(rule);
            }
        }
        let threshold = match best.map_or(Threshold::At(Level::Information), |(_, at)| *at) {
            Threshold::At(level) => Some(level),
            _ => None,
        };
        prop_assert_eq!(resolved.threshold, threshold);
        let mut gate = None;
        for level in Level::ALL {
            let mut expected: Vec<usize> = Vec::new();
            if threshold.is_some_and(|least| level >= least) {
                for (glob, range, to, last) in &routes {
                    if naive(glob, &name) && range.contains(level) {
                        for target in to {
                            let index = router.index_of(target).unwrap();
                            if !expected.contains(&index) {
                                expected.push(index);
                            }
                        }
                        if *last {
                            break;
                        }
                    }
                }
            }
            if gate.is_none() && !expected.is_empty() {
                gate = Some(level);
            }
            prop_assert_eq!(&resolved.targets(level)[..], &expected[..]);
        }
        prop_assert_eq!(resolved.gate, gate);
    }
}
