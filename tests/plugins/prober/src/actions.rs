//! The actions and how they end. Each is harmless where it is allowed: it sends signals that are ignored, passes what is refused
//! after the permission was checked, or takes back what it did.

mod files;
mod kernel;
mod network;
mod processes;

use std::ffi::{CString, c_long};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::Paths;

/// How the kernel ended it, an error by its number.
type Attempt = Result<usize, i32>;
type Action = (&'static str, fn(&Paths) -> Attempt);

fn all() -> impl Iterator<Item = &'static Action> {
    [
        files::ACTIONS,
        processes::ACTIONS,
        network::ACTIONS,
        kernel::ACTIONS,
    ]
    .into_iter()
    .flatten()
}

/// The names of all actions.
pub(crate) fn names() -> Vec<&'static str> {
    all().map(|(name, _)| *name).collect()
}

/// Tries one.
pub(crate) fn attempt(name: &str, paths: &Paths) -> String {
    match all().find(|(known, _)| *known == name) {
        Some((_, action)) => outcome(action(paths)),
        None => "no such action".to_owned(),
    }
}

/// What is neither a refusal nor absent counts as allowed, so that an error that nobody thought of is looked at.
fn outcome(attempt: Attempt) -> String {
    match attempt {
        Ok(_) => "allowed".to_owned(),
        Err(error @ (libc::EPERM | libc::EACCES | libc::EROFS)) => format!("denied ({})", name(error)),
        Err(
            error @ (libc::ENOSYS
            | libc::EAFNOSUPPORT
            | libc::EPROTONOSUPPORT
            | libc::ESOCKTNOSUPPORT
            | HIDDEN),
        ) => format!("unavailable ({})", name(error)),
        Err(error) => format!("allowed (then {})", name(error)),
    }
}

/// A thing that exists cannot be seen.
const HIDDEN: i32 = i32::MAX;

fn name(error: i32) -> String {
    const NAMES: &[(i32, &str)] = &[
        (HIDDEN, "hidden"),
        (libc::EPERM, "EPERM"),
        (libc::EACCES, "EACCES"),
        (libc::EROFS, "EROFS"),
        (libc::ENOSYS, "ENOSYS"),
        (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
        (libc::EPROTONOSUPPORT, "EPROTONOSUPPORT"),
        (libc::ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT"),
        (libc::EINVAL, "EINVAL"),
        (libc::EFAULT, "EFAULT"),
        (libc::EBADF, "EBADF"),
        (libc::ENOENT, "ENOENT"),
        (libc::ESRCH, "ESRCH"),
        (libc::ENOEXEC, "ENOEXEC"),
        (libc::ECONNREFUSED, "ECONNREFUSED"),
    ];
    let known = NAMES.iter().find(|(number, _)| *number == error);
    known.map_or_else(|| format!("error {error}"), |(_, name)| (*name).to_owned())
}

/// A system call. Arguments that are missing are 0.
fn call<const N: usize>(number: c_long, arguments: [usize; N]) -> Attempt {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    let [a, b, c, d, e, f] = all;
    // SAFETY: what a caller passes as a pointer lives until the call returns, or is an address that the kernel refuses;
    // no call changes memory but what it was given for that, nor the state of this process for good.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    usize::try_from(result).map_err(|_| last_error())
}

fn last_error() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or_default()
}

/// What a call takes for −1.
const NONE: usize = usize::MAX;
/// An address that no process has mapped.
const WILD: usize = 16;

fn c_text(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().as_os_str().as_bytes()).unwrap_or_default()
}

fn address<T>(value: &T) -> usize {
    std::ptr::from_ref(value).expose_provenance()
}

/// Of what the kernel shall write to.
fn place<T>(value: &mut T) -> usize {
    std::ptr::from_mut(value).expose_provenance()
}

fn text(text: &std::ffi::CStr) -> usize {
    text.as_ptr().expose_provenance()
}

fn parent() -> usize {
    std::os::unix::process::parent_id() as usize
}

fn close(descriptor: usize) {
    let _ = call(libc::SYS_close, [descriptor]);
}

/// Opens and closes.
fn open(path: impl AsRef<Path>, flags: i32) -> Attempt {
    let path = c_text(path);
    let cwd = libc::AT_FDCWD as usize;
    let opened = call(libc::SYS_openat, [cwd, text(&path), flags as usize, 0o600]);
    opened.inspect(|descriptor| close(*descriptor))
}

/// As `open`, where the file is known to exist.
fn open_known(path: impl AsRef<Path>, flags: i32) -> Attempt {
    open(path, flags).map_err(|error| if error == libc::ENOENT { HIDDEN } else { error })
}
