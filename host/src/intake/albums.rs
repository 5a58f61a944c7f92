//! Albums come as several messages, of which one alone has the caption: who speaks to the bot in it means all of them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{ChatRef, InboundMessage};

use super::ID_BYTES;

/// Parts of an album arrive within this, also where a batch ends between them.
const REMEMBERED: Duration = Duration::from_secs(60);
/// More albums are not remembered; the oldest one is forgotten, and parts that still come then are ignored.
const MOST: usize = 256;

/// Who sent what in which chat.
#[derive(Clone, PartialEq, Eq)]
struct Album {
    chat: ChatRef,
    sender: String,
    group: String,
}

impl Album {
    fn of(message: &InboundMessage) -> Option<Self> {
        let (group, sender) = (message.group_id.as_ref()?, &message.sender.id);
        (group.len() <= ID_BYTES && sender.len() <= ID_BYTES).then(|| Self {
            chat: message.chat.clone(),
            sender: sender.clone(),
            group: group.clone(),
        })
    }
}

/// Albums that were taken, in which the bot is mentioned; the oldest first.
#[derive(Default)]
pub(crate) struct Albums(Mutex<VecDeque<(Album, Instant)>>);

impl Albums {
    /// Lets a mention in one part count for all parts of the batch, and one that was taken for those that follow. Parts
    /// in a batch before the one with the mention were ignored, and nobody hands them over again.
    pub(super) fn address(&self, messages: &mut [InboundMessage], now: Instant) {
        let mentioning = messages.iter().filter(|message| message.mentions_me);
        let here: Vec<Album> = mentioning.filter_map(Album::of).collect();
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |(_, then): &&(Album, Instant)| now.saturating_duration_since(*then) < REMEMBERED;
        for message in messages.iter_mut().filter(|message| !message.mentions_me) {
            let Some(album) = Album::of(message) else { continue };
            let mut earlier = taken.iter().filter(fresh);
            message.mentions_me = here.contains(&album) || earlier.any(|(other, _)| *other == album);
        }
    }

    /// Part of an album was taken.
    pub(super) fn taken(&self, message: &InboundMessage, now: Instant) {
        let Some(album) = Album::of(message).filter(|_| message.mentions_me) else {
            return;
        };
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|(other, then)| *other != album && now.saturating_duration_since(*then) < REMEMBERED);
        if taken.len() >= MOST {
            taken.pop_front();
        }
        taken.push_back((album, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: &str, sender: &str, group: &str, mentions_me: bool) -> InboundMessage {
        let mut part = InboundMessage::new("-100", id, sender, "");
        (part.group_id, part.mentions_me) = (Some(group.into()), mentions_me);
        part
    }

    fn addressed(albums: &Albums, mut messages: Vec<InboundMessage>, now: Instant) -> Vec<bool> {
        albums.address(&mut messages, now);
        messages.iter().map(|message| message.mentions_me).collect()
    }

    #[test]
    fn a_mention_counts_for_all_parts_of_its_album_in_the_batch_and_for_no_others() {
        let mut elsewhere = part("5", "42", "g", false);
        elsewhere.chat.thread = Some("7".into());
        let batch = vec![
            part("1", "42", "g", false),
            part("2", "42", "g", true),
            part("3", "42", "g", false),
            part("4", "43", "g", false),
            elsewhere,
            part("6", "42", "h", false),
            InboundMessage::new("-100", "7", "42", ""),
        ];
        let expected = [true, true, true, false, false, false, false];
        assert_eq!(addressed(&Albums::default(), batch, Instant::now()), expected);
    }

    #[test]
    fn parts_in_later_batches_follow_a_mention_that_was_taken_for_a_minute() {
        let (albums, start) = (Albums::default(), Instant::now());
        let later = |now| addressed(&albums, vec![part("2", "42", "g", false)], now) == [true];
        assert!(!later(start));
        albums.taken(&part("1", "42", "h", true), start);
        albums.taken(&part("1", "42", "g", false), start);
        assert!(!later(start));
        albums.taken(&part("1", "42", "g", true), start);
        assert!(later(start + REMEMBERED - Duration::from_secs(1)) && !later(start + REMEMBERED));
    }

    #[test]
    fn no_more_albums_are_remembered_than_there_is_room_for() {
        let (albums, start) = (Albums::default(), Instant::now());
        for group in 0..MOST + 3 {
            albums.taken(&part("1", "42", &group.to_string(), true), start);
        }
        let batch = [2, 3, MOST + 2].map(|group| part("2", "42", &group.to_string(), false));
        assert_eq!(addressed(&albums, batch.into(), start), [false, true, true]);
    }
}
