//! Answers to other messages.

use super::*;

#[test]
fn answer_to_what_has_no_text_says_what_it_was() {
    let file = json!({ "file_id": "x" });
    for (replied, expected) in [
        (json!({ "photo": [file] }), Some("[photo]")),
        (json!({ "photo": [file], "caption": "look" }), Some("look")),
        (json!({ "voice": file }), Some("[voice message]")),
        (
            json!({ "animation": file, "document": file }),
            Some("[animation]"),
        ),
        (json!({ "document": 1 }), Some("[file]")),
        (json!({ "sticker": null }), None),
    ] {
        let mut replied_to = json!({ "message_id": 3, "from": { "id": 42 } });
        for (key, value) in replied.as_object().unwrap_or_else(|| panic!("no object")) {
            replied_to[key] = value.clone();
        }
        let message = inbound(json!({ "text": "what is it?", "reply_to_message": replied_to }));
        let text = message.reply_to.and_then(|reply| reply.text);
        assert_eq!(text.as_deref(), expected, "{replied}");
    }
}
