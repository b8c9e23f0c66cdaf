//! What is hidden before anything leaves the process: `redact`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use super::digest::Digest;
use super::keeping::{CountedBy, RecordedBy};
use super::path::SettingPath;
use super::places::Places;
use super::problem::{Problem, quoted};
use super::read::{Cursor, Keys, Section, Setting};
use super::recovery::OrOff;
use super::sections::Draft;
use crate::redact::{Cover, DEFAULT_NAMES, KeyPattern, Names, Patterns, Redactor};

/// How many patterns of keys, and how many of values, a pipeline can have.
pub const MAX_PATTERNS: usize = 1000;
/// The shortest key for hashes, in bytes: a shorter one could be guessed, and values with it.
pub const MIN_HASH_KEY: usize = 16;
/// The longest text in the place of what is hidden, in bytes.
pub const MAX_REPLACEMENT: usize = 64;

/// What a pattern may take when it is compiled, in bytes.
const MAX_COMPILED: usize = 1024 * 1024;

/// A pattern of what is hidden inside texts: a regular expression. If it has a group named `secret`,
/// that is hidden, else the whole match.
#[derive(Clone)]
pub struct ValuePattern(Regex);

impl ValuePattern {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for ValuePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(text).size_limit(MAX_COMPILED).build();
        let pattern = built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large when it is compiled".to_owned(),
            // The explanation has a line with the pattern and one that points into it.
            error => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        })?;
        if pattern.is_match(b"") {
            return Err("it matches where there is nothing".to_owned());
        }
        Ok(ValuePattern(pattern))
    }
}

impl PartialEq for ValuePattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ValuePattern {}

impl Hash for ValuePattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for ValuePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The key of hashes. Shows nothing of it by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HashKey(Arc<str>);

impl HashKey {
    /// # Errors
    /// Fewer than [`MIN_HASH_KEY`] bytes.
    pub fn new(key: &str) -> Result<Self, String> {
        if key.len() < MIN_HASH_KEY {
            return Err(format!("the key has fewer than {MIN_HASH_KEY} bytes"));
        }
        Ok(HashKey(key.into()))
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

/// What stands in the place of what is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Covering {
    /// The replacement.
    #[default]
    Mask,
    /// `hash:` and 32 hexadecimal digits of the HMAC-SHA-256 of the value, so that equal values can be
    /// told to be equal.
    Hash,
}

/// What is hidden before anything leaves the process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RedactSpec {
    /// Whether [`DEFAULT_NAMES`] are hidden.
    pub defaults: bool,
    /// Keys whose values are hidden, beside those.
    pub keys: Vec<KeyPattern>,
    /// Keys whose values are not hidden, whatever the others say.
    pub except: Vec<KeyPattern>,
    /// What is hidden inside texts.
    pub values: Vec<ValuePattern>,
    /// How.
    pub with: Covering,
    /// The text in the place of what is masked.
    pub replacement: Replacement,
    /// The key of hashes.
    pub key: Option<HashKey>,
}

impl Default for RedactSpec {
    fn default() -> Self {
        RedactSpec {
            defaults: true,
            keys: Vec::new(),
            except: Vec::new(),
            values: Vec::new(),
            with: Covering::default(),
            replacement: Replacement::default(),
            key: None,
        }
    }
}

impl RedactSpec {
    /// The rules, ready to be used.
    pub(crate) fn compile(&self) -> Redactor {
        let defaults = DEFAULT_NAMES.iter().filter(|_| self.defaults);
        let defaults: Vec<KeyPattern> = defaults.filter_map(|name| name.parse().ok()).collect();
        let cover = match (&self.with, &self.key) {
            (Covering::Hash, Some(key)) => Cover::hash(key.0.as_bytes()),
            // A hash without a key has been refused.
            _ => Cover::mask(&self.replacement.0),
        };
        Redactor::new(
            Names::new(defaults.iter().chain(&self.keys), &self.except),
            self.patterns().unwrap_or_default(),
            cover,
        )
    }

