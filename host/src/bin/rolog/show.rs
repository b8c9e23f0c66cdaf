//! A service's answers, for people. What is not in an answer is left out: it may be of a newer or an
//! older host.

use std::fmt::Write as _;

use serde_json::Value;

/// `generation 3 since 2026-11-22T12:28:00.75Z (a file changed): 2 kept, 1 retuned (app)`
fn generation(generation: &Value) -> String {
    let mut line = format!(
        "generation {} since {} ({})",
        generation["number"],
        text(&generation["since"]),
        text(&generation["cause"])
    );
    let targets = generation["targets"].as_object();
    let mut parts = Vec::new();
    for word in ["kept", "retuned", "started", "replaced", "drained"] {
        let with = targets
            .into_iter()
            .flatten()
            .filter(|(_, how)| **how == word);
        let names: Vec<&str> = with.map(|(name, _)| name.as_str()).collect();
        match names.len() {
            0 => {}
            n if word == "kept" => parts.push(format!("{n} kept")),
            n => parts.push(format!("{n} {word} ({})", names.join(", "))),
        }
    }
    if !parts.is_empty() {
        line.push_str(": ");
        line.push_str(&parts.join(", "));
    }
    line
}

pub(crate) fn generations(answer: &Value) -> String {
    let all = answer["generations"].as_array().into_iter().flatten();
    let mut lines: Vec<String> = all.map(generation).collect();
    lines.push(String::new());
    lines.join("\n")
}

/// The levels that were set.
pub(crate) fn levels(answer: &Value) -> String {
    let levels = answer["levels"].as_array().into_iter().flatten();
    let rows = levels.map(|level| {
        ["logger", "level", "until"]
            .map(|key| text(&level[key]))
            .to_vec()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return "no level is set: those of the pipeline's file hold\n".to_owned();
    }
    table(&["logger", "level", "until"], &[], &rows)
}

/// What came of a reload.
pub(crate) fn change(answer: &Value) -> String {
    let now = &answer["generation"];
    if answer["changed"] == true {
        return format!("{}\n", generation(now));
    }
    format!(
        "nothing has changed; generation {} goes on\n",
        now["number"]
    )
}

pub(crate) fn plan(answer: &Value) -> String {
    let nothing = if answer["changes"] == false {
        "nothing changes: "
    } else {
        ""
    };
    format!("{nothing}{}\n", text(&answer["text"]))
}

pub(crate) fn status(answer: &Value) -> String {
    let mut out = String::new();
    let line = |out: &mut String, text: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{text}");
    };
    let (file, process) = (text(&answer["file"]), &answer["process"]);
    line(&mut out, format_args!("{file}, run by process {process}"));
    line(
        &mut out,
        format_args!("{}", generation(&answer["generation"])),
    );
    let reloads = &answer["reloads"];
    let mut counts = format!(
        "reloads: {} applied, {} unchanged, {} refused",
        reloads["applied"], reloads["unchanged"], reloads["refused"]
    );
    if let Some(at) = reloads["last"]["at"].as_str() {
        let outcome = text(&reloads["last"]["outcome"]);
        let _ = write!(counts, "; the last one {outcome} at {at}");
    }
    line(&mut out, format_args!("{counts}"));
    let records = &answer["records"];
    line(
        &mut out,
        format_args!(
            "emitted {}: routed {}, no route {}, in rings {}",
            records["emitted"], records["routed"], records["unrouted"], records["in_rings"]
        ),
    );
    for (key, what) in [
        ("prometheus", "metrics at"),
        ("dead_letters", "dead letters in"),
    ] {
        if let Some(place) = answer[key].as_str() {
            line(&mut out, format_args!("{what} {place}"));
        }
    }
    out.push('\n');
    let targets: Vec<&Value> = answer["targets"].as_array().into_iter().flatten().collect();
    out.push_str(&table(
        &["target", "plugin", "doing"],
        &["queued", "delivered", "fell back", "dead-lettered", "lost"],
        &targets.iter().map(|target| row(target)).collect::<Vec<_>>(),
    ));
    for target in targets {
        if let Some(failure) = target["failure"].as_str() {
            let name = text(&target["name"]);
            line(&mut out, format_args!("{name} failed last: {failure}"));
        }
    }
    if let Some(ending @ 1..) = answer["targets_ending"].as_u64() {
        line(
            &mut out,
            format_args!("{ending} more that are no longer named deliver what they have"),
        );
    }
    out
}

fn row(target: &Value) -> Vec<String> {
    let lost = [&target["dropped"], &target["refused"]];
    let lost: u64 = lost.into_iter().filter_map(Value::as_u64).sum();
    let mut cells: Vec<String> = [
        "name",
        "plugin",
        "mode",
        "queued",
        "delivered",
        "fell_back",
        "dead_lettered",
    ]
    .iter()
    .map(|key| text(&target[*key]))
    .collect();
    cells.push(lost.to_string());
    cells
}

pub(crate) fn plugins(answer: &Value) -> String {
    let mut rows = Vec::new();
    let plugins = answer["plugins"].as_array().into_iter().flatten();
    let mut limits = String::new();
    for plugin in plugins {
        let name = text(&plugin["name"]);
        for version in plugin["versions"].as_array().into_iter().flatten() {
            let digest = version["digest"]
                .as_str()
                .map_or("linked in", |digest| digest.get(..8).unwrap_or(digest));
            let users = version["targets"].as_array().into_iter().flatten();
            let users: Vec<String> = users.map(text).collect();
            rows.push(vec![
                name.clone(),
                text(&version["version"]),
                digest.to_owned(),
                if users.is_empty() {
                    "-".to_owned()
                } else {
                    users.join(", ")
                },
                text(&version["bytes"]),
            ]);
        }
        if plugin["opened"] != 0 {
            // Writing to a string does not fail.
            let _ = writeln!(
                limits,
                "{name}: {} of {} libraries loaded, {} bytes",
                plugin["opened"], plugin["limit"], plugin["bytes"]
            );
        }
    }
    if rows.is_empty() {
        return "no plugin is loaded\n".to_owned();
    }
    let rows = table(
        &["plugin", "version", "build", "used by"],
        &["bytes"],
        &rows,
    );
    format!("{rows}{limits}")
}

/// Texts to the left, numbers to the right.
fn table(texts: &[&str], numbers: &[&str], rows: &[Vec<String>]) -> String {
    let titles: Vec<String> = texts
        .iter()
        .chain(numbers)
        .map(ToString::to_string)
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&titles]);
        cells
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let mut out = String::new();
    for row in [&titles].into_iter().chain(rows) {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if column < texts.len() {
                format!("{cell:width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}
