//! What only shows when the settings are held against each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use rolog_core::LevelRange;
use rolog_plugin::settings::Size;

use super::names::TargetName;
use super::path::SettingPath;
use super::places::Places;
use super::problem::{Problem, quoted};
use super::secrets::Secrets;
use super::sections::Draft;
use super::tuning::intake_config;
use crate::resources::{Overlap, overlap};

/// Checks a draft. The problems have their places.
pub(crate) fn check(draft: &Draft, places: &Places) -> Vec<Problem> {
    let mut checker = Checker {
        draft,
        places,
        problems: Vec::new(),
        unknown: 0,
    };
    checker.routes();
    checker.keeping();
    checker.fallbacks();
    checker.unknown_beyond();
    checker.cycles();
    checker.sizes();
    checker.letters();
    checker
        .problems
        .extend(super::coherence::check(draft, places));
    checker.problems.extend(super::fields::check(draft, places));
    checker.problems.extend(super::redact::check(draft, places));
    // A target that seems unused may only be misspelt elsewhere.
    if !checker.problems.iter().any(Problem::is_error) {
        checker.unused();
    }
    checker.problems
}

struct Checker<'a> {
    draft: &'a Draft,
    places: &'a Places,
    problems: Vec<Problem>,
    /// How many names were found that no target has.
    unknown: usize,
}

/// So many problems of a kind are told one by one; a file can hold a hundred thousand of them.
const MOST_ALIKE: usize = 100;
/// So many names are listed in one problem.
const MOST_LISTED: usize = 20;

/// `targets.<name>.flush.fallback`
fn fallback_path(name: &TargetName) -> SettingPath {
    SettingPath::root()
        .key("targets")
        .key(name.as_str())
        .key("flush")
        .key("fallback")
}

