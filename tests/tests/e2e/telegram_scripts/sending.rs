use std::time::Duration;

use miniclaw_tests::fake_telegram::Answer;
use miniclaw_tests::http::Reply;
use serde_json::json;

use super::{body, redirect, refusal, tls_alert, web_page};
use crate::script::*;

const SECOND: Duration = Duration::from_secs(1);
const HI: &str = "re: hi [n=1]";

/// A reply that takes three messages.
fn three_chunks() -> String {
    ["a", "b", "c"].map(|letter| letter.repeat(4_000)).join("\n\n")
}

fn hold() -> Step {
    setting("/delivery/on_unknown", json!("hold"))
}

scripts! {
    a_send_that_is_refused_without_a_wait_backs_off_by_itself:
        fails_in(7, 1, refusal(429, "Too Many Requests")), says(7, "hi")
        => answered(7, ["hi"]), tried(7, 2), tried_again_after(7, SECOND / 2);

    a_chat_that_has_to_wait_holds_up_no_other_chat:
        fails_in(7, 1, Answer::too_many(2)), says(7, "hi"), until_called("sendMessage", 1), says(8, "hi")
        => answered(7, ["hi"]), answered(8, ["hi"]), tried_again_after(7, SECOND * 2), sooner(8, 7);

    two_chats_that_have_to_wait_hold_up_all:
        fails_in(7, 1, Answer::too_many(3)), fails_in(8, 1, Answer::too_many(1)), says(7, "hi"),
        until_called("sendMessage", 1), says(8, "hi"), until_called("sendMessage", 2), says(9, "hi")
        => answered(7, ["hi"]), answered(8, ["hi"]), answered(9, ["hi"]), held_up(9, 7, SECOND * 3);

    a_wait_asked_of_the_typing_sign_holds_up_no_reply:
        fails("sendChatAction", 9, Answer::too_many(60)), model_takes(SECOND / 2), says(7, "hi")
        => answered(7, ["hi"]), tried(7, 1);

    a_typing_sign_that_fails_in_any_way_costs_no_reply:
        fails("sendChatAction", 1, refusal(403, "Forbidden: bot was kicked from the group chat")),
        fails("sendChatAction", 1, web_page(200)), fails("sendChatAction", 1, Reply::Reset),
        fails("sendChatAction", 1, Reply::Hang), model_takes(SECOND / 2),
        says(7, "hi"), says(8, "hi"), says(9, "hi"), says(10, "hi")
        => answered(7, ["hi"]), answered(8, ["hi"]), answered(9, ["hi"]), answered(10, ["hi"]);

    a_storm_of_5xx_while_sending_is_waited_out:
        fails_in(7, 1, refusal(500, "Internal Server Error")), fails_in(7, 1, web_page(504)), says(7, "hi")
        => answered(7, ["hi"]), tried(7, 3);

    a_connection_reset_before_the_send_was_taken_costs_nothing:
        fails_in(7, 1, Reply::Reset), says(7, "hi") => answered(7, ["hi"]), tried(7, 2);

    answers_that_are_none_of_the_bot_api_lead_to_another_try:
        fails_in(7, 1, body("{\"ok\":false}")), fails_in(8, 1, body("")), fails_in(9, 1, web_page(200)),
        fails_in(10, 1, body("{\"ok\":true,\"resu")), fails_in(11, 1, tls_alert()), fails_in(12, 1, redirect()),
        says(7, "hi"), says(8, "hi"), says(9, "hi"), says(10, "hi"), says(11, "hi"), says(12, "hi")
        => answered(7, ["hi"]), answered(8, ["hi"]), answered(9, ["hi"]), answered(10, ["hi"]),
           answered(11, ["hi"]), answered(12, ["hi"]), untold("dead letter");

    refusals_that_a_proxy_made_up_bury_no_reply:
        fails_in(7, 1, web_page(403)), fails_in(8, 1, web_page(400)), fails_in(9, 1, web_page(404)), fails_in(10, 1, web_page(413)),
        says(7, "hi"), says(8, "hi"), says(9, "hi"), says(10, "hi")
        => answered(7, ["hi"]), answered(8, ["hi"]), answered(9, ["hi"]), answered(10, ["hi"]), untold("dead letter");

    a_send_that_arrived_and_whose_answer_was_lost_is_repeated_once:
        taken_but(7, 1, web_page(502)), taken_but(8, 1, body("{\"ok\":tr")), taken_but(9, 1, Reply::Reset),
        says(7, "hi"), says(8, "hi"), says(9, "hi")
        => sent(7, [HI, HI]), sent(8, [HI, HI]), sent(9, [HI, HI]);

    a_send_that_may_have_arrived_is_not_repeated_where_the_operator_says_so:
        hold(), taken_but(7, 1, web_page(502)), says(7, "hi"), until_told("dead letter"), says(7, "next")
        => sent(7, [HI, "re: next [n=3]"]), dead_letter();

    a_send_that_certainly_did_not_arrive_is_repeated_even_then:
        hold(), fails_in(7, 1, Answer::too_many(1)), says(7, "hi") => answered(7, ["hi"]), untold("dead letter");

    a_send_whose_answer_is_odd_but_good_is_not_repeated:
        taken_but(7, 1, body("{\"ok\":true,\"result\":true}")), taken_but(8, 1, body("{\"ok\":true,\"result\":{\"message_id\":\"x\"}}")),
        says(7, "hi"), says(8, "hi")
        => answered(7, ["hi"]), answered(8, ["hi"]), tried(7, 1), tried(8, 1);

    a_slow_send_is_waited_for_and_made_once:
        slow("sendMessage", 1, SECOND * 3 / 2), says(7, "hi") => answered(7, ["hi"]), tried(7, 1);

    a_chat_that_is_not_found_gets_a_dead_letter_and_may_come_back:
        fails_in(7, 1, refusal(400, "Bad Request: chat not found")), says(7, "lost"), until_told("dead letter"), says(7, "back")
        => sent(7, ["re: back [n=3]"]), dead_letter(), tried(7, 2);

    a_message_that_is_too_long_after_all_is_a_dead_letter:
        fails_in(7, 2, refusal(400, "Bad Request: message is too long")), says(7, "lost"), until_told("dead letter"), says(7, "back")
        => sent(7, ["re: back [n=3]"]), dead_letter();

    markup_and_plain_text_both_refused_are_a_dead_letter:
        model_says("this is **bold**"), fails_in(7, 2, refusal(400, "Bad Request: can't parse entities: x")),
        says(7, "lost"), until_told("dead letter"), says(7, "back")
        => sent(7, ["this is bold"]), dead_letter(), tried(7, 3);

    a_message_to_answer_that_is_gone_and_a_topic_that_is_closed_are_dead_letters:
        in_groups(&[-8]), fails_in(7, 1, refusal(400, "Bad Request: message to be replied not found")), says(7, "lost"), until_told("dead letter"),
        says(7, "back"), until_sent(7, 1), fails_in(-8, 1, refusal(400, "Bad Request: TOPIC_CLOSED")), says(-8, "lost"),
        until_called("sendMessage", 3), says(-8, "back")
        => sent(7, ["re: back [n=3]"]), sent(-8, ["re: User 42: back [n=3]"]), tried(7, 2), tried(-8, 2);

    a_bot_that_was_kicked_goes_on_elsewhere:
        in_groups(&[-7]), fails_in(-7, 1, refusal(403, "Forbidden: bot was kicked from the supergroup chat")), says(-7, "lost"),
        until_told("dead letter"), says(8, "hi")
        => silent(-7), answered(8, ["hi"]), dead_letter(), tried(-7, 1);

    a_token_that_is_refused_for_a_moment_buries_no_reply:
        fails_in(7, 1, refusal(401, "Unauthorized")), says(7, "hi") => answered(7, ["hi"]), tried(7, 2), untold("dead letter");

    a_reply_follows_its_group_to_the_supergroup:
        in_groups(&[-7]), fails_in(-7, 1, Answer::migrated(-1_007)), says(-7, "hi") => sent(-1_007, ["re: User 42: hi [n=1]"]), silent(-7);

    a_chunk_that_fails_in_passing_repeats_none_before_it:
        model_says(three_chunks()), fails_later_in(7, 1, 1, web_page(502)), says(7, "hi")
        => joined(7, three_chunks()), tried(7, 4);

    a_chunk_that_fails_for_good_takes_only_the_later_ones_along:
        model_says(three_chunks()), fails_later_in(7, 1, 1, refusal(403, "Forbidden: bot was blocked by the user")),
        says(7, "hi"), until_told("dead letter"), model_says("short"), says(7, "again")
        => sent(7, ["a".repeat(4_000), "short".to_owned()]), dead_letter(), tried(7, 3);

    a_reply_that_waits_at_a_stop_is_sent_once_after_the_start:
        setting("/gateway/shutdown_timeout", json!("2s")), fails_in(7, 1, Answer::too_many(1)), says(7, "hi"),
        until_called("sendMessage", 1), is_killed() => answered(7, ["hi"]), asked(["hi"]);

    a_family_of_emoji_at_the_border_of_a_message_stays_together:
        model_says(format!("{}{}", "x".repeat(4_093), "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}")), says(7, "hi")
        => sent(7, ["x".repeat(4_093), "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}".to_owned()]);
}
