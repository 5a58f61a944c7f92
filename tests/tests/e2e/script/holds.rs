//! What can be asked of a script's end.

use std::time::Duration;

use miniclaw_tests::fake_telegram::{Call, Ledger};

use super::{Hold, PROBE, PROBE_TEXT, Stage};
use crate::phrases::DEAD_LETTER;
use crate::setup::{first_answers, line, reply, texts};

fn checked(check: impl Fn(&Stage) + 'static) -> Hold {
    Hold::new(|_| {}, check)
}

/// Each of these messages was answered in its chat, exactly once and in this order, and nothing else was said.
pub(crate) fn answered<const N: usize>(chat: i64, messages: [&'static str; N]) -> Hold {
    let replies = messages
        .iter()
        .enumerate()
        .map(|(index, text)| reply(text, index));
    sent(chat, replies.collect::<Vec<_>>())
}

/// Exactly these texts stand in a chat.
pub(crate) fn sent<S: Into<String>>(chat: i64, expected: impl IntoIterator<Item = S>) -> Hold {
    let expected: Vec<String> = expected.into_iter().map(Into::into).collect();
    let n = expected.len();
    Hold {
        wait: Box::new(move |stage| drop(stage.world.telegram.wait_for_replies_to(chat, n))),
        check: Box::new(move |stage| assert_eq!(texts(&stage.world.telegram.sent_to(chat)), expected)),
    }
}

/// Every message of a flood was answered exactly once, in order within its chat.
pub(crate) fn flood_answered(chats: std::ops::Range<i64>, each: usize) -> Hold {
    let again = chats.clone();
    Hold {
        wait: Box::new(move |stage| {
            // Each part has a deadline of its own: a busy machine takes its time for thousands.
            for part in (0..chats.clone().count() * each).step_by(500) {
                let come = move |ledger: &Ledger| (ledger.sent.len() >= part).then_some(());
                stage.world.telegram.wait("the next 500 answers", come);
            }
            stage.world.wait_for_flood(chats.clone(), each);
        }),
        check: Box::new(move |stage| {
            for chat in again.clone() {
                let expected: Vec<String> = (0..each).map(|index| line(chat, index)).collect();
                let sent = stage.world.telegram.sent_to(chat);
                assert_eq!(first_answers(&sent), expected);
                assert_eq!(sent.len(), each);
            }
        }),
    }
}

/// The text of a chat's messages, joined, is this but for white space, and none is longer than Telegram takes.
pub(crate) fn joined(chat: i64, expected: impl Into<String>) -> Hold {
    let bare = |text: &str| -> String { text.split_whitespace().collect() };
    let expected = bare(&expected.into());
    let length = expected.len();
    Hold {
        wait: Box::new(move |stage| {
            stage.world.telegram.wait("the whole of a long reply", |ledger| {
                let sent = ledger.sent_to(chat);
                let so_far: usize = sent.iter().map(|sent| bare(&sent.text).len()).sum();
                (so_far >= length).then_some(())
            });
        }),
        check: Box::new(move |stage| {
            let sent = stage.world.telegram.sent_to(chat);
            assert!(sent.iter().all(|sent| sent.text.encode_utf16().count() <= 4096));
            assert!(bare(&texts(&sent).concat()) == expected, "{:?}", texts(&sent));
        }),
    }
}

/// Nothing was said in a chat.
pub(crate) fn silent(chat: i64) -> Hold {
    checked(move |stage| assert_eq!(texts(&stage.world.telegram.sent_to(chat)), [""; 0]))
}

/// The model was asked exactly this, in any order.
pub(crate) fn asked<const N: usize>(mut expected: [&'static str; N]) -> Hold {
    expected.sort_unstable();
    Hold {
        wait: Box::new(|stage| drop(stage.world.model.wait_for_requests(N))),
        check: Box::new(move |stage| {
            let asked = stage.world.model.asked();
            let texts = asked.iter().map(|asked| asked.last_user());
            let mut texts: Vec<&str> = texts.filter(|text| *text != PROBE_TEXT).collect();
            texts.sort_unstable();
            assert_eq!(texts, expected);
        }),
    }
}

/// Exactly one line of the log holds this.
pub(crate) fn told_once(needle: &'static str) -> Hold {
    checked(move |stage| {
        let lines = stage.lines_with(needle);
        assert_eq!(lines.len(), 1, "`{needle}` in\n{}", stage.log);
    })
}

/// No line of the log holds this.
pub(crate) fn untold(needle: &'static str) -> Hold {
    checked(move |stage| assert_eq!(stage.lines_with(needle), [""; 0]))
}

/// One reply became a dead letter.
pub(crate) fn dead_letter() -> Hold {
    told_once(DEAD_LETTER)
}

/// Telegram has nothing left that is not confirmed.
pub(crate) fn confirmed() -> Hold {
    checked(|stage| assert_eq!(stage.world.telegram.unconfirmed(), 0))
}

/// How often a message to a chat was tried.
pub(crate) fn tried(chat: i64, n: usize) -> Hold {
    checked(move |stage| assert_eq!(sends(stage, chat).len(), n, "{:?}", sends(stage, chat)))
}

/// How often a method other than `getUpdates` was called, the last message's own calls left out.
pub(crate) fn called(method: &'static str, n: usize) -> Hold {
    checked(move |stage| {
        let calls = stage.world.telegram.ledger().calls_of(method);
        let own = calls.iter().filter(|call| call.chat != Some(PROBE));
        assert_eq!(own.count(), n, "{method}");
    })
}

/// The second try of a message to a chat came no sooner than this after the first.
pub(crate) fn tried_again_after(chat: i64, wait: Duration) -> Hold {
    checked(move |stage| {
        let calls = sends(stage, chat);
        assert!(calls[1].at - calls[0].at >= wait, "{calls:?}");
    })
}

/// The second poll came no sooner than this after the first.
pub(crate) fn polled_again_after(wait: Duration) -> Hold {
    checked(move |stage| {
        let polls = stage.world.telegram.ledger().polls;
        assert!(polls[1].at - polls[0].at >= wait, "{polls:?}");
    })
}

/// The first message in one chat came before the first one in another.
pub(crate) fn sooner(chat: i64, than: i64) -> Hold {
    checked(move |stage| {
        let first = |chat| stage.world.telegram.sent_to(chat)[0].at;
        assert!(first(chat) < first(than));
    })
}

/// The first attempt at a message in one chat came no sooner than this after the first one in another.
pub(crate) fn held_up(chat: i64, by: i64, wait: Duration) -> Hold {
    checked(move |stage| {
        let (held, told) = (sends(stage, chat), sends(stage, by));
        assert!(held[0].at - told[0].at >= wait, "{told:?} {held:?}");
    })
}

fn sends(stage: &Stage, chat: i64) -> Vec<Call> {
    let calls = stage.world.telegram.ledger().calls_of("sendMessage");
    calls.into_iter().filter(|call| call.chat == Some(chat)).collect()
}
