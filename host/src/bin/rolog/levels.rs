//! `rolog levels`: levels of a pipeline that runs elsewhere.

use std::process::ExitCode;

use serde_json::json;

use crate::args::Levels;
use crate::pipeline::Refused;
use crate::service::ask_with;
use crate::show;

pub(crate) fn levels(args: &Levels) -> ExitCode {
    let (operation, with) = match (&args.logger, &args.level) {
        (Some(logger), Some(level)) => match &args.r#for {
            Some(time) => (
                "set_level",
                json!({ "logger": logger, "level": level, "for": time }),
            ),
            None => ("set_level", json!({ "logger": logger, "level": level })),
        },
        (Some(logger), None) if args.restore => ("restore_level", json!({ "logger": logger })),
        (None, _) if args.restore => ("restore_level", json!({})),
        (None, _) => ("levels", json!({})),
        (Some(logger), None) => {
            return Refused::because(format_args!(
                "what about `{logger}`? Say a LEVEL to set, or --restore"
            ))
            .tell();
        }
    };
    ask_with(&args.service, operation, &with, show::levels)
}
