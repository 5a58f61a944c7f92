//! `miniclaw plugin sign` and `plugin keygen`.

use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::json;

use super::show;
use crate::cli::args::{KeygenArgs, SignArgs};
use crate::cli::{Failure, Outcome, hidden, setup};
use crate::plugins::inspect;
use crate::plugins::install::{FILE_MODE, InstallError, Staged, shown, sync_folder};
use crate::plugins::trust::SignatureFile;
use crate::plugins::trust::keys::{NewKeys, SecretKeyFile, sign as signature_of};
use crate::telemetry::printable;

const PASSWORD: &str = "MINICLAW_SIGN_PASSWORD";

/// Writes the signature of a file beside it.
///
/// # Errors
/// Status 1 where the key does not open, or something cannot be read or written.
pub(crate) fn sign(args: &SignArgs) -> Outcome {
    let failed = |error: &dyn std::error::Error| Failure::chain(1, error);
    let cannot = |reason: String| Failure::new(1, format!("cannot sign {}: {reason}", shown(&args.file)));
    let file = inspect::open(&args.file).map_err(|reason| cannot(reason.to_string()))?;
    let key = SecretKeyFile::read(&args.secret_key).map_err(|error| failed(&error))?;
    if key.is_open && !key.is_encrypted {
        let path = shown(&args.secret_key);
        eprintln!(
            "warning: others can read the secret key {path}, which has no password; run `chmod go-rwx {path}`"
        );
    }
    let password = match key.is_encrypted {
        true => password(args.password_file.as_deref(), false)?,
        false => String::new(),
    };
    let key = key
        .open(&args.secret_key, password)
        .map_err(|error| failed(&error))?;
    let comment = comment(&args.file);
    let (id, text) = signature_of(&key, file, &comment).map_err(cannot)?;
    let path = SignatureFile::path_for(&args.file);
    let written = Staged::of(&path, text.as_bytes(), FILE_MODE).and_then(Staged::commit);
    written.map_err(|source| {
        let path = path.clone();
        failed(&InstallError::Write { path, source })
    })?;
    sync_folder(path.parent().unwrap_or(Path::new(".")));
    if args.output.json {
        let object = json!({ "file": shown(&args.file), "signature": shown(&path), "key": id.to_string(), "comment": comment });
        return setup::print(&show::pretty(&object), 0);
    }
    setup::print(&format!("{}: signature by {id}\n", shown(&path)), 0)
}

/// The trusted comment, as `minisign` writes it.
fn comment(file: &Path) -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    format!("timestamp:{seconds}\tfile:{}\thashed", printable(&name, 255))
}

/// Makes a pair of keys; nothing that is there is overwritten.
///
/// # Errors
/// Status 1 where one of the files is there already or cannot be written.
pub(crate) fn keygen(args: &KeygenArgs) -> Outcome {
    let with = |extension: &str| {
        let mut path = args.out.as_os_str().to_owned();
        path.push(extension);
        PathBuf::from(path)
    };
    let (secret, public) = (with(".key"), with(".pub"));
    if let Some(there) = [&secret, &public]
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
    {
        let line = format!("{} is there already; choose another name", shown(there));
        return Err(Failure::new(1, line));
    }
    let password = match args.no_password {
        true => None,
        false => Some(password(args.password_file.as_deref(), true)?),
    };
    let keys = NewKeys::generate(password).map_err(|error| Failure::chain(1, &error))?;
    write_new(&secret, &keys.secret, 0o600)?;
    write_new(&public, &keys.public, FILE_MODE)?;
    if args.output.json {
        let object = json!({
            "key": keys.id.to_string(), "public": keys.line,
            "public_file": shown(&public), "secret_file": shown(&secret),
        });
        return setup::print(&show::pretty(&object), 0);
    }
    let (secret, public) = (shown(&secret), shown(&public));
    let text = format!(
        "key {}: {}\n  secret: {secret}, keep it to yourself\n  public: {public}\n  next: sign with `miniclaw plugin sign \
         FILE --secret-key {secret}`; who trusts it adds \"{}\" to `plugins.trusted_keys`\n",
        keys.id, keys.line, keys.line
    );
    setup::print(&text, 0)
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut options = std::fs::File::options();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        file.sync_all()
    });
    written.map_err(|error| {
        let file = shown(path);
        Failure::new(
            1,
            format!("cannot write {file}: {error}; its folder must be there and writable for this user"),
        )
    })
}

/// From the file, the environment, or the person at the terminal.
fn password(file: Option<&Path>, is_new: bool) -> Result<String, Failure> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(
                1,
                format!("cannot read the password from {}: {error}", shown(path)),
            )
        })?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    if let Some(password) = std::env::var(PASSWORD)
        .ok()
        .filter(|password| !password.is_empty())
    {
        return Ok(password);
    }
    if !std::io::stdin().is_terminal() {
        let without = if is_new { ", or --no-password" } else { "" };
        let line = format!("the secret key needs a password; give --password-file or {PASSWORD}{without}");
        return Err(Failure::new(1, line));
    }
    let ask = |prompt: &str| {
        hidden::ask(prompt).map_err(|error| Failure::new(1, format!("cannot ask for the password: {error}")))
    };
    let password = ask("Password of the secret key: ")?;
    if is_new && ask("The same once more: ")? != password {
        return Err(Failure::new(1, "the two passwords differ; try again"));
    }
    Ok(password)
}
