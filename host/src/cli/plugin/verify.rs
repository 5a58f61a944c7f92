//! `miniclaw plugin verify`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{is_name, show};
use crate::cli::args::{Global, VerifyArgs};
use crate::cli::config::BAD_CONFIG;
use crate::cli::{Failure, Outcome, setup};
use crate::config::{Config, KeySource};
use crate::plugins::catalog::{self, Found};
use crate::plugins::inspect;
use crate::plugins::install::shown;
use crate::plugins::load;
use crate::plugins::trust::keys::TrustedKey;
use crate::plugins::trust::{SignatureState, TrustPolicy};

/// Holds a library against its signature and its pin, whatever `plugins.signatures` says.
///
/// # Errors
/// Status 1 unless it is signed by a trusted key and not pinned to another library.
pub(crate) fn run(global: &Global, args: &VerifyArgs) -> Outcome {
    let config = setup::load(&setup::sources(global, &args.plugins))?.config;
    let trust = policy(&config, &args.key)?;
    if trust.trusted().is_nobody() {
        let line = "there is no key to verify with; give --key, or fill `plugins.trusted_keys`";
        return Err(Failure::new(1, line));
    }
    let file = file(&config, &args.plugin)?;
    let failed = |reason| Failure::new(1, format!("cannot verify {}: {reason}", shown(&file)));
    let sha256 = load::sha256(&file).map_err(failed)?;
    // What is no plugin has no name, and so no pin.
    let name = inspect::inspect(&file).map(|library| library.manifest.name).ok();
    let standing = trust.standing(name.as_deref().unwrap_or_default(), &file, &file, &sha256);
    let verdict = trust.require(&file, &standing);
    if args.output.json {
        let object = json!({
            "file": shown(&file),
            "name": name,
            "ok": verdict.is_ok(),
            "sha256": sha256,
            "signature": standing.signature.as_json(),
            "pin": standing.pin.word(),
            "error": verdict.as_ref().err().map(ToString::to_string),
        });
        return setup::print(&show::pretty(&object), u8::from(verdict.is_err()));
    }
    verdict.map_err(|reason| Failure::new(1, format!("{}: {reason}", shown(&file))))?;
    let comment = match &standing.signature {
        SignatureState::Signed { comment, .. } => comment.as_str(),
        _ => "",
    };
    let text = format!(
        "{}: {}\n  trusted comment: {comment}\n  sha256: {sha256}\n",
        shown(&file),
        show::signature(&standing)
    );
    setup::print(&text, 0)
}

fn policy(config: &Config, keys: &[String]) -> Result<TrustPolicy, Failure> {
    if keys.is_empty() {
        return setup::trust(config);
    }
    let read = |key: &String| {
        let key = key.trim();
        TrustedKey::read(&match KeySource::is_line(key) {
            true => KeySource::Line(key.to_owned()),
            false => KeySource::File(key.into()),
        })
    };
    let keys = keys.iter().map(read).collect::<Result<_, _>>();
    let keys = keys.map_err(|error| Failure::new(1, format!("--key: {error}")))?;
    Ok(TrustPolicy::pins_of(&config.trust).with_keys(keys))
}

fn file(config: &Config, what: &str) -> Result<PathBuf, Failure> {
    if !is_name(what) {
        return Ok(Path::new(what).to_owned());
    }
    let catalog =
        catalog::find(&config.plugin_folders()).map_err(|error| Failure::chain(BAD_CONFIG, &error))?;
    match catalog.lookup(what) {
        Ok(Found::Library(library)) => Ok(library.path.clone()),
        Ok(Found::Builtin(_)) => Err(Failure::new(
            1,
            format!("plugin `{what}` is part of miniclaw and has no signature of its own"),
        )),
        Err(unknown) => Err(Failure::chain(1, &unknown)),
    }
}
