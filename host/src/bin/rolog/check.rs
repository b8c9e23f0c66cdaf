//! `rolog check`: everything that is wrong with a pipeline.

use std::process::ExitCode;

use rolog_host::Host;

use crate::args::Check;
use crate::pipeline::Refused;
use crate::print;

pub(crate) fn check(args: &Check) -> ExitCode {
    match Host::builder().file(&args.config).check() {
        Ok(warnings) => {
            for warning in warnings {
                print::warning(warning);
            }
            print::answer(&format!("{}: ready to run\n", args.config.display()));
            ExitCode::SUCCESS
        }
        Err(error) => Refused::from(error).tell(),
    }
}
