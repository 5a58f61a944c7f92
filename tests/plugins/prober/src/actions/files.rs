//! Files of the gateway, of the machine and of others.

use std::path::PathBuf;

use super::{Action, Attempt, HIDDEN, c_text, call, open, open_known, parent, text};
use crate::Paths;

pub(super) const ACTIONS: &[Action] = &[
    ("read_config", |paths| open_known(&paths.config, libc::O_RDONLY)),
    ("write_config", |paths| open_known(&paths.config, libc::O_WRONLY)),
    ("read_spool", |paths| open_known(&paths.spool, libc::O_RDONLY)),
    ("write_spool", |paths| open_known(&paths.spool, libc::O_RDWR)),
    ("read_cache", |paths| {
        open_known(&paths.cache, libc::O_RDONLY | libc::O_DIRECTORY)
    }),
    ("write_cache", |paths| create(paths.cache.join("prober"))),
    ("write_library", |paths| {
        open_known(&paths.library, libc::O_WRONLY)
    }),
    ("read_passwd", |_| open_known("/etc/passwd", libc::O_RDONLY)),
    ("read_shadow", |_| open_known("/etc/shadow", libc::O_RDONLY)),
    ("read_root", |_| {
        open_known("/root", libc::O_RDONLY | libc::O_DIRECTORY)
    }),
    ("list_home", |paths| {
        open_known(&paths.home, libc::O_RDONLY | libc::O_DIRECTORY)
    }),
    ("list_tmp", |_| {
        open_known("/tmp", libc::O_RDONLY | libc::O_DIRECTORY)
    }),
    ("read_victim", |paths| open_known(&paths.victim, libc::O_RDONLY)),
    ("write_tmp", |_| {
        create(format!("/tmp/miniclaw-prober-{}", std::process::id()).into())
    }),
    ("write_shared_memory", |_| {
        create(format!("/dev/shm/miniclaw-prober-{}", std::process::id()).into())
    }),
    ("write_home", |paths| create(paths.home.join("prober"))),
    ("mkdir", mkdir),
    ("unlink", unlink),
    ("rename", rename),
    ("symlink", symlink),
    ("link", link),
    ("chmod", |paths| {
        let file = c_text(&paths.victim);
        call(libc::SYS_fchmodat, [CWD, text(&file), 0o600]).map_err(hidden)
    }),
    ("chown", |paths| {
        let file = c_text(&paths.victim);
        let same = u32::MAX as usize;
        call(libc::SYS_fchownat, [CWD, text(&file), same, same]).map_err(hidden)
    }),
    ("truncate", |paths| {
        let file = c_text(&paths.victim);
        call(libc::SYS_truncate, [text(&file), 0]).map_err(hidden)
    }),
    ("set_attribute", |paths| {
        let (file, name) = (c_text(&paths.victim), c"user.prober");
        call(libc::SYS_setxattr, [text(&file), text(name), text(name), 1, 0]).map_err(hidden)
    }),
    ("mknod", mknod),
    ("open_memory", |_| open_known("/dev/mem", libc::O_RDONLY)),
    ("open_kernel_log", |_| open_known("/dev/kmsg", libc::O_WRONLY)),
    ("read_parent_environment", |_| {
        open_known(format!("/proc/{}/environ", parent()), libc::O_RDONLY)
    }),
    ("read_parent_memory", |_| {
        open_known(format!("/proc/{}/mem", parent()), libc::O_RDONLY)
    }),
    ("read_parent_descriptors", |_| {
        open_known(format!("/proc/{}/fd/0", parent()), libc::O_RDONLY)
    }),
    ("write_sysctl", |_| {
        open_known("/proc/sys/kernel/core_pattern", libc::O_WRONLY)
    }),
    ("list_processes", |_| {
        open_known("/proc", libc::O_RDONLY | libc::O_DIRECTORY)
    }),
];

const CWD: usize = libc::AT_FDCWD as usize;

fn hidden(error: i32) -> i32 {
    if error == libc::ENOENT { HIDDEN } else { error }
}

fn remove(path: &PathBuf, flags: i32) -> Attempt {
    call(libc::SYS_unlinkat, [CWD, text(&c_text(path)), flags as usize])
}

/// Makes a file that was not there, and removes it again.
fn create(path: PathBuf) -> Attempt {
    let made = open(&path, libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY).map_err(hidden)?;
    remove(&path, 0).map(|_| made)
}

fn mkdir(paths: &Paths) -> Attempt {
    let path = paths.home.join("prober-folder");
    call(libc::SYS_mkdirat, [CWD, text(&c_text(&path)), 0o700]).map_err(hidden)?;
    remove(&path, libc::AT_REMOVEDIR)
}

fn unlink(paths: &Paths) -> Attempt {
    remove(&paths.victim, 0).map_err(hidden)?;
    open(&paths.victim, libc::O_CREAT | libc::O_WRONLY)
}

fn rename(paths: &Paths) -> Attempt {
    let moved = paths.home.join("prober-moved");
    let (here, there) = (c_text(&paths.victim), c_text(&moved));
    call(libc::SYS_renameat2, [CWD, text(&here), CWD, text(&there), 0]).map_err(hidden)?;
    call(libc::SYS_renameat2, [CWD, text(&there), CWD, text(&here), 0])
}

fn symlink(paths: &Paths) -> Attempt {
    let path = paths.home.join("prober-link");
    let target = c_text(&paths.config);
    call(libc::SYS_symlinkat, [text(&target), CWD, text(&c_text(&path))]).map_err(hidden)?;
    remove(&path, 0)
}

fn link(paths: &Paths) -> Attempt {
    let path = paths.home.join("prober-hard-link");
    let (target, place) = (c_text(&paths.victim), c_text(&path));
    call(libc::SYS_linkat, [CWD, text(&target), CWD, text(&place), 0]).map_err(hidden)?;
    remove(&path, 0)
}

fn mknod(paths: &Paths) -> Attempt {
    let path = paths.home.join("prober-pipe");
    let mode = (libc::S_IFIFO | 0o600) as usize;
    call(libc::SYS_mknodat, [CWD, text(&c_text(&path)), mode, 0]).map_err(hidden)?;
    remove(&path, 0)
}
