//! What the pump knows in order to route, and the two ways of a record: by the
//! [plan](super::plans) for its kind, or carefully.

use std::sync::Arc;

use rolog_core::Level;
use rolog_core::Logger;
use rolog_core::call_site::CallSite;
use rolog_core::clock::{Clock, ticks};
use rolog_core::frame::{
    FrameMeta, LoggerRef, Moment, Origin, OriginKind, RecordId, ThreadRef, flags,
};
use rolog_core::intake::Entry;
use rolog_core::value::Timestamp;

use super::plans::Plans;
use crate::dress::Dresser;
use crate::feedback::OwnRecord;
use crate::keep::{Keeper, Kept, Seen, all_held};
use crate::ledger::PumpCounts;
use crate::pipeline::Pipeline;
use crate::router::{LoggerRoutes, RouteCache};
use crate::routes::Routes;
use crate::stage::{Reservation, Stage, StageGuard};

/// Why a record that no route takes goes nowhere.
const NO_ROUTE: &str = "no route";

/// Marks of records that no plan is for.
const NOT_PLAIN: u16 = flags::LOGGER | flags::RESERVED | flags::OBSERVED | flags::BACKTRACE;

/// How many run-time logger names the pump keeps the routes of.
const NAMES: usize = 4096;

/// The guard of each stage that the pass has touched.
pub(super) type Guards<'r> = Vec<Option<StageGuard<'r>>>;

/// What the pump knows in order to route.
pub(super) struct Routing {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) routes: Arc<Routes>,
    /// Of the routes that everything below was looked up in.
    version: u64,
    clock: Clock,
    sites: Vec<&'static CallSite>,
    loggers: Vec<Known>,
    names: RouteCache,
    #[cfg(feature = "backtrace")]
    symbols: rolog_core::backtrace::Symbols,
    pub(super) sequence: u64,
    dresser: Dresser,
    pub(super) keeper: Keeper,
    plans: Plans,
}

/// A logger and where its records go, as of a version of the routes.
struct Known {
    logger: Logger,
    version: u64,
    table: Arc<LoggerRoutes>,
}

impl Routing {
    pub(super) fn new(pipeline: Arc<Pipeline>) -> Self {
        Routing {
            routes: pipeline.routes.get(),
            pipeline,
            clock: Clock::system(),
            version: 0,
            sites: Vec::new(),
            loggers: Vec::new(),
            names: RouteCache::new(NAMES),
            #[cfg(feature = "backtrace")]
            symbols: rolog_core::backtrace::Symbols::default(),
            sequence: 0,
            dresser: Dresser::default(),
            keeper: Keeper::default(),
            plans: Plans::default(),
        }
    }

    /// Before a pass: the clock, and the routes if they have changed.
    pub(super) fn refresh(&mut self) {
        if let Some(step) = self.clock.sync() {
            self.pipeline.tell(Level::Warning, None, &step.to_string());
        }
        let version = self.pipeline.routes.version();
        if version != self.version {
            self.version = version;
            self.routes = self.pipeline.routes.get();
            self.names = RouteCache::new(NAMES);
            self.plans.clear();
        }
    }

    fn next_id(&mut self) -> RecordId {
        self.sequence += 1;
        RecordId {
            epoch: self.pipeline.epoch,
            sequence: self.sequence,
        }
    }

