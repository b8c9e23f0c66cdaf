//! Records into a pipeline, each waiting for room.

use std::collections::HashMap;
use std::sync::Arc;

use rolog_core::logger::RecordBuilder;
use rolog_core::{Error, Level, Logger};

use super::feed::{Sink, Taken};
use crate::Host;
use crate::lines::ParsedLine;
use crate::pipeline::Pipeline;
use crate::router::RouteCache;
use crate::routes::Routes;

/// How many logger names keep their logger and their routes in memory.
const NAMES: usize = 4096;

/// Sends records through a host's pipeline, by the routes that are in force.
///
/// Each record waits until every queue that it is routed to has room, whatever their policies say.
/// Loggers are not kept, since an input may name any number of them.
pub struct PipelineSink {
    pipeline: Arc<Pipeline>,
    /// What everything below was looked up in.
    version: u64,
    routes: Arc<Routes>,
    cache: RouteCache,
    loggers: HashMap<Box<str>, Logger>,
}

impl PipelineSink {
    /// For the pipeline of this host.
    pub fn new(host: &Host) -> Self {
        let pipeline = Arc::clone(host.pipeline());
        PipelineSink {
            // The version before the routes: when in doubt they are looked up again.
            version: pipeline.routes.version(),
            routes: pipeline.routes.get(),
            pipeline,
            cache: RouteCache::new(NAMES),
            loggers: HashMap::new(),
        }
    }

    /// Takes up the routes in force.
    fn follow(&mut self) {
        let version = self.pipeline.routes.version();
        if version != self.version {
            self.version = version;
            self.routes = self.pipeline.routes.get();
            // Their levels are those of the routes before.
            self.loggers.clear();
        }
    }

    /// By the routes that were taken up last.
    fn take_by_routes(&mut self, record: &ParsedLine<'_>, name: &str, level: Level) -> Taken {
        let routes = self.cache.resolve(&self.routes.router, name);
        if routes.threshold.is_none_or(|least| level < least) {
            return Taken::BelowLevel;
        }
        if routes.targets(level).is_empty() {
            return Taken::NoRoute;
        }
        let logger = self.logger(name);
        if !logger.is_enabled(level) {
            // Its level is that of routes which came into force this moment.
            return Taken::BelowLevel;
        }
        match send(logger, record, level) {
            Ok(()) => Taken::Routed,
            Err(_) => Taken::Refused,
        }
    }

    fn logger(&mut self, name: &str) -> &Logger {
        if self.loggers.len() == NAMES && !self.loggers.contains_key(name) {
            self.loggers.clear();
        }
        self.loggers
            .entry(name.into())
            .or_insert_with(|| self.pipeline.factory.passing_logger(name))
    }
}

impl Sink for PipelineSink {
    fn take(&mut self, record: &ParsedLine<'_>, logger: &str) -> Taken {
        let name = record.logger.unwrap_or(logger);
        let level = record.level.unwrap_or(Level::Information);
        self.follow();
        self.take_by_routes(record, name, level)
    }
}

fn send(logger: &Logger, record: &ParsedLine<'_>, level: Level) -> Result<(), Error> {
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
