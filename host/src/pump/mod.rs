//! The thread that takes records out of the rings, in the order of time, and puts a copy into the
//! open batch of each target that they are routed to.
//!
//! It never waits for a target: a stage that has no room refuses, and counts it. A pass holds the
//! lock of each stage that it touches, and is bounded so that nobody waits for that lock for long.

mod plans;
mod routing;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use rolog_core::clock::{ticks, ticks_of};
use rolog_core::feedback;
use rolog_core::intake::{Consumer, Woken};

use self::routing::{Guards, Routing};
use crate::pipeline::Pipeline;

/// How many records one pass takes at most.
const PASS: usize = 4096;

/// Records younger than this stay in the rings for another moment, so that those of other threads
/// can still be put before them.
const REORDER_WINDOW: Duration = Duration::from_millis(1);

/// What the pump is asked to do; it answers when it is done.
pub(crate) enum Command {
    /// Route everything that has been published so far.
    Barrier(SyncSender<()>),
    /// Route everything there is, and end.
    Stop(SyncSender<()>),
}

pub(crate) struct Pump {
    consumer: Consumer,
    routing: Routing,
}

impl Pump {
    pub(crate) fn new(pipeline: Arc<Pipeline>, consumer: Consumer) -> Self {
        Pump {
            consumer,
            routing: Routing::new(pipeline),
        }
    }

    /// Until it is stopped.
    pub(crate) fn run(mut self) {
        feedback::mark_thread(None);
        let mut woken = Woken::Timer;
        loop {
            let commands = self.routing.pipeline.take_commands();
            let stop = commands.iter().any(|c| matches!(c, Command::Stop(_)));
            // Who rings wants it at once; so does who asks.
            let cutoff = match woken {
                _ if stop => u64::MAX,
                Woken::Timer if commands.is_empty() => {
                    ticks().saturating_sub(ticks_of(REORDER_WINDOW))
                }
                _ => ticks(),
            };
            let mut more = self.pass(cutoff);
            while more && !commands.is_empty() {
                more = self.pass(cutoff);
            }
            if stop {
                self.end();
            }
            for command in commands {
                let (Command::Barrier(done) | Command::Stop(done)) = command;
                // Whoever asked may have given up by now.
                let _ = done.try_send(());
            }
            if stop {
                return;
            }
            woken = if more {
                Woken::Timer
            } else {
                self.consumer.wait(self.routing.keeper.wake_at())
            };
        }
    }

    /// Takes what the rings have up to `cutoff`, at most a pass; says whether there is more.
    fn pass(&mut self, cutoff: u64) -> bool {
        self.routing.refresh();
        self.routing.pipeline.counts.begin_pass();
        let more = self.route(cutoff);
        self.routing.pipeline.counts.end_pass();
        more
    }

    /// The last pass: what nothing follows that could ask for it.
    fn end(&mut self) {
        self.routing.pipeline.counts.begin_pass();
        self.routing.end();
        self.routing.pipeline.counts.end_pass();
    }

    fn route(&mut self, cutoff: u64) -> bool {
        let Pump { consumer, routing } = self;
        let routes = Arc::clone(&routing.routes);
        let mut guards: Guards<'_> = routes.stages.iter().map(|_| None).collect();
        let now = ticks();
        routing.follow_rules(now);
        routing.keeper.pass(now);
        routing.tell_suppressed(&routes, &mut guards);
        for record in routing.pipeline.feedback.take() {
            routing.route_own(&record, None, &routes, &mut guards);
        }
        let drained = consumer.drain(cutoff, PASS, &mut |entry| {
            routing.route(&entry, &routes, &mut guards);
        });
        let numbered = &routing.pipeline.counts.numbered;
        numbered.store(routing.sequence, Ordering::Relaxed);
        drained.more
    }
}
