//! The C library of this system against the one that a library asks for.

use std::ffi::CStr;

use super::Reason;

/// Whether this system's glibc is recent enough.
pub(super) fn check(needed: Option<(u32, u32)>) -> Result<(), Reason> {
    match (needed, running()) {
        (Some(needed), Some(host)) if needed > host => Err(Reason::Glibc { needed, host }),
        _ => Ok(()),
    }
}

/// Version of the C library in this process; `None` where it is not glibc.
#[cfg(target_env = "gnu")]
fn running() -> Option<(u32, u32)> {
    unsafe extern "C" {
        safe fn gnu_get_libc_version() -> *const std::ffi::c_char;
    }
    let text = gnu_get_libc_version();
    // SAFETY: glibc returns a zero-terminated string that lives as long as the process.
    let text = unsafe { CStr::from_ptr(text) };
    parse(text.to_bytes())
}

#[cfg(not(target_env = "gnu"))]
fn running() -> Option<(u32, u32)> {
    None
}

/// Reads `2.36`, also as `2.36.1` or `2.36.9000`.
pub(super) fn parse(version: &[u8]) -> Option<(u32, u32)> {
    let mut numbers = std::str::from_utf8(version).ok()?.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_for_a_later_glibc_is_refused_with_both_versions() {
        let (major, minor) = running().expect("tests run on glibc");
        assert!(check(Some((major, minor))).is_ok());
        assert!(check(None).is_ok());
        let line = check(Some((major, minor + 1))).unwrap_err().to_string();
        assert!(line.contains(&format!("glibc {major}.{}", minor + 1)), "{line}");
        assert!(line.contains(&format!("has {major}.{minor};")), "{line}");
    }
}
