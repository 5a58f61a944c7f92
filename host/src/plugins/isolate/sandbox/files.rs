//! Landlock: which files a child can reach.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use miniclaw_plugin_api::Permission;

use super::Sandbox;

/// The newest rules that are asked for; an older kernel has fewer.
const NEWEST: ABI = ABI::V6;

/// Libraries, the resolver's configuration, certificates, time zones, and what the C library and Rust's look at.
const READABLE: [&str; 35] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/ca-trust",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
    "/usr/share/ssl",
    "/usr/local/share/ca-certificates",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/proc/self",
    "/sys/devices/system/cpu",
];
/// Nothing stays where it is written to.
const WRITABLE: [&str; 2] = ["/dev/null", "/dev/full"];
/// Programs and what they need.
const EXECUTABLE: [&str; 7] = ["/bin", "/sbin", "/usr", "/lib", "/lib32", "/lib64", "/opt"];

/// Restricts this process; returns what the kernel lacks.
///
/// # Errors
/// In words: what the kernel refuses although it has it.
pub(super) fn restrict(sandbox: &Sandbox, library: Option<&Path>) -> Result<Option<String>, String> {
    let status = enforce(sandbox, library).map_err(|error| format!("its sandbox cannot be made: {error}"))?;
    Ok(match status {
        RulesetStatus::FullyEnforced => None,
        RulesetStatus::PartiallyEnforced => Some("this kernel has an older Landlock".to_owned()),
        RulesetStatus::NotEnforced => {
            Some("this kernel has no Landlock, every file of this user can be reached".to_owned())
        }
    })
}

fn enforce(sandbox: &Sandbox, library: Option<&Path>) -> Result<RulesetStatus, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let all = AccessFs::from_all(NEWEST);
    let write = all & !AccessFs::Execute & !AccessFs::MakeChar & !AccessFs::MakeBlock;
    let certificates = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
    let certificates = certificates
        .iter()
        .filter_map(std::env::var_os)
        .flat_map(|paths| std::env::split_paths(&paths).collect::<Vec<_>>());
    let mut readable: Vec<PathBuf> = READABLE.iter().map(PathBuf::from).chain(certificates).collect();
    readable.extend(library.map(PathBuf::from));
    readable.extend_from_slice(&sandbox.read);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::from_all(NEWEST))?;
    if !sandbox.has(Permission::Listen) {
        ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
    }
    if !sandbox.has(Permission::Network) {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut ruleset = ruleset
        .create()?
        .add_rules(path_beneath_rules(&readable, read))?
        .add_rules(path_beneath_rules(WRITABLE, read | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(&sandbox.write, write))?;
    if sandbox.has(Permission::Exec) {
        let programs = EXECUTABLE.iter().map(PathBuf::from).chain(sandbox.read.clone());
        ruleset = ruleset.add_rules(path_beneath_rules(programs, read | AccessFs::Execute))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// Which Landlock this kernel has, in words.
pub(super) fn support() -> String {
    // SAFETY: with this flag the call reads no memory and answers a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0,
            1,
        )
    };
    match version {
        1.. => format!("Landlock {version}"),
        _ => "no Landlock".to_owned(),
    }
}
