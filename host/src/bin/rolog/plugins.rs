//! `rolog plugins`: what the search folders hold.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use rolog_host::loader::{Listing, Loader, LoaderSettings};

use crate::args::Plugins;
use crate::pipeline::{self, Refused};
use crate::print;

const HEADING: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const FAINT: Style = Style::new().dimmed();

pub(crate) fn plugins(args: &Plugins) -> ExitCode {
    if let Some(socket) = &args.control {
        return crate::service::plugins(socket);
    }
    let search = if args.folders.is_empty() {
        match pipeline::load(args.config.as_deref()) {
            Ok(spec) => spec.search().to_vec(),
            Err(refused) => return refused.tell(),
        }
    } else if let Some(none) = args.folders.iter().find(|folder| !folder.is_dir()) {
        return Refused::because(format_args!("{} is no folder", none.display())).tell();
    } else {
        args.folders.clone()
    };
    let settings = LoaderSettings {
        search: search.clone(),
        ..LoaderSettings::default()
    };
    let found = Loader::new(settings, Arc::new(())).list();
    print::answer(&table(&found, &search));
    let all_good = found.iter().all(|listing| listing.probe.is_ok());
    ExitCode::from(u8::from(!all_good))
}

fn table(found: &[Listing], search: &[PathBuf]) -> String {
    let mut out = String::new();
    let mut seen = HashSet::new();
    let rows: Vec<_> = found
        .iter()
        .filter_map(|listing| Some((listing, listing.probe.as_ref().ok()?)))
        .collect();
    let name = width("name", rows.iter().map(|(_, probe)| probe.name.len()));
    let version = width("version", rows.iter().map(|(_, probe)| probe.version.len()));
    if !rows.is_empty() {
        put(
            &mut out,
            format_args!(
                "{HEADING}{:name$}  {:version$}  {:5}  path{HEADING:#}",
                "name", "version", "ABI"
            ),
        );
    }
    for (listing, probe) in rows {
        let abi = format!("{}.{}", probe.abi_major, probe.abi_minor);
        let path = listing.path.display();
        let line = format!(
            "{GOOD}{:name$}{GOOD:#}  {:version$}  {abi:5}  {path}",
            probe.name, probe.version
        );
        let shadowed = if seen.insert(&probe.name) {
            ""
        } else {
            "  (not used: an earlier folder has one of this name)"
        };
        put(&mut out, format_args!("{line}{FAINT}{shadowed}{FAINT:#}"));
    }
    for error in found
        .iter()
        .filter_map(|listing| listing.probe.as_ref().err())
    {
        put(&mut out, format_args!("{BAD}unusable{BAD:#}  {error}"));
    }
    if found.is_empty() {
        put(&mut out, format_args!("no plugin found"));
    }
    let folders: Vec<_> = search
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    put(
        &mut out,
        format_args!(
            "{FAINT}built in: console, memory, null; searched: {}{FAINT:#}",
            folders.join(", ")
        ),
    );
    out
}

fn width(title: &str, cells: impl Iterator<Item = usize>) -> usize {
    cells.max().unwrap_or(0).max(title.len())
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _: std::fmt::Result = writeln!(out, "{line}");
}
