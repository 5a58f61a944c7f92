//! Libraries with bytes changed at random, where a dynamic loader or a processor meets them.

use std::ops::Range;

use super::{Library, MANIFEST, NAME_AT};
use crate::chance::Chance;

/// Sections by their names: code, constants, tables of the loader, pointers.
const SECTIONS: [&str; 9] = [
    ".text",
    ".rodata",
    ".dynamic",
    ".rela.dyn",
    ".rela.plt",
    ".dynsym",
    ".data.rel.ro",
    ".init_array",
    ".eh_frame",
];
/// Bytes of a manifest, which stay as they are: what it says is another test's.
const MANIFEST_BYTES: usize = 20 * 1024;

/// A library to make mutants of.
pub struct Original {
    /// Without what is behind its last segment, which nobody loads.
    library: Library,
    sections: Vec<(&'static str, Range<usize>)>,
    manifests: Vec<usize>,
}

impl Original {
    /// Looks at a library.
    ///
    /// # Panics
    /// Where it is no ELF library of 64 bits.
    pub fn of(mut library: Library) -> Self {
        let sections = sections(&library.bytes);
        let end = segments(&library.bytes).map(|segment| segment.end).max();
        library.bytes.truncate(end.expect("a library has segments"));
        // There are no section headers any more.
        library.bytes[0x28..0x30].fill(0);
        library.bytes[0x3c..0x40].fill(0);
        let manifests = library.places(MANIFEST, MANIFEST_BYTES);
        Self {
            library,
            sections,
            manifests,
        }
    }

    /// A plugin of this name, with up to 16 bytes of one section changed; tells which section.
    ///
    /// # Panics
    /// Never.
    pub fn mutant(&self, name: &str, chance: &mut Chance) -> (Library, &'static str) {
        let mut bytes = self.library.bytes.clone();
        let (section, range) = &self.sections[chance.below(self.sections.len() as u64) as usize];
        for _ in 0..=chance.below(16) {
            let at = range.start + chance.below(range.len() as u64) as usize;
            if !self
                .manifests
                .iter()
                .any(|place| (*place..place + MANIFEST_BYTES).contains(&at))
            {
                bytes[at] = chance.below(256) as u8;
            }
        }
        for place in &self.manifests {
            let own = format!("{name}\0");
            bytes[place + NAME_AT..][..own.len()].copy_from_slice(own.as_bytes());
        }
        let name = format!("lib{name}.so");
        (Library { name, bytes }, section)
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> usize {
    let bytes: [u8; N] = bytes[at..at + N].try_into().expect("the file is long enough");
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Where the sections of [`SECTIONS`] that there are lie in the file (`elf(5)`, 64 bits, little-endian).
fn sections(bytes: &[u8]) -> Vec<(&'static str, Range<usize>)> {
    let (table, entry) = (number::<8>(bytes, 0x28), number::<2>(bytes, 0x3a));
    let (count, names) = (number::<2>(bytes, 0x3c), number::<2>(bytes, 0x3e));
    let header = |index: usize| table + index * entry;
    let names = number::<8>(bytes, header(names) + 0x18);
    let section = |index: usize| {
        let header = header(index);
        let own = &bytes[names + number::<4>(bytes, header)..];
        let name = SECTIONS
            .iter()
            .find(|name| own.starts_with(format!("{name}\0").as_bytes()))?;
        let start = number::<8>(bytes, header + 0x18);
        let range = start..start + number::<8>(bytes, header + 0x20);
        (!range.is_empty()).then_some((*name, range))
    };
    (0..count).filter_map(section).collect()
}

/// What of the file is loaded.
fn segments(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let (table, entry) = (number::<8>(bytes, 0x20), number::<2>(bytes, 0x36));
    (0..number::<2>(bytes, 0x38)).map(move |index| {
        let header = table + index * entry;
        let start = number::<8>(bytes, header + 0x8);
        start..start + number::<8>(bytes, header + 0x20)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_differs_in_a_few_bytes_of_one_section_and_the_same_seed_gives_the_same() {
        let original = Original::of(Library::of("loopback"));
        let (name, mut seen) = ("loopback", std::collections::HashSet::new());
        for seed in 0..20 {
            let (mutant, section) = original.mutant(name, &mut Chance::seeded(seed));
            let pairs = mutant.bytes.iter().zip(&original.library.bytes);
            assert!(pairs.filter(|(own, other)| own != other).count() <= 16);
            assert!(mutant.bytes == original.mutant(name, &mut Chance::seeded(seed)).0.bytes);
            seen.insert(section);
        }
        assert!(seen.len() > 4, "{seen:?}");
    }
}
