//! `${NAME}`, `${NAME:-default}` and `${file:path}` in scalars, and `$${` for a literal `${`.
//!
//! `${host}` is the name of the machine and `${pid}` the id of the process, unless the environment has
//! a variable of that name.
//!
//! Substitution acts on scalars that are already parsed, so that no value can change the structure of
//! the pipeline; never on keys. What it puts in is not looked at again.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::problem::quoted;
use super::secrets::Secrets;
use super::spec::PipelineSpec;

/// The longest file that `${file:…}` reads.
pub const MAX_SECRET_FILE: usize = 64 * 1024;

/// Where `${NAME}` is looked up.
#[derive(Clone, Default)]
pub struct Env {
    fixed: Option<HashMap<String, String>>,
}

impl fmt::Debug for Env {
    /// Names only: any value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fixed {
            None => f.write_str("Env(process)"),
            Some(variables) => f.debug_set().entries(variables.keys()).finish(),
        }
    }
}

impl Env {
    /// The environment of this process.
    pub fn process() -> Self {
        Env { fixed: None }
    }

    /// These variables only.
    pub fn of<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let fixed = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Env { fixed: Some(fixed) }
    }

    /// No variables at all.
    pub fn empty() -> Self {
        Env {
            fixed: Some(HashMap::new()),
        }
    }

    fn get(&self, name: &str) -> Result<Option<String>, Unresolved> {
        match &self.fixed {
            Some(variables) => Ok(variables.get(name).cloned()),
            None => match std::env::var_os(name) {
                None => Ok(None),
                Some(value) => value.into_string().map(Some).map_err(|_| {
                    Unresolved::new(
                        format!("the environment variable {name} is not UTF-8"),
                        "a variable with text",
                    )
                }),
            },
        }
    }
}

/// A substitution that cannot be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unresolved {
    pub(crate) what: String,
    pub(crate) expected: String,
}

impl Unresolved {
    fn new(what: impl Into<String>, expected: impl Into<String>) -> Self {
        Unresolved {
            what: what.into(),
            expected: expected.into(),
        }
    }
}

/// What a scalar became.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) text: String,
    /// The scalar was one `${NAME}` and nothing else.
    pub(crate) whole_variable: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Variable {
        name: &'a str,
        default: Option<&'a str>,
    },
    File(&'a str),
}

/// The files that a pipeline names with `${file:…}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamedFiles {
    pub(crate) all: BTreeSet<PathBuf>,
    /// Those of them whose content was not to be had.
    pub(crate) missed: BTreeSet<PathBuf>,
}

impl NamedFiles {
    /// Those that a pipeline was read from.
    pub(crate) fn of(spec: &PipelineSpec) -> Self {
        NamedFiles {
            all: spec.files().clone(),
            missed: BTreeSet::new(),
        }
    }
}

/// Makes substitutions, and remembers what they brought in.
pub(crate) struct Resolver<'e> {
    env: &'e Env,
    base: &'e Path,
    read: HashMap<PathBuf, Result<String, String>>,
    pub(crate) files: NamedFiles,
    pub(crate) secrets: Secrets,
}

impl<'e> Resolver<'e> {
    pub(crate) fn new(env: &'e Env, base: &'e Path) -> Self {
        Resolver {
            env,
            base,
            read: HashMap::new(),
            files: NamedFiles::default(),
            secrets: Secrets::default(),
        }
    }

