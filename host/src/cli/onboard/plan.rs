//! What the configuration is to say.

use std::io::Read;
use std::path::Path;

use miniclaw_plugin_api::Kind;
use serde_json::{Map, Value, json};

use super::super::Failure;
use super::super::args::OnboardArgs;
use crate::config::{KnownPlugin, Place};

pub(super) const TELEGRAM: &str = "telegram";
pub(super) const WEBCHAT: &str = "webchat";
pub(super) const ECHO: &str = "echo";

/// Longest secret that is read, as the configuration reads it.
const LONGEST_SECRET: u64 = 64 << 10;

/// A secret and how the configuration names it.
#[derive(Clone)]
pub(super) enum Secret {
    /// Goes into a file of its own.
    Given(String),
    /// Stays in an environment variable.
    Variable(String),
}

/// Everything that was decided. Has no `Debug`: it holds secrets.
pub(super) struct Plan {
    pub(super) token: Option<Secret>,
    pub(super) api_url: Option<String>,
    pub(super) allow_from: Vec<String>,
    pub(super) pairing: bool,
    pub(super) provider: String,
    pub(super) model: Option<String>,
    pub(super) api_key: Option<Secret>,
    pub(super) base_url: Option<String>,
    pub(super) webchat: bool,
    /// How the configuration names the folder of secrets.
    secrets: String,
}

/// A file under `secrets`.
pub(super) struct SecretFile<'a> {
    pub(super) name: String,
    pub(super) text: &'a str,
}

impl Plan {
    /// What the options say.
    ///
    /// # Errors
    /// Files that cannot be read, and a web chat that this build does not have.
    pub(super) fn of(args: &OnboardArgs, place: &Place, known: &[KnownPlugin]) -> Result<Self, Failure> {
        let from_stdin = |file: &Option<std::path::PathBuf>| file.as_deref() == Some(Path::new("-"));
        if from_stdin(&args.telegram_token_file) && from_stdin(&args.api_key_file) {
            return Err(Failure::new(
                2,
                "--telegram-token-file and --api-key-file cannot both be `-`",
            ));
        }
        let has_webchat = has_webchat(known);
        if args.webchat && !has_webchat {
            return Err(Failure::new(
                1,
                "this miniclaw has no web chat; leave out --webchat",
            ));
        }
        let given = |file: &Option<std::path::PathBuf>, option| {
            let file = file.as_deref();
            file.map(|file| read(file, option).map(Secret::Given)).transpose()
        };
        let token = match &args.telegram_token_env {
            Some(name) => Some(Secret::Variable(name.clone())),
            None => given(&args.telegram_token_file, "--telegram-token-file")?,
        };
        if args.yes && token.is_none() && (args.pairing || !args.allow_from.is_empty()) {
            let line = "--allow-from and --pairing are for Telegram; give its --telegram-token-file too";
            return Err(Failure::new(2, line));
        }
        // With nothing else there would be nobody to talk to.
        let alone = args.yes && token.is_none() && has_webchat;
        Ok(Self {
            api_key: given(&args.api_key_file, "--api-key-file")?,
            token,
            api_url: args.telegram_api_url.clone(),
            allow_from: args.allow_from.clone(),
            pairing: args.pairing,
            provider: args.provider.clone().unwrap_or_else(|| ECHO.into()),
            model: args.model.clone(),
            base_url: args.base_url.clone(),
            webchat: args.webchat || alone,
            secrets: secrets_from(place),
        })
    }

    /// The files that its secrets go into.
    pub(super) fn secret_files(&self) -> Vec<SecretFile<'_>> {
        let mut files = Vec::new();
        if let Some(Secret::Given(text)) = &self.token {
            let name = token_file();
            files.push(SecretFile { name, text });
        }
        if let Some(Secret::Given(text)) = &self.api_key {
            let name = key_file(&self.provider);
            files.push(SecretFile { name, text });
        }
        files
    }

    /// The configuration file's content, secrets by reference.
    pub(super) fn config(&self) -> Value {
        let by_file = |secret: &Secret, name: String| match secret {
            Secret::Given(_) => format!("${{file:{}/{name}}}", self.secrets),
            Secret::Variable(name) => format!("${{env:{name}}}"),
        };
        self.config_with(&by_file)
    }

    /// The same with secrets as they are, to be checked before there is a file.
    pub(super) fn literal(&self) -> Value {
        let literally = |secret: &Secret, _: String| match secret {
            Secret::Given(text) => text.clone(),
            Secret::Variable(name) => format!("${{env:{name}}}"),
        };
        self.config_with(&literally)
    }

    fn config_with(&self, write: &dyn Fn(&Secret, String) -> String) -> Value {
        let mut root = Map::new();
        root.insert("$schema".into(), format!("./{}", super::files::SCHEMA).into());
        let mut channels = Map::new();
        if let Some(token) = &self.token {
            root.insert("telegram_token".into(), write(token, token_file()).into());
            let ids = self.allow_from.iter().map(|id| match id.trim().parse::<i64>() {
                Ok(id) => Value::from(id),
                Err(_) => Value::from(id.trim()),
            });
            root.insert("allow_from".into(), ids.collect());
            let mut telegram = Map::new();
            if self.pairing {
                telegram.insert("pairing".into(), true.into());
            }
            if let Some(url) = &self.api_url {
                telegram.insert("settings".into(), json!({ "api_url": url }));
            }
            if !telegram.is_empty() {
                channels.insert(TELEGRAM.into(), telegram.into());
            }
        }
        if self.webchat {
            channels.insert(WEBCHAT.into(), json!({}));
        }
        if !channels.is_empty() {
            root.insert("channels".into(), channels.into());
        }
        root.insert("provider".into(), self.provider.clone().into());
        if let Some(model) = &self.model {
            root.insert("model".into(), model.clone().into());
        }
        let mut settings = Map::new();
        if let Some(key) = &self.api_key {
            settings.insert("api_key".into(), write(key, key_file(&self.provider)).into());
        }
        if let Some(url) = &self.base_url {
            settings.insert("base_url".into(), url.clone().into());
        }
        if !settings.is_empty() {
            let entry = json!({ "settings": settings });
            root.insert("providers".into(), json!({ self.provider.as_str(): entry }));
        }
        root.into()
    }
}

/// Whether this miniclaw has the web chat.
pub(super) fn has_webchat(known: &[KnownPlugin]) -> bool {
    known
        .iter()
        .any(|plugin| plugin.kind == Kind::Channel && plugin.name == WEBCHAT)
}

fn token_file() -> String {
    "telegram_token".into()
}

fn key_file(provider: &str) -> String {
    format!("{provider}_api_key")
}

/// Relative where the configuration is in the home folder, so that the folder may be moved.
fn secrets_from(place: &Place) -> String {
    match place.file.parent() == Some(&place.home) {
        true => super::files::SECRETS.into(),
        false => place.home.join(super::files::SECRETS).display().to_string(),
    }
}

/// A secret from a file, or from stdin.
fn read(file: &Path, option: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().take(LONGEST_SECRET).read_to_string(&mut text),
        false => {
            std::fs::File::open(file).and_then(|file| file.take(LONGEST_SECRET).read_to_string(&mut text))
        }
    };
    let name = file.display();
    read.map_err(|error| Failure::new(1, format!("{option}: cannot read {name}: {error}")))?;
    match text.trim() {
        "" => Err(Failure::new(1, format!("{option}: {name} is empty"))),
        text => Ok(text.to_owned()),
    }
}
