//! What a person is told when there is no answer.

use miniclaw_plugin_api::{AttachmentKind, Cause, Error, InboundMessage, Part};

use super::bill::grouped;
use super::places::is_full;
use super::prompt::fit::is_too_long;

/// One honest sentence; names no server, no key, no internals.
pub(super) fn sentence(error: &Error) -> String {
    let reason = match error.cause {
        Cause::Auth if error.meta.contains_key("unpaid") => {
            "its account has no credit left, which my operator has to see to"
        }
        _ if is_full(error) => "too many questions wait for it. Please try again in a few minutes",
        _ if is_too_long(error) => "your message is longer than it can take. Please send less at once",
        Cause::Auth => "it refuses my credentials, which my operator has to renew",
        Cause::Config | Cause::NotFound => "it is not set up correctly, which my operator has to mend",
        Cause::RateLimited => "it is asking me to slow down. Please try again in a few minutes",
        Cause::Timeout => "it did not answer in time. Please try again later",
        Cause::Network | Cause::Unavailable => "it cannot be reached. Please try again later",
        Cause::TooLarge => "our conversation is longer than it can take. Send /new to start afresh",
        Cause::Rejected if error.message.contains("held its answer back") => {
            "its rules do not let it answer this. Please ask for something else, or in other words"
        }
        Cause::Rejected if error.message.contains("answered with nothing") => {
            "it answered with nothing. Please try again, perhaps in other words"
        }
        Cause::Rejected => "it gave no answer to this. Please try again, perhaps in other words",
        _ => "something went wrong on the way. Please try again later",
    };
    format!("I have no answer from my language model: {reason}.")
}

/// What the history has of a message that was too long for every model: all of it would only be in the way of the next ones.
pub(super) fn unread(heard: &str) -> String {
    let length = grouped(heard.chars().count() as u64);
    format!("[a message of {length} characters that was too long to be read]")
}

/// What people are told below an answer to a picture that the model did not see.
pub(super) const BLIND: &str = "_My language model cannot see pictures; I only know that you sent one. Please tell me in words what it shows._";

/// What a person is told who sent nothing but what no model of ours can take. `lines` tells of the files.
pub(super) fn cannot_open(message: &InboundMessage, lines: &[String]) -> Option<String> {
    let says_more = message
        .parts
        .iter()
        .any(|part| !matches!(part, Part::Text { text } if text.trim().is_empty()));
    let closed = lines.iter().all(|line| line.ends_with("cannot open]"));
    if says_more || lines.is_empty() || !closed {
        return None;
    }
    Some(match message.attachments.first()?.kind {
        AttachmentKind::Voice | AttachmentKind::Audio => {
            "I cannot listen to recordings. Please write to me what you want to say.".into()
        }
        AttachmentKind::Video => "I cannot watch videos. Please tell me in words what this is about.".into(),
        _ => "I cannot open this kind of file, only plain text and pictures. Please send me what matters as text.".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_account_is_no_wrong_key() {
        let error = Error::permanent("no").because(Cause::Auth).with("unpaid", true);
        assert!(sentence(&error).contains("no credit left"));
    }

    #[test]
    fn a_sentence_shows_nothing_of_the_error_itself() {
        for cause in [
            Cause::Auth,
            Cause::Timeout,
            Cause::Other,
            Cause::Rejected,
            Cause::Panicked,
        ] {
            let text = sentence(&Error::permanent("http://10.0.0.1/v1 sk-secret").because(cause));
            assert!(!text.contains("10.0.0.1") && !text.contains("sk-"), "{text}");
            assert!(text.starts_with("I have no answer from my language model: ") && text.ends_with('.'));
        }
    }

    #[test]
    fn only_who_sends_nothing_else_is_told_what_cannot_be_opened() {
        let mut message = InboundMessage::new("7", "1", "42", " ");
        let line = ["[voice message of 3 s, which you cannot open]".to_owned()];
        assert_eq!(cannot_open(&message, &[]), None);
        message.attachments.push(miniclaw_plugin_api::Attachment {
            kind: AttachmentKind::Voice,
            ..Default::default()
        });
        assert!(cannot_open(&message, &line).is_some_and(|text| text.contains("listen")));
        assert_eq!(cannot_open(&message, &["[image]".to_owned()]), None);
        message.parts = InboundMessage::new("7", "1", "42", "hear this").parts;
        assert_eq!(cannot_open(&message, &line), None);
    }
}
