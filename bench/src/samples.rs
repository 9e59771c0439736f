//! Medians and percentiles, and how large numbers are written.

use std::time::Duration;

/// The value below which `percent` of 100 lie; sorts `values`. Zero if there are none.
pub(crate) fn percentile<T: Copy + Default + Ord>(values: &mut [T], percent: usize) -> T {
    values.sort_unstable();
    let index = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(index).copied().unwrap_or_default()
}

/// The value in the middle; of two, the mean. `None` if there are no values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let high = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { high } else { (values[middle - 1] + high) / 2.0 })
}

/// Percentiles of durations, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

impl Spread {
    /// Of nanoseconds.
    pub(crate) fn of(nanos: &mut [u32]) -> Self {
        let mut micros = |percent| f64::from(percentile(nanos, percent)) / 1000.0;
        Self { p50: micros(50), p95: micros(95), p99: micros(99) }
    }
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// `12,345`.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Nanoseconds, at most 4.3 s, which is longer than anything measured here.
pub(crate) fn nanos(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in
            [(&[][..], None), (&[7.0], Some(7.0)), (&[3.0, 1.0, 2.0], Some(2.0)), (&[4.0, 1.0], Some(2.5))]
        {
            assert_eq!(median(values.iter().copied()), expected, "{values:?}");
        }
    }

    #[test]
    fn large_numbers_are_readable() {
        for (number, expected) in [(0.4, "0"), (999.0, "999"), (1000.0, "1,000"), (1_234_567.8, "1,234,568")] {
            assert_eq!(thousands(number), expected);
        }
    }

    #[test]
    fn percentiles_lie_where_they_should() {
        let mut values: Vec<u32> = (0..100).rev().collect();
        for (percent, expected) in [(0, 0), (50, 50), (95, 95), (99, 99), (100, 99)] {
            assert_eq!(percentile(&mut values, percent), expected);
        }
        assert_eq!(percentile::<u32>(&mut [], 50), 0);
    }
}
