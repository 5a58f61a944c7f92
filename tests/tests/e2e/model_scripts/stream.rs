use miniclaw_tests::fake_model::{Fault, Twist};

use super::*;
use crate::script::{scripts, setting};

const NOTHING: &str = "it answered with nothing";
const ODD: &str = "something went wrong on the way";

fn once_twisted(twist: Twist) -> Step {
    once(ALL, Fault::Twisted(twist))
}

fn always_twisted(twist: Twist) -> Step {
    always(ALL, Fault::Twisted(twist))
}

scripts! {
    an_answer_byte_by_byte_is_put_together:
        once_twisted(Twist::ByteByByte) => answered(ALL, 1);

    an_answer_of_another_media_type_is_taken_for_what_was_asked:
        once_twisted(Twist::Mislabelled) => answered(ALL, 1);

    an_answer_in_another_form_than_asked_is_taken:
        once_twisted(Twist::OtherForm) => answered(ALL, 1);

    signs_of_life_before_an_answer_are_passed_over:
        once_twisted(Twist::KeepAlives) => answered(ALL, 1);

    an_answer_cut_in_mid_line_is_asked_for_again:
        once_twisted(Twist::CutInLine) => answered(ALL, 2);

    an_answer_cut_inside_a_character_is_asked_for_again:
        once_twisted(Twist::CutInCharacter) => answered(ALL, 2);

    an_answer_cut_each_time_is_never_shown_in_half:
        always_twisted(Twist::CutInCharacter) => sentence(ALL, 2, "cannot be reached");

    a_stream_that_ends_before_its_answer_is_asked_for_again:
        once_twisted(Twist::NoEnd) => answered(ALL, 2);

    a_stream_that_falls_silent_is_given_up_and_asked_for_again:
        once(STREAMS, Fault::StalledStream) => answered(STREAMS, 2);

    a_stream_that_falls_silent_each_time_is_never_shown_in_half:
        always(STREAMS, Fault::StalledStream) => sentence(STREAMS, 2, "did not answer in time");

    an_error_in_the_middle_of_a_stream_voids_what_came_before:
        once_twisted(Twist::ErrorHalfway) => answered(ALL, 2);

    an_error_in_the_middle_of_every_stream_is_told_of:
        always_twisted(Twist::ErrorHalfway) => sentence(ALL, 2, "cannot be reached");

    an_error_inside_a_200_is_an_error:
        always_twisted(Twist::ErrorAlone) => sentence(ALL, 2, "cannot be reached");

    json_that_breaks_in_the_middle_voids_what_came_before:
        once_twisted(Twist::BadJsonHalfway) => answered(ALL, 2);

    json_that_breaks_each_time_is_told_of:
        always_twisted(Twist::BadJsonHalfway) => sentence(ALL, 2, ODD);

    a_line_without_end_is_refused_at_its_cap:
        always_twisted(Twist::HugeLine) => sentence(ALL, 1, ODD);

    an_answer_without_end_is_cut_and_says_so:
        always(STREAMS, Fault::Twisted(Twist::Endless)), setting("/agent/max_reply_bytes", json!(1_000))
        => said(STREAMS, 1, |_, text| text.starts_with("xxx") && text.contains("longer than I can take"));

    a_whole_answer_without_end_is_refused_at_its_cap:
        always(WHOLES, Fault::Twisted(Twist::Endless)) => sentence(WHOLES, 1, ODD);

    an_answer_that_trickles_past_its_time_is_given_up:
        always(STREAMS, Fault::Twisted(Twist::Trickle)), setting("/agent/turn_timeout", json!("2s"))
        => sentence(STREAMS, 1, "did not answer in time");

    a_whole_answer_that_trickles_is_given_up:
        always(WHOLES, Fault::Twisted(Twist::Trickle)) => sentence(WHOLES, 2, "did not answer in time");

    an_answer_of_nothing_is_told_of:
        always(ALL, Fault::Empty) => sentence(ALL, 1, NOTHING);

    an_answer_of_white_space_is_told_of:
        always_twisted(Twist::WhiteSpace) => sentence(ALL, 1, NOTHING);

    thoughts_without_an_answer_are_told_of:
        always_twisted(Twist::OnlyReasoning) => sentence(ALL, 1, NOTHING);

    thoughts_before_an_answer_are_not_shown:
        once_twisted(Twist::ReasoningFirst) => answered(ALL, 1);

    a_call_of_a_tool_that_nobody_can_run_is_told_of:
        always(ALL, Fault::OnlyToolCall) => sentence(ALL, 1, "it gave no answer to this");

    an_answer_that_a_filter_held_back_is_told_of:
        always(FILTERED, Fault::Twisted(Twist::ContentFilter)) => sentence(FILTERED, 1, "its rules do not let it");

    an_answer_at_the_limit_of_tokens_says_so:
        once_twisted(Twist::Length)
        => said(ALL, 1, |wire, text| text.starts_with(&wire.answer()) && text.contains("limit of tokens"));
}
