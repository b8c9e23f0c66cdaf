//! Every series, declared once.

use metrics::Unit;

use super::metric::{Kind, Metric, Put, Source};
use super::snapshot::Snapshot;
use crate::reload::{LastReload, ReloadOutcome};
use crate::stage::{BreakerState, Counts, Label, Measure, Mode, StageSnapshot, TargetRow};

const fn source(
    name: &'static str,
    help: &'static str,
    kind: Kind,
    read: fn(&Snapshot) -> f64,
) -> Metric {
    Metric {
        name,
        help,
        kind,
        unit: Unit::Count,
        labels: &[],
        source: Source::One(read),
    }
}

/// A gauge of the whole pipeline, in seconds.
const fn seconds(name: &'static str, help: &'static str, read: fn(&Snapshot) -> f64) -> Metric {
    Metric {
        unit: Unit::Seconds,
        ..source(name, help, Kind::Gauge, read)
    }
}

fn last(snapshot: &Snapshot) -> Option<&LastReload> {
    snapshot.reloads.last.as_ref()
}

const fn target(
    name: &'static str,
    help: &'static str,
    kind: Kind,
    unit: Unit,
    read: fn(&StageSnapshot) -> f64,
) -> Metric {
    Metric {
        name,
        help,
        kind,
        unit,
        labels: &["target"],
        source: Source::Target(read),
    }
}

/// A counter of a target's row.
const fn row(name: &'static str, help: &'static str, read: fn(&StageSnapshot) -> f64) -> Metric {
    target(name, help, Kind::Counter, Unit::Count, read)
}

