//! What can happen in a script.

use std::time::Duration;

use miniclaw_tests::fake_telegram::{Answer, Injection, TOKEN};
use miniclaw_tests::http::Client;
use serde_json::{Value, json};

use super::{Stage, Step};
use crate::setup::USER;

/// The chat in which something is said during an outage.
pub(crate) const OUTAGE_CHAT: i64 = 98;

/// Before a gateway runs, or while it does.
pub(crate) fn given(act: impl FnOnce(&mut Stage) + 'static) -> Step {
    Step {
        needs_gateway: false,
        act: Box::new(act),
    }
}

/// While a gateway runs.
pub(crate) fn then(act: impl FnOnce(&mut Stage) + 'static) -> Step {
    Step {
        needs_gateway: true,
        act: Box::new(act),
    }
}

/// The configuration has this value at this path.
pub(crate) fn setting(path: &'static str, value: Value) -> Step {
    given(move |stage| stage.set(path, value))
}

/// Who may write.
pub(crate) fn allowed(ids: &'static [i64]) -> Step {
    setting("/channels/telegram/allow_from", json!(ids))
}

/// Everything that those who are allowed say in these groups is answered.
pub(crate) fn in_groups(ids: &'static [i64]) -> Step {
    setting(
        "/channels/telegram/groups",
        json!({ "allow": ids, "require_mention": false }),
    )
}

/// The next `n` calls of a method of Telegram are answered with this.
pub(crate) fn fails(method: &'static str, n: u32, with: impl Into<Answer>) -> Step {
    let answer = with.into();
    given(move |stage| stage.world.telegram.on(method).times(n).answer(answer))
}

/// The next `n` messages to a chat are answered with this.
pub(crate) fn fails_in(chat: i64, n: u32, with: impl Into<Answer>) -> Step {
    fails_later_in(chat, 0, n, with)
}

/// A chat takes `first` messages; the `n` after them are answered with this.
pub(crate) fn fails_later_in(chat: i64, first: u32, n: u32, with: impl Into<Answer>) -> Step {
    let answer = with.into();
    given(move |stage| {
        let rule = stage.world.telegram.on("sendMessage").chat(chat);
        rule.skipping(first).times(n).answer(answer);
    })
}

/// The next `n` messages to a chat arrive, but the bot is answered with this.
pub(crate) fn taken_but(chat: i64, n: u32, with: impl Into<Answer>) -> Step {
    let answer = with.into();
    given(move |stage| {
        let rule = stage.world.telegram.on("sendMessage").chat(chat);
        rule.times(n).accepted().answer(answer);
    })
}

/// The next `n` calls of a method are answered as always, only later.
pub(crate) fn slow(method: &'static str, n: u32, delay: Duration) -> Step {
    given(move |stage| {
        let rule = stage.world.telegram.on(method);
        rule.times(n).after(delay).delay_only();
    })
}

/// Nothing at Telegram works until `polls` further polls have failed; then all of it does, and the next poll comes
/// within 5 s.
pub(crate) fn outage(polls: usize) -> Step {
    then(move |stage| {
        let telegram = &stage.world.telegram;
        let before = telegram.ledger().polls.len();
        telegram.on("*").answer(Answer::bad_gateway());
        // The poll under way ends with it.
        telegram.inject(OUTAGE_CHAT, USER, "are you there?");
        telegram.wait("polls in the outage", |ledger| {
            (ledger.polls.len() >= before + polls).then_some(())
        });
        telegram.clear_rules();
        let back = telegram.try_wait(Duration::from_secs(5), |ledger| {
            (ledger.polls.len() > before + polls).then_some(())
        });
        assert!(back.is_some(), "no poll within 5 s of the outage's end");
    })
}

/// Somebody who may write says something.
pub(crate) fn says(chat: i64, text: impl Into<String>) -> Step {
    let text = text.into();
    then(move |stage| {
        stage.world.telegram.inject(chat, USER, &text);
    })
}

/// What somebody said before the gateway started.
pub(crate) fn said(chat: i64, text: &'static str) -> Step {
    given(move |stage| {
        stage.world.telegram.inject(chat, USER, text);
    })
}

/// Many messages at once, `each` in every chat, round robin.
pub(crate) fn flood(chats: std::ops::Range<i64>, each: usize) -> Step {
    given(move |stage| stage.world.flood(chats, each))
}

/// A stranger says something.
pub(crate) fn stranger_says(chat: i64, text: &'static str) -> Step {
    then(move |stage| {
        let injection = Injection::text(chat, 666, text);
        stage.world.telegram.inject_to(TOKEN, &injection);
    })
}

/// An update of this kind comes.
pub(crate) fn update(kind: &'static str, body: Value) -> Step {
    raw(format!("\"{kind}\":{body}"))
}

/// An update with these members comes, which need not be valid.
pub(crate) fn raw(members: impl Into<String>) -> Step {
    let members = members.into();
    then(move |stage| stage.world.telegram.inject_raw(&members))
}

/// The next update has this id.
pub(crate) fn next_update_id(id: i64) -> Step {
    given(move |stage| stage.world.telegram.set_next_update_id(TOKEN, id))
}

/// Another program polls with the same token, once.
pub(crate) fn second_poller() -> Step {
    then(|stage| {
        let mut client = Client::connect(stage.world.telegram.url()).expect("the fake listens");
        let path = format!("/bot{TOKEN}/getUpdates");
        client.post(&path, "{\"timeout\":0}").expect("the fake answers");
    })
}

/// The model answers with this text, whatever it is asked.
pub(crate) fn model_says(text: impl Into<String>) -> Step {
    let text = text.into();
    given(move |stage| stage.world.model.answer_with(move |_| text.clone()))
}

/// The model takes this long for every answer.
pub(crate) fn model_takes(delay: Duration) -> Step {
    given(move |stage| stage.world.model.set_delay(delay))
}

/// Waits until `n` messages stand in a chat.
pub(crate) fn until_sent(chat: i64, n: usize) -> Step {
    then(move |stage| drop(stage.world.telegram.wait_for_replies_to(chat, n)))
}

/// Waits until a method other than `getUpdates` was called `n` times.
pub(crate) fn until_called(method: &'static str, n: usize) -> Step {
    then(move |stage| drop(stage.world.telegram.wait_for_calls(method, n)))
}

/// Waits until nothing at Telegram is unconfirmed.
pub(crate) fn until_confirmed() -> Step {
    then(|stage| {
        let telegram = &stage.world.telegram;
        miniclaw_tests::until("the confirmation of every update", || telegram.unconfirmed() == 0);
    })
}

/// Waits for a line of the log.
pub(crate) fn until_told(line: &'static str) -> Step {
    then(move |stage| drop(stage.gateway().wait_for_line(line)))
}

/// The gateway is stopped; the next step that needs one starts it again.
pub(crate) fn stops() -> Step {
    stops_with(0)
}

/// The same, and the status is another one.
pub(crate) fn stops_with(code: i32) -> Step {
    then(move |stage| stage.stop(code))
}

/// The gateway is killed; the next step that needs one starts it again.
pub(crate) fn is_killed() -> Step {
    then(Stage::kill)
}
