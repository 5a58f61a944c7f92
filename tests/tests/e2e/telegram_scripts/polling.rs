use std::time::Duration;

use miniclaw_tests::fake_telegram::Answer;
use miniclaw_tests::http::{End, Reply};
use serde_json::json;

use super::{body, false_gzip, redirect, refusal, tls_alert, web_page};
use crate::phrases::{CONNECTED, SECOND_POLLER};
use crate::script::*;

const SECOND: Duration = Duration::from_secs(1);
const AGAIN: &str = "Telegram answers again";
const OUTAGE: &str = "Telegram does not answer";
const CONFLICT: &str = "Conflict: terminated by other getUpdates request";
const WEBHOOK: &str = "Conflict: can't use getUpdates method while webhook is active";

/// A good answer to a poll whose bytes come slowly, but come.
fn slow_body() -> Reply {
    let text = b"{\"ok\":true,\"result\":[]}";
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        text.len()
    );
    let mut parts = vec![(Duration::ZERO, head.into_bytes())];
    parts.extend(text.iter().map(|byte| (Duration::from_millis(20), vec![*byte])));
    Reply::Wire {
        parts,
        end: End::Complete,
    }
}

/// More than the 16 MiB that are read of an answer.
fn too_large() -> Reply {
    Reply::json(200, vec![b' '; 17 * 1024 * 1024])
}

fn endless(wait: Duration, bytes: usize) -> Reply {
    Reply::Endless {
        content_type: "application/json",
        wait,
        piece: vec![b' '; bytes],
    }
}

