//! Other processes: starting them, and reaching into the one that started this one.

use std::ffi::CStr;

use super::{Action, Attempt, WILD, address, call, close, last_error, parent, place, text};
use crate::Paths;

pub(super) const ACTIONS: &[Action] = &[
    ("fork", |_| in_child(|| Ok(0))),
    ("clone3", |_| call(libc::SYS_clone3, [0, 0])),
    ("exec_shell", |_| execute(c"/bin/sh", &[c"-c", c"exit 0"])),
    ("exec_loader", |_| execute(LOADER, &[c"--version"])),
    ("exec_self", |_| execute(c"/proc/self/exe", &[c"--version"])),
    ("exec_memory", exec_memory),
    ("ptrace_parent", ptrace_parent),
    ("read_parent", |_| vectored(libc::SYS_process_vm_readv)),
    ("write_parent", |_| vectored(libc::SYS_process_vm_writev)),
    ("kill_parent", |_| call(libc::SYS_kill, [parent(), 0])),
    ("signal_parent", |_| call(libc::SYS_kill, [parent(), IGNORED])),
    ("tgkill_parent", |_| {
        call(libc::SYS_tgkill, [parent(), parent(), IGNORED])
    }),
    ("queue_signal_to_parent", |_| {
        call(libc::SYS_rt_sigqueueinfo, [parent(), IGNORED, WILD])
    }),
    ("pidfd_signal_parent", |_| {
        with_pidfd(|pidfd| call(libc::SYS_pidfd_send_signal, [pidfd, IGNORED, 0, 0]))
    }),
    ("pidfd_getfd_of_parent", |_| {
        with_pidfd(|pidfd| call(libc::SYS_pidfd_getfd, [pidfd, 0, 0]).inspect(|taken| close(*taken)))
    }),
    ("own_signals_to_parent", own_signals_to_parent),
    ("limit_parent", limit_parent),
    ("priority_of_parent", |_| {
        // 20 more than the priority is what the call itself answers.
        let now = call(libc::SYS_getpriority, [0, parent()])?;
        call(libc::SYS_setpriority, [0, parent(), 20_usize.wrapping_sub(now)])
    }),
    ("affinity_of_parent", affinity_of_parent),
    ("compare_with_parent", |_| {
        call(libc::SYS_kcmp, [parent(), parent(), 0, 0, 0])
    }),
    ("advise_parent", |_| {
        with_pidfd(|pidfd| call(libc::SYS_process_madvise, [pidfd, WILD, 1, 20, 0]))
    }),
    ("leave_process_group", leave_process_group),
];

#[cfg(target_arch = "x86_64")]
const LOADER: &CStr = c"/lib64/ld-linux-x86-64.so.2";
#[cfg(not(target_arch = "x86_64"))]
const LOADER: &CStr = c"/lib/ld-linux-aarch64.so.1";
/// A signal that is ignored where nothing else was asked for.
const IGNORED: usize = libc::SIGURG as usize;

/// Runs `action`, which must not allocate, in a child; its result is the child's status.
fn in_child(action: impl FnOnce() -> Attempt) -> Attempt {
    // SAFETY: the child makes system calls alone and ends, whatever locks other threads hold.
    let child = unsafe { libc::fork() };
    match child {
        -1 => Err(last_error()),
        0 => {
            let status = action().err().unwrap_or_default();
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(status) }
        }
        child => {
            let mut status = 0;
            // SAFETY: writes to a local.
            if unsafe { libc::waitpid(child, &raw mut status, 0) } < 0 {
                return Err(last_error());
            }
            match libc::WEXITSTATUS(status) {
                0 => Ok(0),
                error => Err(error),
            }
        }
    }
}

/// In a child, or, where there can be none, with arguments that no program can be given. `words` are two at most.
fn execute(program: &CStr, words: &[&CStr]) -> Attempt {
    let word = |index: usize| words.get(index).map_or(0, |word| text(word));
    let arguments = [text(program), word(0), word(1), 0];
    let ended = in_child(|| {
        close(1);
        close(2);
        call(libc::SYS_execve, [text(program), address(&arguments), 0])
    });
    match ended {
        Ok(_) => Ok(0),
        Err(_) if in_child(|| Ok(0)).is_ok() => ended,
        Err(_) => call(libc::SYS_execve, [text(program), WILD, 0]),
    }
}

/// The file is empty, so that nothing runs.
fn exec_memory(_: &Paths) -> Attempt {
    let name = c"prober";
    let file = call(libc::SYS_memfd_create, [text(name), 0])?;
    let arguments = [text(name), 0];
    let ended = call(
        libc::SYS_execveat,
        [
            file,
            text(c""),
            address(&arguments),
            0,
            libc::AT_EMPTY_PATH as usize,
        ],
    );
    close(file);
    ended
}

/// The tracer is a thread whose end lets go.
fn ptrace_parent(_: &Paths) -> Attempt {
    const PTRACE_SEIZE: usize = 0x4206;
    std::thread::spawn(|| call(libc::SYS_ptrace, [PTRACE_SEIZE, parent(), 0, 0]))
        .join()
        .unwrap_or(Err(libc::EAGAIN))
}

fn vectored(number: std::ffi::c_long) -> Attempt {
    let mut byte = [0_u8; 1];
    let here = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let there = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(WILD),
        iov_len: 1,
    };
    call(number, [parent(), address(&here), 1, address(&there), 1, 0])
}

fn with_pidfd(then: impl FnOnce(usize) -> Attempt) -> Attempt {
    let pidfd = call(libc::SYS_pidfd_open, [parent(), 0])?;
    let ended = then(pidfd);
    close(pidfd);
    ended
}

/// Signals of input on a descriptor would go there; none is asked for.
fn own_signals_to_parent(_: &Paths) -> Attempt {
    let file = call(libc::SYS_eventfd2, [0, 0])?;
    let ended = call(libc::SYS_fcntl, [file, libc::F_SETOWN as usize, parent()]);
    close(file);
    ended
}

/// Reads, which asks for the same permission as setting does.
fn limit_parent(_: &Paths) -> Attempt {
    let mut limit = [0_u64; 2];
    call(
        libc::SYS_prlimit64,
        [parent(), libc::RLIMIT_NOFILE as usize, 0, place(&mut limit)],
    )
}

fn affinity_of_parent(_: &Paths) -> Attempt {
    let mut mask = [0_u64; 128];
    let length = call(
        libc::SYS_sched_getaffinity,
        [parent(), size_of_val(&mask), place(&mut mask)],
    )?;
    call(libc::SYS_sched_setaffinity, [parent(), length, address(&mask)])
}

/// Into the parent's, where nobody who kills this one's group would find it; and back.
fn leave_process_group(_: &Paths) -> Attempt {
    let (own, parents) = (
        call(libc::SYS_getpgid, [0])?,
        call(libc::SYS_getpgid, [parent()])?,
    );
    let left = call(libc::SYS_setpgid, [0, parents])?;
    call(libc::SYS_setpgid, [0, own]).map(|_| left)
}
