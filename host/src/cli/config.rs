//! `miniclaw config`: check, show and describe the configuration.

pub(super) mod trial;

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::config::{self, Config, ConfigError, ConfigErrors, KnownPlugin, Loaded, Origin, Sources};
use crate::plugins::trust::keys::TrustedKey;

/// Exit status of a command that found the configuration in order.
const OK: u8 = 0;
/// Exit status for a configuration that cannot be used: `EX_CONFIG` of sysexits.h.
pub(crate) const BAD_CONFIG: u8 = 78;

/// Prints `ok` and the file, or every error; returns the exit status. `plugins` lists what the configuration could
/// name: built-ins, and what is found in its folders.
///
/// # Errors
/// Where the output cannot be written.
pub(crate) fn validate(
    sources: &Sources,
    plugins: &dyn Fn(&Config) -> Vec<KnownPlugin>,
    json: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let checked = config::load(sources).and_then(|loaded| checked(loaded, plugins));
    if json {
        let report = match &checked {
            Ok(loaded) => json!({
                "ok": true, "file": loaded.file.as_deref().map(shown), "warnings": loaded.warnings, "errors": [],
            }),
            Err(errors) => json!({
                "ok": false, "file": null, "warnings": [],
                "errors": errors.iter().map(describe).collect::<Vec<_>>(),
            }),
        };
        writeln!(out, "{report:#}")?;
        return Ok(if checked.is_ok() { OK } else { BAD_CONFIG });
    }
    match checked {
        Ok(loaded) => {
            warn(&loaded, err)?;
            match &loaded.file {
                Some(file) => writeln!(out, "ok: {}", file.display())?,
                None => writeln!(
                    out,
                    "ok: defaults and environment; there is no {}",
                    loaded.path.display()
                )?,
            }
            Ok(OK)
        }
        Err(errors) => refuse(&errors, err),
    }
}

/// A configuration that a start, and a reload, would take; with what is doubtful of it among the warnings.
///
/// # Errors
/// What they would refuse, of the kind that is found first.
pub(crate) fn checked(
    mut loaded: Loaded,
    plugins: &dyn Fn(&Config) -> Vec<KnownPlugin>,
) -> Result<Loaded, ConfigErrors> {
    loaded.check_plugin_folders()?;
    loaded.check_trusted_keys(|key| TrustedKey::read(key).map(drop).map_err(|error| error.to_string()))?;
    let plugins = plugins(&loaded.config);
    loaded.check_plugins(&plugins)?;
    // After the schemas: what they refuse is told by them alone, with its place.
    ConfigErrors::refuse(trial::refusals(&loaded))?;
    let doubts = loaded.doubts(&plugins);
    loaded.warnings.extend(doubts);
    Ok(loaded)
}

/// Prints every value in effect and where it comes from, secrets redacted; returns the exit status.
///
/// # Errors
/// Where the output cannot be written.
pub(crate) fn show(
    sources: &Sources,
    json: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let loaded = match config::load(sources) {
        Ok(loaded) => loaded,
        Err(errors) => return refuse(&errors, err),
    };
    warn(&loaded, err)?;
    if json {
        let values = loaded.values().into_iter().map(|value| {
            let origin = value.origin.to_string();
            (value.key, json!({ "value": value.value, "origin": origin }))
        });
        writeln!(out, "{:#}", Value::Object(values.collect::<Map<_, _>>()))?;
        return Ok(OK);
    }
    for value in loaded.values() {
        writeln!(out, "{} = {}   # {}", value.key, value.value, value.origin)?;
    }
    Ok(OK)
}

/// Prints the JSON Schema of the file; returns the exit status.
///
/// # Errors
/// Where the output cannot be written.
pub(crate) fn schema(out: &mut dyn Write) -> io::Result<u8> {
    writeln!(out, "{:#}", config::schema())?;
    Ok(OK)
}

fn warn(loaded: &Loaded, err: &mut dyn Write) -> io::Result<()> {
    for warning in &loaded.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    Ok(())
}

