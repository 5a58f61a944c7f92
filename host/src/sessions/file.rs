use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tracing::warn;

use super::{Entry, SessionError, SessionKey, media_dir};
use crate::spool::wall_ms;
use crate::telemetry::rfc3339_ms;

/// The version of the file's form.
const VERSION: u32 = 1;

/// A checkpoint as it is on disk. `M` is `Vec<Entry>`, `&[Entry]`, or [`Count`] where only the head matters.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SessionFile<M> {
    pub(super) version: u32,
    pub(super) key: String,
    /// The spool whose numbers the next three fields are; none where the session was kept without one.
    pub(super) spool: Option<String>,
    pub(super) generation: u64,
    /// Journal rows up to this one are in `messages`.
    pub(super) journal_seq: u64,
    /// Seconds on the spool's activity clock when the session was last used.
    pub(super) activity: u64,
    pub(super) updated_ms: i64,
    /// `updated_ms` for people.
    pub(super) updated: String,
    pub(super) messages: M,
}

impl<M> SessionFile<M> {
    pub(super) fn new(key: &SessionKey, updated_ms: i64, messages: M) -> Self {
        Self {
            version: VERSION,
            key: key.0.as_ref().to_owned(),
            spool: None,
            generation: 0,
            journal_seq: 0,
            activity: 0,
            updated_ms,
            updated: rfc3339_ms(updated_ms),
            messages,
        }
    }
}

/// The number of messages, without the messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counter;
        impl<'de> Visitor<'de> for Counter {
            type Value = Count;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Count, A::Error> {
                let mut count = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Count(count))
            }
        }
        deserializer.deserialize_seq(Counter)
    }
}

/// Where a session's files are.
pub(super) struct Paths {
    pub(super) current: PathBuf,
    /// The checkpoint before the current one.
    pub(super) previous: PathBuf,
}

impl Paths {
    pub(super) fn of(dir: &Path, key: &SessionKey) -> Self {
        let stem = key.file_stem();
        Self {
            current: dir.join(format!("{stem}.json")),
            previous: dir.join(format!("{stem}.json.prev")),
        }
    }
}

/// What to do with a damaged file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damaged {
    /// Move it aside and name it in the log.
    MoveAside,
    /// Pass it over: the folder is another process's.
    Leave,
}

/// Reads the current checkpoint, or the one before where that is missing or damaged.
pub(super) fn read_session(
    dir: &Path,
    key: &SessionKey,
    damaged: Damaged,
) -> Result<Option<SessionFile<Vec<Entry>>>, SessionError> {
    let paths = Paths::of(dir, key);
    match read_sound(&paths.current, key, damaged)? {
        Some(file) => Ok(Some(file)),
        None => read_sound(&paths.previous, key, damaged),
    }
}

fn read_sound(
    path: &Path,
    key: &SessionKey,
    damaged: Damaged,
) -> Result<Option<SessionFile<Vec<Entry>>>, SessionError> {
    let io = |doing| {
        move |source| SessionError::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    };
    let content = match fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("read")(error)),
    };
    let damage = match parse(path, &content)? {
        Ok(file) if file.key == *key.0 => return Ok(Some(file)),
        Ok(file) => format!("it is the file of session {}", file.key),
        Err(damage) => damage,
    };
    if damaged == Damaged::Leave {
        return Ok(None);
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".corrupt-{}", wall_ms()));
    fs::rename(path, &aside).map_err(io("move aside the damaged"))?;
    warn!(
        session = %key,
        file = %path.display(),
        moved_to = %Path::new(&aside).display(),
        error = damage,
        "Session file is damaged; the checkpoint before it and the journal are used instead"
    );
    Ok(None)
}