    fn site(&mut self, id: u32) -> Option<&'static CallSite> {
        let index = (id as usize).checked_sub(1)?;
        if index >= self.sites.len() {
            self.sites.extend(CallSite::since(self.sites.len()));
        }
        self.sites.get(index).copied()
    }

    /// Looks up the logger with this id; returns its place in the table.
    fn known(&mut self, id: u32) -> Option<usize> {
        let index = (id as usize).checked_sub(1)?;
        let (router, version) = (&self.routes.router, self.version);
        if index >= self.loggers.len() {
            let new = self.pipeline.factory.registry().since(self.loggers.len());
            self.loggers.extend(new.into_iter().map(|logger| Known {
                table: Arc::new(router.resolve(logger.name())),
                version,
                logger,
            }));
        }
        let known = self.loggers.get_mut(index)?;
        if known.version != version {
            known.table = Arc::new(router.resolve(known.logger.name()));
            known.version = version;
        }
        Some(index)
    }

    /// The payload with the names of its backtrace, which are written into `out`, if it has one.
    #[cfg(feature = "backtrace")]
    fn with_names<'p>(&mut self, payload: &'p [u8], bits: u16, out: &'p mut Vec<u8>) -> &'p [u8] {
        let max = self.pipeline.intake.max_record();
        let named = bits & flags::BACKTRACE != 0 && self.symbols.resolve(payload, bits, max, out);
        if named { out } else { payload }
    }

    /// Gives a record to the targets that it is routed to.
    pub(super) fn route<'r>(
        &mut self,
        entry: &Entry<'_>,
        routes: &'r Routes,
        guards: &mut Guards<'r>,
    ) {
        let Some(plan) = self.plans.find(&entry.header) else {
            return self.route_carefully(entry, routes, guards);
        };
        self.sequence += 1;
        let one = Moment {
            sequence: self.sequence,
            time: Timestamp::from_nanos(self.clock.utc(entry.header.ticks)),
            thread: entry.thread,
        };
        self.pipeline.counts.count(plan.targets.len(), None);
        for target in &*plan.targets {
            let guard = guards[*target].get_or_insert_with(|| routes.stages[*target].open());
            // What is refused has been counted there.
            let _ = guard.append_formed(&plan.form, &one, entry.payload);
        }
    }

    /// A record of which nothing is known ahead. Makes the plan for those like it, where they need no
    /// such care.
    #[inline(never)]
    fn route_carefully<'r>(
        &mut self,
        entry: &Entry<'_>,
        routes: &'r Routes,
        guards: &mut Guards<'r>,
    ) {
        let header = &entry.header;
        let now = Timestamp::from_nanos(self.clock.utc(header.ticks));
        let level = Level::from_code(header.level).unwrap_or(Level::Critical);
        let (times, payload) = own_time(header.flags, entry.payload, now);
        #[cfg(feature = "backtrace")]
        let mut with_names = Vec::new();
        #[cfg(feature = "backtrace")]
        let payload = self.with_names(payload, header.flags, &mut with_names);
        let known = self.known(header.logger);
        let call_site = self.site(header.call_site);
        let id = self.next_id();
        let passing;
        let (logger, table) = if let Some(index) = known {
            let known = &self.loggers[index];
            let name = known.logger.name();
            let id = header.logger;
            (LoggerRef { id, name }, &known.table)
        } else {
            let name = inline_name(payload);
            passing = self.names.resolve(&self.routes.router, name);
            (LoggerRef { id: 0, name }, &passing)
        };
        let flags = header.flags & !(flags::OBSERVED | flags::BACKTRACE);
        let (dress, counts) = (routes.dress.as_deref(), &self.pipeline.counts);
        let (payload, flags) = self.dresser.dress(dress, call_site, flags, payload, counts);
        let meta = FrameMeta {
            id,
            time: times.0,
            observed: times.1,
            level,
            generation: routes.generation,
            flags,
            call_site,
            logger,
            thread: entry.thread,
            origin: Origin::SERVICE,
        };
        let targets = table.targets(level);
        let is_plain = header.flags & NOT_PLAIN == 0 && header.slot == 0 && logger.id != 0;
        if is_plain && dress.is_none() && table.keeping.is_none() && !targets.is_empty() {
            self.plans.put(header, &meta, call_site, targets);
        }
        let mut held = &[][..];
        if let Some(keeping) = &table.keeping {
            let seen = Seen {
                meta: &meta,
                call_site,
                payload,
                ticks: header.ticks,
            };
            let Some(dump) = self.keeper.decide(keeping, &seen, &counts.keeping) else {
                if header.slot != 0 {
                    drop(self.pipeline.slots.routed(header.slot, 0));
                }
                return;
            };
            held = self.keeper.held();
            if !dump.is_empty() {
                let to = targets.iter().zip(held).filter(|(_, held)| held.is_none());
                let to: Vec<usize> = to.map(|(target, _)| *target).collect();
                send_recorded(&dump, &to, &self.loggers, routes, guards, counts);
            }
        }
        if targets.is_empty() {
            self.pipeline.not_routed(id, NO_ROUTE);
        }
        counts.count(targets.len(), all_held(held));
        let (mut room, tells) = match header.slot {
            0 => (Vec::new(), false),
            slot => self.pipeline.slots.routed(slot, targets.len()),
        };
        let slot = if tells { header.slot } else { 0 };
        for (place, target) in targets.iter().enumerate() {
            let stage = &routes.stages[*target];
            let guard = guards[*target].get_or_insert_with(|| stage.open());
            match held.get(place) {
                Some(Some(reason)) => guard.suppress(&meta, *reason, slot),
                _ => append(guard, stage, &meta, payload, slot, &mut room),
            }
        }
        if self.keeper.has_told() {
            self.tell_suppressed(routes, guards);
        }
    }

    /// The rules of other routes, once they are in force.
    pub(super) fn follow_rules(&mut self, now: u64) {
        let counts = &self.pipeline.counts.keeping;
        self.keeper.follow(&self.routes.router, counts, now);
    }

    /// Says what rules have held back, where that is due.
    pub(super) fn tell_suppressed<'r>(&mut self, routes: &'r Routes, guards: &mut Guards<'r>) {
        for told in self.keeper.take_told() {
            let rule = told.rule;
            let now = Timestamp::from_nanos(self.clock.utc(ticks()));
            self.route_own(&told.into_record(now), rule, routes, guards);
        }
    }

    /// Says all that was held back, and counts what is kept as forgotten.
    pub(super) fn end(&mut self) {
        let routes = Arc::clone(&self.routes);
        let mut guards: Guards<'_> = routes.stages.iter().map(|_| None).collect();
        self.follow_rules(ticks());
        self.keeper.end(ticks(), &self.pipeline.counts.keeping);
        self.tell_suppressed(&routes, &mut guards);
    }

    /// Routes a record of the pipeline's own, but never to the target that it comes from; with a
    /// rule, only to the targets that this rule speaks for.
    pub(super) fn route_own<'r>(
        &mut self,
        record: &OwnRecord,
        rule: Option<usize>,
        routes: &'r Routes,
        guards: &mut Guards<'r>,
    ) {
        let (call_site, id) = (self.site(record.call_site), self.next_id());
        let (dress, counts) = (routes.dress.as_deref(), &self.pipeline.counts);
        let flags = record.flags | flags::LOGGER;
        let (payload, flags) = self
            .dresser
            .dress(dress, call_site, flags, &record.payload, counts);
        let meta = FrameMeta {
            id,
            time: record.time,
            observed: None,
            level: record.level,
            generation: routes.generation,
            flags,
            call_site,
            logger: LoggerRef {
                id: 0,
                name: &record.logger,
            },
            thread: ThreadRef { id: 0, name: "" },
            origin: Origin {
                kind: record.kind,
                target: record
                    .target
                    .as_deref()
                    .filter(|_| record.kind == OriginKind::Instance),
                ..Origin::SERVICE
            },
        };
        let table = self.names.resolve(&self.routes.router, &record.logger);
        let permitted = table.threshold.is_some_and(|least| record.level >= least);
        let targets: Vec<usize> = table
            .targets(record.level)
            .iter()
            .copied()
            .filter(|target| {
                let ruled = rule.is_none_or(|rule| table.is_ruled(record.level, *target, rule));
                let own = Some(&**routes.stages[*target].name()) == record.target.as_deref();
                permitted && ruled && !own
            })
            .collect();
        counts.own.add(1);
        if targets.is_empty() {
            counts.unrouted.add_alone(1);
            counts.own_unrouted.add(1);
            self.pipeline.not_routed(id, NO_ROUTE);
        } else {
            counts.routed.add_alone(1);
            counts.copies.add_alone(targets.len() as u64);
        }
        for target in targets {
            let stage = &routes.stages[target];
            let guard = guards[target].get_or_insert_with(|| stage.open());
            append(guard, stage, &meta, payload, 0, &mut []);
        }
    }
}

