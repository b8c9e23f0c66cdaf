//! `rolog check`: everything that is wrong with a pipeline.

use std::process::ExitCode;

use rolog_host::Host;
use rolog_host::config::{DEFAULT_NAMES, KeyPattern, RedactSpec, ValuePattern};

use crate::args::Check;
use crate::pipeline::{self, Refused};
use crate::print;

pub(crate) fn check(args: &Check) -> ExitCode {
    match Host::builder().file(&args.config).check() {
        Ok(warnings) => {
            for warning in warnings {
                print::warning(warning);
            }
            print::answer(&format!("{}: ready to run\n", args.config.display()));
            if args.redacted {
                return match pipeline::load(Some(&args.config)) {
                    Ok(spec) => {
                        print::answer(&redacted(spec.redact()));
                        ExitCode::SUCCESS
                    }
                    Err(refused) => refused.tell(),
                };
            }
            ExitCode::SUCCESS
        }
        Err(error) => Refused::from(error).tell(),
    }
}

/// What a pipeline hides, a kind of rule in each line.
fn redacted(rules: Option<&RedactSpec>) -> String {
    let Some(rules) = rules else {
        return "redact: off, nothing is hidden\n".to_owned();
    };
    let mut text = String::new();
    let mut line = |kind: &str, items: Vec<&str>| {
        if !items.is_empty() {
            text.extend([kind, ": ", &items.join(", "), "\n"]);
        }
    };
    if rules.defaults {
        line("hidden by default", DEFAULT_NAMES.to_vec());
    }
    line(
        "hidden",
        rules.keys.iter().map(KeyPattern::as_str).collect(),
    );
    line(
        "not hidden",
        rules.except.iter().map(KeyPattern::as_str).collect(),
    );
    line(
        "hidden in texts",
        rules.values.iter().map(ValuePattern::as_str).collect(),
    );
    text
}
