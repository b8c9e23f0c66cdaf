//! `rolog explain`: where the records of a logger go, and why.

use std::process::ExitCode;

use rolog_host::explain::Explanation;
use serde_json::json;

use crate::args::Explain;
use crate::{pipeline, print, service};

pub(crate) fn explain(args: &Explain) -> ExitCode {
    if let (Some(id), Some(socket)) = (&args.record, &args.control) {
        let with = json!({ "id": id.to_string() });
        let answered = service::call(socket, "explain_record", &with);
        return service::told(answered, socket, |answer| {
            let text = answer["text"].as_str().unwrap_or_default();
            tell(text, answer["known"] == true)
        });
    }
    // The command line has both where it names no record.
    let (Some(logger), Some(level)) = (&args.logger, args.level) else {
        return ExitCode::from(2);
    };
    let Some(socket) = &args.control else {
        return match pipeline::load(Some(&args.config)) {
            Ok(spec) => {
                let told = Explanation::of(&spec, logger, level);
                tell(&told.to_string(), told.is_recorded())
            }
            Err(refused) => refused.tell(),
        };
    };
    let with = json!({ "logger": logger, "level": level.name() });
    service::told(service::call(socket, "explain", &with), socket, |answer| {
        let text = answer["text"].as_str().unwrap_or_default();
        tell(text, answer["recorded"] == true)
    })
}

fn tell(text: &str, found: bool) -> ExitCode {
    print::answer(text);
    ExitCode::from(u8::from(!found))
}