    fn patterns(&self) -> Result<Patterns, regex::Error> {
        let patterns: Vec<Regex> = self
            .values
            .iter()
            .map(|pattern| pattern.0.clone())
            .collect();
        Patterns::new(&patterns)
    }
}

/// The text in the place of what is masked: at most [`MAX_REPLACEMENT`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replacement(String);

impl Default for Replacement {
    fn default() -> Self {
        Replacement("***".to_owned())
    }
}

impl FromStr for Replacement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > MAX_REPLACEMENT {
            return Err(format!("it is longer than {MAX_REPLACEMENT} bytes"));
        }
        Ok(Replacement(text.to_owned()))
    }
}

impl Setting for Replacement {
    fn expected() -> String {
        format!("text of at most {MAX_REPLACEMENT} bytes")
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        cursor.parsed(&Self::expected())
    }

    fn show(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl Setting for Covering {
    fn expected() -> String {
        "mask or hash".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        match cursor.text(Self::expected())? {
            "mask" => Some(Covering::Mask),
            "hash" => Some(Covering::Hash),
            other => {
                let problem = cursor.problem(format!("{} is no way to hide", quoted(other)));
                let problem = problem.expected(Self::expected());
                cursor
                    .sink
                    .push(problem.nearest_of(other, ["mask", "hash"]));
                None
            }
        }
    }

    fn show(&self) -> String {
        match self {
            Covering::Mask => "mask",
            Covering::Hash => "hash",
        }
        .to_owned()
    }
}

impl Setting for Option<HashKey> {
    fn expected() -> String {
        format!("text of at least {MIN_HASH_KEY} bytes from `${{file:path}}` or `${{NAME}}`")
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let text = cursor.text(Self::expected())?;
        if !cursor.item.substituted {
            cursor.refuse(
                "a key that stands in this file is no secret",
                Self::expected(),
            );
            return None;
        }
        match HashKey::new(text) {
            Ok(key) => Some(Some(key)),
            Err(what) => {
                cursor.refuse(what, Self::expected());
                None
            }
        }
    }

    /// Tells one key from another within a process, and nothing else.
    fn show(&self) -> String {
        match self {
            None => "unset".to_owned(),
            Some(key) => format!("set ({})", &Digest::of(key).to_string()[..8]),
        }
    }
}

/// Each item parsed, or a report.
fn list<T>(cursor: &Cursor<'_>, whole: &str, item: &str) -> Option<Vec<T>>
where
    T: FromStr<Err = String>,
{
    let items = cursor.items(whole)?;
    if items.len() > MAX_PATTERNS {
        cursor.refuse(format!("has {} of them", items.len()), whole);
        return None;
    }
    Some(
        items
            .iter()
            .filter_map(|cursor| cursor.parsed(item))
            .collect(),
    )
}

fn show_list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    match items.len() {
        0 => "none".to_owned(),
        _ => format!("[{}]", items.join(", ")),
    }
}

impl Setting for Vec<KeyPattern> {
    fn expected() -> String {
        format!("a list of at most {MAX_PATTERNS} keys; `*` stands for any text")
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        list(
            cursor,
            &Self::expected(),
            "a key, such as `iban` or `*_password`",
        )
    }

    fn show(&self) -> String {
        show_list(self.iter().map(|key| format!("{:?}", key.as_str())))
    }
}

impl Setting for Vec<ValuePattern> {
    fn expected() -> String {
        format!("a list of at most {MAX_PATTERNS} regular expressions")
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        list(
            cursor,
            &Self::expected(),
            r"a regular expression of the `regex` crate, such as `\bsk_live_\w+`",
        )
    }

    fn show(&self) -> String {
        show_list(self.iter().map(|pattern| format!("{:?}", pattern.as_str())))
    }
}

impl Keys for RedactSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "defaults",
            "whether the keys of the default list are hidden; it is in the docs and in `rolog check --redacted`",
            &mut self.defaults,
        );
        s.key(
            "keys",
            "keys whose values are hidden at any depth, and where they are named in a text; neither case nor `_` and `-` count",
            &mut self.keys,
        );
        s.key(
            "except",
            "keys whose values are not hidden, whatever the others say",
            &mut self.except,
        );
        s.key(
            "values",
            "what is hidden inside any text; of a pattern with a group named `secret` only that",
            &mut self.values,
        );
        s.key(
            "with",
            "`mask` puts the replacement there; `hash` the first 128 bits of the value's HMAC-SHA-256, so that equal values stay equal",
            &mut self.with,
        );
        s.key(
            "replacement",
            "the text in the place of what is masked",
            &mut self.replacement,
        );
        s.key("key", "the key of hashes", &mut self.key);
    }
}

