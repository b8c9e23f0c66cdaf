//! A logger for an author's own records, made with the macros of `rolog_core`.

use std::sync::Arc;

use rolog_core::Level;
use rolog_core::call_site::CallSite;
use rolog_core::capture::Values;
use rolog_core::frame::{self, BatchBuilder, FrameMeta, LoggerRef, Origin, RecordId, ThreadRef};
use rolog_core::logger::Emit;
use rolog_core::value::{Encoder, Timestamp, Value};

use crate::guard::guarded_for;
use crate::scope::Instance;
use crate::{facade, hosted};

/// Logs for one instance, from any of its threads, whether the plugin is loaded or linked in.
///
/// ```
/// use rolog_plugin::rolog_core::{info, warning};
/// # use rolog_plugin::prelude::*;
///
/// # fn example(context: &Context) {
/// let log = context.logger("shop.client");
/// info!(log, "connected to {host}", host = "db-1", attempts = 3);
/// warning!(log, "slow");
/// # }
/// ```
///
/// Its records go to the host at once, rendered; it is meant for the few that a target has to say,
/// not for its data.
#[derive(Clone, Debug)]
pub struct Logger {
    instance: Instance,
    name: Arc<str>,
}

impl Logger {
    pub(crate) fn new(instance: Instance, name: &str) -> Self {
        Logger {
            instance,
            name: name.into(),
        }
    }

    /// The logger's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn send(&self, batch: &[u8]) {
        let Ok(batch) = frame::Batch::parse(batch) else {
            return;
        };
        for record in batch.records() {
            let fields = hosted::fields(|fields| {
                let args: Vec<_> = record.args().collect();
                if !args.is_empty() {
                    fields.key("args").list(|list| {
                        for value in args {
                            list.value(value);
                        }
                    });
                }
                for (key, value) in record.fields() {
                    fields.key(key).value(value);
                }
                if let Some(error) = record.error() {
                    fields.key("error").value(Value::Error(error));
                }
            });
            let message = record.message().to_string();
            hosted::log_as(self.instance, record.level(), &self.name, &message, &fields);
        }
    }
}

impl Emit for Logger {
    type Output = ();

    fn enabled(&self, level: Level) -> bool {
        facade::passes(level)
    }

    fn skip(&self) {}

    fn emit<V: Values>(&self, site: &'static CallSite, level: Level, bits: u16, values: &V) {
        // A value that panics while it is shown leaves no record.
        guarded_for(self.instance, "a log call", || {
            let mut payload = Vec::new();
            values.encode(&mut Encoder::new(&mut payload));
            // One frame, which is read back at once: what the macros write is a frame's payload.
            let mut builder = BatchBuilder::new(0);
            let meta = FrameMeta {
                id: RecordId {
                    epoch: 0,
                    sequence: 0,
                },
                time: Timestamp::now(),
                observed: None,
                level,
                generation: 0,
                flags: bits,
                call_site: Some(site),
                logger: LoggerRef {
                    id: 1,
                    name: &self.name,
                },
                thread: ThreadRef { id: 0, name: "" },
                origin: Origin::SERVICE,
            };
            builder.push(&meta, &payload);
            self.send(&builder.finish());
        });
    }
}
