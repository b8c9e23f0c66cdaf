//! `rolog explain`: where the records of a logger go, and why.

use std::process::ExitCode;

use rolog_host::explain::Explanation;
use serde_json::json;

use crate::args::Explain;
use crate::{pipeline, print, service};

pub(crate) fn explain(args: &Explain) -> ExitCode {
    let Some(socket) = &args.control else {
        return match pipeline::load(Some(&args.config)) {
            Ok(spec) => {
                let told = Explanation::of(&spec, &args.logger, args.level);
                tell(&told.to_string(), told.is_recorded())
            }
            Err(refused) => refused.tell(),
        };
    };
    let with = json!({ "logger": args.logger, "level": args.level.name() });
    service::told(service::call(socket, "explain", &with), socket, |answer| {
        let text = answer["text"].as_str().unwrap_or_default();
        tell(text, answer["recorded"] == true)
    })
}

fn tell(text: &str, recorded: bool) -> ExitCode {
    print::answer(text);
    ExitCode::from(u8::from(!recorded))
}
