//! `--what N` on the command line.

use std::collections::HashMap;

/// Numbers by name.
pub(crate) struct Arguments(HashMap<String, u64>);

impl Arguments {
    /// # Errors
    /// Where a word is none of `known` or is followed by no number.
    pub(crate) fn read(mut words: impl Iterator<Item = String>, known: &[&str]) -> Result<Self, String> {
        let mut numbers = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").unwrap_or_default();
            if !known.contains(&name) {
                return Err(format!(
                    "`{word}` is not known; there are --{}",
                    known.join(", --")
                ));
            }
            let number = words.next().and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| format!("`{word}` needs a number"))?;
            numbers.insert(name.to_owned(), number);
        }
        Ok(Self(numbers))
    }

    pub(crate) fn get(&self, name: &str, default: u64) -> u64 {
        self.0.get(name).copied().unwrap_or(default)
    }

    /// The same for what counts things in memory.
    pub(crate) fn count(&self, name: &str, default: u64) -> usize {
        usize::try_from(self.get(name, default)).unwrap_or(usize::MAX)
    }

    /// The same for chats.
    pub(crate) fn chats(&self, default: u64) -> i64 {
        i64::try_from(self.get("chats", default)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_name_and_others_refused() {
        let read = |words: &[&str]| Arguments::read(words.iter().map(ToString::to_string), &["chats"]);
        assert_eq!(read(&["--chats", "7"]).map(|read| read.chats(1)), Ok(7));
        assert_eq!(read(&[]).map(|read| read.chats(1)), Ok(1));
        for wrong in [
            &["--chats"][..],
            &["--chats", "x"],
            &["--cats", "7"],
            &["chats", "7"],
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