/// Checks them against the rest. The problems have their places.
pub(super) fn check(draft: &Draft, places: &Places) -> Vec<Problem> {
    let mut problems = Vec::new();
    let root = SettingPath::root;
    let problem = |path: SettingPath, what: &str, expected: &str| {
        let place = places.value(&path);
        let problem = Problem::new(places.shared_file(), path, what).at(place);
        problem.expected(expected)
    };
    let OrOff::On(redact) = &draft.redact else {
        return problems;
    };
    let key = |name: &str| root().key("redact").key(name);
    match (redact.with, &redact.key) {
        (Covering::Hash, None) => problems.push(problem(
            key("with"),
            "`hash` needs a `key`",
            "`key: ${file:path}` beside it: without one, anybody could try values out",
        )),
        (Covering::Mask, Some(_)) => problems.push(problem(
            key("key"),
            "a key is used for hashes only",
            "`with: hash`, or no key",
        )),
        _ => {}
    }
    if redact.with == Covering::Hash && redact.replacement != Replacement::default() {
        problems.push(problem(
            key("replacement"),
            "a replacement is used for masks only",
            "`with: mask`, or no replacement",
        ));
    }
    if redact.patterns().is_err() {
        problems.push(problem(
            key("values"),
            "the patterns are too large together when they are compiled",
            "fewer or simpler ones",
        ));
    }
    if !redact.defaults && redact.keys.is_empty() && redact.values.is_empty() {
        let problem = problem(
            root().key("redact"),
            "hides nothing",
            "`keys` or `values`, or `off`",
        );
        problems.push(problem.warning());
    }
    let rules = redact.compile();
    for (name, _) in draft
        .fields
        .iter()
        .filter(|(name, _)| rules.hides(name.as_bytes()))
    {
        let path = root().key("fields").key(name);
        let expected = "another name, or this one under `redact.except`";
        problems.push(problem(path, "`redact` hides this field", expected).warning());
    }
    // A hash still tells values apart.
    let masked = |field: &str| redact.with == Covering::Mask && rules.hides(field.as_bytes());
    for (path, field) in counted_fields(draft).filter(|(_, field)| masked(field)) {
        let what = format!("`redact` masks `{field}`, so all its values are counted as one");
        let expected = "another field, `redact.with: hash`, or this one under `redact.except`";
        problems.push(problem(path, &what, expected).warning());
    }
    problems
}

/// The fields by whose values records are told apart, and where that is said.
fn counted_fields(draft: &Draft) -> impl Iterator<Item = (SettingPath, &str)> {
    let routes = draft.routes.iter().enumerate().flat_map(|(index, route)| {
        let rules = &route.rules;
        let sample = rules.sample.as_on().map(|rule| ("sample", &rule.by));
        let limit = rules.limit.as_on().map(|rule| ("limit", &rule.by));
        let rules = [sample, limit].into_iter().flatten();
        rules.filter_map(move |(rule, by)| match by {
            CountedBy::Field(name) => {
                let route = SettingPath::root().key("routes").index(index);
                Some((route.key(rule).key("by"), name.as_ref()))
            }
            CountedBy::CallSite | CountedBy::Logger => None,
        })
    });
    let recorder = draft.recorder.as_on().and_then(|rule| match &rule.by {
        RecordedBy::Field(name) => Some((SettingPath::root().key("recorder").key("by"), &**name)),
        RecordedBy::Thread => None,
    });
    routes.chain(recorder)
}
