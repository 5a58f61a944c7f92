//! The command lines of the programs in `tests/src/bin`: `--name value`, and `--name` alone for what is on or off.

use std::collections::HashMap;

/// What was given.
#[derive(Debug, Default)]
pub struct Flags(HashMap<String, u64>);

impl Flags {
    /// Reads the command line; what is not in `numbers` or `switches` ends the process with status 2.
    pub fn of_process(numbers: &[&str], switches: &[&str]) -> Self {
        Self::parse(std::env::args().skip(1), numbers, switches).unwrap_or_else(|reason| {
            eprintln!("{reason}");
            std::process::exit(2);
        })
    }

    fn parse(
        mut arguments: impl Iterator<Item = String>,
        numbers: &[&str],
        switches: &[&str],
    ) -> Result<Self, String> {
        let mut given = HashMap::new();
        while let Some(argument) = arguments.next() {
            let name = argument.strip_prefix("--").unwrap_or_default();
            let value = if switches.contains(&name) {
                1
            } else if numbers.contains(&name) {
                let value = arguments.next().unwrap_or_default();
                value
                    .parse()
                    .map_err(|_| format!("`--{name}` takes a number, not `{value}`"))?
            } else {
                let known: Vec<String> = numbers
                    .iter()
                    .chain(switches)
                    .map(|name| format!("--{name}"))
                    .collect();
                return Err(format!(
                    "no flag is called `{argument}`; there are {}",
                    known.join(", ")
                ));
            };
            given.insert(name.to_owned(), value);
        }
        Ok(Self(given))
    }

    /// A number, or what it is where it was not given.
    pub fn number(&self, name: &str, otherwise: u64) -> u64 {
        self.0.get(name).copied().unwrap_or(otherwise)
    }

    /// Whether a switch was given.
    pub fn is_on(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, String> {
        Flags::parse(
            line.split_whitespace().map(str::to_owned),
            &["kills"],
            &["optional"],
        )
    }

    #[test]
    fn numbers_and_switches_are_read() {
        let flags = parse("--kills 30 --optional").unwrap();
        assert_eq!((flags.number("kills", 1), flags.is_on("optional")), (30, true));
        assert_eq!(parse("").unwrap().number("kills", 1), 1);
    }

    #[test]
    fn what_is_unknown_or_no_number_is_refused() {
        assert!(parse("--kils 30").unwrap_err().contains("--kills"));
        assert!(parse("--kills many").unwrap_err().contains("`many`"));
        assert!(parse("30").is_err());
    }
}