fn refuse(errors: &ConfigErrors, err: &mut dyn Write) -> io::Result<u8> {
    writeln!(err, "{errors}")?;
    Ok(BAD_CONFIG)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// For programs: where, and what.
pub(crate) fn describe(error: &ConfigError) -> Value {
    let (file, at) = match &error.origin {
        Origin::File { path, at } => (Some(shown(path)), *at),
        _ => (None, None),
    };
    json!({
        "origin": error.origin.to_string(),
        "file": file,
        "line": at.map(|at| at.line),
        "column": at.map(|at| at.column),
        "key": error.key,
        "message": error.problem.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use miniclaw_plugin_api::Kind;

    use super::*;

    struct Run {
        folder: tempfile::TempDir,
        sources: Sources,
    }

    impl Run {
        fn with(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let home: PathBuf = folder.path().into();
            let file = home.join("config.json");
            std::fs::write(&file, text).unwrap();
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&file, private).unwrap();
            let sources = Sources {
                home: Some(home),
                env: [("T".into(), "12345:secret".into())].into(),
                ..Sources::default()
            };
            Self { folder, sources }
        }

        /// Status, stdout and stderr, with `$HOME` instead of the folder.
        fn run(
            &self,
            command: impl FnOnce(&Sources, &mut dyn Write, &mut dyn Write) -> io::Result<u8>,
        ) -> (u8, String, String) {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let status = command(&self.sources, &mut out, &mut err).unwrap();
            let folder = self.folder.path().to_str().unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap().replace(folder, "$HOME");
            (status, text(out), text(err))
        }
    }

    fn plugins(_: &Config) -> Vec<KnownPlugin> {
        let plugin = |kind, name: &str| KnownPlugin {
            kind,
            name: name.into(),
            schema: "{}".into(),
            capabilities: 0,
        };
        vec![plugin(Kind::Channel, "telegram"), plugin(Kind::Provider, "echo")]
    }

    #[test]
    fn validate_says_ok_or_everything_that_is_wrong() {
        let run = Run::with("{}");
        let validate = |run: &Run, json| run.run(|s, out, err| validate(s, &plugins, json, out, err));
        assert_eq!(
            validate(&run, false),
            (0, "ok: $HOME/config.json\n".into(), String::new())
        );
        std::fs::remove_file(run.folder.path().join("config.json")).unwrap();
        let (status, out, _) = validate(&run, false);
        assert_eq!(
            (status, out.as_str()),
            (0, "ok: defaults and environment; there is no $HOME/config.json\n")
        );

        let run = Run::with(r#"{"modle": 1, "log": {"format": "x"}}"#);
        let (status, out, err) = validate(&run, false);
        assert_eq!((status, out.as_str(), err.lines().count()), (78, "", 2));
        let (status, out, err) = validate(&run, true);
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((status, err.as_str()), (78, ""));
        assert_eq!(report["ok"], false);
        assert_eq!(
            report["errors"][1],
            json!({
                "origin": "$HOME/config.json:1:32", "file": "$HOME/config.json", "line": 1, "column": 32,
                "key": "log.format", "message": "`x` is not allowed; allowed: `json`, `text`",
            })
        );
    }

    #[test]
    fn validate_looks_at_plugins_and_their_folders() {
        let run = Run::with(r#"{"channels": {"irc": {}}}"#);
        assert_eq!(
            run.run(|s, out, err| validate(s, &plugins, false, out, err)),
            (
                78,
                String::new(),
                "$HOME/config.json:1:22: key `channels.irc.plugin`: plugin `irc` is not known; allowed: `telegram`\n"
                    .into()
            )
        );
        let run = Run::with(r#"{"plugins": {"paths": ["none"]}}"#);
        let (status, out, _) = run.run(|s, out, err| validate(s, &plugins, true, out, err));
        assert_eq!(status, 78);
        assert!(out.contains("the folder $HOME/none does not exist"), "{out}");
    }

    #[test]
    fn validate_refuses_what_the_start_of_a_built_in_plugin_refuses() {
        let token = format!("1:{}", "A".repeat(35));
        for (settings, key, words) in [
            (json!({"mode": "webhook"}), "webhook", "the mode `webhook` needs"),
            (
                json!({"webhook": {"url": "https://a.b/c", "listen": "8443"}}),
                "webhook.listen",
                "127.0.0.1:8443",
            ),
            (
                json!({"webhook": {"url": "https://a.b/c", "secret_token": "xy zz"}}),
                "webhook.secret_token",
                "256",
            ),
            (json!({"proxy": "ftp://x"}), "proxy", "http"),
            (json!({"ca_file": "roots.pem"}), "ca_file", "absolute"),
            (json!({"ca_file": "/nowhere/roots.pem"}), "ca_file", "/nowhere"),
            (json!({"api_url": "x"}), "api_url", "address"),
            (json!({"token": "abc"}), "token", "@BotFather"),
        ] {
            let mut settings = settings;
            if settings["token"].is_null() {
                settings["token"] = token.as_str().into();
            }
            let text = json!({"channels": {"telegram": {"settings": settings}}}).to_string();
            let (status, out, err) =
                Run::with(&text).run(|s, out, err| validate(s, &plugins, false, out, err));
            assert_eq!((status, out.as_str()), (78, ""), "{err}");
            let place = format!("key `channels.telegram.settings.{key}`: ");
            assert!(
                err.starts_with("$HOME/config.json:1:") && err.contains(&place),
                "{err}"
            );
            assert!(
                err.contains(words) && !err.contains(": settings."),
                "{words} in {err}"
            );
            assert!(!err.contains("AAAA") && !err.contains("xy zz"), "{err}");
        }
        let run = Run::with(
            r#"{"providers": {"echo": {}, "p": {"plugin": "openai", "settings": {"base_url": "x"}}}, "provider": "p"}"#,
        );
        let known = |_: &Config| {
            let mut known = plugins(&config::load(&run.sources).unwrap().config);
            known.push(KnownPlugin {
                name: "openai".into(),
                ..known[1].clone()
            });
            known
        };
        let (status, _, err) = run.run(|s, out, err| validate(s, &known, false, out, err));
        assert!(
            status == 78 && err.contains("key `providers.p.settings.base_url`: "),
            "{err}"
        );
    }

    #[test]
    fn show_redacts_secrets_and_names_origins() {
        let run =
            Run::with(r#"{"telegram_token": "${env:T}", "allow_from": [1], "routes": [{"model": "m"}]}"#);
        let (status, out, err) = run.run(|s, out, err| show(s, false, out, err));
        assert_eq!((status, err.as_str()), (0, ""));
        let lines: Vec<_> = out.lines().collect();
        for line in [
            r#"channels.telegram.settings.token = "[redacted]"   # $HOME/config.json:1:20"#,
            "channels.telegram.allow_from = [1]   # $HOME/config.json:1:46",
            r#"gateway.shutdown_timeout = "10s"   # default"#,
            r#"provider = "echo"   # default"#,
            r#"routes[0].model = "m"   # $HOME/config.json:1:72"#,
            r#"workspace_path = "$HOME/workspace"   # default"#,
        ] {
            assert!(lines.contains(&line), "{line} is not in {out}");
        }
        let (_, out, _) = run.run(|s, out, err| show(s, true, out, err));
        let values: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            values["channels.telegram.settings.token"],
            json!({"value": "[redacted]", "origin": "$HOME/config.json:1:20"})
        );
        assert!(!out.contains("12345:secret"));
    }

    #[test]
    fn show_of_a_bad_configuration_is_its_errors() {
        let run = Run::with("{");
        let (status, out, err) = run.run(|s, out, err| show(s, true, out, err));
        assert_eq!((status, out.as_str()), (78, ""));
        assert!(err.starts_with("$HOME/config.json:1:2: "), "{err}");
    }

    #[test]
    fn schema_is_json() {
        let (status, out, _) = Run::with("").run(|_, out, _| schema(out));
        let schema: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (status, &schema["$schema"]),
            (0, &json!("https://json-schema.org/draft/2020-12/schema"))
        );
        assert_eq!(
            schema["properties"]["sessions"]["properties"]["history"]["default"],
            50
        );
    }
}
