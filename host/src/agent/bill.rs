//! What answers cost: from tokens to sums that people read.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::config::Price;
use crate::spool::{Spent, Usage};

/// The price of a model; `None` where nobody told it.
pub(super) fn price(prices: &BTreeMap<String, Price>, model: Option<&str>) -> Option<Price> {
    let own = model.and_then(|model| prices.get(model));
    own.or_else(|| prices.get("*")).copied()
}

/// Whether a server counted: those that do not leave the count out, or fill in zeros.
pub(crate) fn is_count(usage: &miniclaw_plugin_api::Usage) -> bool {
    usage.input_tokens > 0 || usage.output_tokens > 0
}

/// Millionths of the currency: a price is for a million tokens, so one token costs that many millionths.
pub(super) fn cost_micros(price: Price, input: u64, output: u64) -> u64 {
    // The largest float that comes out of configured prices is far below 2^64; beyond, `as` saturates.
    (input as f64 * price.input + output as f64 * price.output).round() as u64
}

/// Sums of what was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sums {
    pub(crate) requests: u64,
    #[serde(rename = "input_tokens")]
    pub(crate) input: u64,
    #[serde(rename = "output_tokens")]
    pub(crate) output: u64,
    /// Millionths of the currency; `None` where no price is known.
    pub(crate) cost_micros: Option<u64>,
    /// Some of the tokens.
    pub(crate) estimated: bool,
}

impl Sums {
    /// Of those days from `since` on.
    pub(crate) fn since(since: i64, spent: &[Spent]) -> Self {
        let days = spent.iter().filter(|spent| spent.day >= since);
        days.fold(Self::default(), |sums, spent| Self {
            requests: sums.requests + spent.requests,
            input: sums.input.saturating_add(spent.input),
            output: sums.output.saturating_add(spent.output),
            cost_micros: match (sums.cost_micros, spent.cost_micros) {
                (None, cost) | (cost, None) => cost,
                (Some(sum), Some(cost)) => Some(sum.saturating_add(cost)),
            },
            estimated: sums.estimated || spent.estimated,
        })
    }

    /// For people, as `3 requests, 1,200 tokens read, 80 written, 0.0123 USD`.
    pub(crate) fn told(self, currency: &str) -> impl fmt::Display {
        let mut text = match self.requests {
            1 => "1 request".to_owned(),
            count => format!("{} requests", grouped(count)),
        };
        let about = if self.estimated { "about " } else { "" };
        text += &format!(
            ", {about}{} tokens read, {} written",
            grouped(self.input),
            grouped(self.output)
        );
        if let Some(micros) = self.cost_micros {
            text += &format!(", {} {currency}", money(micros));
        }
        text
    }
}

/// Tokens of usage.
pub(crate) fn tokens(usage: &[Usage]) -> u64 {
    usage.iter().fold(0, |sum, one| {
        sum.saturating_add(one.input).saturating_add(one.output)
    })
}

/// A number with a comma before each three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Cents and, below one, what makes the first digits seen.
fn money(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let places = if micros >= 1_000_000 { 2 } else { 4 };
    let rounded = format!("{:.places$}", micros as f64 / 1e6);
    match rounded.bytes().all(|byte| matches!(byte, b'0' | b'.')) && micros > 0 {
        true => text,
        false => rounded,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_million_tokens_cost_the_price() {
        let prices = BTreeMap::from([
            (
                "m".to_owned(),
                Price {
                    input: 0.15,
                    output: 0.6,
                },
            ),
            (
                "*".to_owned(),
                Price {
                    input: 1.0,
                    output: 2.0,
                },
            ),
        ]);
        let of = |model| price(&prices, model).map(|price| cost_micros(price, 1_000_000, 500_000));
        assert_eq!(of(Some("m")), Some(450_000));
        assert_eq!((of(Some("x")), of(None)), (Some(2_000_000), Some(2_000_000)));
        assert_eq!(price(&BTreeMap::new(), Some("m")), None);
    }

    #[test]
    fn zeros_are_no_count() {
        let usage = |input_tokens, output_tokens| miniclaw_plugin_api::Usage {
            input_tokens,
            output_tokens,
        };
        assert!(!is_count(&usage(0, 0)));
        assert!(is_count(&usage(1, 0)) && is_count(&usage(0, 1)));
    }

    #[test]
    fn sums_are_told_as_people_write_them() {
        let day = |day, input, cost_micros| Spent {
            day,
            provider: "p".into(),
            model: None,
            requests: 1,
            input,
            output: 5,
            cost_micros,
            estimated: false,
        };
        let spent = [day(1, 1_234_567, None), day(2, 10, Some(12_345))];
        let told = |since| Sums::since(since, &spent).told("USD").to_string();
        assert_eq!(
            told(0),
            "2 requests, 1,234,577 tokens read, 10 written, 0.0123 USD"
        );
        assert_eq!(told(2), "1 request, 10 tokens read, 5 written, 0.0123 USD");
        assert_eq!(told(3), "0 requests, 0 tokens read, 0 written");
        assert_eq!((money(7), money(2_345_678)), ("0.000007".into(), "2.35".into()));
    }

    proptest! {
        #[test]
        fn a_grouped_number_is_the_number(number in any::<u64>()) {
            let text = grouped(number);
            prop_assert_eq!(text.replace(',', ""), number.to_string());
            prop_assert!(text.split(',').skip(1).all(|group| group.len() == 3));
        }
    }
}