/// Sorts a file: sound, damaged, or (as an error) of a later version.
pub(super) fn parse<M: for<'de> Deserialize<'de>>(
    path: &Path,
    content: &[u8],
) -> Result<Result<SessionFile<M>, String>, SessionError> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let parsed = serde_json::from_slice::<SessionFile<M>>(content);
    let version = match &parsed {
        Ok(file) => file.version,
        Err(_) => serde_json::from_slice::<Head>(content).map_or(0, |head| head.version),
    };
    if version > VERSION {
        return Err(SessionError::Newer {
            path: path.to_owned(),
            found: version,
            known: VERSION,
        });
    }
    Ok(parsed.map_err(|error| error.to_string()))
}

/// Puts a checkpoint in the place of the current one, which becomes the previous one. It is durable after
/// [`sync_folder`].
pub(super) fn write_session(
    dir: &Path,
    key: &SessionKey,
    file: &SessionFile<&[Entry]>,
) -> Result<(), SessionError> {
    let paths = Paths::of(dir, key);
    replace(dir, &paths, file).map_err(|source| SessionError::Io {
        doing: "write",
        path: paths.current,
        source,
    })
}

fn replace(dir: &Path, paths: &Paths, content: &SessionFile<&[Entry]>) -> io::Result<()> {
    let mut temporary = paths.current.as_os_str().to_owned();
    temporary.push(format!(".tmp-{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let file = match private(&temporary) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            private(&temporary)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(&temporary)?;
            private(&temporary)
        }
        file => file,
    }?;
    let written = fill(file, content).and_then(|()| {
        match fs::rename(&paths.current, &paths.previous) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(&temporary, &paths.current)
    });
    if written.is_err() {
        // Best effort: a sweep removes what is left.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn fill(file: File, content: &SessionFile<&[Entry]>) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o600))?;
    let mut buffer = BufWriter::new(file);
    serde_json::to_writer(&mut buffer, content)?;
    buffer.write_all(b"\n")?;
    buffer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()
}

/// Makes renames in the folder durable.
pub(super) fn sync_folder(dir: &Path) -> Result<(), SessionError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| SessionError::Io {
            doing: "sync the folder of",
            path: dir.to_owned(),
            source,
        })
}

/// Removes a session's checkpoints; answers how many bytes they had.
pub(super) fn remove_checkpoints(dir: &Path, key: &SessionKey) -> Result<Option<u64>, SessionError> {
    let paths = Paths::of(dir, key);
    let mut removed = None;
    for path in [paths.current, paths.previous] {
        let bytes = fs::metadata(&path).and_then(|file| fs::remove_file(&path).map(|()| file.len()));
        match bytes {
            Ok(bytes) => *removed.get_or_insert(0) += bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => {
                return Err(SessionError::Io {
                    doing: "remove",
                    path,
                    source,
                });
            }
        }
    }
    Ok(removed)
}

/// Removes the files that came with a session's messages; answers how many bytes they had.
pub(super) fn remove_media(dir: &Path, key: &SessionKey) -> Result<u64, SessionError> {
    let folder = media_dir(dir, key);
    let files = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
    let bytes = files
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.len())
        .sum();
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(SessionError::Io {
            doing: "remove the files of",
            path: folder,
            source: error,
        }),
        _ => Ok(bytes),
    }
}

/// Number of session files in a folder, by name alone; 0 where there is no folder.
///
/// # Errors
/// Where the folder cannot be read.
pub(crate) fn count(dir: &Path) -> Result<usize, SessionError> {
    Ok(names(dir)?.filter(|name| name.ends_with(".json")).count())
}

/// The names in a folder; none where there is no folder. Names that are not UTF-8 are not ours.
pub(super) fn names(dir: &Path) -> Result<impl Iterator<Item = String> + use<>, SessionError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(source) => {
            let path = dir.to_owned();
            return Err(SessionError::Io {
                doing: "list the folder of",
                path,
                source,
            });
        }
    };
    let names = entries.into_iter().flatten().filter_map(Result::ok);
    Ok(names.filter_map(|entry| entry.file_name().into_string().ok()))
}
