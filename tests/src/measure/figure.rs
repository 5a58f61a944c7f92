//! One line of the table.

use std::time::Duration;

/// What was measured, and what it should be.
pub struct Figure {
    what: String,
    value: String,
    target: &'static str,
}

impl Figure {
    pub fn new(what: impl Into<String>, value: impl Into<String>, target: &'static str) -> Self {
        Self {
            what: what.into(),
            value: value.into(),
            target,
        }
    }

    pub fn print_head() {
        println!("{:<66} {:>24}   to reach", "", "measured");
    }

    pub fn print(&self) {
        println!("{:<66} {:>24}   {}", self.what, self.value, self.target);
    }
}

/// The value below which the share `quantile` of `values` lies; 0 where there are none.
pub fn quantile<T: Copy + Ord + Default>(values: &mut [T], quantile: f64) -> T {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    let index = (last as f64 * quantile).round() as usize;
    values.get(index).copied().unwrap_or_default()
}

/// The value in the middle.
pub fn median<T: Copy + Ord + Default>(values: &mut [T]) -> T {
    quantile(values, 0.5)
}

pub fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

pub fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_taken_from_the_sorted_values() {
        assert_eq!(median(&mut [3, 1, 2]), 2);
        assert_eq!(quantile(&mut [5, 1, 3, 2, 4], 0.99), 5);
        assert_eq!(median::<u32>(&mut []), 0);
    }
}