/// When the record was made, and read where it comes from elsewhere; and its payload. A time of its own
/// stands before everything else, and the frame has its own place for it.
fn own_time(bits: u16, payload: &[u8], now: Timestamp) -> ((Timestamp, Option<Timestamp>), &[u8]) {
    match payload.split_first_chunk() {
        Some((own, rest)) if bits & flags::OBSERVED != 0 => {
            let own = Timestamp::from_nanos(i64::from_le_bytes(*own));
            ((own, Some(now)), rest)
        }
        _ => ((now, None), payload),
    }
}

/// Sends what the flight recorder kept, to the targets of the record that has it sent.
fn send_recorded<'r>(
    dump: &[Kept],
    to: &[usize],
    loggers: &[Known],
    routes: &'r Routes,
    guards: &mut Guards<'r>,
    counts: &PumpCounts,
) {
    for kept in dump {
        let payload = kept.marked();
        let logger = (kept.logger.0 as usize).checked_sub(1);
        let known = logger.and_then(|index| loggers.get(index));
        let meta = kept.meta(known.map_or("", |known| known.logger.name()));
        counts.routed.add_alone(1);
        counts.copies.add_alone(to.len() as u64);
        for target in to {
            let stage = &routes.stages[*target];
            let guard = guards[*target].get_or_insert_with(|| stage.open());
            append(guard, stage, &meta, &payload, 0, &mut []);
        }
    }
}

/// Appends a record, into the room that is held for it where there is any. A refusal is counted by
/// the stage, and told to the receipt.
fn append(
    guard: &mut StageGuard<'_>,
    stage: &Stage,
    meta: &FrameMeta<'_>,
    payload: &[u8],
    slot: u64,
    room: &mut [Reservation],
) {
    let held = room
        .iter_mut()
        .find(|held| held.records() > 0 && held.target() == stage.name());
    // What is refused has been counted there, and told to the receipt.
    let _ = match held {
        Some(held) => guard.append_reserved(meta, payload, slot, held),
        // Whoever waited is not refused because the routes have changed since.
        None if meta.flags & flags::RESERVED != 0 => guard.append_beyond(meta, payload, slot),
        None => guard.append(meta, payload, slot),
    };
}

/// The name at the start of the payload of a logger that is known by name only.
fn inline_name(payload: &[u8]) -> &str {
    let parse = || {
        let (len, rest) = payload.split_first_chunk()?;
        let name = rest.get(..u32::from_le_bytes(*len) as usize)?;
        std::str::from_utf8(name).ok()
    };
    parse().unwrap_or_default()
}