    /// Resolves a scalar; `None` when there is nothing to resolve in it.
    ///
    /// `opaque` is whether only a plugin knows what the setting means, or it is a key, so that
    /// variables count as secrets.
    pub(crate) fn resolve(
        &mut self,
        text: &str,
        opaque: bool,
    ) -> Result<Option<Resolved>, Unresolved> {
        if !text.contains("${") {
            return Ok(None);
        }
        let parts = parse(text)?;
        let whole_variable = matches!(parts.as_slice(), [Part::Variable { .. }]);
        let mut out = String::new();
        for part in parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::File(path) => {
                    let value = self.file(path)?;
                    self.secrets.add(&value);
                    out.push_str(&value);
                }
                Part::Variable { name, default } => {
                    // As in a shell, `:-` also stands in for an empty value.
                    let value = self
                        .env
                        .get(name)?
                        .filter(|value| !(value.is_empty() && default.is_some()));
                    if value.is_none()
                        && let Some(value) = of_this_process(name)
                    {
                        out.push_str(&value);
                        continue;
                    }
                    match (value, default) {
                        (Some(value), _) => {
                            if opaque {
                                self.secrets.add(&value);
                            }
                            out.push_str(&value);
                        }
                        (None, Some(default)) => out.push_str(default),
                        (None, None) => {
                            return Err(Unresolved::new(
                                format!("the environment variable {name} is not set"),
                                format!("it to be set, or a default: `${{{name}:-…}}`"),
                            ));
                        }
                    }
                }
            }
        }
        Ok(Some(Resolved {
            text: out,
            whole_variable,
        }))
    }

    fn file(&mut self, path: &str) -> Result<String, Unresolved> {
        let path = self.base.join(path);
        let files = &mut self.files;
        files.all.insert(path.clone());
        let read = self.read.entry(path.clone());
        read.or_insert_with(|| match read_bytes(&path) {
            Ok(bytes) => value_of(bytes),
            Err(what) => {
                files.missed.insert(path.clone());
                Err(what)
            }
        })
        .clone()
        .map_err(|what| {
            Unresolved::new(
                format!("the file {} {what}", path.display()),
                "a file with the value; a relative path is relative to the pipeline's folder",
            )
        })
    }
}

/// What stands for a name that the environment does not have.
fn of_this_process(name: &str) -> Option<String> {
    match name {
        "host" => Some(host_name()),
        "pid" => Some(std::process::id().to_string()),
        _ => None,
    }
}

#[cfg(unix)]
fn host_name() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// What is in a file, and no more than a bit too much of it.
fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    // Opening a pipe would wait for whoever writes into it.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .map_err(unreadable)?
        .take(MAX_SECRET_FILE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}

