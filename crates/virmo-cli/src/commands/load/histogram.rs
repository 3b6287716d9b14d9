use std::time::Duration;

use serde::Serialize;

/// How many durations there were of which length, in buckets that are at most 1/32 of their
/// length wide: 15 KiB, however many there are.
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    /// In microseconds.
    longest: u64,
}

/// The buckets of each doubling.
const FINE: u64 = 32;

/// What is longer counts as this long, in microseconds: twelve days.
const LONGEST: u64 = 1 << 40;

/// Percentiles of durations in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self {
            counts: vec![0; bucket(LONGEST) + 1],
            total: 0,
            longest: 0,
        }
    }

    pub(super) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let micros = micros.min(LONGEST);
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count += 1;
        }
        self.total += 1;
        self.longest = self.longest.max(micros);
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        let millis = |micros: u64| micros as f64 / 1000.0;
        Percentiles {
            p50: millis(self.percentile(50)),
            p90: millis(self.percentile(90)),
            p99: millis(self.percentile(99)),
            max: millis(self.longest),
        }
    }

    /// The length in microseconds that so many of a hundred did not exceed.
    fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.total * percent).div_ceil(100);
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        reached.map_or(0, longest_in).min(self.longest)
    }
}

/// Each number below 64 has a bucket of its own, each doubling beyond has 32.
const fn bucket(micros: u64) -> usize {
    let shift = match (micros / FINE).checked_ilog2() {
        Some(shift) => shift,
        None => 0,
    };
    (shift as u64 * FINE + (micros >> shift)) as usize
}

/// The greatest number of a bucket.
const fn longest_in(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / FINE).saturating_sub(1);
    ((bucket - shift * FINE + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_are_narrow() {
        for bucket_index in 0..bucket(LONGEST) {
            let longest = longest_in(bucket_index);
            assert_eq!(bucket(longest), bucket_index);
            assert_eq!(bucket(longest + 1), bucket_index + 1);
            let width = match bucket_index {
                0 => 1,
                _ => longest - longest_in(bucket_index - 1),
            };
            assert!(width == 1 || width * FINE <= longest, "{bucket_index}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_list() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.percentiles(), Percentiles::default());
        for millis in (1..=100).rev() {
            histogram.record(Duration::from_millis(millis));
        }
        let told = histogram.percentiles();
        for (told, exact) in [(told.p50, 50.0), (told.p90, 90.0), (told.p99, 99.0)] {
            assert!(
                exact <= told && told <= exact * (1.0 + 1.0 / 32.0),
                "{told}"
            );
        }
        assert_eq!(told.max, 100.0);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.percentiles().max, LONGEST as f64 / 1000.0);
    }
}
