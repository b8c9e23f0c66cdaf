//! Why the records of a logger are where they are, or are nowhere.
//!
//! [`Explanation::of`] asks a configuration, [`Host::explain`] a running pipeline, which adds the
//! service's own targets and what each target is doing. Both ask the router that routes the records, so
//! what they tell is what happens. [`Host::explain_record`] says where one record is, or how it was
//! lost.

mod keeping;
mod record;
mod text;

pub use record::{ExplainedCopy, RecordExplanation};

pub use crate::stage::{Fate, Loss, QueueStep, Queued};

use rolog_core::{Level, LevelRange, Threshold};

pub use keeping::{ExplainedRecorder, RuleState};

use crate::Host;
use crate::config::{PipelineSpec, Place, RouteRules, SettingPath, TargetName};
use crate::pipeline::Pipeline;
use crate::router::{self, Router, Settled, Taker};
use crate::stage::{Mode, Status, TargetRow};

/// What happens to the records of a logger at a level, and why. Its `Display` tells it in lines.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The logger.
    pub logger: String,
    /// The level.
    pub level: Level,
    /// The generation of a running pipeline; `None` for a configuration that does not run.
    pub generation: Option<u32>,
    /// The file, or what stands for it.
    pub file: String,
    /// From which level on the logger records, and what says so.
    pub threshold: ExplainedThreshold,
    /// Every route, in order.
    pub routes: Vec<ExplainedRoute>,
    /// The targets that the routes lead to, in their order.
    pub targets: Vec<ExplainedTarget>,
    /// The flight recorder, where there is one for this logger.
    pub recorder: Option<ExplainedRecorder>,
}

impl Explanation {
    /// What a configuration does with the records of a logger at a level. Nothing is loaded or opened.
    ///
    /// ```
    /// use rolog_core::Level;
    /// use rolog_host::config::{PipelineSpec, Route, Target};
    /// use rolog_host::explain::Explanation;
    ///
    /// let spec = PipelineSpec::builder()
    ///     .level("shop.db", Level::Debug)
    ///     .target("app", Target::of("memory"))
    ///     .route(Route::from("shop.**").to(["app"]))
    ///     .build()?;
    /// assert!(Explanation::of(&spec, "shop.db.pool", Level::Debug).is_recorded());
    /// assert!(!Explanation::of(&spec, "shop.api", Level::Debug).is_recorded());
    /// # Ok::<(), rolog_host::config::Problems>(())
    /// ```
    pub fn of(spec: &PipelineSpec, logger: &str, level: Level) -> Explanation {
        traced(spec, &Router::compile(spec), logger, level)
    }

    /// Whether such a record goes to any target.
    pub fn is_recorded(&self) -> bool {
        self.threshold.permits && self.targets.iter().any(|target| target.takes)
    }
}

/// A logger's threshold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedThreshold {
    /// The least level that is recorded; [`Threshold::Off`]: none is.
    pub least: Threshold,
    /// Whether the level in question is at it or above.
    pub permits: bool,
    /// What decided it.
    pub source: ThresholdSource,
}

/// What decided a logger's threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThresholdSource {
    /// A level that was set while the pipeline runs.
    Override {
        /// For which loggers.
        pattern: String,
    },
    /// An entry under `levels`.
    Levels {
        /// For which loggers.
        pattern: String,
        /// Where it stands, in a file.
        place: Option<Place>,
    },
    /// Nothing that names the logger: the factory's minimum, or the default.
    Default,
}

/// A route, and what it has to do with the record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedRoute {
    /// Where it stands, in a file.
    pub place: Option<Place>,
    /// Its pattern of loggers.
    pub logger: String,
    /// Its levels.
    pub level: LevelRange,
    /// Its targets.
    pub to: Vec<TargetName>,
    /// Whether later routes see what this one takes.
    pub is_final: bool,
    /// What it holds back of what it takes.
    pub rules: RouteRules,
    /// What its rules did so far, in a running pipeline.
    pub state: Option<RuleState>,
    /// What it does with such a record, if the threshold lets it pass.
    pub answer: RouteAnswer,
}