impl Checker<'_> {
    fn problem(&self, path: SettingPath, what: impl Into<String>) -> Problem {
        let place = self.places.value(&path);
        Problem::new(self.places.shared_file(), path, what).at(place)
    }

    fn report(&mut self, path: SettingPath, what: impl Into<String>, expected: &str) {
        let problem = self.problem(path, what).expected(expected);
        self.problems.push(problem);
    }

    fn warn(&mut self, path: SettingPath, what: impl Into<String>, expected: &str) {
        let problem = self.problem(path, what).expected(expected).warning();
        self.problems.push(problem);
    }

    /// Reports a name that no target has.
    fn known(&mut self, path: impl FnOnce() -> SettingPath, name: &TargetName) {
        if self.draft.targets.contains_key(name) {
            return;
        }
        self.unknown += 1;
        if self.unknown > MOST_ALIKE {
            return;
        }
        let path = path();
        let names = self.draft.targets.keys().map(TargetName::as_str);
        let expected = if self.draft.targets.is_empty() {
            "a target under `targets`, where there is none".to_owned()
        } else {
            super::read::one_of(names.clone().take(MOST_LISTED))
        };
        let problem = self
            .problem(
                path,
                format!("no target has the name {}", quoted(name.as_str())),
            )
            .expected(expected)
            .nearest_of(name.as_str(), names);
        self.problems.push(problem);
    }

    fn unknown_beyond(&mut self) {
        if self.unknown > MOST_ALIKE {
            let more = self.unknown - MOST_ALIKE;
            let what =
                format!("{more} more names stand in routes and fallbacks that no target has");
            self.report(SettingPath::root(), what, "names of targets");
        }
    }

    fn routes(&mut self) {
        let mut closed = None;
        for (index, route) in self.draft.routes.iter().enumerate() {
            let path = SettingPath::root().key("routes").index(index);
            if let Some(closing) = closed {
                self.warn(
                    path.clone(),
                    format!("no record comes here: routes[{closing}] is final and takes them all"),
                    "it before that route",
                );
            }
            let Some(to) = &route.to else { continue };
            if to.is_empty() && !route.is_final {
                self.report(
                    path.key("to"),
                    "names no target",
                    "a target, or `final: true` to discard",
                );
            }
            for (index, name) in to.iter().enumerate() {
                let (places, path) = (self.places, &path);
                self.known(|| places.list_item(&path.key("to"), index), name);
            }
            let takes_all = route.logger.is_all() && route.level == LevelRange::ALL;
            if takes_all && route.is_final && closed.is_none() {
                closed = Some(index);
            }
        }
    }

    /// What the rules of a route and the flight recorder say against themselves.
    fn keeping(&mut self) {
        let draft = self.draft;
        for (index, route) in draft.routes.iter().enumerate() {
            let path = SettingPath::root().key("routes").index(index);
            if let Some(repeat) = route.rules.repeat.as_on()
                && repeat.max.get() < repeat.after.get()
            {
                self.report(
                    path.key("repeat").key("max"),
                    format!("{} is shorter than `after`, {}", repeat.max, repeat.after),
                    "at least as long as `after`",
                );
            }
            if route.to.as_ref().is_some_and(Vec::is_empty) && !route.rules.is_none() {
                self.report(
                    path,
                    "the route has a rule, and no target that it could hold back from",
                    "a target, or no rule",
                );
            }
        }
        if let Some(recorder) = draft.recorder.as_on()
            && recorder.dump_on <= recorder.level
        {
            self.report(
                SettingPath::root().key("recorder").key("dump_on"),
                format!(
                    "{} is not above `level`, {}",
                    recorder.dump_on, recorder.level
                ),
                "a level above `level`",
            );
        }
    }

    fn fallbacks(&mut self) {
        for (name, target) in &self.draft.targets {
            for (index, fallback) in target.flush.fallback.iter().enumerate() {
                let places = self.places;
                let path = || places.list_item(&fallback_path(name), index);
                if fallback == name {
                    self.report(
                        path(),
                        format!("{} falls back to itself", quoted(name.as_str())),
                        "another target",
                    );
                } else {
                    self.known(path, fallback);
                }
            }
        }
    }

    /// Reports each circle of fallbacks once, at the setting that closes it.
    fn cycles(&mut self) {
        let targets = &self.draft.targets;
        let mut done: BTreeSet<&TargetName> = BTreeSet::new();
        let mut found: Vec<(SettingPath, String)> = Vec::new();
        for start in targets.keys() {
            if found.len() >= MOST_LISTED {
                break;
            }
            // The way so far, each with the position of the fallback that is looked at next.
            let mut way: Vec<(&TargetName, usize)> = Vec::new();
            if !done.contains(start) {
                way.push((start, 0));
            }
            while let Some((name, next)) = way.last_mut() {
                let name = *name;
                let fallback = targets.get(name).and_then(|t| t.flush.fallback.get(*next));
                let position = *next;
                *next += 1;
                let Some(fallback) = fallback else {
                    done.insert(name);
                    way.pop();
                    continue;
                };
                if fallback == name || done.contains(fallback) {
                    continue;
                }
                match way.iter().position(|(passed, _)| *passed == fallback) {
                    Some(begin) => {
                        if found.len() >= MOST_LISTED {
                            continue;
                        }
                        let mut names: Vec<&str> =
                            way[begin..].iter().map(|(name, _)| name.as_str()).collect();
                        if names.len() > MOST_LISTED {
                            names.splice(MOST_LISTED - 1..names.len() - 1, ["…"]);
                        }
                        names.push(fallback.as_str());
                        let path = self.places.list_item(&fallback_path(name), position);
                        found.push((path, names.join(" -> ")));
                    }
                    None if targets.contains_key(fallback) => way.push((fallback, 0)),
                    None => {}
                }
            }
        }
        for (path, circle) in found {
            self.report(
                path,
                format!("the fallbacks go round in a circle: {circle}"),
                "a chain that ends",
            );
        }
    }

    fn sizes(&mut self) {
        let rings = intake_config(&self.draft.rings, self.draft.max_record);
        if let Err(error) = rings.check() {
            self.report(
                SettingPath::root().key("rings"),
                error.to_string(),
                "more room, or shorter records",
            );
        }
        let max_record = self.draft.max_record.get();
        for (name, target) in &self.draft.targets {
            let room = target.queue.max_bytes.get();
            if room < max_record {
                self.warn(
                    SettingPath::root()
                        .key("targets")
                        .key(name.as_str())
                        .key("queue")
                        .key("max_bytes"),
                    format!(
                        "a record may be longer than the queue: {}",
                        Size(max_record)
                    ),
                    "at least `max_record`, or a lower `max_record`",
                );
            }
        }
    }

    /// A batch is buried whole, so all its letters must fit.
    fn letters(&mut self) {
        /// How much longer a letter is than the record in it, at the least that is to be reckoned with.
        const LETTER: usize = 8;
        let Some(letters) = self.draft.dead_letters.as_on() else {
            return;
        };
        let batches = self.draft.targets.values();
        let longest = batches.map(|target| target.flush.max_bytes.get()).max();
        let needed = longest.unwrap_or(0).max(self.draft.max_record.get()) * LETTER;
        if letters.max_bytes().get() < needed {
            self.warn(
                SettingPath::root().key("dead_letters").key("max_bytes"),
                format!(
                    "the letters of one batch may not fit: they can take {}",
                    Size(needed)
                ),
                "more room, or smaller batches",
            );
        }
    }

    fn unused(&mut self) {
        let draft = self.draft;
        if draft.routes.is_empty() && !draft.targets.is_empty() {
            self.warn(
                SettingPath::root(),
                "there are no routes, so no record reaches a target",
                "`routes:` with at least one",
            );
            return;
        }
        let mut reached: BTreeSet<&TargetName> = BTreeSet::new();
        let mut next: Vec<&TargetName> = draft
            .routes
            .iter()
            .filter_map(|route| route.to.as_ref())
            .flatten()
            .collect();
        while let Some(name) = next.pop() {
            if reached.insert(name)
                && let Some(target) = draft.targets.get(name)
            {
                next.extend(&target.flush.fallback);
            }
        }
        for name in draft.targets.keys().filter(|name| !reached.contains(name)) {
            let path = SettingPath::root().key("targets").key(name.as_str());
            let place = self.places.key(&path);
            let problem = self
                .problem(
                    path,
                    "no route leads here, nor any fallback of a routed target",
                )
                .at(place)
                .warning();
            self.problems.push(problem);
        }
    }
}

