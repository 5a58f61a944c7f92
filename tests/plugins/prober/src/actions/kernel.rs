//! The machine as a whole, and doors into the kernel.

use super::{Action, Attempt, NONE, WILD, address, call, close, place, text};
use crate::Paths;

pub(super) const ACTIONS: &[Action] = &[
    ("mount", |_| {
        let (none, kind) = (c"none", c"tmpfs");
        call(libc::SYS_mount, [text(none), text(NOWHERE), text(kind), 0, 0])
    }),
    ("open_file_system", |_| {
        call(libc::SYS_fsopen, [text(c"tmpfs"), 0]).inspect(|file| close(*file))
    }),
    ("umount", |_| call(libc::SYS_umount2, [text(NOWHERE), 0])),
    ("change_root", |_| call(libc::SYS_chroot, [text(c"/")])),
    ("pivot_root", |_| {
        call(libc::SYS_pivot_root, [text(NOWHERE), text(NOWHERE)])
    }),
    // A process with threads cannot: the kernel says so after it looked at the permission.
    ("new_user_namespace", |_| {
        call(libc::SYS_unshare, [libc::CLONE_NEWUSER as usize])
    }),
    ("new_network_namespace", |_| {
        call(
            libc::SYS_unshare,
            [(libc::CLONE_NEWNET | libc::CLONE_NEWUSER) as usize],
        )
    }),
    ("enter_namespace", |_| call(libc::SYS_setns, [NONE, 0])),
    ("bpf", |_| call(libc::SYS_bpf, [0, WILD, 72])),
    ("perf_events", |_| {
        call(libc::SYS_perf_event_open, [WILD, 0, NONE, NONE, 0])
    }),
    ("add_key", |_| {
        let name = c"miniclaw-prober";
        call(
            libc::SYS_add_key,
            [text(c"user"), text(name), WILD, 1, PROCESS_KEYRING],
        )
    }),
    ("key_control", |_| call(libc::SYS_keyctl, [0, PROCESS_KEYRING, 0])),
    ("request_key", |_| {
        call(
            libc::SYS_request_key,
            [text(c"user"), text(c"miniclaw-prober"), 0, 0],
        )
    }),
    ("userfaultfd", |_| {
        call(libc::SYS_userfaultfd, [USER_MODE_ONLY]).inspect(|file| close(*file))
    }),
    ("io_uring", |_| call(libc::SYS_io_uring_setup, [1, WILD])),
    ("open_by_handle", |_| {
        call(libc::SYS_open_by_handle_at, [NONE, WILD, 0])
    }),
    ("watch_file_system", |_| {
        call(libc::SYS_fanotify_init, [0, 0]).inspect(|file| close(*file))
    }),
    ("load_module", |_| {
        call(libc::SYS_init_module, [WILD, 0, text(c"")])
    }),
    ("load_module_file", |_| {
        call(libc::SYS_finit_module, [NONE, text(c""), 0])
    }),
    ("remove_module", |_| {
        call(
            libc::SYS_delete_module,
            [text(c"miniclaw_prober"), libc::O_NONBLOCK as usize],
        )
    }),
    // More segments than there may be.
    ("kexec", |_| call(libc::SYS_kexec_load, [0, 1 << 20, WILD, 0])),
    // Without the numbers that it asks for.
    ("reboot", |_| call(libc::SYS_reboot, [0, 0, 0, 0])),
    ("swap_on", |_| call(libc::SYS_swapon, [text(NOWHERE), 0])),
    ("swap_off", |_| call(libc::SYS_swapoff, [text(NOWHERE)])),
    ("account", |_| call(libc::SYS_acct, [text(NOWHERE)])),
    ("kernel_log", |_| call(libc::SYS_syslog, [10, 0, 0])),
    ("quota", |_| call(libc::SYS_quotactl, [0, text(NOWHERE), 0, 0])),
    ("host_name", host_name),
    ("clock", |_| call(libc::SYS_settimeofday, [0, 0])),
    ("adjust_clock", adjust_clock),
    ("raise_limit", raise_limit),
    ("personality", personality),
    ("inject_terminal_input", |_| {
        call(libc::SYS_ioctl, [NONE, libc::TIOCSTI as usize, WILD])
    }),
    ("terminal_selection", |_| {
        const TIOCLINUX: usize = 0x541C;
        call(libc::SYS_ioctl, [NONE, TIOCLINUX, WILD])
    }),
    #[cfg(target_arch = "x86_64")]
    ("io_ports", |_| call(libc::SYS_ioperm, [0x80, 1, 0])),
    #[cfg(target_arch = "x86_64")]
    ("io_privilege", |_| {
        let raised = call(libc::SYS_iopl, [3])?;
        call(libc::SYS_iopl, [0]).map(|_| raised)
    }),
    #[cfg(target_arch = "x86_64")]
    ("segments", |_| call(libc::SYS_modify_ldt, [1, WILD, 1])),
    #[cfg(target_arch = "x86_64")]
    ("x32_exec", |_| call(X32 + 520, [WILD, 0, 0])),
    #[cfg(target_arch = "x86_64")]
    ("x32_getpid", |_| call(X32 + libc::SYS_getpid, [])),
    #[cfg(target_arch = "x86_64")]
    ("i386_getpid", i386_getpid),
];

