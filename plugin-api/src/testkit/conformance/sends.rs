//! Stage 7: texts of all kinds, one twice, and one to nobody.

use super::report::Finding;
use super::subject::{CALL, Step, Subject, no_panic};
use super::{inbound, life};
use crate::manifest::TextUnit;
use crate::testkit::ChannelKit;
use crate::{ChatRef, OutboundMessage, Sent};

/// Characters of the long text, every third of which is two UTF-16 units and four bytes.
const LONG: usize = 5_000;

pub(super) async fn check(subject: &Subject) -> Step<String> {
    let (kit, _) = subject.channel().await.map_err(Finding::skip)?;
    let known = match &subject.chat {
        Some(chat) => Some(ChatRef::new(chat)),
        None => inbound::some_chat(subject, &kit).await,
    };
    let chat = known.clone().unwrap_or_else(|| ChatRef::new("check-chat"));
    let sender = Sender {
        subject,
        kit: &kit,
        must: known.is_some(),
    };
    let first = sender
        .send("a message", &chat, "Hello from the check.", "check-1")
        .await?;
    let again = sender
        .send(
            "the same message again",
            &chat,
            "Hello from the check.",
            "check-1",
        )
        .await?;
    let long: String = "a\u{e9}\u{1f600}".chars().cycle().take(LONG).collect();
    let pieces = split(&long, subject.facts.text_limit as usize, subject.facts.text_unit);
    for (index, piece) in pieces.iter().enumerate() {
        let what = format!(
            "piece {} of {} of a text of {LONG} characters",
            index + 1,
            pieces.len()
        );
        sender
            .send(&what, &chat, piece, &format!("check-2-{index}"))
            .await?;
    }
    let free = Sender {
        must: false,
        ..sender
    };
    free.send("an empty text", &chat, "", "check-3").await?;
    let nobody = ChatRef::new("check-no-such-chat");
    free.send("a message to nobody", &nobody, "Hello?", "check-4")
        .await?;
    subject.shut_down(&kit.instance).await?;
    Ok(note(known.is_some(), first, again))
}

fn note(known: bool, first: Option<Sent>, again: Option<Sent>) -> String {
    if !known {
        return "no chat is known, so that errors were taken for answers; name one with --chat".to_owned();
    }
    match (first, again) {
        (Some(first), Some(again)) if first.ids == again.ids => String::new(),
        _ => "a send with the same idempotency key was sent twice; give the key to the platform if it takes one".into(),
    }
}

struct Sender<'a> {
    subject: &'a Subject,
    kit: &'a ChannelKit,
    /// Whether an error is a failure.
    must: bool,
}

impl Sender<'_> {
    async fn send(&self, what: &str, chat: &ChatRef, text: &str, key: &str) -> Step<Option<Sent>> {
        let mut message = OutboundMessage::new(chat.clone(), text);
        message.idempotency_key = key.to_owned();
        let what = format!("send of {what}");
        let send = life::accepting(self.kit, self.kit.send(message));
        let sent = no_panic(&what, self.subject.within(CALL, &what, send).await?)?;
        match sent {
            Err(error) if self.must => Err(Finding::failed(
                format!("{what} to the chat `{}` failed: {error}", chat.id),
                "send what the manifest's text limit allows, escaped as the platform needs it",
            )),
            sent => Ok(sent.ok()),
        }
    }
}

/// Pieces within the limit, as the host would make them, though without regard to words.
fn split(text: &str, limit: usize, unit: TextUnit) -> Vec<String> {
    let size = |char: char| match unit {
        TextUnit::Bytes => char.len_utf8(),
        TextUnit::Utf16 => char.len_utf16(),
        TextUnit::Chars => 1,
    };
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for char in text.chars() {
        if limit > 0 && used + size(char) > limit && used > 0 {
            pieces.push(String::new());
            used = 0;
        }
        used += size(char);
        if let Some(piece) = pieces.last_mut() {
            piece.push(char);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_the_limit_and_are_the_text() {
        let text = "a\u{e9}\u{1f600}".repeat(10);
        for unit in [TextUnit::Bytes, TextUnit::Utf16, TextUnit::Chars] {
            let pieces = split(&text, 7, unit);
            assert_eq!(pieces.concat(), text);
            let fits = |piece: &String| match unit {
                TextUnit::Bytes => piece.len() <= 7,
                TextUnit::Utf16 => piece.encode_utf16().count() <= 7,
                TextUnit::Chars => piece.chars().count() <= 7,
            };
            assert!(pieces.iter().all(fits), "{pieces:?}");
        }
        assert_eq!(split(&text, 0, TextUnit::Chars).len(), 1);
    }
}
