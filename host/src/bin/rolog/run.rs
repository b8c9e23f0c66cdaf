//! `rolog run`: log lines through a pipeline.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::mpsc::channel;

use rolog_host::run::{Account, Input, Job, Notice, Source, Stop};
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
    let (ask, reloads) = channel();
    let pipeline = match &args.config {
        Some(path) => Source::File {
            path: path.clone(),
            watch: !args.no_watch,
        },
        None => Source::Fixed(Box::new(pipeline::load(None)?)),
    };
    let job = Job {
        pipeline,
        inputs: inputs(args)?,
        follow: args.reading.follow,
        options: args.reading.options(),
        progress: !args.quiet && !args.reading.no_progress && io::stderr().is_terminal(),
        deadline: args.deadline,
        reloads,
    };
    let (stop, stopper) = Stop::new().map_err(Refused::because)?;
    let ask = args.config.as_ref().map(|_| ask);
    #[cfg(unix)]
    crate::signals::listen(stopper.clone(), ask, args.deadline).map_err(Refused::because)?;
    #[cfg(not(unix))]
    drop(ask);
    Ok(job.run(stop, &stopper, tell)?)
}

fn inputs(args: &Run) -> Result<Vec<Input>, Refused> {
    if args.reading.follow {
        return followed(args);
    }
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

/// Files that can grow.
fn followed(args: &Run) -> Result<Vec<Input>, Refused> {
    if args.files.is_empty() {
        return Err(Refused::because("--follow: name the files to follow"));
    }
    let opened = args.files.iter().map(|path| {
        let input = Input::file(path).map_err(Refused::because)?;
        if input.can_be_followed() {
            Ok(input)
        } else {
            Err(Refused::because(format_args!(
                "--follow {}: only a file can be followed; what comes through a pipe is read as it \
                 comes, without --follow",
                path.display()
            )))
        }
    });
    opened.collect()
}

/// What happens meanwhile, for whoever wonders.
fn tell(notice: &Notice<'_>) {
    match notice {
        Notice::Progress(progress) => print::passing(progress),
        Notice::Warning(problem) => print::warning(problem),
        Notice::Input(text) => print::note(text),
        Notice::Event(event) => tell_event(event),
        Notice::Changed(generation) => print::note(generation),
        Notice::Unchanged(generation) => print::note(format_args!(
            "nothing has changed; generation {} goes on",
            generation.number
        )),
        Notice::NotTaken(error) => {
            Refused::from(*error).print();
            print::note("the change was not taken over; the pipeline goes on as it was");
        }
    }
}

fn tell_event(event: &Event) {
    match &event.kind {
        // The account says so at the end; or, of a reload, each problem has been told.
        EventKind::Dropped { .. }
        | EventKind::Refused { .. }
        | EventKind::FallbackInUse { .. }
        | EventKind::ReloadFailed { .. } => {}
        _ => print::warning(event),
    }
}
