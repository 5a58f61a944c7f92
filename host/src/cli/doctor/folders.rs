//! The gateway's folders: who can reach them, room on the disk, and what was left behind.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use rustix::fs::StatVfsMountFlags;

use super::Patient;
use super::configuration::excess;
use super::finding::{Finding, Repair, shown};
use crate::config::{for_shell, state_of};

/// With less the gateway soon stands still.
const NO_ROOM: u64 = 16 << 20;
const LITTLE_ROOM: u64 = 256 << 20;
/// What a process that still works on it would have finished.
const ABANDONED: Duration = Duration::from_secs(600);
/// File systems whose locks depend on a server (`linux/magic.h`): NFS, SMB, CIFS, SMB2, 9P, Ceph.
const REMOTE: [u32; 6] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400];

pub(super) fn check(patient: &Patient, findings: &mut Vec<Finding>) {
    let home = &patient.place.home;
    let (state, workspace) = (patient.state(), patient.workspace());
    let sessions = workspace.join("sessions");
    let secrets = home.join("secrets");
    for (folder, private) in [
        (home, false),
        (&state, true),
        (&workspace, true),
        (&sessions, true),
        (&secrets, true),
    ] {
        access(folder, private, findings);
    }
    for path in files_in(&secrets) {
        // What a link leads to is somebody else's.
        if path.is_symlink() {
            continue;
        }
        if let Some(mode) = excess(&path, 0o077) {
            let text = format!("others can read this secret (mode {mode:04o})");
            let fix = format!("run `chmod 600 {}`", for_shell(&path));
            let found = Finding::error("secret-readable", shown(&path), text, fix);
            findings.push(found.fixed_by(Repair::Mode(path, 0o600)));
        }
    }
    disk(home, findings);
    for folder in [home, &state, &sessions, &secrets, &state.join("cache")] {
        leftovers(folder, findings);
    }
    if !patient.runs() {
        stale(patient, findings);
    }
}

/// The first folder of the gateway's that this user may not look into.
pub(super) fn closed(home: &Path) -> Option<Finding> {
    let state = state_of(home);
    let denied = |folder: &&Path| {
        fs::read_dir(folder).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    let folder = [home, &state].into_iter().find(denied)?;
    let own = rustix::process::geteuid().as_raw();
    let (text, fix) = match fs::metadata(folder).map(|found| found.uid()) {
        Ok(owner) if owner == own => (
            "its owner may not look into it".to_owned(),
            format!("run `chmod u+rwx {}`", for_shell(folder)),
        ),
        Ok(owner) => (
            format!("user {own} may not look into it, it belongs to user {owner}"),
            format!("run this as user {owner}, or as root"),
        ),
        Err(_) => (
            format!("user {own} may not look into it"),
            "run this as the user whose folder it is, or as root".to_owned(),
        ),
    };
    Some(Finding::error("home-closed", shown(folder), text, fix))
}

fn access(folder: &Path, private: bool, findings: &mut Vec<Finding>) {
    let Ok(metadata) = fs::metadata(folder) else {
        return;
    };
    let path = shown(folder);
    if !metadata.is_dir() {
        let fix = "move it away, or choose another folder with --home";
        findings.push(Finding::error(
            "not-a-folder",
            path,
            "a file stands where a folder is needed",
            fix,
        ));
        return;
    }
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        let text = format!("it belongs to user {}, and this is user {own}", metadata.uid());
        let fix = format!(
            "run this as that user, or run `chown -R {own} {}`",
            for_shell(folder)
        );
        findings.push(Finding::error("folder-owner", path, text, fix));
        return;
    }
    let word = for_shell(folder);
    if let Some(mode) = excess(folder, 0o022) {
        let text = format!("others can write to it (mode {mode:04o}), and the gateway refuses it");
        let found = Finding::error("folder-writable", path, text, format!("run `chmod go-w {word}`"));
        let kept = if private { 0o700 } else { mode & !0o022 };
        findings.push(found.fixed_by(Repair::Mode(folder.to_owned(), kept)));
    } else if let Some(mode) = excess(folder, 0o055).filter(|_| private) {
        let text = format!("others can look into it (mode {mode:04o})");
        let found = Finding::warning("folder-readable", path, text, format!("run `chmod 700 {word}`"));
        findings.push(found.fixed_by(Repair::Mode(folder.to_owned(), 0o700)));
    }
}

