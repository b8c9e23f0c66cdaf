//! How large, how long: distributions of what a stage does, for metrics.

use std::fmt;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Records in a batch, at its first attempt.
    BatchRecords,
    /// Bytes of a batch, at its first attempt.
    BatchBytes,
    /// Seconds from the start of an attempt to its answer.
    DeliverySeconds,
    /// Seconds from a batch's first record to its first attempt.
    QueueSeconds,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Measure; 4] = [
        Measure::BatchRecords,
        Measure::BatchBytes,
        Measure::DeliverySeconds,
        Measure::QueueSeconds,
    ];

    /// Upper bounds of the buckets, rising; what is above the last counts in the total only.
    pub const fn bounds(self) -> &'static [f64] {
        match self {
            Measure::BatchRecords => &[
                1.0, 5.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0,
            ],
            Measure::BatchBytes => &[
                1024.0,
                4096.0,
                16_384.0,
                65_536.0,
                262_144.0,
                1_048_576.0,
                4_194_304.0,
                16_777_216.0,
            ],
            Measure::DeliverySeconds => &[
                0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
                10.0, 30.0,
            ],
            Measure::QueueSeconds => &[
                0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
            ],
        }
    }
}

/// Takes each measurement as it is made, for recorders that want single values.
///
/// Called by the stage's task, a few times for each batch, under no lock.
pub trait Meter: Send + Sync {
    /// One measurement.
    fn observe(&self, target: &str, measure: Measure, value: f64);
}

/// A distribution in buckets.
#[derive(Clone, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    /// An empty one.
    pub fn new(bounds: &'static [f64]) -> Self {
        Histogram {
            bounds,
            counts: vec![0; bounds.len()],
            count: 0,
            sum: 0.0,
        }
    }

    pub(super) fn observe(&mut self, value: f64) {
        if let Some(bucket) = self.bounds.iter().position(|bound| value <= *bound) {
            self.counts[bucket] += 1;
        }
        self.count += 1;
        self.sum += value;
    }

    /// Adds one with the same bounds.
    fn absorb(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.sum += other.sum;
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Each upper bound, with how many values were at or below it.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.bounds
            .iter()
            .zip(&self.counts)
            .scan(0, |sum, (bound, count)| {
                *sum += count;
                Some((*bound, *sum))
            })
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("sum", &self.sum)
            .finish_non_exhaustive()
    }
}

/// The distributions of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures([Histogram; 4]);

impl Default for Measures {
    fn default() -> Self {
        Measures(Measure::ALL.map(|measure| Histogram::new(measure.bounds())))
    }
}

impl Measures {
    /// One of them.
    pub fn of(&self, measure: Measure) -> &Histogram {
        &self.0[measure as usize]
    }

    pub(super) fn observe(&mut self, measure: Measure, value: f64) {
        self.0[measure as usize].observe(value);
    }

    pub(super) fn absorb(&mut self, other: &Measures) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            own.absorb(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_the_total_counts_all() {
        let mut histogram = Histogram::new(&[1.0, 2.0, 5.0]);
        for value in [0.5, 1.0, 1.5, 5.0, 9.0] {
            histogram.observe(value);
        }
        let buckets: Vec<_> = histogram.cumulative().collect();
        assert_eq!(buckets, [(1.0, 2), (2.0, 3), (5.0, 4)]);
        assert_eq!((histogram.count(), histogram.sum()), (5, 17.0));
    }

    #[test]
    fn every_measure_has_rising_bounds_and_its_place() {
        for (index, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(measure as usize, index);
            assert!(measure.bounds().is_sorted());
        }
    }
}
