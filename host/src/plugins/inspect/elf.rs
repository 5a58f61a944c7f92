//! What a library's file tells the dynamic loader: read by the same tables that it uses, none of which are trusted.

mod symbols;

use std::fs::File;

use miniclaw_plugin_api::manifest::{MANIFEST_SYMBOL, ROOT_SYMBOL, RawManifest};
use object::elf;
use object::endian::NativeEndian;
use object::pod::Pod;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::read::{ReadCache, ReadRef};

use super::manifest::check_head;
use super::{Reason, glibc};

#[cfg(target_pointer_width = "64")]
mod class {
    use object::{elf, endian::NativeEndian};
    pub(super) type Header = elf::FileHeader64<NativeEndian>;
    pub(super) type Segment = elf::ProgramHeader64<NativeEndian>;
    pub(super) type Dynamic = elf::Dyn64<NativeEndian>;
    pub(super) type Symbol = elf::Sym64<NativeEndian>;
}
#[cfg(target_pointer_width = "32")]
mod class {
    use object::{elf, endian::NativeEndian};
    pub(super) type Header = elf::FileHeader32<NativeEndian>;
    pub(super) type Segment = elf::ProgramHeader32<NativeEndian>;
    pub(super) type Dynamic = elf::Dyn32<NativeEndian>;
    pub(super) type Symbol = elf::Sym32<NativeEndian>;
}

/// More entries than this has no library; each of them bounds the work that a hostile file can cause.
const MAX_SEGMENTS: usize = 128;
const MAX_DYNAMIC: usize = 4096;
const MAX_VERSIONS: usize = 4096;

/// What the file shows.
pub(super) struct Found {
    pub(super) manifest: Box<RawManifest>,
    /// Highest `GLIBC_x.y` that it asks for.
    pub(super) glibc: Option<(u32, u32)>,
}

/// Reads the tables of a library.
pub(super) fn read(file: File) -> Result<Found, Reason> {
    let cache = ReadCache::new(file);
    let image = Image::open(&cache)?;
    let tables = image.tables()?;
    let find = |symbol| tables.find(&image, symbol)?.ok_or(Reason::NoSymbol { symbol });
    let address = find(MANIFEST_SYMBOL)?;
    find(ROOT_SYMBOL)?;
    Ok(Found {
        manifest: image.manifest(address)?,
        glibc: tables.glibc(&image)?,
    })
}

/// The file as it will lie in memory.
struct Image<'data> {
    data: &'data ReadCache<File>,
    segments: &'data [class::Segment],
}

impl<'data> Image<'data> {
    fn open(data: &'data ReadCache<File>) -> Result<Self, Reason> {
        let [magic @ .., class, order] = data.read_bytes_at(0, 6).map_err(|()| Reason::NotElf)? else {
            return Err(Reason::NotElf);
        };
        if magic != elf::ELFMAG {
            return Err(Reason::NotElf);
        }
        check_class(elf::FileClass(*class), elf::DataEncoding(*order))?;
        let header: &class::Header = data
            .read_at(0)
            .map_err(|()| Reason::Damaged("it ends in its header"))?;
        check_kind(header)?;
        let count = usize::from(header.e_phnum(NativeEndian));
        if count == 0 || count > MAX_SEGMENTS {
            return Err(Reason::Damaged("its number of segments is impossible"));
        }
        if usize::from(header.e_phentsize(NativeEndian)) != size_of::<class::Segment>() {
            return Err(Reason::Damaged("its program header has another size"));
        }
        let segments = data
            .read_slice_at(header.e_phoff(NativeEndian), count)
            .map_err(|()| Reason::Damaged("it ends before its program header"))?;
        let image = Self { data, segments };
        image.check_segments()?;
        image.check_length(header)?;
        Ok(image)
    }

    /// The section headers are of no use to the dynamic loader, but linkers write them last: without them the file
    /// was cut off.
    fn check_length(&self, header: &class::Header) -> Result<(), Reason> {
        let start = header.e_shoff(NativeEndian);
        let count = u64::from(header.e_shnum(NativeEndian)) * u64::from(header.e_shentsize(NativeEndian));
        let size = self
            .data
            .len()
            .map_err(|()| Reason::Damaged("it cannot be measured"))?;
        if start.checked_add(count).is_none_or(|end| end > size) {
            return Err(Reason::Damaged("it ends before its section headers"));
        }
        Ok(())
    }

    fn check_segments(&self) -> Result<(), Reason> {
        let size = self
            .data
            .len()
            .map_err(|()| Reason::Damaged("it cannot be measured"))?;
        let mut previous = 0;
        for segment in self.segments {
            let kind = segment.p_type(NativeEndian);
            if kind == elf::PT_INTERP {
                return Err(Reason::NotShared { found: "a program" });
            }
            if ![elf::PT_LOAD, elf::PT_DYNAMIC, elf::PT_TLS].contains(&kind) {
                continue;
            }
            let (offset, in_file) = segment.file_range(NativeEndian);
            let (address, in_memory) = (segment.p_vaddr(NativeEndian), segment.p_memsz(NativeEndian));
            if offset.checked_add(in_file).is_none_or(|end| end > size) {
                return Err(Reason::Damaged("it ends inside a segment"));
            }
            if in_file > in_memory || address.checked_add(in_memory).is_none() {
                return Err(Reason::Damaged("a segment does not fit into memory"));
            }
            if kind == elf::PT_LOAD {
                let align = segment.p_align(NativeEndian).max(1);
                if !align.is_power_of_two() || address % align != offset % align || address < previous {
                    return Err(Reason::Damaged("a segment lies where it cannot"));
                }
                previous = address + in_memory;
            }
        }
        Ok(())
    }

