//! What the model was asked.

use std::time::Instant;

use serde::{Deserialize, Deserializer};

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
            let texts: Vec<String> = parts.into_iter().map(|part| part.text).collect();
            texts.join("\n")
        }
        None => String::new(),
    })
}
