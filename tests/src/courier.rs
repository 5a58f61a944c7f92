//! A platform that behaves as real ones do: what a channel did not confirm it hands over again, to whoever receives
//! next. It counts what became of every message.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::watched::{DEADLINE, Watched};

/// Conversations that messages are spread over.
const CHATS: usize = 20;

/// A port of the loopback interface that channels of the fixture `loopback` connect to. Message `n` has the id `n` and the
/// text `m<n>`; its answer is one that ends with that.
pub struct Courier {
    address: SocketAddr,
    shared: Arc<Watched<State>>,
}

/// What became of all messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    pub delivered: usize,
    /// Accepted, or known from before.
    pub confirmed: usize,
    /// Of those the ones that were handed over before, and taken by then.
    pub again: usize,
    /// Neither accepted nor known.
    pub refused: usize,
    /// Messages with an answer.
    pub answered: usize,
    /// Accepted more than once, or answered more than once or to nothing.
    pub doubled: usize,
}

#[derive(Default)]
struct State {
    /// The connection whose channel was told last to receive.
    receiver: Option<TcpStream>,
    messages: Vec<Message>,
    unconfirmed: BTreeSet<usize>,
    calls: Vec<String>,
    account: Account,
    waits: Vec<Duration>,
}

struct Message {
    delivered: Instant,
    accepted: bool,
    answered: bool,
}

impl Courier {
    /// Listens on a free port.
    ///
    /// # Panics
    /// Where there is none.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Watched::new(State::default()));
        let state = shared.clone();
        // Both kinds of threads end with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                std::thread::spawn(move || read(stream, &state));
            }
        });
        Self { address, shared }
    }

    /// What the fixture's setting `platform` has to be.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Hands over the next message.
    pub fn deliver(&self) {
        self.shared.change(|state| {
            let number = state.messages.len();
            state.messages.push(Message {
                delivered: Instant::now(),
                accepted: false,
                answered: false,
            });
            state.unconfirmed.insert(number);
            state.account.delivered += 1;
            state.hand_over(number);
        });
    }

    /// What became of all messages so far.
    pub fn account(&self) -> Account {
        self.shared.lock().account
    }

    /// How often the host called a method.
    pub fn calls(&self, name: &str) -> usize {
        self.shared.lock().calls(name)
    }

    /// Waits until the host has called a method `n` times.
    ///
    /// # Panics
    /// At the deadline.
    pub fn wait_for_calls(&self, name: &str, n: usize) {
        let calls = self
            .shared
            .wait(DEADLINE, |state| (state.calls(name) >= n).then_some(()));
        calls.unwrap_or_else(|| panic!("{n} calls of `{name}` did not happen within {DEADLINE:?}"));
    }

    /// Waits until every message has its verdict and its answer, and for the deadline at most; what is missing then is in
    /// the account.
    pub fn wait_for_answers(&self) -> Account {
        let all = |state: &State| {
            let done = state.account.answered == state.messages.len() && state.unconfirmed.is_empty();
            done.then_some(())
        };
        let _ = self.shared.wait(DEADLINE, all);
        self.account()
    }

    /// How long each message waited for its answer since this was asked last.
    pub fn take_waits(&self) -> Vec<Duration> {
        std::mem::take(&mut self.shared.lock().waits)
    }
}

impl Account {
    /// Whether every message was taken and answered, once.
    pub fn is_exact(&self) -> bool {
        let Self {
            delivered,
            confirmed,
            refused,
            answered,
            doubled,
            ..
        } = *self;
        confirmed == delivered && answered == delivered && refused == 0 && doubled == 0
    }
}

fn read(stream: TcpStream, state: &Watched<State>) {
    let answers = stream.try_clone().expect("a socket can be cloned");
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let line: Value = serde_json::from_str(&line).unwrap_or_default();
        state.change(|state| state.hear(&line, &answers));
    }
}

