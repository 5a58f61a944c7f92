//! Pictures for models that cannot see.

use super::{CompletionRequest, ContentPart};
use crate::error::{Cause, Error, Outcome};

/// What servers call a picture.
const PICTURE: [&str; 4] = ["image", "vision", "picture", "multimodal"];
/// What they say of a model that takes none, beside a word for one.
const CANNOT: [&str; 12] = [
    "support",
    "not enabled",
    "cannot",
    "can't",
    "modality",
    "not a multimodal",
    "unknown variant",
    "only text",
    "does not accept",
    "no endpoints",
    "mmproj",
    "missing data",
];
/// What they say of a picture that is broken or too large, which is no matter of the model.
const BROKEN: [&str; 7] = [
    "format",
    "base64",
    "too large",
    "download",
    "media type",
    "decode",
    "identify",
];

impl CompletionRequest {
    /// Whether a picture is among the messages.
    pub fn has_pictures(&self) -> bool {
        let mut parts = self.messages.iter().flat_map(|message| &message.parts);
        parts.any(|part| matches!(part, ContentPart::Image { .. }))
    }

    /// Makes [`Cause::Unsupported`] of a server's refusal that is about the pictures of this request, so that the host
    /// asks once more without them; gives back every other error as it is. `model` is the one that was asked.
    pub fn blame_pictures(&self, mut error: Error, model: &str) -> Error {
        let refused = matches!(
            error.cause,
            Cause::Rejected | Cause::Unavailable | Cause::NotFound
        );
        if refused && self.has_pictures() && is_blind(&error.words()) {
            error.message = format!("the model `{model}` cannot see pictures: {}", error.message);
            error.outcome = Outcome::Permanent;
            error.cause = Cause::Unsupported;
        }
        error
    }
}

fn is_blind(said: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    // Some servers know no content but text.
    let plain = said.contains("content") && has(&["must be a string", "valid string"]);
    plain || (has(&PICTURE) && has(&CANNOT) && !has(&BROKEN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChatMessage, Role};

    fn request() -> CompletionRequest {
        let mut request = CompletionRequest::new(vec![ChatMessage::new(Role::User, "what is it")]);
        request.messages[0].parts.push(ContentPart::Image {
            media_type: "image/png".into(),
            data: "AAAA".into(),
        });
        request
    }

    fn blame(cause: Cause, said: &str) -> Error {
        let message = format!("https://h/models/m-image:generate answered 400 Bad Request: {said}");
        request().blame_pictures(Error::transient(message).because(cause), "m-1")
    }

    #[test]
    fn refusals_of_pictures_are_told_from_others() {
        for said in [
            "Image input modality is not enabled for models/m-1",
            "this model does not support images",
            "m-1 has no vision support",
            "Invalid content type. image_url is only supported by certain models",
            "image input is not supported - hint: you may need to provide the mmproj",
            "m-1 is not a multimodal model",
            "messages[0]: unknown variant `image_url`, expected `text`",
            "messages.0.content must be a string",
            "this model is missing data required for image input",
        ] {
            let error = blame(Cause::Rejected, said);
            assert_eq!(
                (error.outcome, error.cause),
                (Outcome::Permanent, Cause::Unsupported),
                "{said}"
            );
            let begin = "the model `m-1` cannot see pictures: https://h";
            assert!(error.message.starts_with(begin), "{error}");
        }
        let nowhere = "No endpoints found that support image input";
        assert_eq!(blame(Cause::NotFound, nowhere).cause, Cause::Unsupported);
    }

    #[test]
    fn refusals_of_something_else_are_left_as_they_are() {
        for (cause, said) in [
            (Cause::Rejected, "image exceeds 5 MB maximum"),
            (Cause::Rejected, "unsupported image format"),
            (Cause::Rejected, "image is too large and not supported"),
            (Cause::Rejected, "cannot identify image file"),
            // Only the name of the model in the address speaks of pictures.
            (Cause::Rejected, "temperature is not supported"),
            (Cause::Auth, "this model does not support images"),
        ] {
            assert_eq!(blame(cause, said).cause, cause, "{said}");
        }
        let error = Error::permanent("this model does not support images").because(Cause::Rejected);
        let plain = CompletionRequest::new(vec![ChatMessage::new(Role::User, "hi")]);
        assert_eq!(plain.blame_pictures(error, "m-1").cause, Cause::Rejected);
    }
}
