//! Reading the file: opened once, judged and read through the same handle.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, StatVfsMountFlags};

use super::errors::{ConfigError, Origin, Problem};
use super::locate::Location;

/// The file as it was read.
pub(super) struct Content {
    pub(super) text: String,
    /// Permission bits.
    pub(super) mode: u32,
}

/// Largest configuration that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the configuration file; `None` where the default one is absent.
///
/// # Errors
/// A named file that is missing, everything that is not readable text, and a file or folder that somebody else could
/// have written.
pub(super) fn read(location: &Location) -> Result<Option<Content>, Vec<ConfigError>> {
    let path = location.file.as_path();
    let fail = |problem| vec![Origin::file(path).error("", problem)];
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return absent(location),
        Err(error) => return Err(fail(unreadable(&error, path))),
    };
    let meta = file.metadata().map_err(|error| fail(unreadable(&error, path)))?;
    if meta.is_dir() {
        let example = path.join("config.json").display().to_string();
        return Err(fail(Problem::Folder { example }));
    }
    if !meta.is_file() {
        return Err(fail(Problem::NotRegular));
    }
    let mut errors: Vec<_> = judge(path, &file).into_iter().collect();
    for folder in folders(path, &file) {
        errors.extend(judge_folder(&folder));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let bytes = read_up_to(file, MAX_BYTES)
        .map_err(|error| fail(unreadable(&error, path)))?
        .ok_or_else(|| fail(Problem::TooLarge { limit: MAX_BYTES }))?;
    let text = String::from_utf8(bytes).map_err(|_| fail(Problem::NotUtf8))?;
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(fail(Problem::Empty));
    }
    let mode = meta.mode() & 0o7777;
    Ok(Some(Content { text, mode }))
}

/// Reads a secret's file: UTF-8, at most 64 KiB, line breaks at its end left out.
///
/// # Errors
/// What is wrong, for [`Problem::SecretFile`].
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    const MAX_SECRET: u64 = 64 << 10;
    let file = open(path).map_err(|error| reason(&error))?;
    if !file.metadata().map_err(|error| reason(&error))?.is_file() {
        return Err("not a regular file".into());
    }
    let bytes = read_up_to(file, MAX_SECRET)
        .map_err(|error| reason(&error))?
        .ok_or("larger than 64 KiB")?;
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8")?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err("the file is empty".into()),
        text => Ok(text.to_owned()),
    }
}

/// The command of `chmod` or `chown` for a path, to be pasted into a shell.
pub(super) fn command(words: &str, path: &Path) -> String {
    format!("{words} {}", word(path))
}

/// A path as a word for a shell.
pub(super) fn word(path: &Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@".contains(c);
    if path.chars().all(plain) {
        path.into_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

/// Non-blocking, so that a pipe in the file's place does not hold up the start.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

fn read_up_to(file: File, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

fn absent(location: &Location) -> Result<Option<Content>, Vec<ConfigError>> {
    let origin = Origin::file(&location.file);
    if location.file.is_symlink() {
        return Err(vec![origin.error("", Problem::DanglingLink)]);
    }
    if let Some(by) = location.named_by {
        let default = location.home.join("config.json").display().to_string();
        let by = format!("`{by}`");
        return Err(vec![origin.error("", Problem::Missing { by, default })]);
    }
    match judge_folder(&location.home) {
        Some(error) => Err(vec![error]),
        None => Ok(None),
    }
}

/// The folder that the path names, and the one where a symbolic link led.
fn folders(path: &Path, file: &File) -> Vec<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    };
    let named = parent(path);
    let opened = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map(|path| parent(&path));
    match (opened, std::fs::canonicalize(&named)) {
        (Ok(opened), Ok(real)) if opened != real => vec![named, opened],
        _ => vec![named],
    }
}

fn judge_folder(path: &Path) -> Option<ConfigError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(folder) => judge(path, &folder.into()),
        Err(rustix::io::Errno::NOENT) => None,
        // Only reading it is forbidden: its file could be opened, and its bits can be read by name.
        Err(_) => judge_by(path, &std::fs::metadata(path).ok()?, false),
    }
}