impl State {
    fn hear(&mut self, line: &Value, answers: &TcpStream) {
        if let Some(call) = line["call"].as_str() {
            self.calls.push(call.to_owned());
            if call == "receive" {
                self.receiver = answers.try_clone().ok();
                let unconfirmed: Vec<usize> = self.unconfirmed.iter().copied().collect();
                unconfirmed.into_iter().for_each(|number| self.hand_over(number));
            }
        } else if let Some(verdict) = line["verdict"].as_str() {
            self.confirm(verdict, line["id"].as_str().and_then(|id| id.parse().ok()));
        } else if let Some(text) = line["send"]["parts"][0]["text"].as_str() {
            let number = text.rsplit_once('m').and_then(|(_, number)| number.parse().ok());
            self.answer(number);
        }
    }

    /// One that nobody reads is handed over again to the next one that receives.
    fn hand_over(&mut self, number: usize) {
        let chat = (number % CHATS).to_string();
        let message = json!({ "id": number.to_string(), "chat": { "id": chat }, "sender": { "id": "42" },
            "parts": [{ "type": "text", "text": format!("m{number}") }] });
        if let Some(receiver) = &mut self.receiver
            && receiver.write_all(format!("{message}\n").as_bytes()).is_err()
        {
            self.receiver = None;
        }
    }

    /// Verdicts on two connections may come in another order than they were given in.
    fn confirm(&mut self, verdict: &str, number: Option<usize>) {
        let first = number.is_some_and(|number| self.unconfirmed.remove(&number));
        let message = number.and_then(|number| self.messages.get_mut(number));
        match (verdict, message) {
            ("accepted", Some(message)) => {
                self.account.confirmed += usize::from(first);
                self.account.doubled += usize::from(std::mem::replace(&mut message.accepted, true));
            }
            ("duplicate", Some(_)) => {
                self.account.confirmed += usize::from(first);
                self.account.again += 1;
            }
            _ => self.account.refused += 1,
        }
    }

    fn answer(&mut self, number: Option<usize>) {
        match number.and_then(|number| self.messages.get_mut(number)) {
            Some(message) if !message.answered => {
                message.answered = true;
                self.account.answered += 1;
                self.waits.push(message.delivered.elapsed());
            }
            _ => self.account.doubled += 1,
        }
    }

    fn calls(&self, name: &str) -> usize {
        self.calls.iter().filter(|call| *call == name).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(courier: &Courier) -> (TcpStream, impl Iterator<Item = String>) {
        let mut channel = TcpStream::connect(courier.address()).unwrap();
        channel.write_all(b"{\"call\":\"receive\"}\n").unwrap();
        let lines = BufReader::new(channel.try_clone().unwrap())
            .lines()
            .map_while(Result::ok);
        (channel, lines)
    }

    #[test]
    fn what_was_not_confirmed_goes_to_the_next_one_that_receives() {
        let courier = Courier::start();
        courier.deliver();
        courier.deliver();
        let (mut first, mut lines) = connect(&courier);
        assert!(lines.next().unwrap().contains("\"m0\""));
        first
            .write_all(b"{\"verdict\":\"accepted\",\"id\":\"0\"}\n{\"call\":\"shutdown\"}\n")
            .unwrap();
        courier.wait_for_calls("shutdown", 1);
        let (mut second, mut lines) = connect(&courier);
        assert!(lines.next().unwrap().contains("\"m1\""));
        let rest = [
            json!({ "verdict": "duplicate", "id": "1" }),
            json!({ "send": { "parts": [{ "text": "re: m0" }] } }),
            json!({ "send": { "parts": [{ "text": "re: m1" }] } }),
        ];
        rest.iter().for_each(|line| writeln!(second, "{line}").unwrap());
        let account = courier.wait_for_answers();
        assert!(account.is_exact(), "{account:?}");
        writeln!(second, "{}\n{}", rest[2], json!({ "call": "shutdown" })).unwrap();
        courier.wait_for_calls("shutdown", 2);
        assert_eq!((courier.account().doubled, courier.account().again), (1, 1));
        assert_eq!(courier.take_waits().len(), 2);
    }
}
