//! A real library for the tests of the modules beside this one: the example channel of `plugin-api`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use object::Endianness;
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSymbol as _};

/// The example's library, built once.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let test_binary = std::env::current_exe().expect("the test binary has a path");
        let profile = test_binary.ancestors().nth(2).expect("target/debug/deps/binary");
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args([
                "build",
                "--quiet",
                "--offline",
                "-p",
                "miniclaw-plugin-api",
                "--example",
                "echo_channel",
            ])
            .arg("--target-dir")
            .arg(profile.parent().expect("the target directory"));
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success());
        profile.join("examples/libecho_channel.so")
    })
}

/// The library's bytes.
pub(super) fn bytes() -> Vec<u8> {
    std::fs::read(library()).expect("the library was built")
}

/// The place in the file of the symbol `name`.
pub(super) fn place_of(bytes: &[u8], name: &str) -> usize {
    use object::read::elf::ProgramHeader as _;
    let file = ElfFile64::<Endianness>::parse(bytes).expect("a library");
    let symbol = file
        .dynamic_symbols()
        .find(|symbol| symbol.name() == Ok(name))
        .expect("the symbol is exported");
    let address = symbol.address();
    let segment = file
        .elf_program_headers()
        .iter()
        .find(|segment| {
            let start = segment.p_vaddr(file.endian());
            segment.p_type(file.endian()) == object::elf::PT_LOAD
                && (start..start + segment.p_filesz(file.endian())).contains(&address)
        })
        .expect("the symbol is in the file");
    (segment.p_offset(file.endian()) + address - segment.p_vaddr(file.endian())) as usize
}

/// The place in the file of the dynamic table.
pub(super) fn dynamic_table(bytes: &[u8]) -> usize {
    use object::read::elf::ProgramHeader as _;
    let file = ElfFile64::<Endianness>::parse(bytes).expect("a library");
    let segment = file
        .elf_program_headers()
        .iter()
        .find(|segment| segment.p_type(file.endian()) == object::elf::PT_DYNAMIC)
        .expect("a library has a dynamic table");
    segment.p_offset(file.endian()) as usize
}

/// The library with the symbol `name` imported instead of defined.
pub(super) fn with_undefined(name: &str) -> Vec<u8> {
    use object::read::elf::SectionHeader as _;
    /// Where `st_shndx` stands in a 64-bit symbol, and how long that is.
    const SECTION_AT: usize = 6;
    const SYMBOL_BYTES: usize = 24;
    let mut bytes = bytes();
    let file = ElfFile64::<Endianness>::parse(bytes.as_slice()).expect("a library");
    let symbols = file.elf_dynamic_symbol_table();
    let table = file
        .elf_section_table()
        .section(symbols.section())
        .expect("it has a table");
    let table = table.sh_offset(file.endian()) as usize;
    let symbol = file
        .dynamic_symbols()
        .find(|symbol| symbol.name() == Ok(name))
        .expect("the symbol is exported");
    let at = table + symbol.index().0 * SYMBOL_BYTES + SECTION_AT;
    bytes[at..at + 2].fill(0);
    bytes
}

/// Writes a library that differs from the real one in these bytes of its manifest.
pub(super) fn with_manifest(path: &Path, at: usize, change: &[u8]) {
    let mut bytes = bytes();
    let start = place_of(&bytes, miniclaw_plugin_api::manifest::MANIFEST_SYMBOL) + at;
    bytes[start..start + change.len()].copy_from_slice(change);
    std::fs::write(path, bytes).expect("the folder is writable");
}

/// The library with traps in place of its machine code.
pub(super) fn with_garbage_for_code() -> Vec<u8> {
    use object::read::elf::ProgramHeader as _;
    let mut bytes = bytes();
    let file = ElfFile64::<Endianness>::parse(bytes.as_slice()).expect("a library");
    let code: Vec<_> = file
        .elf_program_headers()
        .iter()
        .filter(|segment| segment.p_flags(file.endian()).contains(object::elf::PF_X))
        .map(|segment| segment.file_range(file.endian()))
        .collect();
    assert!(!code.is_empty());
    for (offset, size) in code {
        bytes[offset as usize..(offset + size) as usize].fill(0);
    }
    bytes
}
