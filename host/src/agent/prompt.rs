//! What the model reads: instructions, the operator's files, history, message.

pub(super) mod fit;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use miniclaw_plugin_api::{ChatKind, InboundMessage, Role};
use serde::Serialize;
use tracing::warn;

use super::tokens::{MESSAGE, PICTURE, estimate};
use crate::media::Picture;
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
    /// What stands for the history before these messages; [`Request::fit`] puts it in its place.
    #[serde(skip)]
    summary: Option<&'a str>,
    /// Of all messages; [`Request::fit`] counts them.
    #[serde(skip)]
    pub(super) tokens: u64,
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
    parts: Parts<'a>,
}

/// Nearly all messages are text alone.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Parts<'a> {
    Text([Part<'a>; 1]),
    Mixed(Vec<Part<'a>>),
}

/// A [`ContentPart`](miniclaw_plugin_api::ContentPart).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: Cow<'a, str> },
    Image { media_type: &'a str, data: &'a str },
}

impl<'a> Parts<'a> {
    fn all(&self) -> &[Part<'a>] {
        match self {
            Self::Text(only) => only,
            Self::Mixed(parts) => parts,
        }
    }

    /// The text, which is the first part.
    fn text_mut(&mut self) -> Option<&mut Cow<'a, str>> {
        let first = match self {
            Self::Text([only]) => Some(only),
            Self::Mixed(parts) => parts.first_mut(),
        };
        match first? {
            Part::Text { text } => Some(text),
            Part::Image { .. } => None,
        }
    }
}

impl Part<'_> {
    fn tokens(&self) -> u64 {
        match self {
            Self::Text { text } => estimate(text),
            Self::Image { .. } => PICTURE,
        }
    }
}

impl Request<'_> {
    /// Whether it holds pictures.
    pub(super) fn has_pictures(&self) -> bool {
        self.messages
            .iter()
            .any(|message| matches!(message.parts, Parts::Mixed(_)))
    }

    /// The same for a model that sees no pictures: it is told that there are some.
    pub(super) fn without_pictures(&self) -> Self {
        let mut blind = self.clone();
        for message in &mut blind.messages {
            let Parts::Mixed(parts) = &mut message.parts else {
                continue;
            };
            parts.retain(|part| matches!(part, Part::Text { .. }));
            if let Some(text) = message.parts.text_mut() {
                text.to_mut()
                    .push_str("\n[You cannot see pictures; you only know that they are there.]");
            }
        }
        blind
    }
}

