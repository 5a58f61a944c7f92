//! Pictures for models that cannot see.

use super::{CompletionRequest, ContentPart};
use crate::error::{Cause, Error};

/// What servers say of a model that takes no pictures, beside a word for those.
const CANNOT: [&str; 6] = [
    "support",
    "not enabled",
    "cannot",
    "can't",
    "modality",
    "multimodal",
];

impl CompletionRequest {
    /// Whether a picture is among the messages.
    pub fn has_pictures(&self) -> bool {
        let mut parts = self.messages.iter().flat_map(|message| &message.parts);
        parts.any(|part| matches!(part, ContentPart::Image { .. }))
    }

    /// Makes [`Cause::Unsupported`] of a server's refusal that is about the pictures of this request, so that the host
    /// asks once more without them; gives back every other error as it is. `model` is the one that was asked.
    pub fn blame_pictures(&self, error: Error, model: &str) -> Error {
        // llama.cpp calls it a fault of its own, others do not find what would see.
        let refused = matches!(
            error.cause,
            Cause::Rejected | Cause::Unavailable | Cause::NotFound
        );
        if !refused || !self.has_pictures() {
            return error;
        }
        let said = error.message.to_lowercase();
        let about = ["image", "vision", "picture"]
            .iter()
            .any(|word| said.contains(word));
        if about && CANNOT.iter().any(|word| said.contains(word)) {
            Error::permanent(format!("the model `{model}` cannot see pictures")).because(Cause::Unsupported)
        } else {
            error
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChatMessage, Outcome, Role};

    #[test]
    fn refusals_of_pictures_are_told_from_others() {
        let mut request = CompletionRequest::new(vec![ChatMessage::new(Role::User, "what is it")]);
        let blame = |request: &CompletionRequest, cause, message: &str| {
            let error = Error::permanent(message).because(cause);
            request.blame_pictures(error, "m-1")
        };
        let refusal = "Image input modality is not enabled for models/m-1";
        assert_eq!(blame(&request, Cause::Rejected, refusal).cause, Cause::Rejected);
        request.messages[0].parts.push(ContentPart::Image {
            media_type: "image/png".into(),
            data: "AAAA".into(),
        });
        for message in [
            refusal,
            "this model does not support images",
            "m-1 has no vision support",
        ] {
            let error = blame(&request, Cause::Rejected, message);
            assert_eq!(
                (error.outcome, error.cause),
                (Outcome::Permanent, Cause::Unsupported)
            );
            assert_eq!(error.message, "the model `m-1` cannot see pictures");
        }
        let hint = "image input is not supported - hint: you may need to provide the mmproj";
        assert_eq!(
            blame(&request, Cause::Unavailable, hint).cause,
            Cause::Unsupported
        );
        for (cause, message) in [
            (Cause::Unavailable, "overloaded"),
            (Cause::Rejected, "image exceeds 5 MB maximum"),
            (Cause::Rejected, "temperature is not supported"),
            (Cause::Auth, refusal),
        ] {
            assert_eq!(blame(&request, cause, message).cause, cause);
        }
    }
}
