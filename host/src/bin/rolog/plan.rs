//! `rolog plan`: what a change of the pipeline would do.

use std::path::Path;
use std::process::ExitCode;

use rolog_host::config::{self, Env};
use rolog_host::reload;

use crate::args::Plan;
use crate::pipeline::{self, Refused};
use crate::print;

pub(crate) fn plan(args: &Plan) -> ExitCode {
    if let Some(socket) = &args.control {
        return crate::service::plan(socket, args.exit_code);
    }
    let (Some(old), Some(new)) = (&args.old, &args.new) else {
        return Refused::because("two pipelines are compared: OLD and NEW").tell();
    };
    match planned(old, new) {
        Ok(plan) => {
            let nothing = if plan.is_empty() {
                "nothing changes: "
            } else {
                ""
            };
            print::answer(&format!("{nothing}{plan}\n"));
            let refused = !plan.fixed.is_empty();
            ExitCode::from(u8::from(refused || args.exit_code && !plan.is_empty()))
        }
        Err(refused) => refused.tell(),
    }
}

fn planned(old: &Path, new: &Path) -> Result<reload::Plan, Refused> {
    let folder = std::path::absolute(old).map_err(Refused::because)?;
    let folder = folder.parent().unwrap_or(Path::new("/"));
    let old = pipeline::load(Some(old));
    let new = config::load_as_in(new, folder, &Env::process());
    match (old, new) {
        (Ok(old), Ok(new)) => {
            for warning in new.warnings() {
                print::warning(warning);
            }
            Ok(reload::Plan::new(&old, &new))
        }
        (Err(old), Err(new)) => Err(old.and(new.into())),
        (Err(old), Ok(_)) => Err(old),
        (Ok(_), Err(new)) => Err(new.into()),
    }
}
