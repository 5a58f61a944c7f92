//! Lines that say what has no text: contacts, polls, forwards.

use crate::inbound::sender::full_name;
use crate::update::content::{Checklist, Contact, Extras, Line, Media, Origin, Poll, Venue};

/// Longest name in a line of ours, in characters.
const NAME_CAP: usize = 100;

/// What a message says without a text and without a file.
pub(super) fn line(extras: &Extras, media: &Media) -> Option<String> {
    let contact = extras.contact.as_ref().map(contact);
    let venue = || extras.venue.as_ref().map(venue);
    let poll = || extras.poll.as_ref().and_then(poll);
    let dice = || {
        let dice = extras.dice.as_ref()?;
        Some(format!("[dice {}: {}]", plain(&dice.emoji), dice.value))
    };
    let game = || {
        let game = extras.game.as_ref()?;
        Some(format!("[game: {}]", plain(&game.title)))
    };
    let tasks = || extras.checklist.as_ref().map(checklist);
    let sticker = || {
        let sticker = media.sticker.as_ref()?;
        let emoji = sticker.emoji.as_deref().filter(|_| sticker.file_id.is_none())?;
        Some(format!("[sticker {}]", plain(emoji)))
    };
    contact
        .or_else(venue)
        .or_else(poll)
        .or_else(dice)
        .or_else(game)
        .or_else(tasks)
        .or_else(sticker)
}

/// The first line of a forwarded message.
pub(super) fn forwarded(origin: &Origin) -> String {
    let user = origin.sender_user.as_ref().map(full_name);
    let hidden = || origin.sender_user_name.clone();
    let chat = || {
        origin
            .chat
            .as_ref()
            .or(origin.sender_chat.as_ref())
            .and_then(|chat| chat.title.clone())
    };
    let name = user.or_else(hidden).or_else(chat).unwrap_or_default();
    match plain(&name).as_str() {
        "" => "[forwarded]".to_owned(),
        name => format!("[forwarded from {name}]"),
    }
}

fn contact(contact: &Contact) -> String {
    let last = contact.last_name.as_deref().unwrap_or_default();
    let name = format!("{} {last}", contact.first_name);
    format!("[contact: {}, {}]", plain(&name), plain(&contact.phone_number))
}

fn venue(venue: &Venue) -> String {
    format!("[venue: {}, {}]", plain(&venue.title), plain(&venue.address))
}

fn poll(poll: &Poll) -> Option<String> {
    let question = poll.question.trim();
    (!question.is_empty()).then(|| format!("[poll: {question}]{}", list(&poll.options)))
}

fn checklist(checklist: &Checklist) -> String {
    format!(
        "[checklist: {}]{}",
        plain(&checklist.title),
        list(&checklist.tasks)
    )
}

fn list(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("\n- {}", line.text)).collect()
}

/// A name in one line that cannot end the brackets around it.
fn plain(name: &str) -> String {
    let words = name.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    line.replace('[', "(")
        .replace(']', ")")
        .chars()
        .take(NAME_CAP)
        .collect()
}