/// Counters of a target's row by a label.
const fn by(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    read: fn(&StageSnapshot, Put<'_>),
) -> Metric {
    Metric {
        name,
        help,
        kind: Kind::Counter,
        unit: Unit::Count,
        labels,
        source: Source::TargetEach(read),
    }
}

const fn measure(name: &'static str, help: &'static str, unit: Unit, measure: Measure) -> Metric {
    Metric {
        name,
        help,
        kind: Kind::Histogram,
        unit,
        labels: &["target"],
        source: Source::Measure(measure),
    }
}

fn counts<L: Label, const N: usize>(counts: &Counts<L, N>, put: Put<'_>) {
    for (label, n) in counts.iter() {
        put(label.name(), n as f64);
    }
}

/// One series for each state: 1 for the one that it is in.
fn one_of<S: PartialEq + Copy>(
    all: impl IntoIterator<Item = S>,
    now: S,
    name: fn(S) -> &'static str,
    put: Put<'_>,
) {
    for state in all {
        put(name(state), f64::from(u8::from(state == now)));
    }
}

fn read(target: &StageSnapshot) -> &TargetRow {
    &target.row
}

const BREAKER_STATES: [BreakerState; 3] = [
    BreakerState::Closed,
    BreakerState::Open,
    BreakerState::HalfOpen,
];

use Kind::{Counter, Gauge};

/// Every metric of the pipeline.
pub static CATALOGUE: &[Metric] = &[
    source(
        "rolog_records_emitted_total",
        "Log calls that passed their logger's gate, and records of the pipeline's own.",
        Counter,
        |s| s.ledger.source.emitted as f64,
    ),
    source(
        "rolog_records_routed_total",
        "Records of which at least one copy went to a target.",
        Counter,
        |s| s.ledger.source.routed as f64,
    ),
    source(
        "rolog_records_unrouted_total",
        "Records that no route matched.",
        Counter,
        |s| s.ledger.source.unrouted as f64,
    ),
    Metric {
        name: "rolog_records_dropped_total",
        help: "Records lost before the routes, by reason.",
        kind: Counter,
        unit: Unit::Count,
        labels: &["reason"],
        source: Source::Each(|s, put| {
            for (reason, n) in &s.ledger.source.dropped {
                put(reason, *n as f64);
            }
        }),
    },
    Metric {
        name: "rolog_records_suppressed_total",
        help: "Records that went nowhere because rules of their routes held every copy back, or because the flight recorder forgot them, by reason.",
        kind: Counter,
        unit: Unit::Count,
        labels: &["reason"],
        source: Source::Each(|s, put| {
            for (reason, n) in &s.ledger.source.suppressed {
                put(reason, *n as f64);
            }
        }),
    },
    source(
        "rolog_recorder_records",
        "Records in the flight recorder.",
        Gauge,
        |s| s.ledger.source.recorded as f64,
    ),
    Metric {
        unit: Unit::Bytes,
        ..source(
            "rolog_recorder_bytes",
            "Memory that the flight recorder's records take.",
            Gauge,
            |s| s.recorder_bytes as f64,
        )
    },
    source(
        "rolog_recorder_dumped_total",
        "Records that the flight recorder sent because an error followed.",
        Counter,
        |s| s.recorder_dumped as f64,
    ),
    source(
        "rolog_copies_routed_total",
        "Copies that routes asked for, those that a rule held back included: a record with two targets counts twice.",
        Counter,
        |s| s.ledger.copies as f64,
    ),
    source(
        "rolog_ring_records",
        "Records that wait in the rings of their threads.",
        Gauge,
        |s| s.ledger.source.in_rings as f64,
    ),
    source(
        "rolog_records_late_total",
        "Records that came after younger ones had gone out.",
        Counter,
        |s| s.ledger.source.late as f64,
    ),
    source(
        "rolog_ring_overflowed_total",
        "Records that took the shared queue because their thread's ring could not grow.",
        Counter,
        |s| s.ledger.source.overflowed as f64,
    ),
    source(
        "rolog_slow_path_calls_total",
        "Log calls that were asked to wait for a target's queue.",
        Counter,
        |s| s.ledger.source.slow_path as f64,
    ),
    source(
        "rolog_generation",
        "Number of the configuration in force; 1 at the start, raised by each reload that changes something.",
        Gauge,
        |s| f64::from(s.generation),
    ),
    Metric {
        name: "rolog_reloads_total",
        help: "Reloads that have ended, by outcome.",
        kind: Counter,
        unit: Unit::Count,
        labels: &["outcome"],
        source: Source::Each(|s, put| {
            for outcome in ReloadOutcome::ALL {
                put(outcome.name(), s.reloads.with(outcome) as f64);
            }
        }),
    },
    source(
        "rolog_reload_last_successful",
        "1 unless the last reload was refused.",
        Gauge,
        |s| {
            f64::from(u8::from(
                !last(s).is_some_and(|last| last.outcome == ReloadOutcome::Refused),
            ))
        },
    ),
    seconds(
        "rolog_reload_last_timestamp_seconds",
        "When the last reload ended, in seconds since 1970; 0 before the first.",
        |s| last(s).map_or(0.0, |last| last.at.nanos() as f64 / 1e9),
    ),
    seconds(
        "rolog_reload_last_duration_seconds",
        "How long the last reload took, until the new routes were in force or it was refused.",
        |s| last(s).map_or(0.0, |last| last.took.as_secs_f64()),
    ),
    Metric {
        name: "rolog_plugin_versions",
        help: "Libraries of the plugin that this process has loaded; none is ever closed.",
        kind: Gauge,
        unit: Unit::Count,
        labels: &["plugin"],
        source: Source::Each(|s, put| {
            for (plugin, loads) in &s.plugins {
                put(plugin, loads.versions as f64);
            }
        }),
    },
    source(
        "rolog_plugin_versions_limit",
        "How many libraries of one plugin may be loaded; a further one is refused.",
        Gauge,
        |s| s.plugin_versions_limit as f64,
    ),
    Metric {
        name: "rolog_plugin_library_bytes",
        help: "Bytes of the libraries of the plugin that this process has loaded, which stay in memory.",
        kind: Gauge,
        unit: Unit::Bytes,
        labels: &["plugin"],
        source: Source::Each(|s, put| {
            for (plugin, loads) in &s.plugins {
                put(plugin, loads.bytes as f64);
            }
        }),
    },
    Metric {
        name: "rolog_values_redacted_total",
        help: "Values that were hidden before they left, by what hid them: a name or a pattern.",
        kind: Counter,
        unit: Unit::Count,
        labels: &["by"],
        source: Source::Each(|s, put| {
            put("name", s.redacted_by_name as f64);
            put("pattern", s.redacted_by_pattern as f64);
        }),
    },
    source(
        "rolog_dead_letters_discarded_total",
        "Dead letters that were discarded to stay within the bound on their file.",
        Counter,
        |s| s.dead_letters_discarded as f64,
    ),
    row(
        "rolog_target_accepted_records_total",
        "Records taken into the target's queue.",
        |t| read(t).accepted as f64,
    ),
    row(
        "rolog_target_delivered_records_total",
        "Records that the target has confirmed.",
        |t| read(t).delivered as f64,
    ),
    row(
        "rolog_target_fell_back_records_total",
        "Records that a fallback of the target has accepted.",
        |t| read(t).fell_back as f64,
    ),
    row(
        "rolog_target_dead_lettered_records_total",
        "Records of the target that were written to the dead letters.",
        |t| read(t).dead_lettered as f64,
    ),
    by(
        "rolog_target_dropped_records_total",
        "Records that the target had accepted and that were lost, by reason.",
        &["target", "reason"],
        |t, put| counts(&read(t).dropped, put),
    ),
    by(
        "rolog_target_refused_records_total",
        "Records that the target did not accept, by reason.",
        &["target", "reason"],
        |t, put| counts(&read(t).refused, put),
    ),
    by(
        "rolog_target_suppressed_records_total",
        "Records that a rule of their route held back from the target, by reason.",
        &["target", "reason"],
        |t, put| counts(&read(t).suppressed, put),
    ),
    row(
        "rolog_target_rejected_records_total",
        "Records that the target said it will never accept; they went to a fallback, to the dead letters, or were dropped.",
        |t| read(t).rejected as f64,
    ),
    row(
        "rolog_target_maybe_written_records_total",
        "Records that an interrupted attempt may have written, whatever else became of them.",
        |t| read(t).maybe_written as f64,
    ),
    row(
        "rolog_target_taken_over_records_total",
        "Records that came to the target as another one's fallback.",
        |t| read(t).taken_over as f64,
    ),
    row(
        "rolog_target_replayed_records_total",
        "Records that were sent to the target again from dead letters.",
        |t| read(t).replayed as f64,
    ),
    row(
        "rolog_target_batches_total",
        "Batches that were closed for the target.",
        |t| read(t).batches as f64,
    ),
    row(
        "rolog_target_attempts_total",
        "Attempts to deliver a batch that were started.",
        |t| read(t).attempts as f64,
    ),
    row(
        "rolog_target_retries_total",
        "Attempts that were started after a failed one of the same batch.",
        |t| read(t).retries as f64,
    ),
    by(
        "rolog_target_failures_total",
        "Attempts, starts included, that failed, by class.",
        &["target", "class"],
        |t, put| counts(&read(t).failures, put),
    ),
    row(
        "rolog_target_panics_total",
        "Attempts in which the target panicked.",
        |t| read(t).failures.get(rolog_core::delivery::Class::Panic) as f64,
    ),
    row(
        "rolog_target_fenced_attempts_total",
        "Attempts that did not settle in their grace after they were cancelled.",
        |t| read(t).fenced as f64,
    ),
    row(
        "rolog_target_rebuilds_total",
        "Instances that were built anew after the target's first.",
        |t| read(t).rebuilds as f64,
    ),
    row(
        "rolog_target_quarantines_total",
        "Times that an instance panicked too often and was used no more.",
        |t| read(t).quarantines as f64,
    ),
    target(
        "rolog_target_queue_records",
        "Records in the target's queue, what is being delivered included.",
        Gauge,
        Unit::Count,
        |t| read(t).queued as f64,
    ),
    target(
        "rolog_target_queue_capacity_records",
        "Bound of the target's queue in records.",
        Gauge,
        Unit::Count,
        |t| t.settings.max_records as f64,
    ),
    target(
        "rolog_target_queue_bytes",
        "Bytes in the target's queue, what is being delivered included.",
        Gauge,
        Unit::Bytes,
        |t| t.queued_bytes as f64,
    ),
    target(
        "rolog_target_queue_capacity_bytes",
        "Bound of the target's queue in bytes.",
        Gauge,
        Unit::Bytes,
        |t| t.settings.max_bytes as f64,
    ),
    target(
        "rolog_target_attempts_in_flight",
        "Attempts that are under way.",
        Gauge,
        Unit::Count,
        |t| t.status.attempts as f64,
    ),
    target(
        "rolog_target_attempts_fenced",
        "Attempts that were cancelled, are over their grace and have not settled.",
        Gauge,
        Unit::Count,
        |t| t.status.fenced as f64,
    ),
    target(
        "rolog_target_generation",
        "Which instance is in the target's slot: raised by each rebuild and replacement.",
        Gauge,
        Unit::Count,
        |t| t.status.generation as f64,
    ),
    Metric {
        name: "rolog_target_breaker",
        help: "1 for the state that the target's breaker is in.",
        kind: Gauge,
        unit: Unit::Count,
        labels: &["target", "state"],
        source: Source::TargetEach(|t, put| {
            one_of(BREAKER_STATES, t.status.breaker, BreakerState::name, put);
        }),
    },
    Metric {
        name: "rolog_target_mode",
        help: "1 for what the target is doing.",
        kind: Gauge,
        unit: Unit::Count,
        labels: &["target", "mode"],
        source: Source::TargetEach(|t, put| {
            one_of(Mode::ALL, t.status.mode, Mode::name, put);
        }),
    },
    measure(
        "rolog_target_batch_records",
        "Records in a batch, at its first attempt.",
        Unit::Count,
        Measure::BatchRecords,
    ),
    measure(
        "rolog_target_batch_bytes",
        "Bytes of a batch, at its first attempt.",
        Unit::Bytes,
        Measure::BatchBytes,
    ),
    measure(
        "rolog_target_delivery_seconds",
        "Time from the start of an attempt to its answer.",
        Unit::Seconds,
        Measure::DeliverySeconds,
    ),
    measure(
        "rolog_target_queue_seconds",
        "Time from a batch's first record to its first attempt.",
        Unit::Seconds,
        Measure::QueueSeconds,
    ),
];

/// The metric of a measure.
pub(super) fn of_measure(measure: Measure) -> Option<&'static Metric> {
    CATALOGUE
        .iter()
        .find(|metric| matches!(metric.source, Source::Measure(of) if of == measure))
}
