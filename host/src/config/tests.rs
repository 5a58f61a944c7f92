//! Loading as a whole.

mod bare;
mod errors;
mod files;
mod misplaced;
mod page;
mod plugins;
mod properties;
mod secrets;
mod sources;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use super::*;

/// A home folder of its own.
struct Home {
    folder: tempfile::TempDir,
    sources: Sources,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut home = Self {
            folder,
            sources: Sources::default(),
        };
        let path = home.path("").into_os_string();
        home.sources.env.insert("MINICLAW_HOME".into(), path);
        home
    }

    fn with(text: &str) -> Self {
        let home = Self::new();
        home.write("config.json", text, 0o600);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        self.mode(name, mode);
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        let value = value.replace("$HOME", self.folder.path().to_str().unwrap());
        self.sources.env.insert(name.into(), value.into());
        self
    }

    fn flag(mut self, key: &str, value: impl Into<Value>, flag: &'static str) -> Self {
        let (key, value) = (key.into(), value.into());
        self.sources.flags.push(FlagOverride { key, value, flag });
        self
    }

    fn load(&self) -> Loaded {
        load(&self.sources).unwrap()
    }

    /// All errors, with `config.json` instead of its whole path, and `$HOME` instead of the folder's.
    fn refusal(&self) -> String {
        self.strip(&load(&self.sources).unwrap_err().to_string())
    }

    fn strip(&self, text: &str) -> String {
        let folder = self.folder.path().to_str().unwrap();
        text.replace(&format!("{folder}/config.json:"), "config.json:")
            .replace(folder, "$HOME")
    }

    fn origin(&self, key: &str) -> String {
        let values = self.load().values();
        let value = values.iter().find(|value| value.key == key).unwrap();
        self.strip(&format!("{} # {}", value.value, value.origin))
    }
}

fn refusal(text: &str) -> String {
    Home::with(text).refusal()
}
