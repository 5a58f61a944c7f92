//! Counts as servers write them.

use serde_json::Value;

use super::Usage;

impl Usage {
    /// What a server counted; `None` where neither is a count. Servers in languages without integers write `3.0`.
    pub fn counted(input: &Value, output: &Value) -> Option<Self> {
        let (input, output) = (count(input), count(output));
        input.or(output)?;
        Some(Self {
            input_tokens: input.unwrap_or_default(),
            output_tokens: output.unwrap_or_default(),
        })
    }
}

fn count(value: &Value) -> Option<u64> {
    let decimal = || value.as_f64().filter(|count| *count >= 0.0);
    value.as_u64().or_else(|| decimal().map(|count| count as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_of_any_spelling_are_read_and_others_are_none() {
        let usage = |input_tokens, output_tokens| {
            Some(Usage {
                input_tokens,
                output_tokens,
            })
        };
        for (input, output, expected) in [
            (json!(3), json!(2.0), usage(3, 2)),
            (json!(null), json!(1e300), usage(0, u64::MAX)),
            (json!("3"), json!(0), usage(0, 0)),
            (json!(-1), json!([]), None),
        ] {
            assert_eq!(Usage::counted(&input, &output), expected, "{input} {output}");
        }
    }
}
