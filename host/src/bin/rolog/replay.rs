//! `rolog replay`: dead letters, sent again.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use rolog_core::delivery::chain;
use rolog_host::config::TargetName;
use rolog_host::dead_letters::Unreadable;
use rolog_host::run::Stop;
use rolog_host::{Host, Replay};
use serde_json::{Value, json};

use crate::args;
use crate::pipeline::{self, Refused};
use crate::print;
use crate::service;

pub(crate) fn replay(args: &args::Replay) -> ExitCode {
    if let Some(socket) = &args.control {
        return by_service(args, socket);
    }
    match replayed(args) {
        Ok(replay) => {
            tell(args, &replay);
            ExitCode::from(u8::from(!replay.is_complete()))
        }
        Err(refused) => refused.tell(),
    }
}

/// Has a running service send them.
fn by_service(args: &args::Replay, socket: &Path) -> ExitCode {
    let file = match std::path::absolute(&args.file) {
        Ok(file) => file,
        Err(error) => return Refused::because(error).tell(),
    };
    let deadline = format!("{}ms", args.deadline.as_millis());
    let mut with = json!({ "file": file, "deadline": deadline });
    if let Some(to) = &args.to {
        with["to"] = json!(to);
    }
    service::told(service::call(socket, "replay", &with), socket, |answer| {
        let replay = read(answer);
        tell(args, &replay);
        ExitCode::from(u8::from(!replay.is_complete()))
    })
}

/// What a service says of a replay.
fn read(answer: &Value) -> Replay {
    let count = |key: &str| answer[key].as_u64().unwrap_or_default();
    let by_target = |key: &str| {
        let counts = answer[key].as_object().into_iter().flatten();
        counts
            .map(|(target, n)| (target.clone(), n.as_u64().unwrap_or_default()))
            .collect()
    };
    let unreadable = answer["unreadable"].as_array().into_iter().flatten();
    Replay {
        read: count("read"),
        delivered: count("delivered"),
        buried_again: count("buried_again"),
        left: count("left"),
        unknown: by_target("unknown"),
        too_large: by_target("too_large"),
        unreadable: unreadable
            .map(|line| Unreadable {
                line: line["line"].as_u64().unwrap_or_default(),
                message: line["message"].as_str().unwrap_or_default().to_owned(),
            })
            .collect(),
    }
}

fn replayed(args: &args::Replay) -> Result<Replay, Refused> {
    let spec = pipeline::load(Some(&args.config))?;
    if let Some(to) = args.to.as_deref().filter(|to| spec.target(to).is_none()) {
        let known: Vec<&str> = spec.targets().keys().map(TargetName::as_str).collect();
        return Err(Refused::because(format_args!(
            "--to {to}: the pipeline has no such target; it has {}",
            known.join(", ")
        )));
    }
    // What fails again stays in FILE, and is not buried a second time elsewhere; and the service
    // that runs this pipeline keeps its own file and its own page.
    let builder = Host::builder().pipeline(spec).without_outlets();
    let host = Arc::new(builder.start()?);
    let (stop, stopper) = Stop::new().map_err(Refused::because)?;
    #[cfg(unix)]
    crate::signals::listen(stopper, None, args.deadline).map_err(Refused::because)?;
    #[cfg(not(unix))]
    drop(stopper);

    let (done, ended) = channel();
    let sending = {
        let (host, args) = (Arc::clone(&host), args.clone());
        thread::spawn(move || {
            let replay = host.replay_blocking(&args.file, args.to.as_deref(), args.deadline);
            // The other end waits for nothing else.
            let _ = done.send(());
            replay
        })
    };
    // The pipeline ends before the replay's own deadline: each record that is still under way then
    // has an end that the replay learns of, and what was delivered does not stay in FILE.
    let slice = args.deadline / 30;
    for _ in 0..20 {
        match ended.recv_timeout(slice) {
            Err(RecvTimeoutError::Timeout) if !stop.is_asked() => {}
            _ => break,
        }
    }
    host.dispose_blocking(args.deadline / 6);
    match sending.join() {
        Ok(replay) => replay.map_err(|error| {
            Refused::because(format_args!("{}: {}", args.file.display(), chain(&error)))
        }),
        Err(_panic) => Err(Refused::because("the replay ended in a panic")),
    }
}

fn tell(args: &args::Replay, replay: &Replay) {
    let file = args.file.display();
    print::note(format_args!(
        "{} dead letters in {file}: {} delivered and taken out, {} left",
        replay.read, replay.delivered, replay.left
    ));
    for (target, count) in &replay.unknown {
        print::warning(format_args!(
            "{count} of those left are for `{target}`, which the pipeline does not have; \
             --to TARGET sends them elsewhere"
        ));
    }
    for (target, count) in &replay.too_large {
        print::warning(format_args!(
            "{count} of those left are larger than the whole queue of `{target}`; a larger \
             `max_bytes` of its queue, or --to TARGET, lets them through"
        ));
    }
    for line in &replay.unreadable {
        print::warning(format_args!("{file}:{}: {}", line.line, line.message));
    }
}
