//! Files beside messages.

use std::time::Duration;

use miniclaw_plugin_api::{Attachment, Cause, Error, Result};
use serde::Deserialize;
use teloxide::payloads::GetFile;

use crate::api::{Api, CALL_DEADLINE, Failure};

/// The Bot API gives out files of up to 20 MB (<https://core.telegram.org/bots/api#getfile>, read 2026-11).
pub(crate) const FILE_CAP: usize = 20 * 1024 * 1024;
/// The host gives `fetch` 60 s, of which the question for the path may take half.
const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(28);

#[derive(Deserialize)]
struct Found {
    file_path: Option<String>,
}

/// Brings the bytes of an attachment.
pub(crate) async fn fetch(api: &Api, attachment: Attachment) -> Result<Vec<u8>> {
    let payload = GetFile::new(attachment.id.into());
    let found: Found = api
        .call("getFile", &payload, CALL_DEADLINE)
        .await
        .map_err(|failure| failure.into_read_error("getFile"))?;
    let path = found.file_path.unwrap_or_default();
    if !is_relative(&path) {
        return Err(Error::permanent(
            "getFile: the Bot API server names no path below its own address; run it without `--local`",
        )
        .because(Cause::Unsupported));
    }
    api.download(&path, DOWNLOAD_DEADLINE, FILE_CAP)
        .await
        .map_err(|failure| match failure {
            // Unlike for a method, this says nothing of the token: the path expires after an hour.
            Failure::Refused(refusal) if refusal.code == 404 => {
                Error::permanent("the file is gone at telegram").because(Cause::NotFound)
            }
            Failure::TooLarge(cap) => {
                Error::permanent(format!("the file is larger than {cap} bytes")).because(Cause::TooLarge)
            }
            failure => failure.into_read_error("file download"),
        })
}

/// Whether the path stays where the Bot API keeps this bot's files.
fn is_relative(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['?', '#', '%', '\\'])
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_cannot_leave_the_bots_files() {
        assert!(is_relative("photos/file_1.jpg"));
        for path in [
            "",
            "/var/lib/file",
            "../bot2/getMe",
            "a/../../b",
            "a//b",
            "a?b",
            "%2e%2e/a",
            r"..\a",
        ] {
            assert!(!is_relative(path), "{path}");
        }
    }
}
