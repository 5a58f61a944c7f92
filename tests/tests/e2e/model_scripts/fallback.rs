use miniclaw_tests::fake_model::{Fault, Twist};
use miniclaw_tests::http::Reply;

use super::*;
use crate::script::*;

const FIRST: &str = "first-model";
const SECOND: &str = "second-model";
const THIRD: &str = "third-model";
const HI: &str = "re: hi [n=1]";

/// A conversation that asks three providers in turn, each with a model of its own; the third speaks Ollama's
/// protocol.
fn three_providers() -> Step {
    given(|stage| {
        configure(stage);
        for (name, model, wire) in [
            ("first", FIRST, STREAMED),
            ("second", SECOND, WHOLE),
            ("third", THIRD, OLLAMA),
        ] {
            let mut provider = wire.provider(&stage.world.model);
            provider["settings"]["model"] = json!(model);
            stage.set(&format!("/providers/{name}"), provider);
        }
        let route = json!([{ "channel": "telegram", "chat": 7, "provider": "first", "fallback": ["second", "third"] }]);
        stage.set("/routes", route);
    })
}

fn fails_with(model: &'static str, fault: Fault) -> Step {
    given(move |stage| stage.world.model.fail_model(model, fault))
}

/// Nothing listens where the provider is looked for.
fn nobody_at(provider: &'static str) -> Step {
    given(move |stage| {
        stage.set(
            &format!("/providers/{provider}/settings/base_url"),
            json!("http://127.0.0.1:9"),
        )
    })
}

/// The models that were asked for the answer to `hi`, in order.
fn models<const N: usize>(expected: [&'static str; N]) -> Hold {
    Hold::new(
        |_| {},
        move |stage| {
            let asked = stage.world.model.asked();
            let asked = asked.iter().filter(|asked| asked.last_user() == "hi");
            assert_eq!(
                asked.map(|asked| asked.model.as_str()).collect::<Vec<_>>(),
                expected
            );
        },
    )
}

fn one_sentence(part: &'static str) -> Hold {
    Hold::new(
        |stage| drop(stage.world.telegram.wait_for_replies_to(7, 1)),
        move |stage| {
            let sent = stage.world.telegram.sent_to(7);
            assert!(sent.len() == 1 && sent[0].text.contains(part), "{sent:?}");
        },
    )
}

/// Waits until the model was asked `n` times.
fn until_asked(n: usize) -> Step {
    then(move |stage| drop(stage.world.model.wait_for_requests(n)))
}

fn faults_end() -> Step {
    given(|stage| stage.world.model.clear_faults())
}

scripts! {
    fallbacks_are_asked_in_order_each_for_its_own_model:
        three_providers(), fails_with(FIRST, Fault::status(500)), fails_with(SECOND, Fault::status(401)), says(7, "hi")
        => sent(7, [HI]), models([FIRST, FIRST, SECOND, THIRD]);

    a_failure_for_good_leads_to_the_fallback_at_once:
        three_providers(), fails_with(FIRST, Fault::status(403)), says(7, "hi") => sent(7, [HI]), models([FIRST, SECOND]);

    a_wait_that_is_longer_than_the_turn_leads_to_the_fallback_at_once:
        three_providers(), fails_with(FIRST, Fault::too_many(86_400)), says(7, "hi") => sent(7, [HI]), models([FIRST, SECOND]);

    an_answer_over_the_cap_leads_to_the_fallback:
        three_providers(), fails_with(FIRST, Fault::Twisted(Twist::HugeLine)), says(7, "hi")
        => sent(7, [HI]), models([FIRST, SECOND]);

    an_answer_of_nothing_leads_to_the_fallback:
        three_providers(), fails_with(FIRST, Fault::Empty), says(7, "hi") => sent(7, [HI]), models([FIRST, SECOND]);

    half_of_an_answer_is_not_mixed_into_the_fallbacks:
        three_providers(), fails_with(FIRST, Fault::Twisted(Twist::ErrorHalfway)),
        fails_with(SECOND, Fault::Twisted(Twist::CutInLine)), says(7, "hi")
        => sent(7, [HI]), models([FIRST, FIRST, SECOND, SECOND, THIRD]);

    a_server_that_is_not_there_leads_to_the_fallback:
        three_providers(), nobody_at("first"), says(7, "hi") => sent(7, [HI]), models([SECOND]);

    a_server_that_swallows_requests_leads_to_the_fallback:
        three_providers(), setting("/agent/first_chunk_timeout", json!("500ms")), fails_with(FIRST, Fault::Hang),
        fails_with(SECOND, Fault::Answer(Reply::slow_head())), says(7, "hi")
        => sent(7, [HI]), models([FIRST, FIRST, SECOND, SECOND, THIRD]);

    where_all_fail_the_last_ones_reason_is_told_once:
        three_providers(), nobody_at("second"), fails_with(FIRST, Fault::status(500)), fails_with(THIRD, Fault::status(401)),
        says(7, "hi")
        => one_sentence("my operator has to renew"), models([FIRST, FIRST, THIRD]);

    servers_that_are_not_there_are_told_of_once:
        three_providers(), nobody_at("first"), nobody_at("second"), nobody_at("third"), says(7, "hi")
        => one_sentence("cannot be reached"), models([]);

    the_time_of_a_turn_counts_for_all_providers_together:
        three_providers(), setting("/agent/turn_timeout", json!("1s")), setting("/agent/first_chunk_timeout", json!("1m")),
        fails_with(FIRST, Fault::Hang), says(7, "hi")
        => one_sentence("did not answer in time"), models([FIRST]);

    a_stop_in_the_middle_of_a_stream_resumes_the_turn_after_the_start:
        three_providers(), setting("/gateway/shutdown_timeout", json!("100ms")), setting("/agent/idle_timeout", json!("1m")),
        fails_with(FIRST, Fault::StalledStream), says(7, "hi"), until_asked(1), stops_with(143), faults_end()
        => sent(7, [HI]), models([FIRST, FIRST]);

    a_kill_in_the_middle_of_a_stream_resumes_the_turn_after_the_start:
        three_providers(), fails_with(FIRST, Fault::Twisted(Twist::Trickle)), says(7, "hi"), until_asked(1), is_killed(), faults_end()
        => sent(7, [HI]), models([FIRST, FIRST]);
}
