//! What a person is told when there is no answer.

use miniclaw_plugin_api::{Cause, Error};

/// One honest sentence; names no server, no key, no internals.
pub(super) fn sentence(error: &Error) -> String {
    let reason = match error.cause {
        Cause::Auth if error.meta.contains_key("unpaid") => {
            "its account has no credit left, which my operator has to see to"
        }
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
}
