//! Compares what people were told with what they asked, message by message, across many lives of the gateway, in
//! memory that does not grow with the number of messages.
//!
//! A person's messages are numbered in each chat. An answer has one or two parts, so that each part has its own
//! place in the chat's order. Sends of one chat go out one by one: at a kill only a chat's last one can be in flight,
//! and is so if Telegram had accepted it, or was about to, and the gateway had not written that down. The fake cannot
//! see the latter; it sees the send's age, which is the time that the gateway had for it.

mod chat;
mod script;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::watched::Watched;

use chat::{Arrival, Chat};
pub use script::{answer, question};

/// The tally. Fakes write into it, the program reads it.
#[derive(Debug, Default)]
pub struct Tally(Watched<State>);

#[derive(Debug, Default)]
struct State {
    chats: HashMap<i64, Chat>,
    /// Lives of the gateway so far that ended.
    life: u32,
    counts: Counts,
    /// Of each life that a kill ended.
    kills: Vec<Kill>,
}

/// What happened, in numbers.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub asked: u64,
    /// Parts of answers that are due for them.
    pub due: u64,
    /// Parts that arrived, each counted once.
    pub arrived: u64,
    /// Parts that a later one overtook.
    pub reordered: u64,
    /// Parts that arrived again without a kill since, or although they were not the chat's last one at it.
    pub unexplained: u64,
    /// Requests to the model.
    pub calls: u64,
    /// Requests about a message that was answered before, or is being answered in the same life.
    pub needless_calls: u64,
    /// Sends that answer nothing, with the last one's text.
    pub foreign: u64,
    pub foreign_text: String,
}

/// One kill.
#[derive(Debug, Clone, Default)]
pub struct Kill {
    /// Sends so young that they may have been in flight.
    pub in_flight: u32,
    /// Sends that were repeated afterwards, each with its age at the kill.
    pub repeated: Vec<Duration>,
}

impl Tally {
    /// Notes that a person asks once more in this chat; returns what they write.
    pub fn ask(&self, chat: i64) -> String {
        self.0.change(|state| {
            let index = state.chats.entry(chat).or_default().ask();
            state.counts.asked += 1;
            state.counts.due += u64::from(script::parts(index));
            question(chat, index)
        })
    }

    /// Notes a request to the model and answers it.
    pub fn call(&self, asked: &str) -> String {
        let Some((chat, index)) = script::read_question(asked) else {
            return format!("I was asked {asked:?}");
        };
        self.0.change(|state| {
            let life = state.life;
            state.counts.calls += 1;
            if !state.chats.entry(chat).or_default().called(index, life) {
                state.counts.needless_calls += 1;
            }
        });
        answer(chat, index)
    }

    /// Notes a message that the bot sent.
    pub fn sent(&self, chat: i64, text: &str) {
        self.0.change(|state| match script::read_answer(chat, text) {
            Some(place) => state.arrived(chat, place),
            None => {
                state.counts.foreign += 1;
                text.clone_into(&mut state.counts.foreign_text);
            }
        });
    }

    /// Notes that a kill at `at` ended a life, and counts its sends that are not older than `window`; called when
    /// nothing of that life can arrive any more.
    pub fn killed(&self, at: Instant, window: Duration) {
        self.0.change(|state| {
            let (life, kill) = (state.life, state.kills.len());
            let in_flight = state
                .chats
                .values_mut()
                .filter_map(|chat| chat.killed(life, kill, at))
                .filter(|age| *age <= window)
                .count();
            state.kills.push(Kill {
                in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
                repeated: Vec::new(),
            });
            state.life += 1;
        });
    }

    /// Notes that a life ended by itself: nothing may be repeated for it.
    pub fn stopped(&self) {
        self.0.change(|state| state.life += 1);
    }

    pub fn counts(&self) -> Counts {
        self.0.lock().counts.clone()
    }

    pub fn kills(&self) -> Vec<Kill> {
        self.0.lock().kills.clone()
    }

    /// Parts that are due and did not arrive.
    pub fn missing(&self) -> u64 {
        let state = self.0.lock();
        state.counts.due - state.counts.arrived
    }

    /// Waits until at most `left` parts are missing; false where nothing arrived for `patience`.
    pub fn wait_until_missing(&self, left: u64, patience: Duration) -> bool {
        loop {
            let before = self.missing();
            let look = |state: &State| {
                let missing = state.counts.due - state.counts.arrived;
                (missing <= left || missing < before).then_some(missing <= left)
            };
            match self.0.wait(patience, look) {
                Some(true) => return true,
                Some(false) => {}
                None => return false,
            }
        }
    }

    /// Some of the missing parts, for whoever looks for them.
    pub fn missing_places(&self) -> Vec<String> {
        let state = self.0.lock();
        let places = state.chats.iter().filter_map(|(id, chat)| {
            let missing = chat.missing();
            (!missing.is_empty()).then(|| format!("chat {id}: places {missing:?}"))
        });
        places.take(10).collect()
    }
}

impl State {
    fn arrived(&mut self, chat: i64, place: u32) {
        let life = self.life;
        match self
            .chats
            .entry(chat)
            .or_default()
            .arrived(place, life, Instant::now())
        {
            Arrival::First => self.counts.arrived += 1,
            Arrival::Early(skipped) => {
                self.counts.arrived += 1;
                self.counts.reordered += u64::from(skipped);
            }
            Arrival::Late => self.counts.arrived += 1,
            Arrival::Again { kill, age } => self.kills[kill].repeated.push(age),
            Arrival::Unexplained => self.counts.unexplained += 1,
        }
    }
}

#[cfg(test)]
mod tests;
