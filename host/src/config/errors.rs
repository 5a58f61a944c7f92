//! What can be wrong with a configuration, and how it is told.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every error of a configuration, one line each, in the order of the sources.
#[derive(Debug)]
pub(crate) struct ConfigErrors(Vec<ConfigError>);

/// One error: where, which key, what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConfigError {
    pub(crate) origin: Origin,
    /// Dotted path; empty where the source as a whole is meant.
    pub(crate) key: String,
    pub(crate) problem: Box<Problem>,
}

/// Where a value comes from; later ones win.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Default,
    File {
        path: Arc<Path>,
        /// `None` where the file as a whole is meant.
        at: Option<Position>,
    },
    /// Name of an environment variable.
    Env(Arc<str>),
    /// A flag as it is written.
    Flag(Arc<str>),
}

/// A place in a text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Why a configuration cannot be used. No variant holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Problem {
    #[error("no home folder is known; set HOME or MINICLAW_HOME, or give `--home DIR`")]
    NoHome,
    #[error("`~/` leads nowhere, because HOME is not set; set it, or write the whole path")]
    NoUserHome,
    #[error("the file does not exist, but {by} names it; create it, or leave {by} out to use {default}")]
    Missing { by: String, default: String },
    #[error("the file is gone; put it back, or write `{{}}` to it where nothing is to be configured")]
    Gone,
    #[error("a symbolic link that leads nowhere; correct it or remove it")]
    DanglingLink,
    #[error("a folder, where a file is needed; name the file in it, for example {example}")]
    Folder { example: String },
    #[error("not a regular file; name a file with the configuration as JSON")]
    NotRegular,
    #[error("cannot be read: {reason}; {advice}")]
    Unreadable { reason: String, advice: String },
    #[error("the file is empty; write at least `{{}}`")]
    Empty,
    #[error("not UTF-8; save the file as UTF-8")]
    NotUtf8,
    #[error("larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("others can write to it (mode {mode:04o}) and could change the configuration; run `{command}`")]
    Writable { mode: u32, command: String },
    #[error("belongs to user {owner}, neither to root nor to user {me} who runs this; run `{command}`")]
    Owner { owner: u32, me: u32, command: String },
    #[error("a secret in a file that others can read (mode {mode:04o}); run `{command}`")]
    ReadableSecret { mode: u32, command: String },
    #[error("{0}")]
    Syntax(String),
    #[error("given twice; the other place is {other}")]
    Duplicate { other: Origin },
    #[error("given twice; `{other_key}` at {other} means the same, keep one of them")]
    Clash { other_key: String, other: Origin },
    #[error(
        "it belongs to the plugin `telegram`, but `{other_key}` at {other} names another; rename that channel"
    )]
    TokenOfOther { other_key: String, other: Origin },
    #[error(
        "the same token as `{other_key}` at {other}, so that every message would come in twice; give each channel a bot of its own"
    )]
    SameToken { other_key: String, other: Origin },
    #[error("unknown key; {0}")]
    UnknownKey(Hint),
    #[error("it has no place here; write it as `{place}`")]
    Elsewhere { place: String },
    #[error("a setting of a plugin, no key of the gateway's; write it as `{place}`")]
    SettingOfPlugin { place: String },
    #[error("unknown key; perhaps a setting of the plugin, `{place}`? {hint}")]
    PerhapsSetting { place: String, hint: Hint },
    #[error("the plugin has no such setting; it is a key of the gateway's: `{place}`")]
    Misplaced { place: String },
    #[error("required, but missing")]
    Required,
    #[error("expected {expected}, found {found}")]
    Type { expected: String, found: String },
    #[error("{found} is out of range; allowed is {min} to {max}")]
    Range { found: String, min: String, max: String },
    #[error("{found} is not allowed; {hint}")]
    Choice { found: String, hint: Hint },
    #[error(
        "the name `{name}` is not allowed; use at most 32 of a-z, 0-9, `-` and `_`, a letter or digit first"
    )]
    Name { name: String },
    #[error("no plugin has the name `{name}`; it is made of a-z, 0-9, `-` and `_`")]
    PluginName { name: String },
    #[error("the name `cli` is taken by `miniclaw agent`; choose another")]
    Reserved,
    #[error("{what} `{name}` is not known; {hint}")]
    Unknown {
        what: &'static str,
        name: String,
        hint: Hint,
    },
    #[error("provider `{name}` is not known; {hint}; any other needs an entry in `providers`")]
    UnknownProvider { name: String, hint: Hint },
    #[error("the folder {} {state}; create it, or leave it out", path.display())]
    PluginFolder { path: PathBuf, state: &'static str },
    #[error("{0}")]
    TrustedKey(String),
    #[error("plugin `{name}` is a {is}, where a {wanted} is needed")]
    WrongKind {
        name: String,
        is: &'static str,
        wanted: &'static str,
    },
    #[error("`{0}` is a user name, and names change hands; give the numeric id")]
    UserName(String),
    #[error("`{0}` is not an id; Telegram's ids are whole numbers such as 123456789")]
    NotTelegramId(String),
    #[error("`*` does not stand for everyone; list the ids of those who may write")]
    Wildcard,
    #[error("several providers, and none named as the default; {0}")]
    NoDefaultProvider(Hint),
    #[error("a route without effect; give it `provider`, `model` or `fallback`")]
    EmptyRoute,
    #[error(
        "a reference that cannot be followed; write `${{env:NAME}}` or `${{file:/path}}` and nothing else"
    )]
    Reference,
    #[error("environment variable `{name}` is {state}; set it, or correct the reference")]
    SecretEnv { name: String, state: &'static str },
    #[error("cannot read the secret from {}: {reason}", path.display())]
    SecretFile { path: PathBuf, reason: String },
    #[error("the value is not UTF-8")]
    EnvNotUtf8,
    #[error("plugin `{plugin}` has a schema that cannot be used: {reason}")]
    BadSchema { plugin: String, reason: String },
    #[error("{0}")]
    Settings(String),
}

