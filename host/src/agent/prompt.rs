//! What the model reads: instructions, the operator's files, history, message.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use miniclaw_plugin_api::{ChatMessage, CompletionRequest, InboundMessage, Part, Role};
use tracing::warn;

use crate::sessions::Entry;

/// Files of the workspace that every conversation starts with, in this order.
const FILES: [&str; 3] = ["SOUL.md", "AGENTS.md", "USER.md"];
/// More of one file is not read.
const FILE_BYTES: u64 = 64 * 1024;

/// Makes requests; reads the workspace files again when they change.
pub(crate) struct Prompt {
    system: String,
    files: [PathBuf; 3],
    cache: Mutex<[Option<CachedFile>; 3]>,
}

#[derive(Clone)]
struct CachedFile {
    modified: SystemTime,
    bytes: u64,
    text: String,
}

impl Prompt {
    pub(crate) fn new(system: &str, workspace: &Path) -> Self {
        Self {
            system: system.to_owned(),
            files: FILES.map(|name| workspace.join(name)),
            cache: Mutex::default(),
        }
    }

    /// A request that continues `history` with what was `heard`.
    pub(crate) fn request(&self, history: &[Entry], heard: &str) -> CompletionRequest {
        let mut messages = Vec::with_capacity(history.len() + 2);
        let instructions = self.instructions();
        if !instructions.is_empty() {
            messages.push(ChatMessage::text(Role::System, instructions));
        }
        messages.extend(
            history
                .iter()
                .map(|entry| ChatMessage::text(entry.role, entry.text.clone())),
        );
        messages.push(ChatMessage::text(Role::User, heard));
        CompletionRequest::new(messages)
    }

    fn instructions(&self) -> String {
        let mut text = self.system.trim().to_owned();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, cached) in self.files.iter().zip(cache.iter_mut()) {
            refresh(path, cached);
            if let Some(file) = cached.as_ref().filter(|file| !file.text.is_empty()) {
                if !text.is_empty() {
                    text.push_str("\n\n");
                }
                text.push_str(&file.text);
            }
        }
        text
    }
}

/// The files are small and local: a `stat` for each of them is what a turn costs.
fn refresh(path: &Path, cached: &mut Option<CachedFile>) {
    let Ok(metadata) = std::fs::metadata(path) else {
        *cached = None;
        return;
    };
    let (modified, bytes) = (
        metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        metadata.len(),
    );
    if cached
        .as_ref()
        .is_some_and(|file| file.modified == modified && file.bytes == bytes)
    {
        return;
    }
    let text = if bytes > FILE_BYTES {
        warn!(path = %path.display(), bytes, limit = FILE_BYTES, "Workspace file is too large and left out");
        String::new()
    } else {
        std::fs::read_to_string(path).unwrap_or_else(|error| {
            warn!(path = %path.display(), %error, "Workspace file cannot be read and is left out");
            String::new()
        })
    };
    *cached = Some(CachedFile {
        modified,
        bytes,
        text: text.trim().to_owned(),
    });
}

/// A message as the model reads it; what it cannot see is named.
pub(super) fn heard(message: &InboundMessage) -> String {
    let mut text = String::new();
    if let Some(quoted) = message.reply_to.as_ref().and_then(|reply| reply.text.as_deref()) {
        for line in quoted.lines() {
            push_line(&mut text, &format!("> {line}"));
        }
    }
    push_line(&mut text, message.text().trim());
    for part in &message.parts {
        if let Part::Location { latitude, longitude } = part {
            push_line(&mut text, &format!("[location: {latitude}, {longitude}]"));
        }
    }
    for attachment in &message.attachments {
        let kind = serde_json::to_value(attachment.kind).ok();
        let kind = kind
            .as_ref()
            .and_then(|kind| kind.as_str())
            .unwrap_or("file")
            .to_owned();
        let name = attachment
            .name
            .as_deref()
            .map(|name| format!(" {name}"))
            .unwrap_or_default();
        push_line(&mut text, &format!("[{kind}{name}, which you cannot open]"));
    }
    text
}

fn push_line(text: &mut String, line: &str) {
    if !text.is_empty() && !line.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

#[cfg(test)]
mod tests {
    use miniclaw_plugin_api::{Attachment, AttachmentKind, ReplyTo};

    use super::*;

    #[test]
    fn a_request_holds_instructions_files_history_and_message_in_this_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("USER.md"), "the user").unwrap();
        std::fs::write(folder.path().join("SOUL.md"), "the soul\n").unwrap();
        let prompt = Prompt::new("be kind", folder.path());
        let history = [Entry {
            role: Role::User,
            text: "a".into(),
            at_ms: 0,
        }];
        let texts = |request: CompletionRequest| -> Vec<String> {
            request.messages.iter().map(ChatMessage::joined_text).collect()
        };
        assert_eq!(
            texts(prompt.request(&history, "b")),
            ["be kind\n\nthe soul\n\nthe user", "a", "b"]
        );
        std::fs::remove_file(folder.path().join("USER.md")).unwrap();
        assert_eq!(texts(prompt.request(&[], "b")), ["be kind\n\nthe soul", "b"]);
    }

    #[test]
    fn what_the_model_cannot_see_is_named() {
        let mut message = InboundMessage::new("7", "1", "42", " look ");
        message.reply_to = Some(ReplyTo {
            id: "0".into(),
            text: Some("one\ntwo".into()),
            from_me: true,
        });
        message.attachments.push(Attachment {
            kind: AttachmentKind::Image,
            ..Attachment::default()
        });
        assert_eq!(
            heard(&message),
            "> one\n> two\nlook\n[image, which you cannot open]"
        );
    }
}