const NOWHERE: &std::ffi::CStr = c"/nonexistent-miniclaw-prober";
/// Minus two, as the kernel names it.
const PROCESS_KEYRING: usize = usize::MAX - 1;
const USER_MODE_ONLY: usize = 1;
/// Added to the number of a call of the x32 ABI.
#[cfg(target_arch = "x86_64")]
const X32: std::ffi::c_long = 0x4000_0000;

/// The name that it has already.
fn host_name(_: &Paths) -> Attempt {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "localhost".into());
    let name = name.trim_end();
    call(
        libc::SYS_sethostname,
        [name.as_ptr().expose_provenance(), name.len()],
    )
}

/// By nothing.
fn adjust_clock(_: &Paths) -> Attempt {
    const OFFSET: u32 = 1;
    const MODES_AT: usize = 0;
    let mut change = [0_u8; 256];
    change[MODES_AT..MODES_AT + 4].copy_from_slice(&(OFFSET | 0x8000).to_ne_bytes());
    call(libc::SYS_adjtimex, [place(&mut change)])
}

/// By one, after it was lowered by one: it may stand at the most that the kernel has.
fn raise_limit(_: &Paths) -> Attempt {
    let mut before = [0_u64; 2];
    let kind = libc::RLIMIT_NOFILE as usize;
    call(libc::SYS_prlimit64, [0, kind, 0, place(&mut before)])?;
    let most = before[1] - 1;
    let lowered = [before[0].min(most), most];
    call(libc::SYS_prlimit64, [0, kind, address(&lowered), 0])?;
    call(libc::SYS_prlimit64, [0, kind, address(&before), 0])
}

/// Addresses without chance for the next program, and back.
fn personality(_: &Paths) -> Attempt {
    let before = call(libc::SYS_personality, [0xffff_ffff])?;
    call(libc::SYS_personality, [before | libc::ADDR_NO_RANDOMIZE as usize])?;
    call(libc::SYS_personality, [before])
}

/// A call of the 32-bit ABI, by its own door. A kernel without one raises SIGSEGV, which the handler turns into an error.
#[cfg(target_arch = "x86_64")]
fn i386_getpid(_: &Paths) -> Attempt {
    const GETPID: i64 = 20;
    // SAFETY: the handler of the signal is set for the time of one instruction and then put back as it was. The instruction
    // changes no memory, and on the way back from the kernel no register but those that are named.
    let result = unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        let mut skip: libc::sigaction = std::mem::zeroed();
        skip.sa_sigaction = skip_instruction as extern "C" fn(_, _, _) as *const () as usize;
        skip.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGSEGV, &raw const skip, &raw mut before);
        let result: i64;
        std::arch::asm!("int 0x80", inlateout("rax") GETPID => result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        libc::sigaction(libc::SIGSEGV, &raw const before, std::ptr::null_mut());
        result
    };
    usize::try_from(result).map_err(|_| i32::try_from(-result).unwrap_or(libc::ENOSYS))
}

#[cfg(target_arch = "x86_64")]
extern "C" fn skip_instruction(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    const INSTRUCTION_BYTES: i64 = 2;
    // SAFETY: the kernel passes the registers of the thread that the signal interrupted, and takes them back.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    registers[libc::REG_RIP as usize] += INSTRUCTION_BYTES;
    registers[libc::REG_RAX as usize] = i64::from(-libc::ENOSYS);
}
