use super::*;
use miniclaw_plugin_api::Outcome;

fn refused(code: u16, description: &str) -> Failure {
    Failure::Refused(Refusal {
        code,
        description: description.to_owned(),
        ..Refusal::default()
    })
}

#[test]
fn what_is_known_of_a_send_follows_from_the_failure() {
    let transient = Outcome::Transient { retry_after: None };
    for (failure, outcome, cause) in [
        (Failure::Unreachable(String::new()), transient, Cause::Network),
        (Failure::TimedOut, Outcome::Unknown, Cause::Timeout),
        (
            Failure::Interrupted(String::new()),
            Outcome::Unknown,
            Cause::Network,
        ),
        (Failure::Broken(502), Outcome::Unknown, Cause::Unavailable),
        (Failure::Garbled(200), Outcome::Unknown, Cause::Protocol),
        (refused(429, "Too Many Requests"), transient, Cause::RateLimited),
        (refused(401, "Unauthorized"), Outcome::Permanent, Cause::Auth),
        (refused(404, "Not Found"), Outcome::Permanent, Cause::Auth),
        (
            refused(404, "Not Found: method not found"),
            Outcome::Permanent,
            Cause::Unsupported,
        ),
        (
            refused(400, "Bad Request: chat not found"),
            Outcome::Permanent,
            Cause::NotFound,
        ),
        (
            refused(400, "Bad Request: message thread not found"),
            Outcome::Permanent,
            Cause::NotFound,
        ),
        (
            refused(400, "Bad Request: TOPIC_CLOSED"),
            Outcome::Permanent,
            Cause::Rejected,
        ),
        (
            refused(413, "Request Entity Too Large"),
            Outcome::Permanent,
            Cause::TooLarge,
        ),
        (
            refused(400, "Bad Request: message is too long"),
            Outcome::Permanent,
            Cause::TooLarge,
        ),
        (
            refused(400, "Bad Request: MESSAGE_TOO_LONG"),
            Outcome::Permanent,
            Cause::TooLarge,
        ),
        (
            refused(403, "Forbidden: bot was blocked by the user"),
            Outcome::Permanent,
            Cause::Rejected,
        ),
    ] {
        let error = failure.into_error("sendMessage");
        assert_eq!((error.outcome, error.cause), (outcome, cause), "{error}");
    }
}

#[test]
fn proxy_is_blamed_for_what_is_its_own_fault() {
    for (reason, expected) in [
        (
            "Connection refused (os error 111)",
            "the proxy of `proxy` does not answer: Connection refused (os error 111)",
        ),
        (
            "unsuccessful tunnel",
            "telegram cannot be reached: unsuccessful tunnel, on the way through the proxy of `proxy`",
        ),
        (
            "invalid peer certificate: UnknownIssuer",
            "telegram cannot be reached: invalid peer certificate: UnknownIssuer",
        ),
    ] {
        let failure = Failure::Unreachable(reason.to_owned()).through_proxy();
        assert_eq!(failure.to_string(), expected);
    }
}

#[test]
fn certificate_that_is_not_taken_points_at_the_setting() {
    for problem in ["UnknownIssuer", "Other(OtherError(CaUsedAsEndEntity))"] {
        let hint = with_hint(format!("invalid peer certificate: {problem}"));
        assert!(hint.contains("`ca_file`"), "{hint}");
    }
    assert_eq!(with_hint("Connection reset".to_owned()), "Connection reset");
}

#[test]
fn wait_that_telegram_asks_for_is_passed_on() {
    let failure = Failure::Refused(Refusal {
        code: 429,
        retry_after: Some(Duration::from_secs(17)),
        ..Refusal::default()
    });
    let outcome = failure.into_error("sendMessage").outcome;
    assert_eq!(
        outcome,
        Outcome::Transient {
            retry_after: Some(Duration::from_secs(17))
        }
    );
}

#[test]
fn echoed_secret_is_taken_out() {
    let failure = refused(400, "Bad Request: /bot1:abc/x").without("1:abc");
    assert_eq!(failure.to_string(), "Bad Request: /bot[redacted]/x (400)");
}

#[test]
fn markup_is_to_blame_where_the_plain_text_may_pass() {
    for (description, expected) in [
        ("Bad Request: can't parse entities: Unsupported start tag", true),
        ("Bad Request: ENTITIES_TOO_LONG", true),
        ("Bad Request: message is too long", true),
        ("Bad Request: MESSAGE_TOO_LONG", true),
        ("Bad Request: MEDIA_CAPTION_TOO_LONG", true),
        ("Bad Request: message text is empty", true),
        ("Bad Request: chat not found", false),
    ] {
        let Failure::Refused(refusal) = refused(400, description) else {
            panic!("not a refusal");
        };
        assert_eq!(refusal.is_about_markup(), expected, "{description}");
    }
}
