//! Lets go of memory that only the start needed.

use std::ffi::c_void;
use std::fs;

use rustix::mm::{Advice, madvise};
use tracing::debug;

/// Unmaps the pages of this program's code. The start runs through most of it and the kernel maps the surroundings
/// of every touched page; what an idle gateway needs comes back from the page cache, and that is a fraction.
pub(super) fn release_startup_code() {
    let Ok(exe) = fs::read_link("/proc/self/exe") else {
        return;
    };
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else {
        return;
    };
    let exe = exe.to_string_lossy();
    for (start, length) in maps.lines().filter_map(|line| code_of(line, &exe)) {
        // SAFETY: the range is a private, read-only, executable mapping of this program's file, as the kernel lists
        // it; nothing in it can have been written, so that every page dropped is read again as it was.
        let dropped = unsafe { madvise(start as *mut c_void, length, Advice::LinuxDontNeed) };
        if let Err(error) = dropped {
            debug!(%error, "Code of the start stays mapped");
        }
    }
}

/// Start and length in bytes of a line of `/proc/self/maps` that maps code of `exe`.
fn code_of(line: &str, exe: &str) -> Option<(usize, usize)> {
    let mut fields = line.splitn(6, ' ');
    let (range, mode) = (fields.next()?, fields.next()?);
    if mode != "r-xp" || fields.nth(3)?.trim_start() != exe {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let (start, end) = (
        usize::from_str_radix(start, 16).ok()?,
        usize::from_str_radix(end, 16).ok()?,
    );
    Some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_read_only_code_of_the_program_itself_is_let_go() {
        let line = |mode, path| format!("1000-3000 {mode} 00000000 fe:00 1234                       {path}");
        assert_eq!(code_of(&line("r-xp", "/bin/m"), "/bin/m"), Some((0x1000, 0x2000)));
        for (mode, path) in [
            ("rw-p", "/bin/m"),
            ("rwxp", "/bin/m"),
            ("r--p", "/bin/m"),
            ("r-xp", "/lib/x.so"),
        ] {
            assert_eq!(code_of(&line(mode, path), "/bin/m"), None, "{mode} {path}");
        }
        assert_eq!(code_of("", "/bin/m"), None);
    }

    #[test]
    fn the_program_goes_on_afterwards() {
        release_startup_code();
        assert_eq!(code_of("x", ""), None);
    }
}
