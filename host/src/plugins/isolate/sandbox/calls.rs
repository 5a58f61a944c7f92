//! Seccomp: which system calls a child gets no answer to but a refusal.

use std::collections::BTreeMap;

use libc::c_long;
use miniclaw_plugin_api::Permission;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

use super::Sandbox;

/// Into other processes, around the other checks, and at the machine itself.
const NEVER: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setattr,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_setrlimit,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_personality,
    libc::SYS_vhangup,
    libc::SYS_syslog,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmdt,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Memory that no limit counts.
    libc::SYS_memfd_create,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    // Landlock does not look at these, and they change files that can be named though not opened.
    libc::SYS_truncate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    // `fchmodat2`, which libc does not name everywhere; the numbers of later calls are the same on all machines.
    452,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_utimensat,
    // `quotactl_fd`, `setxattrat`, `removexattrat`, `open_tree_attr`, `file_setattr`.
    443,
    463,
    466,
    467,
    469,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "aarch64")]
    294,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Waiting for connections.
const LISTENING: &[c_long] = &[libc::SYS_bind, libc::SYS_listen];

/// Other programs, and processes at all. Signals: to itself alone, below.
const STARTING: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_tkill,
    libc::SYS_setsid,
    libc::SYS_setpgid,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// `F_SETOWN`, `F_SETSIG` and `F_SETOWN_EX` of `fcntl`, which send signals to others (`asm-generic/fcntl.h`).
const SIGNAL_OWNERS: [u64; 3] = [8, 10, 15];
/// `SOCK_PACKET` of `socket`.
const SOCK_PACKET: i32 = 10;

/// Memory shared with nobody yet, which the limit of memory does not count.
const UNCOUNTED: u64 = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as u64;
/// Flags of `clone` that make namespaces.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];
/// Requests of `ioctl`: input for a terminal, and who gets the signals of a socket (`FIOSETOWN`, `SIOCSPGRP`).
const IOCTLS: [u64; 4] = [0x5412, 0x541C, 0x8901, 0x8902];

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Installs the filters.
///
/// # Errors
/// A kernel or a machine without them.
pub(super) fn restrict(sandbox: &Sandbox) -> Result<(), seccompiler::Error> {
    let apply = |rules, errno| -> Result<(), seccompiler::Error> {
        let filter = SeccompFilter::new(
            rules,
            SeccompAction::Allow,
            SeccompAction::Errno(errno),
            std::env::consts::ARCH.try_into()?,
        )?;
        seccompiler::apply_filter(&without_x32(filter.try_into()?))
    };
    // Its arguments cannot be seen; the C library falls back to `clone`, whose flags can.
    apply(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        libc::ENOSYS as u32,
    )?;
    apply(rules(sandbox)?, libc::EPERM as u32)
}

fn rules(sandbox: &Sandbox) -> Result<Rules, BackendError> {
    let mut rules: Rules = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    if !sandbox.has(Permission::Listen) {
        rules.extend(LISTENING.iter().map(|call| (*call, Vec::new())));
    }
    if !sandbox.has(Permission::Exec) {
        rules.extend(STARTING.iter().map(|call| (*call, Vec::new())));
        signals(&mut rules)?;
    }
    rules.insert(libc::SYS_clone, processes(sandbox)?);
    rules.insert(
        libc::SYS_mmap,
        vec![SeccompRule::new(vec![all_of(3, UNCOUNTED)?])?],
    );
    if !sandbox.has(Permission::UnixSockets) {
        // A datagram can be sent to any name. Packets in sequence go to the other end alone, and Rust's library
        // starts programs by a pair for them.
        let mut refused = vec![libc::SOCK_DGRAM];
        if !sandbox.has(Permission::Exec) {
            refused.push(libc::SOCK_SEQPACKET);
        }
        rules.insert(libc::SYS_socketpair, kinds(&refused)?);
    }
    rules.insert(libc::SYS_socket, sockets(sandbox)?);
    // Limits of its own are looked at, not changed; those of others neither.
    rules.insert(
        libc::SYS_prlimit64,
        vec![
            SeccompRule::new(vec![is(2, SeccompCmpOp::Ne, 0, SeccompCmpArgLen::Qword)?])?,
            SeccompRule::new(vec![not(0, 0)?, not(0, own_id())?])?,
        ],
    );
    rules.insert(
        libc::SYS_fcntl,
        any(SIGNAL_OWNERS.map(|command| equals(1, command)))?,
    );
    // The process that a number names may be another's; 0 is its own.
    rules.insert(
        libc::SYS_sched_setaffinity,
        vec![SeccompRule::new(vec![not(0, 0)?])?],
    );
    rules.insert(libc::SYS_ioctl, any(IOCTLS.map(|command| equals(1, command)))?);
    Ok(rules)
}

