//! An explanation in lines for people.

use std::fmt::{self, Display, Formatter};

use rolog_core::Threshold;

use super::keeping::InWords;
use super::{ExplainedRoute, ExplainedTarget, Explanation, RouteAnswer, ThresholdSource};
use crate::config::{Place, TargetName};

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: ", self.logger, self.level)?;
        self.verdict(f)?;
        if let Some(generation) = self.generation {
            write!(f, " (generation {generation})")?;
        }
        write!(f, "\n\nlevel\n  ")?;
        self.threshold(f)?;
        f.write_str("\n\nroutes\n")?;
        if self.routes.is_empty() {
            f.write_str("  none\n")?;
        }
        for (index, route) in self.routes.iter().enumerate() {
            self.route(f, index + 1, route)?;
        }
        if let Some(recorder) = &self.recorder {
            write!(f, "\nrecorder\n  {recorder}")?;
            self.at(f, recorder.place)?;
            f.write_str("\n")?;
        }
        if !self.targets.is_empty() {
            f.write_str("\ntargets\n")?;
        }
        for target in &self.targets {
            target.tell(f, self)?;
        }
        Ok(())
    }
}

impl Explanation {
    /// What becomes of the record, in one breath.
    fn verdict(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let takers: Vec<&str> = self
            .targets
            .iter()
            .filter(|target| target.takes)
            .map(|target| target.name.as_str())
            .collect();
        let kept = self.recorder.as_ref().filter(|recorder| recorder.keeps);
        if let Some(recorder) = kept {
            let on = recorder.settings.dump_on;
            write!(
                f,
                "kept by the flight recorder, and sent only if {on} or above follows"
            )
        } else if !self.threshold.permits {
            f.write_str("not recorded, below the logger's level")
        } else if !takers.is_empty() {
            write!(f, "goes to {}", takers.join(", "))
        } else if !self.targets.is_empty() {
            f.write_str("goes nowhere, below the minimum of every target")
        } else if self
            .routes
            .iter()
            .any(|route| route.answer == RouteAnswer::Takes)
        {
            f.write_str("discarded by a final route without targets")
        } else {
            f.write_str("goes nowhere, no route takes it")
        }
    }

    fn threshold(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.threshold.least {
            Threshold::At(least) => write!(f, "{least} and above, ")?,
            Threshold::Off | Threshold::Inherit => f.write_str("off, ")?,
        }
        match &self.threshold.source {
            ThresholdSource::Override { pattern } => {
                write!(f, "set at run time for `{pattern}`")
            }
            ThresholdSource::Levels { pattern, place } => {
                write!(f, "by `{pattern}` under `levels`")?;
                self.at(f, *place)
            }
            ThresholdSource::Default => f.write_str("the default: nothing names this logger"),
        }
    }

    fn route(&self, f: &mut Formatter<'_>, number: usize, route: &ExplainedRoute) -> fmt::Result {
        write!(f, "  {number}. `{}` {}: ", route.logger, route.level)?;
        match route.answer {
            RouteAnswer::Takes if route.to.is_empty() => f.write_str("discards it")?,
            RouteAnswer::Takes => {
                let to: Vec<&str> = route.to.iter().map(TargetName::as_str).collect();
                write!(f, "takes it to {}", to.join(", "))?;
            }
            RouteAnswer::OtherLogger => f.write_str("other loggers")?,
            RouteAnswer::OtherLevel => f.write_str("other levels")?,
            RouteAnswer::Ended(by) => write!(f, "does not see it, route {by} is final")?,
        }
        if route.is_final && route.answer == RouteAnswer::Takes {
            f.write_str(", and no route after it")?;
        }
        if route.answer == RouteAnswer::Takes {
            write!(f, "{}", InWords(&route.rules))?;
            if let Some(state) = &route.state {
                write!(f, "; {state}")?;
            }
        }
        self.at(f, route.place)?;
        f.write_str("\n")
    }

    fn at(&self, f: &mut Formatter<'_>, place: Option<Place>) -> fmt::Result {
        match place {
            Some(place) => write!(f, " ({}:{}:{})", self.file, place.line, place.column),
            None => Ok(()),
        }
    }
}

impl ExplainedTarget {
    fn tell(&self, f: &mut Formatter<'_>, whole: &Explanation) -> fmt::Result {
        write!(f, "  {}: ", self.name)?;
        match self.route {
            _ if !whole.threshold.permits => f.write_str("would get it")?,
            Some(route) => write!(f, "by route {route}")?,
            None => f.write_str("takes every logger's records")?,
        }
        if !self.takes {
            f.write_str(", but only from a higher level on")?;
        }
        if let Some(state) = &self.state {
            let (status, row) = (&state.status, &state.row);
            write!(
                f,
                "; {}, {} delivered, {} queued",
                status.mode.name(),
                row.delivered,
                row.queued
            )?;
            for (what, count) in [
                ("fell back", row.fell_back),
                ("dead-lettered", row.dead_lettered),
                ("dropped", row.dropped.total()),
                ("refused", row.refused.total()),
            ] {
                if count > 0 {
                    write!(f, ", {count} {what}")?;
                }
            }
            if let Some(failure) = &status.failure {
                write!(f, "; last failure: {failure}")?;
            }
        }
        f.write_str("\n")
    }
}
