use std::time::Duration;

use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::http::{End, Reply};

use super::*;
use crate::script::scripts;

const SECOND: Duration = Duration::from_secs(1);
const NOT_NOW: &str = "cannot be reached";
const ODD: &str = "something went wrong on the way";

/// An error with one more header.
fn refusal(status: u16, header: &'static str, value: &str) -> Fault {
    let body = r#"{"error":{"message":"the fake model refuses"}}"#;
    Fault::Answer(Reply::json(status, body).with_header(header, value))
}

fn page(status: u16) -> Fault {
    Fault::Answer(Reply::html(status, "<html><h1>nginx</h1></html>"))
}

/// OpenAI's way to say that an account is empty.
fn no_quota() -> Fault {
    let body = r#"{"error":{"message":"You exceeded your quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    Fault::Answer(Reply::json(429, body))
}

/// Anthropic's way to say the same.
fn no_credit() -> Fault {
    let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#;
    Fault::Answer(Reply::json(400, body))
}

/// Google's way to ask for a wait.
fn details_of_a_limit() -> Fault {
    let body = r#"{"error":{"code":429,"message":"quota exceeded","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"0.7s"}]}}"#;
    Fault::Answer(Reply::json(429, body))
}

/// Google's way to say that the key is wrong.
fn no_such_key() -> Fault {
    let body = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}"#;
    Fault::Answer(Reply::json(400, body))
}

scripts! {
    a_request_that_the_model_rejects_is_not_made_again:
        always(ALL, Fault::status(400)) => sentence(ALL, 1, "it gave no answer to this");

    a_request_that_the_model_cannot_process_is_not_made_again:
        always(ALL, Fault::status(422)) => sentence(ALL, 1, "it gave no answer to this");

    a_key_that_is_not_taken_is_named_as_the_operators_matter:
        always(ALL, Fault::status(401)) => sentence(ALL, 1, "my operator has to renew");

    a_key_that_may_not_do_this_is_named_as_the_operators_matter:
        always(ALL, Fault::status(403)) => sentence(ALL, 1, "my operator has to renew");

    a_model_that_is_not_there_is_named_as_the_operators_matter:
        always(ALL, Fault::status(404)) => sentence(ALL, 1, "my operator has to mend");

    a_message_that_is_too_long_is_asked_for_in_parts:
        always(ALL, Fault::status(413)) => sentence(ALL, 1, "send less at once");

    a_redirect_is_not_followed_and_not_tried_again:
        always(ALL, refusal(302, "location", "http://127.0.0.1:9/")) => sentence(ALL, 1, "my operator has to mend");

    a_request_that_came_too_late_is_made_again:
        once(ALL, Fault::status(408)) => answered(ALL, 2);

    a_limit_without_a_wait_backs_off_by_itself:
        once(ALL, Fault::status(429)) => answered(ALL, 2), asked_again_after(ALL, SECOND / 4);

    a_limit_with_a_wait_is_kept:
        once(ALL, Fault::too_many(1)) => answered(ALL, 2), asked_again_after(ALL, SECOND);

    a_limit_with_a_wait_in_milliseconds_is_kept:
        once(ALL, refusal(429, "retry-after-ms", "700")) => answered(ALL, 2), asked_again_after(ALL, SECOND * 7 / 10);

    a_limit_until_a_date_that_has_passed_is_no_wait:
        once(ALL, refusal(429, "retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")) => answered(ALL, 2);

    a_limit_until_a_date_far_ahead_is_not_waited_out:
        always(ALL, refusal(429, "retry-after", "Fri, 06 Nov 2093 08:49:37 GMT")) => sentence(ALL, 1, "slow down");

    a_limit_with_an_absurd_wait_is_not_waited_out:
        always(ALL, refusal(429, "retry-after", "99999999999999999999")) => sentence(ALL, 1, "slow down");

    a_limit_with_a_wait_that_is_none_backs_off_by_itself:
        once(ALL, refusal(429, "retry-after", "-5, soon")) => answered(ALL, 2), asked_again_after(ALL, SECOND / 4);

    an_account_that_is_empty_is_not_asked_again:
        always(OPENAI, no_quota()) => sentence(OPENAI, 1, "no credit left");

    an_account_without_credit_is_not_asked_again:
        always(CLAUDE, no_credit()) => sentence(CLAUDE, 1, "no credit left");

    a_limit_with_a_wait_in_its_details_is_kept:
        once(GOOGLE, details_of_a_limit()) => answered(GOOGLE, 2), asked_again_after(GOOGLE, SECOND * 7 / 10);

    a_key_that_is_called_a_bad_request_is_named_as_the_operators_matter:
        always(GOOGLE, no_such_key()) => sentence(GOOGLE, 1, "my operator has to renew");

    a_server_that_fails_is_asked_again_and_then_told_of:
        always(ALL, Fault::status(500)) => sentence(ALL, 2, NOT_NOW);

    a_web_page_of_a_gateway_in_an_outage_is_waited_out:
        once(ALL, page(502)) => answered(ALL, 2);

    a_server_that_names_the_end_of_its_outage_is_believed:
        once(ALL, refusal(503, "retry-after", "1")) => answered(ALL, 2), asked_again_after(ALL, SECOND);

    a_server_that_is_overloaded_is_asked_again:
        once(ALL, Fault::status(529)) => answered(ALL, 2);

    a_web_page_in_the_place_of_an_answer_is_told_of_and_not_shown:
        always(ALL, page(200)) => sentence(ALL, 2, ODD);

    a_server_that_never_answers_is_given_up_and_asked_again:
        once(ALL, Fault::Hang) => answered(ALL, 2);

    a_head_that_never_ends_is_given_up:
        always(ALL, Fault::Answer(Reply::slow_head())) => sentence(ALL, 2, "did not answer in time");

    bytes_that_are_no_http_are_a_passing_failure:
        once(ALL, Fault::Answer(Reply::bytes([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46], End::Cut))) => answered(ALL, 2);

    a_connection_reset_is_a_passing_failure:
        once(ALL, Fault::Answer(Reply::Reset)) => answered(ALL, 2);

    a_connection_closed_without_a_word_is_a_passing_failure:
        always(ALL, Fault::Answer(Reply::Close)) => sentence(ALL, 2, NOT_NOW);

    an_empty_body_is_a_passing_failure:
        once(ALL, Fault::Answer(Reply::json(200, ""))) => answered(ALL, 2);

    an_answer_of_204_is_a_passing_failure:
        once(ALL, Fault::Answer(Reply::bytes("HTTP/1.1 204 No Content\r\n\r\n", End::Complete))) => answered(ALL, 2);

    a_body_that_is_shorter_than_announced_is_a_passing_failure:
        once(ALL, Fault::Answer(Reply::shortened("application/json", b"{\"choices\":[", 9_000))) => answered(ALL, 2);

    noise_that_is_said_to_be_compressed_is_a_passing_failure:
        once(ALL, Fault::Answer(Reply::json(200, [0x1f, 0x8b, 0x08, 0xff]).with_header("content-encoding", "gzip")))
        => answered(ALL, 2);

    json_of_another_shape_is_a_passing_failure:
        once(ALL, Fault::Answer(Reply::json(200, "[[1,2],\"three\"]"))) => answered(ALL, 2);
}
