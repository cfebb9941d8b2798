//! The arithmetic of measuring: medians, ratios, latencies. Pure.

/// The middle one, or the mean of the two middle ones; `None` of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// How far the median may be from what many more values would give, as a share of it: half of the stretch in which it
/// lies with 95 % confidence, whatever the values are distributed like. 0 of nothing.
pub fn uncertainty(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    // The number of values below the median is binomial: about half of them, give or take a root.
    let number = values.len() as f64;
    let outside = ((number - 1.96 * number.sqrt()) / 2.0).max(0.0) as usize;
    let inside = &values[outside.min(values.len())..values.len() - outside];
    let (Some(least), Some(most), Some(median)) = (inside.first(), inside.last(), median(values.clone()))
    else {
        return 0.0;
    };
    ratio((most - least) / 2.0, median).unwrap_or(0.0)
}

/// `value / base`, if that says something.
pub fn ratio(value: f64, base: f64) -> Option<f64> {
    Some(value / base).filter(|ratio| base > 0.0 && ratio.is_finite())
}

/// Binary digits that are kept of each latency: it is known to 1/64.
const DIGITS: u32 = 6;
const PER_POWER: usize = 1 << DIGITS;

/// Counts latencies in memory that does not grow with their number.
#[derive(Debug)]
pub struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; (64 - DIGITS as usize + 1) << DIGITS], total: 0 }
    }
}

impl Latencies {
    /// Counts one, in nanoseconds.
    pub fn record(&mut self, nanoseconds: u64) {
        if let Some(count) = self.counts.get_mut(place(nanoseconds)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Counts what another has counted, too.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total += other.total;
    }

    /// The latency in nanoseconds that a share of all, such as 0.99, did not exceed; `None` of nothing.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let wanted = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(middle(place))
    }
}

/// Latencies below 64 ns have a place each, later ones 64 places for each power of two.
fn place(nanoseconds: u64) -> usize {
    let shift = (64 - DIGITS - 1).saturating_sub(nanoseconds.leading_zeros());
    ((nanoseconds >> shift) as usize) + ((shift as usize) << DIGITS)
}

/// The middle of what is counted in a place.
fn middle(place: usize) -> f64 {
    let shift = (place >> DIGITS).saturating_sub(1);
    let first = (place - (shift << DIGITS)) as f64 * 2f64.powi(shift as i32);
    debug_assert!(place < 2 * PER_POWER || shift > 0);
    first + (2f64.powi(shift as i32) - 1.0) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn medians_are_uncertain() {
        assert_eq!(uncertainty([]), 0.0);
        assert_eq!(uncertainty([5.0]), 0.0);
        assert_eq!(uncertainty([8.0, 10.0, 13.0]), 0.25, "of so few, all of them");
        // Of twelve, the third to the tenth: 96 % by the binomial distribution.
        let values = [100.0, 0.0, 7.0, 8.0, 9.0, 10.0, 10.0, 11.0, 12.0, 13.0, 1e9, -1e9];
        assert_eq!(uncertainty(values), 0.3);
    }

    #[test]
    fn ratios_need_a_base() {
        assert_eq!(ratio(3.0, 4.0), Some(0.75));
        assert_eq!(ratio(3.0, 0.0), None);
        assert_eq!(ratio(0.0, 0.0), None);
    }

    #[test]
    fn every_latency_has_a_place_near_it() {
        let mut last = None;
        for power in 0..63 {
            for offset in [0, 1, 2, 3] {
                let latency = (1u64 << power) + offset * (1u64 << power) / 4;
                let found = middle(place(latency));
                let error = (found - latency as f64).abs() / latency as f64;
                assert!(error <= 1.0 / 64.0, "{latency} is counted as {found}");
            }
            assert!(last < Some(place(1 << power)));
            last = Some(place(1 << power));
        }
        assert!(place(u64::MAX) < Latencies::default().counts.len());
    }

    #[test]
    fn percentiles_count_from_below() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(0.5), None);
        // 1 to 60 ns are counted exactly.
        (1..=60).for_each(|latency| latencies.record(latency));
        assert_eq!(latencies.percentile(0.5), Some(30.0));
        assert_eq!(latencies.percentile(0.99), Some(60.0));
        assert_eq!(latencies.percentile(0.0), Some(1.0));
        assert_eq!(latencies.percentile(1.0), Some(60.0));
        let mut more = Latencies::default();
        (61..=63).for_each(|latency| more.record(latency));
        latencies.merge(&more);
        assert_eq!((latencies.percentile(1.0), latencies.total), (Some(63.0), 63));
    }
}
