//! Looks names up as the dynamic loader does: through the hash table, in a few small reads.

use object::elf;
use object::endian::{NativeEndian, U32};
use object::read::ReadRef;
use object::read::elf::Sym as _;

use super::{Image, MAX_VERSIONS, Reason, class, glibc};

/// Longest chain that is followed; real ones have a handful of symbols.
const MAX_CHAIN: u32 = 4096;

/// Addresses of the tables that the dynamic table names; 0 where it does not.
#[derive(Default)]
pub(super) struct Tables {
    symbols: u64,
    strings: u64,
    gnu_hash: u64,
    hash: u64,
    needs: u64,
    needs_count: u64,
}

impl Tables {
    pub(super) fn note(&mut self, tag: elf::DynamicTag, value: u64) {
        match tag {
            elf::DT_SYMTAB => self.symbols = value,
            elf::DT_STRTAB => self.strings = value,
            elf::DT_GNU_HASH => self.gnu_hash = value,
            elf::DT_HASH => self.hash = value,
            elf::DT_VERNEED => self.needs = value,
            elf::DT_VERNEEDNUM => self.needs_count = value,
            _ => {}
        }
    }

    /// The address of a symbol that the library exports.
    pub(super) fn find(&self, image: &Image<'_>, name: &str) -> Result<Option<u64>, Reason> {
        if self.symbols == 0 || self.strings == 0 {
            return Ok(None);
        }
        if self.gnu_hash != 0 {
            self.find_by_gnu_hash(image, name)
        } else if self.hash != 0 {
            self.find_by_hash(image, name)
        } else {
            Ok(None)
        }
    }

    fn find_by_gnu_hash(&self, image: &Image<'_>, name: &str) -> Result<Option<u64>, Reason> {
        let header: &elf::GnuHashHeader<NativeEndian> = image.at(self.gnu_hash)?;
        let buckets = header.bucket_count.get(NativeEndian);
        let base = header.symbol_base.get(NativeEndian);
        if buckets == 0 {
            return Ok(None);
        }
        let word = u64::from(usize::BITS / 8);
        let bloom_table = self.gnu_hash.saturating_add(16);
        let bloom_size = u64::from(header.bloom_count.get(NativeEndian)) * word;
        let bucket_table = bloom_table.saturating_add(bloom_size);
        let chain_table = bucket_table.saturating_add(4 * u64::from(buckets));
        let hash = elf::gnu_hash(name.as_bytes());
        let first = word_at(image, bucket_table, hash % buckets)?;
        if first < base {
            return Ok(None);
        }
        for step in 0..MAX_CHAIN {
            let Some(index) = first.checked_add(step) else {
                break;
            };
            let entry = word_at(image, chain_table, index - base)?;
            if entry | 1 == hash | 1
                && let Some(address) = self.match_symbol(image, index, name)?
            {
                return Ok(Some(address));
            }
            if entry & 1 == 1 {
                break;
            }
        }
        Ok(None)
    }

    fn find_by_hash(&self, image: &Image<'_>, name: &str) -> Result<Option<u64>, Reason> {
        let buckets = word_at(image, self.hash, 0)?;
        if buckets == 0 {
            return Ok(None);
        }
        let bucket_table = self.hash.saturating_add(8);
        let chain_table = bucket_table.saturating_add(4 * u64::from(buckets));
        let mut index = word_at(image, bucket_table, elf::hash(name.as_bytes()) % buckets)?;
        for _ in 0..MAX_CHAIN {
            if index == 0 {
                break;
            }
            if let Some(address) = self.match_symbol(image, index, name)? {
                return Ok(Some(address));
            }
            index = word_at(image, chain_table, index)?;
        }
        Ok(None)
    }

    /// The address of symbol `index` where it is defined here under this name.
    fn match_symbol(&self, image: &Image<'_>, index: u32, name: &str) -> Result<Option<u64>, Reason> {
        let place = self
            .symbols
            .checked_add(u64::from(index) * size_of::<class::Symbol>() as u64);
        let symbol: &class::Symbol = image.at(place.ok_or(Reason::Damaged("a symbol lies nowhere"))?)?;
        let text = self
            .strings
            .checked_add(u64::from(symbol.st_name(NativeEndian)))
            .and_then(|address| image.bytes(address, name.len() + 1));
        let named = text.is_some_and(|text| text.split_last() == Some((&0, name.as_bytes())));
        let defined = symbol.st_shndx(NativeEndian) != elf::SHN_UNDEF;
        Ok((named && defined).then(|| symbol.st_value(NativeEndian)))
    }

    /// The highest `GLIBC_x.y` among the versions that the library needs.
    pub(super) fn glibc(&self, image: &Image<'_>) -> Result<Option<(u32, u32)>, Reason> {
        let mut highest = None;
        let mut need_at = self.needs;
        let mut budget = MAX_VERSIONS;
        for _ in 0..self.needs_count {
            let need: &elf::Verneed<NativeEndian> = image.at(need_at)?;
            let mut version_at = need_at.saturating_add(need.vn_aux.get(NativeEndian).into());
            for _ in 0..need.vn_cnt.get(NativeEndian) {
                budget = budget
                    .checked_sub(1)
                    .ok_or(Reason::Damaged("it needs too many versions"))?;
                let version: &elf::Vernaux<NativeEndian> = image.at(version_at)?;
                let name = self
                    .strings
                    .saturating_add(version.vna_name.get(NativeEndian).into());
                highest = highest.max(glibc_version(image, name));
                version_at = version_at.saturating_add(version.vna_next.get(NativeEndian).into());
            }
            match need.vn_next.get(NativeEndian) {
                0 => break,
                next => need_at = need_at.saturating_add(next.into()),
            }
            budget = budget
                .checked_sub(1)
                .ok_or(Reason::Damaged("it needs too many versions"))?;
        }
        Ok(highest)
    }
}

fn glibc_version(image: &Image<'_>, name: u64) -> Option<(u32, u32)> {
    let start = image.offset(name, 1)?;
    let end = image.data.len().ok()?.min(start + 64);
    let name = image.data.read_bytes_at_until(start..end, 0).ok()?;
    glibc::parse(name.strip_prefix(b"GLIBC_")?)
}

/// The 32-bit word `index` of a table.
fn word_at(image: &Image<'_>, table: u64, index: u32) -> Result<u32, Reason> {
    let place = table.checked_add(4 * u64::from(index));
    let word: &U32<NativeEndian> = image.at(place.ok_or(Reason::Damaged("a table lies nowhere"))?)?;
    Ok(word.get(NativeEndian))
}
