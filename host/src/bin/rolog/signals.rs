//! SIGINT and SIGTERM end the reading; a second one ends the program. SIGHUP has the pipeline's file
//! read again; where there is none, it ends the reading as well.

use std::io;
use std::process;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use rolog_host::run::Stopper;
use tokio::signal::unix::{SignalKind, signal};

use crate::print;

/// Listens on a thread of its own, for as long as the program runs.
///
/// # Errors
/// When the signals or the thread cannot be had.
pub(crate) fn listen(
    stopper: Stopper,
    reload: Option<Sender<()>>,
    deadline: Duration,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let mut signals = {
        let _entered = runtime.enter();
        [
            ("SIGINT", signal(SignalKind::interrupt())?),
            ("SIGTERM", signal(SignalKind::terminate())?),
            ("SIGHUP", signal(SignalKind::hangup())?),
        ]
    };
    let listen = move || {
        runtime.block_on(async {
            loop {
                let [interrupt, terminate, hangup] = &mut signals;
                let (name, kind) = tokio::select! {
                    _ = interrupt.1.recv() => (interrupt.0, SignalKind::interrupt()),
                    _ = terminate.1.recv() => (terminate.0, SignalKind::terminate()),
                    _ = hangup.1.recv() => (hangup.0, SignalKind::hangup()),
                };
                if let Some(reload) = reload.as_ref().filter(|_| kind == SignalKind::hangup()) {
                    print::note(format_args!("{name}: reading the pipeline again"));
                    // Nobody listens any more at the end of a run.
                    let _ = reload.send(());
                    continue;
                }
                if !stopper.ask(name) {
                    process::exit(128 + kind.as_raw_value());
                }
                print::note(format_args!(
                    "{name}: delivering what was read, within {deadline:?}; a second signal ends at once"
                ));
            }
        });
    };
    thread::Builder::new()
        .name("rolog signals".to_owned())
        .spawn(listen)
        .map(drop)
}
