//! Lets go of memory that only the start needed.

use std::ffi::c_void;
use std::fs;

use rustix::mm::{Advice, madvise};
use tracing::debug;

/// Unmaps the pages of this program's code and constants. The start runs through most of them and the kernel maps the
/// surroundings of every touched page; what an idle gateway needs comes back from the page cache, and that is a
/// fraction.
pub(super) fn release_startup_code() {
    let Ok(exe) = fs::read_link("/proc/self/exe") else {
        return;
    };
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else {
        return;
    };
    let exe = exe.to_string_lossy();
    for (start, length) in maps.lines().filter_map(|line| code_of(line, &exe)) {
        // SAFETY: the range is a private mapping of this program's file, as the kernel lists it, that was never
        // writable: its code, or its first segment, which holds no relocations. So every page dropped is read again
        // as it was.
        let dropped = unsafe { madvise(start as *mut c_void, length, Advice::LinuxDontNeed) };
        if let Err(error) = dropped {
            debug!(%error, "Code of the start stays mapped");
        }
    }
}

/// Start and length in bytes of a line of `/proc/self/maps` that maps code of `exe`, or its first segment: later
/// read-only ones were written by relocations before they were sealed.
fn code_of(line: &str, exe: &str) -> Option<(usize, usize)> {
    let mut fields = line.splitn(6, ' ');
    let (range, mode, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let sealed = mode == "r-xp" || (mode == "r--p" && offset == "00000000");
    if !sealed || fields.nth(2)?.trim_start() != exe {
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
    fn only_what_was_never_writable_is_let_go() {
        let line =
            |mode, offset, path| format!("1000-3000 {mode} {offset} fe:00 1234                       {path}");
        let here = Some((0x1000, 0x2000));
        assert_eq!(code_of(&line("r-xp", "002f8000", "/bin/m"), "/bin/m"), here);
        assert_eq!(code_of(&line("r--p", "00000000", "/bin/m"), "/bin/m"), here);
        for (mode, offset, path) in [
            ("rw-p", "00000000", "/bin/m"),
            ("rwxp", "00000000", "/bin/m"),
            ("r--p", "00922000", "/bin/m"),
            ("r-xp", "00000000", "/lib/x.so"),
        ] {
            assert_eq!(
                code_of(&line(mode, offset, path), "/bin/m"),
                None,
                "{mode} {offset} {path}"
            );
        }
        assert_eq!(code_of("", "/bin/m"), None);
    }

    #[test]
    fn the_program_goes_on_afterwards() {
        release_startup_code();
        assert_eq!(code_of("x", ""), None);
    }
}