/// The text without the line break at its end.
fn value_of(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() > MAX_SECRET_FILE {
        return Err("is larger than 64 KiB".to_owned());
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn parse(text: &str) -> Result<Vec<Part<'_>>, Unresolved> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            // `$${`: one of the two dollars goes, the rest is literal.
            parts.push(Part::Text(&rest[..at - 1]));
            parts.push(Part::Text("${"));
            rest = &rest[at + 2..];
            continue;
        }
        if at > 0 {
            parts.push(Part::Text(&rest[..at]));
        }
        let inner = &rest[at + 2..];
        let Some(end) = inner.find('}') else {
            return Err(Unresolved::new(
                "`${` has no closing `}`",
                "`${NAME}`, `${NAME:-default}` or `${file:path}`; `$${` writes `${` itself",
            ));
        };
        parts.push(part(&inner[..end])?);
        rest = &inner[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

fn part(inner: &str) -> Result<Part<'_>, Unresolved> {
    if inner.contains("${") {
        return Err(Unresolved::new(
            "a substitution within a substitution",
            "one level of `${…}`",
        ));
    }
    if let Some(path) = inner.strip_prefix("file:") {
        if path.is_empty() {
            return Err(Unresolved::new(
                "`${file:}` names no file",
                "`${file:path}`",
            ));
        }
        return Ok(Part::File(path));
    }
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Unresolved::new(
            format!("{} is not a substitution", quoted(&format!("${{{inner}}}"))),
            "`${NAME}`, `${NAME:-default}` or `${file:path}`; `$${` writes `${` itself",
        ));
    }
    Ok(Part::Variable { name, default })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Option<String>, Unresolved> {
        let env = Env::of([("HOST", "db1"), ("EMPTY", ""), ("TRAP", "${HOST}")]);
        let mut resolver = Resolver::new(&env, Path::new("/nowhere"));
        resolver
            .resolve(text, true)
            .map(|resolved| resolved.map(|resolved| resolved.text))
    }

    #[test]
    fn variables_defaults_and_escapes() {
        let ok = |text| resolve(text).unwrap().unwrap();
        assert_eq!(ok("http://${HOST}:${PORT:-80}/"), "http://db1:80/");
        assert_eq!(ok("${EMPTY}|${EMPTY:-x}|${NONE:-}"), "|x|");
        assert_eq!(ok("$${HOST} $$${HOST}"), "${HOST} $${HOST}");
        assert_eq!(
            ok("${TRAP}"),
            "${HOST}",
            "what comes in is not looked at again"
        );
        assert_eq!(resolve("$HOST costs 5$ {HOST}").unwrap(), None);
    }

    #[test]
    fn the_machine_and_the_process_have_names_that_the_environment_can_replace() {
        let ok = |text| resolve(text).unwrap().unwrap();
        assert_eq!(ok("${pid}"), std::process::id().to_string());
        assert_eq!(ok("${host}"), host_name());
        assert!(!host_name().is_empty());
        assert_eq!(ok("${host:-none}"), host_name());
        let env = Env::of([("host", "mine"), ("pid", "")]);
        let mut resolver = Resolver::new(&env, Path::new("/nowhere"));
        let text = "${host} ${pid:-7}";
        let resolved = resolver.resolve(text, true).unwrap().unwrap();
        assert_eq!(resolved.text, format!("mine {}", std::process::id()));
    }

    #[test]
    fn what_cannot_be_resolved_says_how_it_could() {
        let wrong = |text| resolve(text).unwrap_err();
        assert!(wrong("${MISSING}").what.contains("MISSING is not set"));
        assert!(wrong("${MISSING}").expected.contains("${MISSING:-…}"));
        assert!(wrong("a ${HOST").what.contains("no closing"));
        assert!(
            wrong("${1X}")
                .what
                .contains("`${1X}` is not a substitution")
        );
        assert!(wrong("${}").what.contains("not a substitution"));
        assert!(wrong("${A:-${B}}").what.contains("within"));
        assert!(wrong("${file:}").what.contains("names no file"));
        assert!(
            wrong("${file:gone}")
                .what
                .contains("/nowhere/gone cannot be read")
        );
    }

    #[test]
    fn files_lose_one_line_break_and_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "tok en\r\n").unwrap();
        std::fs::write(folder.path().join("huge"), vec![b'x'; MAX_SECRET_FILE + 1]).unwrap();
        std::fs::write(folder.path().join("latin"), b"\xE4").unwrap();
        let env = Env::empty();
        let mut resolver = Resolver::new(&env, folder.path());
        let resolved = resolver.resolve("${file:token}", false).unwrap().unwrap();
        assert_eq!(resolved.text, "tok en");
        assert!(!resolved.whole_variable);
        assert_eq!(resolver.secrets.mask("<tok en>"), "<***>");
        assert!(resolver.resolve("${file:huge}", false).is_err());
        assert!(resolver.resolve("${file:latin}", false).is_err());
        let folder = resolver.resolve("${file:.}", false).unwrap_err();
        assert!(folder.what.contains("is not a regular file"), "{folder:?}");
        assert_eq!(resolver.files.all.len(), 4);
        assert_eq!(
            resolver.files.missed.len(),
            1,
            "what is wrong in a file was read"
        );
    }

    #[test]
    fn a_variable_is_a_secret_only_in_a_plugins_settings() {
        let env = Env::of([("LEVEL", "warning"), ("TOKEN", "t0ken!")]);
        let mut resolver = Resolver::new(&env, Path::new("."));
        resolver.resolve("${LEVEL}", false).unwrap();
        resolver.resolve("${TOKEN}", true).unwrap();
        assert_eq!(resolver.secrets.mask("warning t0ken!"), "warning ***");
        assert_eq!(format!("{env:?}").matches("t0ken!").count(), 0);
    }
}
