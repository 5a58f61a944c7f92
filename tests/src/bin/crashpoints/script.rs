//! What is said, and what must be answered.

use miniclaw_tests::fake_telegram::Sent;
use miniclaw_tests::tally;

pub(crate) const CHATS: [i64; 3] = [1, 2, 3];

/// The message whose answer takes two messages of Telegram.
pub(crate) const LONG: &str = "long";

/// One message, and how many messages stand in its chat when it is answered.
pub(crate) struct Line {
    pub(crate) chat: i64,
    pub(crate) text: &'static str,
    pub(crate) answers: usize,
}

const fn line(chat: i64, text: &'static str, answers: usize) -> Line {
    Line { chat, text, answers }
}

/// The script.
pub(crate) const LINES: [Line; 6] = [
    line(1, "one", 1),
    line(1, "/new", 2),
    line(2, LONG, 2),
    line(2, "two", 3),
    line(3, "three", 1),
    line(3, "four", 2),
];

/// What is asked after the recovery: the answers show whether the histories are whole.
pub(crate) const AFTERWARDS: [Line; 3] = [line(1, "so?", 3), line(2, "so?", 4), line(3, "so?", 3)];

/// The answer in two parts.
pub(crate) fn long_answer() -> String {
    tally::answer(2, 7)
}

fn expected(chat: i64) -> Vec<String> {
    let reply = |text: &str, n: usize| format!("re: {text} [n={n}]");
    match chat {
        1 => vec![
            reply("one", 1),
            "This is a new conversation.".to_owned(),
            reply("so?", 1),
        ],
        2 => {
            let mut texts: Vec<String> = long_answer().split("\n\n").map(str::to_owned).collect();
            texts.extend([reply("two", 3), reply("so?", 5)]);
            texts
        }
        _ => vec![reply("three", 1), reply("four", 3), reply("so?", 5)],
    }
}

/// Different messages in a chat: a repetition follows what it repeats.
pub(crate) fn distinct(sent: &[Sent], chat: i64) -> Vec<&str> {
    let mut texts: Vec<&str> = sent
        .iter()
        .filter(|sent| sent.chat == chat)
        .map(|sent| sent.text.as_str())
        .collect();
    texts.dedup();
    texts
}

/// Whether every answer came, in order, and at most one send was repeated.
pub(crate) fn judge(sent: &[Sent]) -> Result<(), String> {
    let mut different = 0;
    for chat in CHATS {
        let (got, expected) = (distinct(sent, chat), expected(chat));
        different += got.len();
        if got != expected {
            return Err(format!("chat {chat} holds {got:.60?} instead of {expected:.60?}"));
        }
    }
    let repeated = sent.len() - different;
    if repeated > 1 {
        return Err(format!(
            "{repeated} sends were repeated, and never more than one was under way"
        ));
    }
    Ok(())
}
