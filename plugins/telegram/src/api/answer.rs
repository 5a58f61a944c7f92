//! The envelope around every answer of the Bot API, read leniently.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Failure, Refusal};
use crate::update::lenient::lenient;

#[derive(Deserialize)]
struct Envelope<'a> {
    ok: bool,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    error_code: Option<u16>,
    #[serde(default, deserialize_with = "lenient")]
    description: String,
    #[serde(default, deserialize_with = "lenient")]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default, deserialize_with = "lenient")]
    retry_after: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    migrate_to_chat_id: Option<i64>,
}

/// Reads an answer. The code in the body counts more than the HTTP status, which a server between may change.
pub(crate) fn read<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, Failure> {
    let body = String::from_utf8_lossy(body);
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(&body) else {
        return Err(refuse(status, status, String::new(), &Parameters::default()));
    };
    if envelope.ok {
        let result = envelope.result.map_or("null", RawValue::get);
        return serde_json::from_str(result).map_err(|_| Failure::Garbled(status));
    }
    let code = envelope.error_code.unwrap_or(status);
    Err(refuse(status, code, envelope.description, &envelope.parameters))
}

/// Without a description the answer is not Telegram's own. Of those only the codes that mean the same
/// everywhere are believed: a gateway's 403 is no refusal of a message.
fn refuse(status: u16, code: u16, description: String, parameters: &Parameters) -> Failure {
    let telegram_speaks = !description.is_empty();
    match code {
        500..=599 => Failure::Broken(code),
        401 | 404 | 429 => Failure::Refused(refusal(code, description, parameters)),
        400..=499 if telegram_speaks => Failure::Refused(refusal(code, description, parameters)),
        _ => Failure::Garbled(status),
    }
}

/// The refusal of a file, in whoever's words: not only Telegram takes no files above some size.
pub(super) fn too_large(failure: Failure) -> Failure {
    match failure {
        Failure::Garbled(413) => Failure::Refused(refusal(413, String::new(), &Parameters::default())),
        failure => failure,
    }
}

fn refusal(code: u16, description: String, parameters: &Parameters) -> Refusal {
    let wait = parameters.retry_after.filter(|seconds| *seconds >= 0.0);
    Refusal {
        code,
        description,
        retry_after: wait.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        migrate_to: parameters.migrate_to_chat_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> Failure {
        read::<bool>(status, body.as_bytes()).unwrap_err()
    }

    #[test]
    fn result_is_read() {
        assert!(read::<bool>(200, br#"{"ok":true,"result":true}"#).unwrap());
    }

    #[test]
    fn code_in_the_body_counts_more_than_the_status() {
        let body = r#"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":7}}"#;
        let Failure::Refused(refusal) = refused(400, body) else {
            panic!("not a refusal");
        };
        assert_eq!(
            (refusal.code, refusal.retry_after),
            (429, Some(Duration::from_secs(7)))
        );
    }

    #[test]
    fn fields_of_another_type_are_as_if_missing() {
        let body = r#"{"ok":false,"error_code":"x","description":"Bad Request: no","parameters":"x"}"#;
        let Failure::Refused(refusal) = refused(400, body) else {
            panic!("not a refusal");
        };
        assert_eq!((refusal.code, refusal.retry_after), (400, None));
    }

    #[test]
    fn gateway_pages_are_told_from_telegram() {
        let page = "<html><h1>nginx</h1></html>";
        for status in [500, 502, 503, 504, 520] {
            assert!(matches!(refused(status, page), Failure::Broken(_)), "{status}");
            assert!(matches!(refused(status, ""), Failure::Broken(_)), "{status}");
        }
        for status in [200, 301, 400, 403, 407, 413] {
            assert!(matches!(refused(status, page), Failure::Garbled(_)), "{status}");
        }
        for status in [401, 404, 429] {
            assert!(matches!(refused(status, page), Failure::Refused(_)), "{status}");
        }
    }

    #[test]
    fn truncated_answer_is_garbled() {
        assert!(matches!(
            refused(200, r#"{"ok":true,"result":[{"#),
            Failure::Garbled(200)
        ));
        assert!(matches!(
            refused(200, r#"{"ok":true,"result":"no"}"#),
            Failure::Garbled(200)
        ));
    }
}
