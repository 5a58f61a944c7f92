//! What outlives the gateway about its instances: which are quarantined, and which the operator disabled.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::spool::wall_ms;
use crate::telemetry::printable;
use crate::whole;

/// The file, in the state folder.
const FILE: &str = "plugins.json";
/// Of the reason of a quarantine.
const REASON_CHARS: usize = 500;
/// A larger file is none of ours.
const MAX_BYTES: u64 = 1024 * 1024;

/// The list of both, in memory and in its file.
pub(crate) struct Ledger {
    path: PathBuf,
    entries: Mutex<Entries>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Entries {
    /// Instances as the configuration names them: `channels.NAME`, `providers.NAME`.
    #[serde(default)]
    disabled: BTreeSet<String>,
    /// The same.
    #[serde(default)]
    quarantined: BTreeMap<String, Quarantine>,
}

/// Why an instance is down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Quarantine {
    pub(crate) reason: String,
    /// Milliseconds since 1970.
    pub(crate) since_ms: i64,
}

/// A ledger that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub(crate) struct LedgerError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Ledger {
    /// Reads the ledger of a state folder. A file that is damaged is moved aside, since nothing in it is worth a gateway
    /// that does not start.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, LedgerError> {
        let path = state_dir.join(FILE);
        let entries = match read(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Entries::default(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let aside = state_dir.join(format!("{FILE}.corrupt-{}", wall_ms() / 1000));
                warn!(path = %path.display(), %error, aside = %aside.display(), "The list of disabled plugins is damaged and moved aside");
                fs::rename(&path, &aside).map_err(|source| failed("move aside", &path, source))?;
                Entries::default()
            }
            Err(source) => return Err(failed("read", &path, source)),
        };
        Ok(Self {
            path,
            entries: Mutex::new(entries),
        })
    }

    /// Reads the ledger for who only looks; what is damaged counts as empty, and stays.
    pub(crate) fn peek(state_dir: &Path) -> Self {
        let path = state_dir.join(FILE);
        let entries = read(&path).unwrap_or_default();
        Self {
            path,
            entries: Mutex::new(entries),
        }
    }

    /// Whether the operator disabled the instance.
    pub(crate) fn is_disabled(&self, instance: &str) -> bool {
        self.lock().disabled.contains(instance)
    }

    /// Why the instance is quarantined, where it is.
    pub(crate) fn quarantined(&self, instance: &str) -> Option<String> {
        let entries = self.lock();
        let quarantine = entries.quarantined.get(instance)?;
        Some(quarantine.reason.clone())
    }

    /// Remembers a quarantine. Where that fails, it holds until the gateway ends.
    pub(crate) fn quarantine(&self, instance: &str, reason: &str) {
        let quarantine = Quarantine {
            reason: printable(reason, REASON_CHARS),
            since_ms: wall_ms(),
        };
        let kept = self.change(|entries| drop(entries.quarantined.insert(instance.to_owned(), quarantine)));
        told(kept);
    }

    /// Ends a quarantine, if there is one.
    pub(crate) fn lift(&self, instance: &str) {
        if self.quarantined(instance).is_some() {
            told(self.change(|entries| drop(entries.quarantined.remove(instance))));
        }
    }

    /// Marks instances as not wanted.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub(crate) fn disable(&self, instances: impl IntoIterator<Item = String>) -> Result<(), LedgerError> {
        self.change(|entries| entries.disabled.extend(instances))
    }

    /// Forgets every mark of instances.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub(crate) fn enable(&self, instances: impl IntoIterator<Item = String>) -> Result<(), LedgerError> {
        self.change(|entries| {
            for instance in instances {
                entries.disabled.remove(&instance);
                entries.quarantined.remove(&instance);
            }
        })
    }

    fn change(&self, change: impl FnOnce(&mut Entries)) -> Result<(), LedgerError> {
        let mut entries = self.lock();
        let mut changed = entries.clone();
        change(&mut changed);
        write(&self.path, &changed).map_err(|source| failed("write", &self.path, source))?;
        *entries = changed;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told(kept: Result<(), LedgerError>) {
    if let Err(error) = kept {
        warn!(
            error = crate::cli::chain(&error),
            "It is forgotten when the gateway ends"
        );
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> LedgerError {
    LedgerError {
        action,
        path: path.to_owned(),
        source,
    }
}

fn read(path: &Path) -> io::Result<Entries> {
    let file = File::open(path)?;
    if file.metadata()?.len() > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    serde_json::from_reader(io::BufReader::new(file))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Whole or not at all.
fn write(path: &Path, entries: &Entries) -> io::Result<()> {
    whole::replace(path, serde_json::to_string_pretty(entries)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_lifted() {
        let state = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(state.path()).unwrap();
        ledger.quarantine("channels.a", "signal 11");
        ledger.quarantine("channels.b", &"long ".repeat(1_000_000));
        ledger.disable(["channels.bot".to_owned()]).unwrap();
        let again = Ledger::open(state.path()).unwrap();
        assert_eq!(again.quarantined("channels.a").as_deref(), Some("signal 11"));
        assert!(again.is_disabled("channels.bot") && !again.is_disabled("providers.bot"));
        let all = ["channels.a", "channels.bot"].map(str::to_owned);
        again.enable(all).unwrap();
        let last = Ledger::open(state.path()).unwrap();
        assert_eq!(last.quarantined("channels.a"), None);
        assert!(!last.is_disabled("channels.bot"));
    }

    #[test]
    fn a_damaged_file_is_moved_aside() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join(FILE), "{").unwrap();
        assert_eq!(Ledger::open(state.path()).unwrap().quarantined("a"), None);
        let left: Vec<_> = fs::read_dir(state.path()).unwrap().flatten().collect();
        assert!(
            left[0]
                .file_name()
                .to_string_lossy()
                .starts_with("plugins.json.corrupt-")
        );
    }
}