/// What a route does with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteAnswer {
    /// It takes it.
    Takes,
    /// Its pattern does not match the logger.
    OtherLogger,
    /// It takes other levels.
    OtherLevel,
    /// The final route with this number, counted from 1, took it before.
    Ended(usize),
}

/// A target that a record comes to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedTarget {
    /// Its name.
    pub name: TargetName,
    /// The number of the route that leads to it first, counted from 1; `None` for a target of the
    /// service's own that takes the records of all loggers.
    pub route: Option<usize>,
    /// Whether its own minimum lets the level in.
    pub takes: bool,
    /// What it is doing, in a running pipeline.
    pub state: Option<TargetState>,
}

/// What a target is doing, and its account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TargetState {
    /// What it is doing.
    pub status: Status,
    /// Its account so far.
    pub row: TargetRow,
}

impl TargetState {
    /// Whether it delivers what it gets.
    pub fn is_well(&self) -> bool {
        self.status.mode == Mode::Active && self.status.failure.is_none()
    }
}

impl Host {
    /// What happens to the records of a logger at a level, in the generation that is in force, and
    /// what the targets that get them are doing.
    pub fn explain(&self, logger: &str, level: Level) -> Explanation {
        self.pipeline().explain(logger, level)
    }
}

impl Pipeline {
    pub(crate) fn explain(&self, logger: &str, level: Level) -> Explanation {
        // Routes are replaced with the lock on the shape held, so the two belong together.
        let shape = self.shape();
        let routes = self.routes.get();
        let mut told = traced(&shape.spec, &routes.router, logger, level);
        let counts = &self.counts.keeping;
        for (index, route) in told.routes.iter_mut().enumerate() {
            route.state = RuleState::of(&shape.spec, index, counts);
        }
        drop(shape);
        if let Some(recorder) = &mut told.recorder {
            recorder.holds = Some(counts.recorded());
        }
        told.generation = Some(routes.generation);
        for target in &mut told.targets {
            let index = routes.router.index_of(target.name.as_str());
            target.state = index.map(|index| {
                let stage = &routes.stages[index];
                TargetState {
                    status: stage.status(),
                    row: stage.row(),
                }
            });
        }
        told
    }
}

/// As the router has it, which was compiled from the configuration.
fn traced(spec: &PipelineSpec, router: &Router, logger: &str, level: Level) -> Explanation {
    let trace = router.trace(logger, level);
    let source = match trace.settled {
        Settled::Override(rule) => ThresholdSource::Override {
            pattern: router.override_pattern(rule),
        },
        Settled::Levels(rule) => ThresholdSource::Levels {
            pattern: spec.levels()[rule].pattern.to_string(),
            place: spec
                .places()
                .nth_key(&SettingPath::root().key("levels"), rule),
        },
        Settled::Default => ThresholdSource::Default,
    };
    let routes = spec.routes().iter().zip(&trace.routes).enumerate();
    let routes = routes.map(|(index, (route, answer))| ExplainedRoute {
        place: spec
            .places()
            .key(&SettingPath::root().key("routes").index(index)),
        logger: route.logger.to_string(),
        level: route.level,
        to: route.to.clone(),
        is_final: route.is_final,
        rules: route.rules.clone(),
        state: None,
        answer: match answer {
            router::RouteAnswer::Takes => RouteAnswer::Takes,
            router::RouteAnswer::OtherLogger => RouteAnswer::OtherLogger,
            router::RouteAnswer::OtherLevel => RouteAnswer::OtherLevel,
            router::RouteAnswer::Ended(by) => RouteAnswer::Ended(by + 1),
        },
    });
    let targets = trace.targets.iter();
    let targets = targets.map(|(target, taker, takes)| ExplainedTarget {
        name: router.targets()[*target].clone(),
        route: match taker {
            Taker::Route(index) => Some(index + 1),
            Taker::Attached => None,
        },
        takes: *takes,
        state: None,
    });
    Explanation {
        logger: logger.to_owned(),
        level,
        generation: None,
        file: spec.file().to_owned(),
        threshold: ExplainedThreshold {
            least: trace.threshold,
            permits: trace.permits(level),
            source,
        },
        routes: routes.collect(),
        targets: targets.collect(),
        recorder: ExplainedRecorder::of(spec, router, logger, level),
    }
}
