//! Entry points of the fuzz targets in `tests/fuzz`; no part of the program.

pub use crate::config::fuzzing::config;
pub use crate::delivery::split::fuzzing::split;
pub use crate::plugins::inspect::fuzzing::inspect;
pub use crate::plugins::isolate::fuzzing::frames;
pub use crate::sessions::fuzzing::session_file;

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs an entry point on every seed of its target.
    fn replay(target: &str, entry: fn(&[u8])) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/seeds");
        let seeds = std::fs::read_dir(format!("{folder}/{target}")).unwrap();
        let replayed = seeds
            .map(|seed| entry(&std::fs::read(seed.unwrap().path()).unwrap()))
            .count();
        assert!(replayed > 0, "{target} has no seeds");
    }

    #[test]
    fn every_seed_is_a_configuration_or_a_refusal() {
        replay("config", config);
    }

    #[test]
    fn every_seed_is_split_by_the_rules() {
        replay("split", split);
    }

    #[test]
    fn every_seed_is_inspected_or_refused() {
        replay("inspect", inspect);
    }

    #[test]
    fn every_seed_is_frames_or_none() {
        replay("frames", frames);
    }

    #[test]
    fn every_seed_is_a_session_or_refused() {
        replay("session_file", session_file);
    }
}
