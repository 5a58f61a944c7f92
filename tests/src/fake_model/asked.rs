//! What the model was asked.

use std::time::Instant;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// One request.
#[derive(Debug, Clone, Deserialize)]
pub struct Asked {
    /// When it came.
    #[serde(skip)]
    pub at: Option<Instant>,
    /// The header of that name, or the one that holds the key instead.
    #[serde(skip)]
    pub authorization: Option<String>,
    #[serde(default)]
    pub model: String,
    pub messages: Vec<Turn>,
    /// Whether the answer was wanted in pieces.
    #[serde(default)]
    pub stream: bool,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Turn {
    pub role: String,
    #[serde(default, deserialize_with = "text")]
    pub content: String,
    /// Pictures beside the text.
    #[serde(skip)]
    pub pictures: Vec<Picture>,
}

/// A picture, of whatever protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Empty where the protocol names none.
    pub media_type: String,
    /// In base64.
    pub data: String,
}

impl Asked {
    /// The message to answer, without what the gateway noted before it; empty where there is none.
    pub fn last_user(&self) -> &str {
        let last = self.messages.iter().rev().find(|turn| turn.role == "user");
        let mut text = last.map_or("", |turn| &turn.content);
        while let Some((_, rest)) = text
            .strip_prefix("[This message of yours did not reach the user")
            .and_then(|note| note.split_once("]\n"))
        {
            text = rest;
        }
        text
    }

    /// How many pictures each message shows, without the operator's instructions.
    pub fn pictures(&self) -> Vec<usize> {
        self.conversation().map(|turn| turn.pictures.len()).collect()
    }

    /// All messages but the operator's instructions.
    pub fn conversation(&self) -> impl Iterator<Item = &Turn> {
        self.messages
            .iter()
            .filter(|turn| turn.role != "system" && turn.role != "developer")
    }

    /// What people said, oldest first.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.messages
            .iter()
            .filter(|turn| turn.role == "user")
            .map(|turn| turn.content.as_str())
    }
}

/// The pictures of one message as it was sent: parts of OpenAI, Anthropic and Gemini, and Ollama's list.
pub(super) fn pictures(message: &Value) -> Vec<Picture> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parts = message["content"].as_array().into_iter().flatten();
    let parts = parts.filter_map(|part| {
        let url = part["image_url"]["url"]
            .as_str()
            .and_then(|url| url.strip_prefix("data:"));
        if let Some((media_type, data)) = url.and_then(|url| url.split_once(";base64,")) {
            return Some((media_type.to_owned(), data.to_owned()));
        }
        if let Some(source) = part.get("source") {
            return Some((text(&source["media_type"]), text(&source["data"])));
        }
        let inline = part.get("inlineData")?;
        Some((text(&inline["mimeType"]), text(&inline["data"])))
    });
    let listed = message["images"].as_array().into_iter().flatten();
    parts
        .chain(listed.map(|data| (String::new(), text(data))))
        .map(|(media_type, data)| Picture { media_type, data })
        .collect()
}

/// Content is a text, a list of parts, or nothing.
fn text<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Content {
        Text(String),
        Parts(Vec<Part>),
    }
    #[derive(Deserialize)]
    struct Part {
        #[serde(default)]
        text: String,
    }
    Ok(match Option::<Content>::deserialize(input)? {
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            let texts: Vec<String> = parts
                .into_iter()
                .map(|part| part.text)
                .filter(|text| !text.is_empty())
                .collect();
            texts.join("\n")
        }
        None => String::new(),
    })
}