    /// The file's place for `size` bytes at an address, where all of them are in the file.
    fn offset(&self, address: u64, size: u64) -> Option<u64> {
        let end = address.checked_add(size)?;
        self.segments
            .iter()
            .filter(|segment| segment.p_type(NativeEndian) == elf::PT_LOAD)
            .find_map(|segment| {
                let (offset, in_file) = segment.file_range(NativeEndian);
                let start = segment.p_vaddr(NativeEndian);
                let inside = address >= start && end <= start.checked_add(in_file)?;
                inside.then(|| offset + (address - start))
            })
    }

    /// A value at an address.
    fn at<T: Pod>(&self, address: u64) -> Result<&'data T, Reason> {
        self.offset(address, size_of::<T>() as u64)
            .and_then(|offset| self.data.read_at(offset).ok())
            .ok_or(Reason::Damaged("a table lies outside the file"))
    }

    /// Bytes at an address.
    fn bytes(&self, address: u64, size: usize) -> Option<&'data [u8]> {
        let offset = self.offset(address, size as u64)?;
        self.data.read_bytes_at(offset, size as u64).ok()
    }

    fn tables(&self) -> Result<symbols::Tables, Reason> {
        let dynamic = self
            .segments
            .iter()
            .find(|segment| segment.p_type(NativeEndian) == elf::PT_DYNAMIC)
            .ok_or(Reason::NotShared {
                found: "linked statically",
            })?;
        let (offset, size) = dynamic.file_range(NativeEndian);
        let count = (size / size_of::<class::Dynamic>() as u64).min(MAX_DYNAMIC as u64);
        let entries: &[class::Dynamic] = self
            .data
            .read_slice_at(offset, usize::try_from(count).unwrap_or(MAX_DYNAMIC))
            .map_err(|()| Reason::Damaged("its dynamic table cannot be read"))?;
        let mut tables = symbols::Tables::default();
        for entry in entries {
            let value: u64 = entry.d_val(NativeEndian);
            match entry.d_tag(NativeEndian) {
                elf::DT_NULL => break,
                tag => tables.note(tag, value),
            }
        }
        Ok(tables)
    }

    /// Copies the manifest once its first bytes are found right.
    fn manifest(&self, address: u64) -> Result<Box<RawManifest>, Reason> {
        let missing = || Reason::Manifest("it is not in the file");
        let head = self.bytes(address, 24).ok_or_else(missing)?;
        let mut magic = [0; 16];
        magic.copy_from_slice(&head[..16]);
        let number = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        check_head(magic, number(16), number(20))?;
        let bytes = self
            .bytes(address, size_of::<RawManifest>())
            .ok_or_else(missing)?;
        // SAFETY: `bytes` has the size of a `RawManifest`, which is made of integers and arrays of them: every
        // pattern of bytes is one, and an unaligned read needs no more.
        let manifest = unsafe { bytes.as_ptr().cast::<RawManifest>().read_unaligned() };
        Ok(Box::new(manifest))
    }
}

fn check_class(class: elf::FileClass, order: elf::DataEncoding) -> Result<(), Reason> {
    let host_class = if cfg!(target_pointer_width = "64") {
        elf::ELFCLASS64
    } else {
        elf::ELFCLASS32
    };
    let host_order = if cfg!(target_endian = "little") {
        elf::ELFDATA2LSB
    } else {
        elf::ELFDATA2MSB
    };
    let foreign = |found: &str| Reason::Machine {
        found: found.to_owned(),
        host: std::env::consts::ARCH,
    };
    if class != host_class {
        return Err(foreign(match class {
            elf::ELFCLASS32 => "a 32-bit machine",
            elf::ELFCLASS64 => "a 64-bit machine",
            _ => "an unknown class of machines",
        }));
    }
    if order != host_order {
        return Err(foreign("a machine with another byte order"));
    }
    Ok(())
}

fn check_kind(header: &class::Header) -> Result<(), Reason> {
    let machine = header.e_machine(NativeEndian);
    let host = match std::env::consts::ARCH {
        "x86_64" => elf::EM_X86_64,
        "aarch64" => elf::EM_AARCH64,
        "riscv64" => elf::EM_RISCV,
        "powerpc64" => elf::EM_PPC64,
        "s390x" => elf::EM_S390,
        "loongarch64" => elf::EM_LOONGARCH,
        "arm" => elf::EM_ARM,
        "x86" => elf::EM_386,
        // On other machines the target triple alone tells.
        _ => machine,
    };
    if machine != host {
        return Err(Reason::Machine {
            found: match machine {
                elf::EM_X86_64 => "x86_64".to_owned(),
                elf::EM_AARCH64 => "aarch64".to_owned(),
                elf::EM_RISCV => "riscv".to_owned(),
                elf::EM_ARM => "arm".to_owned(),
                elf::EM_386 => "x86".to_owned(),
                other => format!("machine {}", other.0),
            },
            host: std::env::consts::ARCH,
        });
    }
    match header.e_type(NativeEndian) {
        elf::ET_DYN => Ok(()),
        elf::ET_EXEC => Err(Reason::NotShared { found: "a program" }),
        elf::ET_REL => Err(Reason::NotShared {
            found: "an object file",
        }),
        elf::ET_CORE => Err(Reason::NotShared { found: "a core dump" }),
        _ => Err(Reason::Damaged("its kind of file is unknown")),
    }
}
