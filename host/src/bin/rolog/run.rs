//! `rolog run`: log lines through a pipeline.

use std::process::ExitCode;

use rolog_host::run::{Account, Input, Job, Stop};
use rolog_host::stage::{Event, EventKind};

use crate::args::Run;
use crate::pipeline::{self, Refused};
use crate::print;

pub(crate) fn run(args: &Run) -> ExitCode {
    match try_run(args) {
        Ok(account) => {
            if !args.quiet || !account.is_complete() {
                print::aside(&account.styled());
            }
            ExitCode::from(u8::from(!account.is_complete()))
        }
        Err(refused) => refused.tell(),
    }
}

fn try_run(args: &Run) -> Result<Account, Refused> {
    let inputs = inputs(args)?;
    let job = Job {
        pipeline: pipeline::load(args.config.as_deref())?,
        inputs,
        deadline: args.deadline,
    };
    let (stop, stopper) = Stop::new().map_err(Refused::because)?;
    #[cfg(unix)]
    crate::signals::listen(stopper.clone(), args.deadline).map_err(Refused::because)?;
    Ok(job.run(stop, &stopper, tell)?)
}

fn inputs(args: &Run) -> Result<Vec<Input>, Refused> {
    if args.files.is_empty() {
        let stdin = Input::stdin();
        if stdin.is_terminal() {
            print::note("reading lines from the terminal; Ctrl-D ends them");
        }
        return Ok(vec![stdin]);
    }
    let opened = args.files.iter().map(|path| Input::file(path));
    opened.collect::<Result<_, _>>().map_err(Refused::because)
}

/// What happens at targets, for whoever wonders why it takes so long.
fn tell(event: &Event) {
    match &event.kind {
        EventKind::Dropped { .. } | EventKind::Refused { .. } | EventKind::FallbackInUse { .. } => {
            // The account says so at the end.
        }
        kind => print::warning(format_args!("target `{}`: {kind}", event.target)),
    }
}
