//! Records into a pipeline, each waiting for room.

use std::collections::HashMap;

use rolog_core::logger::RecordBuilder;
use rolog_core::{Error, Level, Logger, LoggerFactory};

use super::feed::{Sink, Taken};
use crate::config::PipelineSpec;
use crate::lines::ParsedLine;
use crate::router::{RouteCache, Router};

/// How many logger names keep their logger and their routes in memory.
const NAMES: usize = 4096;

/// Sends records through the pipeline that a factory belongs to.
///
/// Each record waits until every queue that it is routed to has room, whatever their policies say.
/// Loggers are not kept, since an input may name any number of them.
pub struct PipelineSink {
    factory: LoggerFactory,
    router: Router,
    routes: RouteCache,
    loggers: HashMap<Box<str>, Logger>,
}

impl PipelineSink {
    /// For the pipeline of this specification, which `factory` belongs to.
    pub fn new(spec: &PipelineSpec, factory: LoggerFactory) -> Self {
        PipelineSink {
            factory,
            router: Router::compile(spec),
            routes: RouteCache::new(NAMES),
            loggers: HashMap::new(),
        }
    }

    fn send(&mut self, record: &ParsedLine<'_>, name: &str, level: Level) -> Result<(), Error> {
        let logger = self.logger(name);
        let made = make(logger, record, level)?.block();
        match made {
            Err(error) if !error.is_disposed() => {
                // Larger than a whole queue: the target refuses it and says so, the others take it.
                make(logger, record, level)?.send();
                Ok(())
            }
            made => made,
        }
    }

    fn logger(&mut self, name: &str) -> &Logger {
        if self.loggers.len() == NAMES && !self.loggers.contains_key(name) {
            self.loggers.clear();
        }
        self.loggers
            .entry(name.into())
            .or_insert_with(|| self.factory.passing_logger(name))
    }
}

impl Sink for PipelineSink {
    fn take(&mut self, record: &ParsedLine<'_>, logger: &str) -> Taken {
        let name = record.logger.unwrap_or(logger);
        let level = record.level.unwrap_or(Level::Information);
        let routes = self.routes.resolve(&self.router, name);
        if routes.threshold.is_none_or(|least| level < least) {
            return Taken::BelowLevel;
        }
        if routes.targets(level).is_empty() {
            return Taken::NoRoute;
        }
        match self.send(record, name, level) {
            Ok(()) => Taken::Routed,
            Err(_) => Taken::Refused,
        }
    }
}

fn make<'a>(
    logger: &'a Logger,
    record: &ParsedLine<'a>,
    level: Level,
) -> Result<RecordBuilder<'a>, Error> {
    let builder = logger
        .record(level, record.message)
        .truncated(record.truncated)
        .encoded_fields(record.fields)?;
    Ok(match record.time {
        Some(time) => builder.time(time),
        None => builder,
    })
}