fn disk(home: &Path, findings: &mut Vec<Finding>) {
    // Before the first start its parent is where it will be.
    let Some(place) = home.ancestors().find(|place| place.exists()) else {
        return;
    };
    let path = shown(place);
    if let Ok(stat) = rustix::fs::statvfs(place) {
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let text = format!("{} MiB are free on this disk", free >> 20);
        let fix = "make room, or move the folder to a larger disk and name it with --home";
        if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
            let fix = "mount it writable, or name another folder with --home";
            findings.push(Finding::error(
                "disk-read-only",
                &path,
                "this disk takes no changes",
                fix,
            ));
        } else if free < NO_ROOM {
            findings.push(Finding::error("disk-full", &path, text, fix));
        } else if free < LITTLE_ROOM {
            findings.push(Finding::warning("disk-low", &path, text, fix));
        } else if stat.f_files > 0 && stat.f_favail < 1000 {
            let text = format!("{} files can still be made on this disk", stat.f_favail);
            findings.push(Finding::warning("disk-low", &path, text, fix));
        }
    }
    let remote = rustix::fs::statfs(place).is_ok_and(|stat| {
        let kind = u32::try_from(stat.f_type & 0xffff_ffff).unwrap_or_default();
        REMOTE.contains(&kind)
    });
    if remote {
        let text = "it is on a network file system, where locks and the order of writes depend on a server";
        let fix = "put it on a disk of this machine, and name it with --home";
        findings.push(Finding::warning("home-on-network", path, text, fix));
    }
}

/// Temporary files of commands and gateways that ended before they could rename or remove them.
fn leftovers(folder: &Path, findings: &mut Vec<Finding>) {
    for path in files_in(folder) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let temporary = name.ends_with(".tmp") || name.contains(".tmp-");
        if temporary && is_abandoned(&path) {
            let fix = format!("run `rm {}`", for_shell(&path));
            let found = Finding::warning("leftover", shown(&path), "a temporary file was left behind", fix);
            findings.push(found.fixed_by(Repair::Remove(path)));
        }
    }
}

/// A socket and process ids of gateways that are gone.
fn stale(patient: &Patient, findings: &mut Vec<Finding>) {
    let state = patient.state();
    let held = super::running::lock_holder(&state).is_some();
    let socket = state.join("control.sock");
    if !held && fs::symlink_metadata(&socket).is_ok() {
        let fix = format!(
            "run `rm {}`; a gateway that starts does so too",
            for_shell(&socket)
        );
        let found = Finding::warning(
            "stale-socket",
            shown(&socket),
            "no gateway answers here any more",
            fix,
        );
        findings.push(found.fixed_by(Repair::Socket(socket)));
    }
    for path in files_in(&patient.place.home).into_iter().chain(files_in(&state)) {
        if path.extension().is_none_or(|extension| extension != "pid") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let Ok(pid) = text.trim().parse::<u32>() else {
            continue;
        };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let fix = format!("run `rm {}`", for_shell(&path));
            let text = "it names a process that is gone";
            let found = Finding::warning("stale-pid-file", shown(&path), text, fix);
            findings.push(found.fixed_by(Repair::Remove(path)));
        }
    }
}

pub(super) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = listing
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn is_abandoned(path: &Path) -> bool {
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified());
    changed.is_ok_and(|at| {
        SystemTime::now()
            .duration_since(at)
            .is_ok_and(|age| age > ABANDONED)
    })
}
