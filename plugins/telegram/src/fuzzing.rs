//! Entry points of the fuzz targets in `tests/fuzz`; no part of the plugin.

pub use crate::markdown::fuzzing::markdown;
pub use crate::receive::fuzzing::telegram_update;

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs an entry point on every seed of its target.
    fn replay(target: &str, entry: fn(&[u8])) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/seeds");
        let seeds = std::fs::read_dir(format!("{folder}/{target}")).unwrap();
        let replayed = seeds
            .map(|seed| entry(&std::fs::read(seed.unwrap().path()).unwrap()))
            .count();
        assert!(replayed > 0, "{target} has no seeds");
    }

    #[test]
    fn every_seed_is_an_update_or_refused() {
        replay("telegram_update", telegram_update);
    }

    #[test]
    fn every_seed_is_rendered_in_balanced_tags() {
        replay("markdown", markdown);
    }
}
