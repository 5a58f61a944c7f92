//! What the model reads: instructions, the operator's files, history, message.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use miniclaw_plugin_api::{InboundMessage, Part, Role};
use serde::Serialize;
use tracing::warn;

use crate::sessions::Entry;

/// Files of the workspace that every conversation starts with, in this order.
const FILES: [&str; 3] = ["SOUL.md", "AGENTS.md", "USER.md"];
/// More of one file is not read.
const FILE_BYTES: u64 = 64 * 1024;
/// Changes of the files show after this at the latest.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Makes requests; reads the workspace files again when they change.
pub(crate) struct Prompt {
    system: String,
    files: [PathBuf; 3],
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    files: [Option<CachedFile>; 3],
    looked: Option<Instant>,
}

/// A [`CompletionRequest`](miniclaw_plugin_api::CompletionRequest) as it crosses to the provider. It borrows the
/// history, which is long, is read for every turn, and is not worth a copy.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<&'a str>,
    messages: Vec<Message<'a>>,
    pub(crate) session: &'a str,
    pub(crate) idempotency_key: String,
    pub(crate) meta: RequestMeta,
}

/// What goes along for the plugin's log.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct RequestMeta {
    /// The message that is being answered; 0 where it is none of the spool's.
    pub(crate) inbound: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Message<'a> {
    role: Role,
    parts: [Text<'a>; 1],
}

#[derive(Clone, Debug, Serialize)]
struct Text<'a> {
    r#type: &'static str,
    text: Cow<'a, str>,
}

impl<'a> Message<'a> {
    fn new(role: Role, text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            role,
            parts: [Text {
                r#type: "text",
                text: text.into(),
            }],
        }
    }
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
    pub(crate) fn request<'a>(&self, history: &'a [Entry], heard: &'a str) -> Request<'a> {
        let mut messages = Vec::with_capacity(history.len() + 2);
        let instructions = self.instructions();
        if !instructions.is_empty() {
            messages.push(Message::new(Role::System, instructions));
        }
        let mut notes = String::new();
        for entry in history {
            match entry.role {
                Role::System => push_line(&mut notes, &format!("[{}]", entry.text)),
                Role::User if !notes.is_empty() => messages.push(Message::new(
                    Role::User,
                    after_notes(std::mem::take(&mut notes), &entry.text),
                )),
                role => messages.push(Message::new(role, &*entry.text)),
            }
        }
        messages.push(if notes.is_empty() {
            Message::new(Role::User, heard)
        } else {
            Message::new(Role::User, after_notes(notes, heard))
        });
        Request {
            model: None,
            messages,
            session: "",
            idempotency_key: String::new(),
            meta: RequestMeta::default(),
        }
    }

    fn instructions(&self) -> String {
        let mut text = self.system.trim().to_owned();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let look = cache.looked.is_none_or(|looked| looked.elapsed() >= LOOK_AGAIN);
        if look {
            cache.looked = Some(Instant::now());
        }
        for (path, cached) in self.files.iter().zip(cache.files.iter_mut()) {
            if look {
                refresh(path, cached);
            }
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
    // A pipe or a device would hold up the gateway.
    let Some(metadata) = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file) else {
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

/// Many models take instructions at the beginning alone: what the host notes in a history goes before the words
/// of the user that follow.
fn after_notes(mut notes: String, text: &str) -> String {
    push_line(&mut notes, text);
    notes
}

fn push_line(text: &mut String, line: &str) {
    if !text.is_empty() && !line.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

#[cfg(test)]
mod tests {
    use miniclaw_plugin_api::{Attachment, AttachmentKind, ChatMessage, CompletionRequest, ReplyTo};

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
        // What the provider reads is what the contract says, not what this side calls it.
        let texts = |request: Request<'_>| -> Vec<String> {
            let json = serde_json::to_string(&request).unwrap();
            let request: CompletionRequest = serde_json::from_str(&json).unwrap();
            assert_eq!(
                request.messages.last().map(|message| message.role),
                Some(Role::User)
            );
            request.messages.iter().map(ChatMessage::text).collect()
        };
        assert_eq!(
            texts(prompt.request(&history, "b")),
            ["be kind\n\nthe soul\n\nthe user", "a", "b"]
        );
        std::fs::remove_file(folder.path().join("USER.md")).unwrap();
        prompt.cache.lock().unwrap().looked = None;
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
