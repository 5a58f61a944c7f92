//! Tagged enums as they are read: all members of all variants side by side.
//!
//! serde reads a tagged enum into a tree first and into the variant afterwards. Histories are read for every turn,
//! and most of the time that took went into those trees.

use serde::Deserialize;

use super::{Chunk, ContentPart};

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum PartKind {
    Text,
    Image,
    ToolCall,
    ToolResult,
    #[serde(other)]
    Other,
}

/// A [`ContentPart`].
#[derive(Deserialize)]
pub(super) struct Part {
    #[serde(rename = "type")]
    kind: PartKind,
    #[serde(default)]
    text: String,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    data: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    arguments: String,
    #[serde(default)]
    is_error: bool,
}

impl From<Part> for ContentPart {
    fn from(part: Part) -> Self {
        let Part {
            kind,
            text,
            media_type,
            data,
            id,
            name,
            arguments,
            is_error,
        } = part;
        match kind {
            PartKind::Text => Self::Text { text },
            PartKind::Image => Self::Image { media_type, data },
            PartKind::ToolCall => Self::ToolCall { id, name, arguments },
            PartKind::ToolResult => Self::ToolResult { id, text, is_error },
            PartKind::Other => Self::Other,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum DeltaKind {
    Text,
    Reasoning,
    ToolCall,
    #[serde(other)]
    Other,
}

/// A [`Chunk`].
#[derive(Deserialize)]
pub(super) struct Delta {
    #[serde(rename = "type")]
    kind: DeltaKind,
    #[serde(default)]
    text: String,
    #[serde(default)]
    index: u32,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: String,
}

impl From<Delta> for Chunk {
    fn from(delta: Delta) -> Self {
        let Delta {
            kind,
            text,
            index,
            id,
            name,
            arguments,
        } = delta;
        match kind {
            DeltaKind::Text => Self::Text { text },
            DeltaKind::Reasoning => Self::Reasoning { text },
            DeltaKind::ToolCall => Self::ToolCall {
                index,
                id,
                name,
                arguments,
            },
            DeltaKind::Other => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_survives_the_wire() {
        let text = || "t".to_owned();
        let parts = [
            ContentPart::Text { text: text() },
            ContentPart::Image {
                media_type: text(),
                data: text(),
            },
            ContentPart::ToolCall {
                id: text(),
                name: text(),
                arguments: text(),
            },
            ContentPart::ToolResult {
                id: text(),
                text: text(),
                is_error: true,
            },
            ContentPart::Other,
        ];
        for part in parts {
            let json = serde_json::to_string(&part).unwrap();
            assert_eq!(
                serde_json::from_str::<ContentPart>(&json).unwrap(),
                part,
                "{json}"
            );
        }
        let chunks = [
            Chunk::Text { text: text() },
            Chunk::Reasoning { text: text() },
            Chunk::ToolCall {
                index: 2,
                id: Some(text()),
                name: None,
                arguments: text(),
            },
            Chunk::Other,
        ];
        for chunk in chunks {
            let json = serde_json::to_string(&chunk).unwrap();
            assert_eq!(serde_json::from_str::<Chunk>(&json).unwrap(), chunk, "{json}");
        }
    }

    #[test]
    fn what_a_later_version_adds_is_read_as_other() {
        let part: ContentPart = serde_json::from_str(r#"{"type":"smell","text":"x","more":[1]}"#).unwrap();
        assert_eq!(part, ContentPart::Other);
    }
}
