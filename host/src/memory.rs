//! Lets go of memory that only a start needed.

use std::ffi::c_void;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use rustix::mm::{Advice, madvise};
use tracing::debug;

/// Unmaps the pages of code and constants, and gives what is free of the heap back. A start runs through most of the code,
/// and the kernel maps the surroundings of every touched page; what an idle process needs comes back from the page
/// cache, and that is a fraction.
pub(crate) fn release_startup_code() {
    let ranges = match File::open("/proc/self/smaps").and_then(|smaps| untouched(BufReader::new(smaps))) {
        Ok(ranges) => ranges,
        Err(error) => {
            debug!(%error, "Code of the start stays mapped");
            return;
        }
    };
    for Range { start, length } in ranges {
        // SAFETY: the range is a private mapping of a file, as the kernel lists it, that cannot be written, and of which no
        // page ever was: relocations would show. So every page that is dropped is read again as it was.
        let dropped = unsafe { madvise(start as *mut c_void, length, Advice::LinuxDontNeed) };
        if let Err(error) = dropped {
            debug!(%error, "Code of the start stays mapped");
        }
    }
    // SAFETY: the allocator gives back what nobody uses; it locks what it looks at.
    unsafe { libc::malloc_trim(0) };
}

/// A mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: usize,
    length: usize,
}

/// The mappings in a list of the format of `/proc/self/smaps` that hold nothing but pages of their files.
fn untouched(smaps: impl BufRead) -> io::Result<Vec<Range>> {
    let (mut ranges, mut last) = (Vec::new(), None);
    for line in smaps.lines() {
        let line = line?;
        match line.strip_prefix("Anonymous:") {
            Some(size) if size.trim() == "0 kB" => ranges.extend(last.take()),
            Some(_) => last = None,
            None if line.split(' ').next().is_some_and(|word| word.ends_with(':')) => {}
            None => last = of_file(&line),
        }
    }
    Ok(ranges)
}

/// The mapping that the first line of an entry names, where it is one of a file and cannot be written.
fn of_file(line: &str) -> Option<Range> {
    let mut fields = line.splitn(6, ' ');
    let (range, mode) = (fields.next()?, fields.next()?);
    let sealed = mode == "r-xp" || mode == "r--p";
    if !sealed || !fields.nth(3)?.trim_start().starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let (start, end) = (
        usize::from_str_radix(start, 16).ok()?,
        usize::from_str_radix(end, 16).ok()?,
    );
    Some(Range {
        start,
        length: end.checked_sub(start)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: &str, path: &str, anonymous: u32) -> String {
        format!(
            "1000-3000 {mode} 00000000 fe:00 1234                       {path}\nSize:                  8 kB\n\
             Anonymous:             {anonymous} kB\nTHPeligible:           0\nVmFlags: rd mr mw me\n"
        )
    }

    #[test]
    fn only_what_was_never_written_is_let_go() {
        let here = Range {
            start: 0x1000,
            length: 0x2000,
        };
        let of = |text: &str| untouched(text.as_bytes()).unwrap();
        assert_eq!(of(&entry("r-xp", "/bin/m", 0)), [here]);
        assert_eq!(of(&entry("r--p", "/lib/x.so", 0)), [here]);
        for (mode, path, anonymous) in [
            ("rw-p", "/bin/m", 0),
            ("rwxp", "/bin/m", 0),
            ("r--p", "/bin/m", 4),
            ("r-xp", "/lib/x.so", 4),
            ("r--p", "", 0),
            ("r-xp", "[vdso]", 0),
            ("r--s", "/tmp/x", 0),
        ] {
            assert_eq!(of(&entry(mode, path, anonymous)), [], "{mode} {path} {anonymous}");
        }
        let two = entry("rw-p", "/bin/m", 0) + &entry("r-xp", "/bin/m", 0);
        assert_eq!(of(&two), [here]);
        assert_eq!(of(""), []);
    }

    #[test]
    fn the_program_goes_on_afterwards() {
        release_startup_code();
        assert_eq!(of_file("x"), None);
    }
}