impl<'a> Message<'a> {
    fn new(role: Role, text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            role,
            parts: Parts::Text([Part::Text { text: text.into() }]),
        }
    }

    fn with(mut self, pictures: &'a [Picture]) -> Self {
        if let (Parts::Text([text]), false) = (&self.parts, pictures.is_empty()) {
            let mut parts = vec![text.clone()];
            parts.extend(pictures.iter().map(|picture| Part::Image {
                media_type: &picture.media_type,
                data: &picture.data,
            }));
            self.parts = Parts::Mixed(parts);
        }
        self
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

    /// A request that continues `history` with what was `heard`. `pictures` has one list for each message of the history,
    /// and one for what was heard; or none at all.
    pub(crate) fn request<'a>(
        &self,
        history: &'a [Entry],
        heard: &'a str,
        pictures: &'a [Vec<Picture>],
    ) -> Request<'a> {
        let mut messages = Vec::with_capacity(history.len() + 2);
        let instructions = self.instructions();
        if !instructions.is_empty() {
            messages.push(Message::new(Role::System, instructions));
        }
        let (mut notes, mut summary) = (String::new(), None);
        let shown = |index: usize| pictures.get(index).map(Vec::as_slice).unwrap_or_default();
        for (index, entry) in history.iter().enumerate() {
            match entry.role {
                Role::System if entry.summary.is_some() => summary = Some(&*entry.text),
                Role::System => push_line(&mut notes, &format!("[{}]", entry.text)),
                Role::User if !notes.is_empty() => {
                    let text = after_notes(std::mem::take(&mut notes), &entry.text);
                    messages.push(Message::new(Role::User, text).with(shown(index)));
                }
                role => messages.push(Message::new(role, &*entry.text).with(shown(index))),
            }
        }
        let last = if notes.is_empty() {
            Message::new(Role::User, heard)
        } else {
            Message::new(Role::User, after_notes(notes, heard))
        };
        messages.push(last.with(shown(history.len())));
        Request {
            model: None,
            messages,
            summary,
            tokens: 0,
            session: "",
            idempotency_key: String::new(),
            meta: RequestMeta::default(),
        }
    }

    /// A request that is none of a conversation's.
    pub(super) fn plain<'a>(instructions: &'a str, text: &'a str) -> Request<'a> {
        Request {
            model: None,
            messages: vec![
                Message::new(Role::System, instructions),
                Message::new(Role::User, text),
            ],
            summary: None,
            tokens: 0,
            session: "",
            idempotency_key: String::new(),
            meta: RequestMeta::default(),
        }
    }

    /// Tokens of the instructions that every conversation starts with.
    pub(super) fn instruction_tokens(&self) -> u64 {
        match estimate(&self.instructions()) {
            0 => 0,
            tokens => tokens + MESSAGE,
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

/// A message as the model reads it, with the lines that tell of its files.
pub(super) fn heard(message: &InboundMessage, media: &[String]) -> String {
    let mut text = String::new();
    if let Some(quoted) = message.reply_to.as_ref().and_then(|reply| reply.text.as_deref()) {
        for line in quoted.lines() {
            push_line(&mut text, &format!("> {line}"));
        }
    }
    push_line(&mut text, &said(message));
    for part in &message.parts {
        if let miniclaw_plugin_api::Part::Location { latitude, longitude } = part {
            push_line(&mut text, &format!("[location: {latitude}, {longitude}]"));
        }
    }
    for line in media {
        push_line(&mut text, line);
    }
    text
}

/// The words of a message; where several people speak, with the name of this one.
fn said(message: &InboundMessage) -> String {
    let text = message.text().trim().to_owned();
    let name = message
        .sender
        .name
        .as_deref()
        .map(str::trim)
        .filter(|name| !name.is_empty());
    match name {
        // A command is for whoever reads it as one.
        Some(name) if message.chat_kind != ChatKind::Private && message.command.is_none() => {
            let name: String = name.chars().filter(|mark| !mark.is_control()).take(64).collect();
            format!("{name}: {text}")
        }
        _ => text,
    }
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
    use miniclaw_plugin_api::{ChatMessage, CompletionRequest, ContentPart, ReplyTo};

    use super::*;

    #[test]
    fn a_request_holds_instructions_files_history_and_message_in_this_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("USER.md"), "the user").unwrap();
        std::fs::write(folder.path().join("SOUL.md"), "the soul\n").unwrap();
        let prompt = Prompt::new("be kind", folder.path());
        let history = [Entry::new(Role::User, "a", 0)];
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
            texts(prompt.request(&history, "b", &[])),
            ["be kind\n\nthe soul\n\nthe user", "a", "b"]
        );
        std::fs::remove_file(folder.path().join("USER.md")).unwrap();
        prompt.cache.lock().unwrap().looked = None;
        assert_eq!(texts(prompt.request(&[], "b", &[])), ["be kind\n\nthe soul", "b"]);
    }

    #[test]
    fn what_a_message_answers_and_its_files_stand_beside_its_text() {
        let mut message = InboundMessage::new("7", "1", "42", " look ");
        message.reply_to = Some(ReplyTo {
            id: "0".into(),
            text: Some("one\ntwo".into()),
            from_me: true,
        });
        assert_eq!(
            heard(&message, &["[image]".to_owned()]),
            "> one\n> two\nlook\n[image]"
        );
    }

    #[test]
    fn pictures_stand_behind_the_text_of_their_message_and_can_be_left_out() {
        let prompt = Prompt::new("", Path::new("/nowhere"));
        let history = [
            Entry::new(Role::User, "look", 0),
            Entry::new(Role::Assistant, "nice", 0),
        ];
        let picture = Picture {
            media_type: "image/png".into(),
            data: "AAAA".into(),
        };
        let pictures = [vec![picture.clone()], vec![], vec![picture.clone(), picture]];
        let request = prompt.request(&history, "and these?", &pictures);
        let read = |request: &Request<'_>| -> CompletionRequest {
            serde_json::from_str(&serde_json::to_string(request).unwrap()).unwrap()
        };
        let shown = read(&request);
        let counts: Vec<_> = shown.messages.iter().map(|message| message.parts.len()).collect();
        assert_eq!(counts, [2, 1, 3]);
        assert!(
            matches!(&shown.messages[2].parts[2], ContentPart::Image { media_type, data } if media_type == "image/png" && data == "AAAA")
        );
        assert!(request.has_pictures() && !prompt.request(&history, "x", &[]).has_pictures());
        let blind = read(&request.without_pictures());
        assert!(blind.messages.iter().all(|message| message.parts.len() == 1));
        assert!(
            blind.messages[2]
                .text()
                .starts_with("and these?\n[You cannot see pictures")
        );
    }

    #[test]
    fn where_several_people_speak_the_model_learns_who_does() {
        let mut message = InboundMessage::new("7", "1", "42", "hi");
        message.sender.name = Some("Ann\nLee".into());
        assert_eq!(heard(&message, &[]), "hi");
        message.chat_kind = ChatKind::Group;
        assert_eq!(heard(&message, &[]), "AnnLee: hi");
        message.sender.name = None;
        assert_eq!(heard(&message, &[]), "hi");
    }
}
