//! Entry point of the fuzz target in `tests/fuzz`; no part of the contract.

pub use crate::http::fuzzing::sse;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_gives_the_same_events_in_any_chunks() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/seeds/sse");
        let seeds = std::fs::read_dir(folder).unwrap();
        let replayed = seeds
            .map(|seed| sse(&std::fs::read(seed.unwrap().path()).unwrap()))
            .count();
        assert!(replayed > 0, "there are no seeds");
    }
}
