//! The configuration: whether it can be used, and what it probably does not mean.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::super::config::trial;
use super::Patient;
use super::finding::{Finding, Repair, Severity, shown};
use crate::config::{self, ConfigError, ConfigErrors, Loaded, Place, Problem, Sources, for_shell};
use crate::plugins::trust::keys::TrustedKey;

/// Reads it; tells what is wrong with it.
pub(super) fn load(sources: &Sources, place: &Place, findings: &mut Vec<Finding>) -> Option<Loaded> {
    match config::load(sources) {
        Ok(loaded) => {
            if loaded.file.is_none() {
                let fix = "`miniclaw onboard` writes one";
                findings.push(Finding::note(
                    "config-missing",
                    shown(&place.file),
                    "there is no configuration",
                    fix,
                ));
            }
            Some(loaded)
        }
        Err(errors) => {
            findings.extend(errors.iter().map(of_error));
            None
        }
    }
}

pub(super) fn check(patient: &Patient, findings: &mut Vec<Finding>) {
    let Some(loaded) = &patient.loaded else { return };
    let mut tell = |checked: Result<(), ConfigErrors>| match checked {
        Ok(()) => true,
        Err(errors) => {
            findings.extend(errors.iter().map(of_error));
            false
        }
    };
    let keys = |key: &_| TrustedKey::read(key).map(drop).map_err(|error| error.to_string());
    tell(loaded.check_plugin_folders());
    tell(loaded.check_trusted_keys(keys));
    if tell(loaded.check_plugins(&patient.known)) {
        tell(ConfigErrors::refuse(trial::refusals(loaded)));
    }
    for text in &loaded.warnings {
        let path = shown(&patient.place.file);
        findings.push(Finding::warning(
            "config-doubt",
            path,
            text,
            "change or remove that key",
        ));
    }
    for text in loaded.doubts(&patient.known) {
        let nobody = text.contains("nobody may write");
        let id = if nobody {
            "nobody-may-write"
        } else {
            "config-doubt"
        };
        let (path, text) = text.split_once(": ").unwrap_or(("", &text));
        let fix = match nobody {
            true => "put ids into `allow_from` of the channel, or set its `pairing` to true",
            false => "change or remove that key",
        };
        findings.push(Finding::warning(id, path, text, fix));
    }
    groups(patient, loaded, findings);
    keys_missing(patient, loaded, findings);
    addresses(patient, loaded, findings);
}

/// Groups that nobody can use.
fn groups(patient: &Patient, loaded: &Loaded, findings: &mut Vec<Finding>) {
    for (name, channel) in &loaded.config.channels {
        if channel
            .groups
            .as_ref()
            .is_some_and(|groups| groups.allow.is_empty())
        {
            let key = format!("channels.{name}.groups.allow");
            findings.push(Finding::warning(
                "groups-empty",
                patient.origin(&key),
                format!("key `{key}` is empty, so that no group is answered"),
                format!("put the ids of groups into `{key}`, or leave out `channels.{name}.groups`"),
            ));
        }
    }
}

/// Providers whose own servers answer nobody without a key.
fn keys_missing(patient: &Patient, loaded: &Loaded, findings: &mut Vec<Finding>) {
    for (name, provider) in &loaded.config.providers {
        let given = |key: &str| provider.settings.0.get(key).is_some_and(|value| !value.is_null());
        let elsewhere = given("base_url") || given("headers");
        if ["openai", "anthropic", "gemini"].contains(&&*provider.plugin) && !given("api_key") && !elsewhere {
            let key = format!("providers.{name}.settings.api_key");
            findings.push(Finding::warning(
                "key-missing",
                patient.origin(&key),
                format!(
                    "key `{key}` is not set, and the server of `{}` answers nobody without one",
                    provider.plugin
                ),
                format!("set `{key}`, or `base_url` beside it for a server that asks for none"),
            ));
        }
    }
}

/// What listens beyond this machine, and what is sent in the clear.
fn addresses(patient: &Patient, loaded: &Loaded, findings: &mut Vec<Finding>) {
    let mut found = |id, key: String, what: &str, fix: String| {
        let text = format!("key `{key}`: {what}");
        findings.push(Finding::warning(id, patient.origin(&key), text, fix));
    };
    let key = "http.listen".to_owned();
    let listen = loaded.values().into_iter().find(|value| value.key == key);
    if listen.is_some_and(|value| value.value.as_str().is_some_and(is_beyond_loopback)) {
        let fix = format!("set `{key}` to an address on 127.0.0.1, or keep others out by a firewall");
        let what = "everybody who reaches this address can read health and metrics";
        found("http-beyond-loopback", key, what, fix);
    }
    for (name, channel) in &loaded.config.channels {
        let setting = |key: &str| channel.settings.0.get(key).and_then(Value::as_str);
        let listens = setting("listen").is_some_and(is_beyond_loopback);
        let safe = setting("public_url").is_some_and(|url| url.starts_with("https://"));
        if channel.plugin == "webchat" && listens && !safe {
            let key = format!("channels.{name}.settings.listen");
            let fix = format!(
                "set `{key}` to 127.0.0.1:8470, put a proxy with https before it, and its address into `public_url`"
            );
            let what = "logins and chats cross the network unencrypted";
            found("webchat-beyond-loopback", key, what, fix);
        }
    }
    for (name, provider) in &loaded.config.providers {
        let setting = |key: &str| provider.settings.0.get(key).and_then(Value::as_str);
        let clear = setting("base_url").and_then(|url| url.strip_prefix("http://"));
        let has_key = setting("api_key").is_some_and(|key| !key.is_empty());
        if has_key && clear.is_some_and(|host| !is_loopback(host)) {
            let key = format!("providers.{name}.settings.base_url");
            let fix = format!("set `{key}` to an address with https");
            found(
                "key-in-the-clear",
                key,
                "the API key crosses the network unencrypted",
                fix,
            );
        }
    }
}