/// Namespaces never; processes where programs may be started, threads always.
fn processes(sandbox: &Sandbox) -> Result<Vec<SeccompRule>, BackendError> {
    let mut rules = Vec::new();
    for namespace in NAMESPACES {
        rules.push(SeccompRule::new(vec![all_of(0, namespace as u64)?])?);
    }
    if !sandbox.has(Permission::Exec) {
        let thread = libc::CLONE_THREAD as u64;
        let no_thread = is(0, SeccompCmpOp::MaskedEq(thread), 0, SeccompCmpArgLen::Dword)?;
        rules.push(SeccompRule::new(vec![no_thread])?);
    }
    Ok(rules)
}

/// To itself alone.
fn signals(rules: &mut Rules) -> Result<(), BackendError> {
    for call in [
        libc::SYS_kill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
    ] {
        rules.insert(call, vec![SeccompRule::new(vec![not(0, own_id())?])?]);
    }
    Ok(())
}

/// Nothing but TCP and UDP; sockets of this machine's file system where they are granted.
fn sockets(sandbox: &Sandbox) -> Result<Vec<SeccompRule>, BackendError> {
    let network = sandbox.has(Permission::Network) || sandbox.has(Permission::Listen);
    let mut families = Vec::new();
    if network {
        families.extend([libc::AF_INET, libc::AF_INET6]);
    }
    if sandbox.has(Permission::UnixSockets) {
        families.push(libc::AF_UNIX);
    }
    if families.is_empty() {
        return Ok(Vec::new());
    }
    let others = families.iter().map(|family| not(0, *family as u64));
    let protocols = [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP];
    let other_protocols = protocols.iter().map(|protocol| not(2, *protocol as u64));
    let mut rules = vec![
        SeccompRule::new(others.collect::<Result<_, _>>()?)?,
        SeccompRule::new(other_protocols.collect::<Result<_, _>>()?)?,
    ];
    rules.extend(kinds(&[
        libc::SOCK_RAW,
        libc::SOCK_RDM,
        libc::SOCK_SEQPACKET,
        libc::SOCK_DCCP,
        SOCK_PACKET,
    ])?);
    Ok(rules)
}

/// Sockets of these kinds.
fn kinds(kinds: &[i32]) -> Result<Vec<SeccompRule>, BackendError> {
    let this = |kind: &i32| {
        let this = is(
            1,
            SeccompCmpOp::MaskedEq(0xf),
            *kind as u64,
            SeccompCmpArgLen::Dword,
        )?;
        SeccompRule::new(vec![this])
    };
    kinds.iter().map(this).collect()
}

/// All these bits are set.
fn all_of(argument: u8, bits: u64) -> Result<SeccompCondition, BackendError> {
    is(
        argument,
        SeccompCmpOp::MaskedEq(bits),
        bits,
        SeccompCmpArgLen::Dword,
    )
}

fn any<const N: usize>(
    conditions: [Result<SeccompCondition, BackendError>; N],
) -> Result<Vec<SeccompRule>, BackendError> {
    conditions
        .into_iter()
        .map(|condition| SeccompRule::new(vec![condition?]))
        .collect()
}

fn equals(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    is(argument, SeccompCmpOp::Eq, value, SeccompCmpArgLen::Dword)
}

fn not(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    is(argument, SeccompCmpOp::Ne, value, SeccompCmpArgLen::Dword)
}

fn is(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
    length: SeccompCmpArgLen,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, length, operator, value)
}

fn own_id() -> u64 {
    u64::from(std::process::id())
}

/// The same calls have other numbers in the x32 mode of x86-64, which no plugin is built for.
fn without_x32(mut program: BpfProgram) -> BpfProgram {
    if cfg!(target_arch = "x86_64") {
        const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
        const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
        const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
        const X32: u32 = 0x4000_0000;
        let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
        let refusal = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        let head = [
            step(LOAD, 0, 0, 0),
            step(AT_LEAST, 0, 1, X32),
            step(ANSWER, 0, 0, refusal),
        ];
        program.splice(0..0, head);
    }
    program
}

/// Whether this kernel has seccomp, in words.
pub(super) fn support() -> &'static str {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if status.contains("Seccomp_filters:") || status.contains("Seccomp:") {
        "seccomp"
    } else {
        "no seccomp"
    }
}