scripts! {
    a_web_page_in_the_place_of_updates_is_waited_out:
        fails("getUpdates", 1, web_page(200)), says(7, "hi")
        => answered(7, ["hi"]), told_once(OUTAGE), told_once(AGAIN);

    a_storm_of_5xx_while_polling_is_told_of_once_and_waited_out:
        fails("getUpdates", 1, refusal(500, "Internal Server Error")), fails("getUpdates", 1, web_page(504)),
        fails("getUpdates", 1, Answer::raw(503, "")), says(7, "hi")
        => answered(7, ["hi"]), told_once(OUTAGE), told_once(AGAIN);

    a_gateway_is_back_within_5_s_of_the_end_of_an_outage:
        outage(5) => answered(OUTAGE_CHAT, ["are you there?"]), told_once(OUTAGE), told_once(AGAIN);

    an_empty_body_in_the_place_of_updates_is_waited_out:
        fails("getUpdates", 1, body("")), says(7, "hi") => answered(7, ["hi"]), told_once(OUTAGE);

    an_answer_of_204_in_the_place_of_updates_is_waited_out:
        fails("getUpdates", 1, Reply::bytes("HTTP/1.1 204 No Content\r\n\r\n", End::Complete)), says(7, "hi")
        => answered(7, ["hi"]), told_once(OUTAGE);

    updates_that_end_in_the_middle_are_asked_for_again:
        fails("getUpdates", 1, body("{\"ok\":true,\"result\":[{\"update_id\":5000,\"mess")), says(7, "hi")
        => answered(7, ["hi"]), told_once(OUTAGE);

    a_connection_cut_in_mid_body_is_waited_out:
        fails("getUpdates", 1, Reply::shortened("application/json", b"{\"ok\":true,\"result\":[", 9_000)),
        says(7, "hi")
        => answered(7, ["hi"]), told_once(OUTAGE);

    a_body_that_is_longer_than_its_head_says_is_waited_out:
        fails("getUpdates", 1, Reply::bytes("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{\"ok\":true,\"result\":[]}", End::Cut)),
        says(7, "hi")
        => answered(7, ["hi"]), told_once(OUTAGE);

    a_connection_reset_while_polling_is_waited_out:
        fails("getUpdates", 2, Reply::Reset), says(7, "hi") => answered(7, ["hi"]), told_once(OUTAGE);

    noise_that_is_said_to_be_compressed_is_waited_out:
        fails("getUpdates", 1, false_gzip()), says(7, "hi") => answered(7, ["hi"]), told_once(OUTAGE);

    bytes_that_are_no_http_are_waited_out:
        fails("getUpdates", 1, tls_alert()), says(7, "hi") => answered(7, ["hi"]), told_once(OUTAGE);

    a_redirect_of_a_poll_is_not_followed:
        fails("getUpdates", 1, redirect()), says(7, "hi")
        => answered(7, ["hi"]), told_once("HTTP status 302"), untold("refused");

    a_refusal_inside_a_200_is_waited_out:
        fails("getUpdates", 1, body("{\"ok\":false}")),
        fails("getUpdates", 1, body("{\"ok\":false,\"error_code\":500,\"description\":\"Internal\"}")), says(7, "hi")
        => answered(7, ["hi"]), told_once(OUTAGE);

    an_answer_without_a_result_is_waited_out:
        fails("getUpdates", 1, body("{\"ok\":true}")), says(7, "hi") => answered(7, ["hi"]), told_once(OUTAGE);

    a_result_that_is_no_list_is_waited_out:
        fails("getUpdates", 1, body("{\"ok\":true,\"result\":{\"update_id\":5000}}")), says(7, "hi")
        => answered(7, ["hi"]), told_once(OUTAGE);

    updates_without_ids_are_asked_for_again:
        fails("getUpdates", 1, body("{\"ok\":true,\"result\":[{},null,7,{\"update_id\":\"x\"}]}")), says(7, "hi")
        => answered(7, ["hi"]), told_once(OUTAGE);

    an_answer_of_17_mib_is_not_read_and_waited_out:
        fails("getUpdates", 1, too_large()), says(7, "hi") => answered(7, ["hi"]), told_once("larger than");

    an_answer_without_end_is_cut_off_at_16_mib:
        fails("getUpdates", 1, endless(Duration::ZERO, 256 * 1024)), says(7, "hi")
        => answered(7, ["hi"]), told_once("larger than");

    a_slow_answer_to_a_poll_is_read_to_its_end:
        fails("getUpdates", 1, slow_body()), says(7, "hi") => answered(7, ["hi"]), untold(OUTAGE);

    a_poll_whose_answer_trickles_for_ever_is_given_up:
        setting("/channels/telegram/settings/poll_timeout", json!(1)),
        fails("getUpdates", 1, endless(Duration::from_millis(500), 1)), says(7, "hi")
        => answered(7, ["hi"]), told_once("did not answer in time");

    the_wait_asked_of_a_poll_is_kept:
        fails("getUpdates", 1, Answer::too_many(1)), says(7, "hi")
        => answered(7, ["hi"]), polled_again_after(SECOND), told_once("Telegram asks to wait");

    a_poll_that_is_refused_without_a_wait_backs_off_by_itself:
        fails("getUpdates", 1, refusal(429, "Too Many Requests")), says(7, "hi")
        => answered(7, ["hi"]), polled_again_after(SECOND / 2);

    a_wait_that_is_none_counts_as_missing:
        fails("getUpdates", 1, Answer::raw(429, r#"{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":"soon"}}"#)),
        fails("getUpdates", 1, Answer::raw(429, r#"{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":-5}}"#)),
        says(7, "hi")
        => answered(7, ["hi"]), polled_again_after(SECOND / 2);

    a_second_poller_is_told_of_once_and_holds_up_no_stop:
        said(7, "before"), until_sent(7, 1), until_confirmed(), second_poller(), until_told(SECOND_POLLER), stops(),
        says(8, "after")
        => answered(7, ["before"]), answered(8, ["after"]), told_once(SECOND_POLLER);

    a_conflict_that_is_there_at_the_start_holds_up_no_stop:
        fails("getUpdates", 1, refusal(409, CONFLICT)), until_told(SECOND_POLLER), stops(), says(7, "hi")
        => answered(7, ["hi"]), told_once(SECOND_POLLER);

    a_webhook_in_the_way_is_removed_and_its_messages_are_answered:
        said(7, "hi"), fails("getUpdates", 1, refusal(409, WEBHOOK))
        => answered(7, ["hi"]), called("deleteWebhook", 1), untold(SECOND_POLLER);

    a_bot_that_cannot_be_asked_for_its_name_is_asked_again:
        fails("getMe", 1, web_page(200)), fails("getMe", 1, body("{\"ok\":true,\"result\":{\"id\":\"x\"}}")), says(7, "hi")
        => answered(7, ["hi"]), told_once(CONNECTED);

    the_wait_asked_of_a_start_is_kept:
        fails("getMe", 1, Answer::too_many(1)), says(7, "hi") => answered(7, ["hi"]), told_once(CONNECTED);

    updates_that_come_again_although_they_are_confirmed_are_answered_once:
        says(7, "first"), until_confirmed(),
        fails("getUpdates", 2, body(&format!("{{\"ok\":true,\"result\":[{}]}}", again()))), says(7, "next")
        => answered(7, ["first", "next"]);

    five_thousand_old_messages_after_an_outage_are_answered_in_order:
        flood(1_000..1_500, 10), fails("getUpdates", 1, web_page(502))
        => flood_answered(1_000..1_500, 10), confirmed();
}

/// The first message of chat 7 as the fake writes it.
fn again() -> String {
    let message = json!({ "message_id": 1, "from": { "id": 42, "is_bot": false, "first_name": "User 42" },
        "chat": { "id": 7, "type": "private" }, "date": 1_790_000_000, "text": "first" });
    format!("{{\"update_id\":5000,\"message\":{message}}}")
}
