use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::SessionError;
use super::file::{Count, names, parse};

/// Copies of the checkpoints in a folder, by name without the extension, for a backup beside a running gateway.
///
/// A session is its file and the journal rows after it, and each checkpoint trims the journal to the one *before*
/// it. So a copy is right for a look at the spool that begins after it, if at the end of both it is still the
/// current file or the previous one: then at most one checkpoint was made since, and that one trimmed nothing that
/// the copy needs.
#[derive(Default)]
pub(crate) struct SessionCopies(HashMap<String, Identity>);

/// Tells a file from each that took its place: files are replaced, never changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl SessionCopies {
    /// Copies what is there and was not copied yet; `keep` and `drop` are told of each change.
    ///
    /// # Errors
    /// Where the folder or a file cannot be read, or where `keep` or `drop` fails.
    pub(crate) fn update<E: From<SessionError>>(
        &mut self,
        dir: &Path,
        mut keep: impl FnMut(&str, Vec<u8>) -> Result<(), E>,
        mut drop: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let stems = stems(dir)?;
        let gone: Vec<_> = self
            .0
            .keys()
            .filter(|stem| !stems.contains(*stem))
            .cloned()
            .collect();
        for stem in gone {
            drop(&stem)?;
            self.0.remove(&stem);
        }
        for stem in stems {
            let copied = self.0.get(&stem).copied();
            if copied.is_some() && copied == identity(&current(dir, &stem)) {
                continue;
            }
            match read(dir, &stem)? {
                Some((identity, content)) => {
                    keep(&stem, content)?;
                    self.0.insert(stem, identity);
                }
                None if copied.is_some() => {
                    drop(&stem)?;
                    self.0.remove(&stem);
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Whether every copy is right for a look at the spool that began after the last update and before this call.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub(crate) fn hold(&self, dir: &Path) -> Result<bool, SessionError> {
        let stems = stems(dir)?;
        if self.0.keys().any(|stem| !stems.contains(stem)) {
            return Ok(false);
        }
        Ok(stems.iter().all(|stem| match self.0.get(stem) {
            Some(copied) => {
                identity(&current(dir, stem)) == Some(*copied)
                    || identity(&previous(dir, stem)) == Some(*copied)
            }
            // The first checkpoint of a session trims nothing.
            None => identity(&previous(dir, stem)).is_none(),
        }))
    }

    /// Number of copies.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The name of the file that a copy is restored to.
pub(crate) fn file_name(stem: &str) -> Option<String> {
    let plain = !stem.starts_with('.') && !stem.contains(['/', '\0']) && !stem.is_empty();
    plain.then(|| format!("{stem}.json"))
}

/// Whether a folder has any checkpoint.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn any_files(dir: &Path) -> Result<bool, SessionError> {
    Ok(!stems(dir)?.is_empty())
}

/// The spool that the session file written last names.
///
/// # Errors
/// Where the folder cannot be read.
pub(crate) fn latest_spool(dir: &Path) -> Result<Option<String>, SessionError> {
    let read = |stem: String| {
        let path = current(dir, &stem);
        let file = parse::<Count>(&path, &fs::read(&path).ok()?).ok()?.ok()?;
        Some((file.updated_ms, file.spool?))
    };
    let latest = stems(dir)?.into_iter().filter_map(read).max();
    Ok(latest.map(|(_, spool)| spool))
}

fn stems(dir: &Path) -> Result<BTreeSet<String>, SessionError> {
    let stem = |name: String| {
        let stem = name
            .strip_suffix(".json")
            .or_else(|| name.strip_suffix(".json.prev"));
        stem.map(str::to_owned)
    };
    Ok(names(dir)?.filter_map(stem).collect())
}

fn current(dir: &Path, stem: &str) -> PathBuf {
    dir.join(format!("{stem}.json"))
}

fn previous(dir: &Path, stem: &str) -> PathBuf {
    dir.join(format!("{stem}.json.prev"))
}

fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|file| of(&file))
}

fn of(file: &fs::Metadata) -> Identity {
    Identity {
        inode: file.ino(),
        bytes: file.len(),
        modified: (file.mtime(), file.mtime_nsec()),
    }
}

/// The current file, or the one before where that is missing or damaged; a damaged one where there is no other.
fn read(dir: &Path, stem: &str) -> Result<Option<(Identity, Vec<u8>)>, SessionError> {
    let mut damaged = None;
    // Between the two renames of a checkpoint there is no current file.
    for path in [current(dir, stem), previous(dir, stem), current(dir, stem)] {
        let found = match whole(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(source) => {
                return Err(SessionError::Io {
                    doing: "read",
                    path,
                    source,
                });
            }
        };
        match parse::<Count>(&path, &found.1) {
            Ok(Err(_)) => damaged = damaged.or(Some(found)),
            // One of a later version is for a later miniclaw to read.
            Ok(Ok(_)) | Err(_) => return Ok(Some(found)),
        }
    }
    Ok(damaged)
}

fn whole(path: &Path) -> io::Result<(Identity, Vec<u8>)> {
    let mut file = fs::File::open(path)?;
    let identity = of(&file.metadata()?);
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok((identity, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a checkpoint does.
    fn checkpoint(dir: &Path, content: &str) {
        let temporary = dir.join("a.json.tmp-1");
        fs::write(&temporary, content).unwrap();
        let _ = fs::rename(current(dir, "a"), previous(dir, "a"));
        fs::rename(temporary, current(dir, "a")).unwrap();
    }

    fn update(copies: &mut SessionCopies, dir: &Path) -> Vec<String> {
        let mut kept = Vec::new();
        let keep = |_: &str, content| {
            kept.push(String::from_utf8(content).unwrap());
            Ok::<_, SessionError>(())
        };
        copies.update(dir, keep, |_| Ok(())).unwrap();
        kept
    }

    #[test]
    fn a_copy_is_right_until_the_second_checkpoint_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, mut copies) = (dir.path(), SessionCopies::default());
        checkpoint(dir, "1");
        assert_eq!(update(&mut copies, dir), ["1"]);
        checkpoint(dir, "22");
        assert!(copies.hold(dir).unwrap());
        checkpoint(dir, "333");
        assert!(!copies.hold(dir).unwrap());
        assert_eq!(update(&mut copies, dir), ["333"]);
        assert!(copies.hold(dir).unwrap());
        assert!(update(&mut copies, dir).is_empty());
    }

    #[test]
    fn a_session_that_came_is_in_the_journal_and_one_that_went_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, mut copies) = (dir.path(), SessionCopies::default());
        update(&mut copies, dir);
        checkpoint(dir, "1");
        assert!(copies.hold(dir).unwrap());
        checkpoint(dir, "22");
        assert!(!copies.hold(dir).unwrap());
        update(&mut copies, dir);
        fs::remove_file(current(dir, "a")).unwrap();
        fs::remove_file(previous(dir, "a")).unwrap();
        assert!(!copies.hold(dir).unwrap());
        update(&mut copies, dir);
        assert!(copies.hold(dir).unwrap() && copies.len() == 0);
    }

    #[test]
    fn a_copy_cannot_name_a_file_elsewhere() {
        for stem in ["../x", "/etc/x", ".x", ""] {
            assert_eq!(file_name(stem), None);
        }
        assert_eq!(file_name("t_7").as_deref(), Some("t_7.json"));
    }
}