fn judge(path: &Path, file: &File) -> Option<ConfigError> {
    let read_only =
        rustix::fs::fstatvfs(file.as_fd()).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY));
    judge_by(path, &file.metadata().ok()?, read_only)
}

fn judge_by(path: &Path, meta: &std::fs::Metadata, read_only: bool) -> Option<ConfigError> {
    let me = rustix::process::geteuid().as_raw();
    let problem = trust(path, meta.mode(), meta.uid(), me, read_only)?;
    Some(Origin::file(path).error("", problem))
}

/// Whether somebody other than root and `me` can change what is there. Nobody writes to a read-only mount, whatever
/// the bits say (Kubernetes mounts configuration so), and in a sticky folder of root's nobody replaces another's file.
fn trust(path: &Path, mode: u32, owner: u32, me: u32, read_only: bool) -> Option<Problem> {
    const FOLDER: u32 = 0o040_000;
    let sticky = mode & 0o170_000 == FOLDER && mode & 0o1000 != 0 && owner == 0;
    if owner != 0 && owner != me {
        let command = command(&format!("chown {me}"), path);
        return Some(Problem::Owner { owner, me, command });
    }
    if mode & 0o022 != 0 && !sticky && !read_only {
        let command = command("chmod go-w", path);
        let mode = mode & 0o7777;
        return Some(Problem::Writable { mode, command });
    }
    None
}

fn unreadable(error: &io::Error, path: &Path) -> Problem {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => denied(path),
        ErrorKind::NotADirectory => "a part of the path is a file; correct the path".into(),
        _ => "check the path and the disk".into(),
    };
    let reason = reason(error);
    Problem::Unreadable { reason, advice }
}

/// What to do about a file that this user may not read.
fn denied(path: &Path) -> String {
    let me = rustix::process::geteuid().as_raw();
    match std::fs::metadata(path).map(|file| file.uid()) {
        Ok(owner) if owner == me => format!("run `{}`", command("chmod u+r", path)),
        Ok(owner) => format!("run this as its owner, user {owner}; this is user {me}"),
        Err(_) => format!("run this as the user whose folder it is; this is user {me}"),
    }
}

/// The error in words that nest: the system's text without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string().to_lowercase();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(mode: u32, owner: u32, me: u32, read_only: bool) -> String {
        match trust(Path::new("/etc/c.json"), mode, owner, me, read_only) {
            None => "fine".into(),
            Some(problem) => problem.to_string(),
        }
    }

    #[test]
    fn only_root_and_the_user_may_be_able_to_write() {
        assert_eq!(verdict(0o100_644, 1000, 1000, false), "fine");
        assert_eq!(verdict(0o100_644, 0, 1000, false), "fine");
        assert_eq!(
            verdict(0o100_620, 1000, 1000, false),
            "others can write to it (mode 0620) and could change the configuration; run `chmod go-w /etc/c.json`"
        );
        assert_eq!(
            verdict(0o100_600, 1001, 1000, false),
            "belongs to user 1001, neither to root nor to user 1000 who runs this; run `chown 1000 /etc/c.json`"
        );
        assert_eq!(
            verdict(0o100_600, 1001, 0, false),
            "belongs to user 1001, neither to root nor to user 0 who runs this; run `chown 0 /etc/c.json`"
        );
    }

    #[test]
    fn a_sticky_folder_of_root_and_a_read_only_mount_are_fine() {
        assert_eq!(verdict(0o041_777, 0, 1000, false), "fine");
        assert_ne!(verdict(0o041_777, 1000, 1000, false), "fine");
        assert_ne!(verdict(0o101_666, 0, 1000, false), "fine");
        assert_eq!(verdict(0o040_777, 0, 1000, true), "fine");
    }

    #[test]
    fn a_path_with_a_space_is_quoted_for_the_shell() {
        assert_eq!(
            command("chmod 600", Path::new("/a b/it's")),
            r"chmod 600 '/a b/it'\''s'"
        );
    }
}