/// Of `HOST:PORT`.
fn is_beyond_loopback(address: &str) -> bool {
    match address.parse::<SocketAddr>() {
        Ok(address) => !address.ip().is_loopback(),
        Err(_) => !address.starts_with("localhost:"),
    }
}

fn is_loopback(host: &str) -> bool {
    ["127.", "localhost", "[::1]"]
        .iter()
        .any(|begin| host.starts_with(begin))
}

/// Which fault an error of the configuration is, and what repairs it.
pub(super) fn of_error(error: &ConfigError) -> Finding {
    let (path, text) = (error.origin.to_string(), error.to_string());
    let text = text
        .strip_prefix(&format!("{path}: "))
        .unwrap_or(&text)
        .to_owned();
    let key = &error.key;
    let severity = Severity::Error;
    let file = Path::new(&path);
    match &*error.problem {
        Problem::Writable { mode, command } => Finding::new(
            severity,
            "config-writable",
            &path,
            text,
            format!("run `{command}`"),
        )
        .fixed_by(Repair::Mode(file.to_owned(), mode & !0o022)),
        Problem::ReadableSecret { command, .. } => {
            let file = file_of(&path);
            Finding::new(
                severity,
                "config-secret-readable",
                &path,
                text,
                format!("run `{command}`"),
            )
            .fixed_by(Repair::Mode(file.into(), 0o600))
        }
        Problem::Owner { command, .. } => {
            Finding::new(severity, "config-owner", &path, text, format!("run `{command}`"))
        }
        Problem::SecretFile { path: secret, .. } => {
            let fix = format!("write the secret into {}, or correct `{key}`", for_shell(secret));
            Finding::new(severity, "secret-file", &path, text, fix)
        }
        Problem::SecretEnv { name, .. } => {
            let fix = format!("set {name} where the gateway starts, or correct `{key}`");
            Finding::new(severity, "secret-env", &path, text, fix)
        }
        Problem::UnknownKey(_)
        | Problem::Elsewhere { .. }
        | Problem::SettingOfPlugin { .. }
        | Problem::PerhapsSetting { .. }
        | Problem::Misplaced { .. } => Finding::new(
            severity,
            "config-unknown-key",
            &path,
            text,
            format!("rename, move or remove `{key}`"),
        ),
        Problem::PluginFolder { path: folder, state } => {
            let fix = format!("create {}, or take it out of `plugins.paths`", for_shell(folder));
            let found = Finding::new(severity, "plugin-folder-missing", &path, text, fix);
            match *state {
                "does not exist" => found.fixed_by(Repair::Folder(folder.clone())),
                _ => found,
            }
        }
        Problem::Unknown { what: "plugin", .. } => {
            let fix = format!("correct `{key}`, or install the plugin by `miniclaw plugin install FILE`");
            Finding::new(severity, "plugin-unknown", &path, text, fix)
        }
        Problem::TrustedKey(_) => {
            Finding::new(severity, "trusted-key", &path, text, format!("correct `{key}`"))
        }
        Problem::Settings(_) if key.ends_with("webhook.url") && text.contains("https") => Finding::new(
            severity,
            "webhook-not-https",
            &path,
            text,
            format!("give `{key}` an address with https"),
        ),
        Problem::Syntax(_) | Problem::Empty | Problem::NotUtf8 => {
            let fix = "correct the file; `miniclaw config validate` tells whether it is right";
            Finding::new(severity, "config-syntax", &path, text, fix)
        }
        Problem::Missing { .. }
        | Problem::DanglingLink
        | Problem::Folder { .. }
        | Problem::NotRegular
        | Problem::Unreadable { .. }
        | Problem::TooLarge { .. } => {
            let fix = "see to the file, or name another with --config";
            Finding::new(severity, "config-unreadable", &path, text, fix)
        }
        _ => {
            let fix = match key.as_str() {
                "" => "correct the configuration".to_owned(),
                key => format!("correct `{key}`; `miniclaw config schema` tells what it takes"),
            };
            Finding::new(severity, "config-invalid", &path, text, fix)
        }
    }
}

/// `path` of `path:line:column`.
fn file_of(place: &str) -> &str {
    let mut file = place;
    for _ in 0..2 {
        match file.rsplit_once(':') {
            Some((front, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => file = front,
            _ => break,
        }
    }
    file
}

/// Bits of a mode that are set and should not be.
pub(super) fn excess(path: &Path, bits: u32) -> Option<u32> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & bits != 0).then_some(mode)
}