/// What would be right: the nearest name, and all that are allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hint {
    nearest: Option<String>,
    allowed: Vec<String>,
}

impl ConfigErrors {
    pub(super) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort();
        errors.dedup();
        Self(errors)
    }

    /// # Errors
    /// Where there are errors.
    pub(crate) fn refuse(errors: Vec<ConfigError>) -> Result<(), Self> {
        match errors.is_empty() {
            true => Ok(()),
            false => Err(Self::new(errors)),
        }
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "key `{}`: ", shown(&self.key))?;
        }
        self.problem.fmt(f)
    }
}

impl Origin {
    pub(super) fn file(path: &Path) -> Self {
        Self::File {
            path: path.into(),
            at: None,
        }
    }

    /// Defaults, file, environment, flags: whether both are of the same source.
    pub(super) fn same_source(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    pub(super) fn error(&self, key: impl Into<String>, problem: Problem) -> ConfigError {
        ConfigError {
            origin: self.clone(),
            key: key.into(),
            problem: Box::new(problem),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, at: None } => path.display().fmt(f),
            Self::File { path, at: Some(at) } => write!(f, "{}:{}:{}", path.display(), at.line, at.column),
            Self::Env(name) => write!(f, "env {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

impl Hint {
    pub(super) fn new<S: Into<String>>(given: &str, allowed: impl IntoIterator<Item = S>) -> Self {
        let mut allowed: Vec<String> = allowed.into_iter().map(Into::into).collect();
        allowed.sort();
        // Two slips in a word of six letters are a typing error; more make another word.
        let limit = (given.chars().count() / 3).clamp(1, 3);
        let nearest = allowed
            .iter()
            .map(|name| (strsim::damerau_levenshtein(given, name), name))
            .filter(|(distance, _)| *distance <= limit && !given.is_empty())
            .min()
            .map(|(_, name)| name.clone());
        Self { nearest, allowed }
    }

    /// Whether one of the allowed was probably meant.
    pub(super) fn is_near(&self) -> bool {
        self.nearest.is_some()
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(nearest) = &self.nearest {
            write!(f, "did you mean `{nearest}`? ")?;
        }
        if self.allowed.is_empty() {
            return f.write_str("none is allowed here");
        }
        f.write_str("allowed: ")?;
        for (index, name) in self.allowed.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}`{name}`")?;
        }
        Ok(())
    }
}

/// Foreign text for one line of a terminal: cut, and escaped where it would not print as itself.
pub(super) fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 128;
    let mut line = String::new();
    for character in text.chars().take(MAX_CHARS) {
        match character {
            '"' | '\'' | '\\' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(MAX_CHARS).is_some() {
        line.push('…');
    }
    line
}