/// Finds targets that would write to one resource, such as the same file.
///
/// `resources` are what each target's plugin named when it checked the configuration; each problem is
/// at the later target's configuration.
pub(crate) fn shared_resources<'a>(
    places: &Places,
    resources: impl IntoIterator<Item = (&'a TargetName, &'a [String])>,
) -> Vec<Problem> {
    let config = |name: &TargetName| {
        let targets = SettingPath::root().key("targets");
        targets.key(name.as_str()).key("config")
    };
    let mut owned: Vec<(&str, &TargetName)> = Vec::new();
    let mut problems = Vec::new();
    for (name, resources) in resources {
        for resource in resources {
            let mut others = owned.iter().filter(|(_, owner)| *owner != name);
            let clash =
                others.find_map(|(other, owner)| Some((overlap(resource, other)?, other, owner)));
            let Some((how, other, owner)) = clash else {
                owned.push((resource, name));
                continue;
            };
            let (resource, other) = (quoted(resource), quoted(other));
            let what = match how {
                Overlap::Same => format!("{resource} is already the resource of"),
                Overlap::In => format!("{resource} lies in {other}, the resource of"),
                Overlap::Around => format!("in {resource} lies {other}, the resource of"),
            };
            let there = places.key(&config(owner));
            let there = there.map_or(String::new(), |at| format!(" at {}:{}", at.line, at.column));
            let path = config(name);
            let file = places.shared_file();
            let place = places.key(&path);
            let what = format!("{what} target {}{there}", quoted(owner.as_str()));
            let problem = Problem::new(file, path, what).at(place);
            problems.push(problem.expected(if how == Overlap::Same {
                "one target for each resource"
            } else {
                "a folder that no other target writes to"
            }));
        }
    }
    problems
}

/// A problem at a setting of a target, found by its plugin.
pub(crate) fn refusal(
    places: &Places,
    secrets: &Secrets,
    target: &TargetName,
    written: &str,
    what: String,
) -> Problem {
    let config = SettingPath::root()
        .key("targets")
        .key(target.as_str())
        .key("config");
    let mut path = places.resolve(&config, written);
    if !places.has(&path) {
        // Steps that the file does not have are the plugin's words.
        path = places.resolve(&config, &secrets.mask(written));
    }
    let place = places.value(&path);
    Problem::new(Arc::clone(&places.shared_file()), path, what).at(place)
}
