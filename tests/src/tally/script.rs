//! What people and the model say.

/// Every so many messages the answer has two parts.
const LONG_EVERY: u32 = 8;
/// A part of a long answer is this long: one fits into a message of Telegram, two do not.
const LONG_PART: usize = 2_500;

/// A person's message.
pub fn question(chat: i64, index: u32) -> String {
    format!("question {index} of {chat}")
}

/// The model's answer to it.
pub fn answer(chat: i64, index: u32) -> String {
    let first = place(index);
    let part = |place: u32| format!("answer {place} of {chat}");
    if parts(index) == 1 {
        return part(first);
    }
    let padded = |place| {
        let mut text = format!("{} and", part(place));
        while text.len() < LONG_PART {
            text.push_str(" so on");
        }
        text
    };
    format!("{}\n\n{}", padded(first), padded(first + 1))
}

/// Parts of the answer to a message.
pub(super) fn parts(index: u32) -> u32 {
    if index % LONG_EVERY == LONG_EVERY - 1 {
        2
    } else {
        1
    }
}

/// The place of an answer's first part in its chat's order.
pub(super) fn place(index: u32) -> u32 {
    index + index / LONG_EVERY
}

/// Chat and index of a message.
pub(super) fn read_question(text: &str) -> Option<(i64, u32)> {
    let (index, chat) = text.strip_prefix("question ")?.split_once(" of ")?;
    Some((chat.trim().parse().ok()?, index.parse().ok()?))
}

/// The place that a part of an answer names; `None` where it is none, or one for another chat.
pub(super) fn read_answer(chat: i64, text: &str) -> Option<u32> {
    let mut words = text.strip_prefix("answer ")?.split_whitespace();
    let place = words.next()?.parse().ok()?;
    let named = words.nth(1)?.parse::<i64>().ok()?;
    (named == chat).then_some(place)
}
