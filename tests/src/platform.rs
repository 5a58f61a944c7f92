//! The platform behind the fixture channels: they connect to it, and it writes down what they do.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::watched::{DEADLINE, Watched};

/// A port of the loopback interface that fixture channels connect to, which those in a sandbox may too.
///
/// They write JSON lines: `{"call":"start"}` for every method that the host calls, `{"verdict":"accepted","id":"1"}`
/// for every message handed over, `{"send":{…}}` for every outbound message. They read inbound messages, one a line.
/// On a connection for that alone, they ask before they misbehave: `{"ask":"segfault","at":"send","times":2}` is answered
/// by `{"do":true}` twice.
///
/// What is [posted](Platform::post) is kept and handed over again to every channel that receives, until there is a verdict
/// on it, as real platforms do; what is [delivered](Platform::deliver) is said once.
pub struct Platform {
    address: SocketAddr,
    shared: Arc<Watched<State>>,
}

#[derive(Default)]
struct State {
    lines: Vec<Value>,
    /// The channel that spoke first last.
    writer: Option<TcpStream>,
    /// Whether that one was called to receive.
    receives: bool,
    /// How often a text was answered.
    answered: HashMap<String, usize>,
    /// Messages without a verdict, by id.
    kept: Vec<(String, Value)>,
    /// Faults that were asked for and allowed.
    faults: u64,
    /// How many are allowed, beside what a channel's settings say.
    granted: Option<u64>,
    /// The process that asked last.
    asker: Option<u32>,
}

impl Platform {
    /// Listens on a free port.
    ///
    /// # Panics
    /// Where there is none.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Watched::new(State::default()));
        let state = shared.clone();
        // Both kinds of threads end with the test's process.
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

    /// Hands an inbound message to the channel that connected last.
    ///
    /// # Panics
    /// Where none is connected.
    pub fn deliver(&self, chat: &str, id: &str, sender: &str, text: &str) {
        let message = message(chat, id, sender, text);
        let mut state = self.shared.lock();
        let writer = state.writer.as_mut().expect("a channel is connected");
        writeln!(writer, "{message}").expect("the channel reads");
    }

    /// Hands over a message of user 42 until there is a verdict on it.
    pub fn post(&self, chat: &str, id: &str, text: &str) {
        let message = message(chat, id, "42", text);
        self.shared.change(|state| {
            state.kept.push((id.to_owned(), message.clone()));
            if state.receives
                && let Some(writer) = &mut state.writer
            {
                // One that has died gets it in its next life.
                let _ = writeln!(writer, "{message}");
            }
        });
    }

    /// Messages without a verdict.
    pub fn kept(&self) -> usize {
        self.shared.lock().kept.len()
    }

    /// How often `text` was answered, by the fake model's standard answer.
    pub fn answers_to(&self, text: &str) -> usize {
        answers(&self.shared.lock(), text)
    }

    /// Waits until `text` was answered.
    ///
    /// # Panics
    /// At the deadline.
    pub fn wait_for_answer(&self, text: &str) {
        self.wait(&format!("an answer to `{text}`"), |state| {
            (answers(state, text) > 0).then_some(())
        });
    }

    /// Allows `n` faults in all, those that happened included.
    pub fn grant(&self, n: u64) {
        self.shared.change(|state| state.granted = Some(n));
    }

    /// The process of the channel that asked last whether to misbehave.
    pub fn asker(&self) -> Option<u32> {
        self.shared.lock().asker
    }

    /// How often the host called a method.
    pub fn calls(&self, name: &str) -> usize {
        calls(&self.shared.lock(), name)
    }

    /// Waits until the host has called a method `n` times.
    ///
    /// # Panics
    /// At the deadline.
    pub fn wait_for_calls(&self, name: &str, n: usize) {
        self.wait(&format!("{n} calls of `{name}`"), |state| {
            (calls(state, name) >= n).then_some(())
        });
    }

    /// Waits until `n` messages were sent; returns chat and text of each.
    ///
    /// # Panics
    /// At the deadline.
    pub fn wait_for_sent(&self, n: usize) -> Vec<(String, String)> {
        self.wait(&format!("{n} messages"), |state| {
            let sent = sent(state);
            (sent.len() >= n).then_some(sent)
        })
    }

    /// Waits for the host's verdict on a message.
    ///
    /// # Panics
    /// At the deadline.
    pub fn wait_for_verdict(&self, id: &str) -> String {
        self.wait(&format!("a verdict on message {id}"), |state| {
            verdicts(state, id).next()
        })
    }

    /// The host's verdicts on a message so far.
    pub fn verdicts(&self, id: &str) -> Vec<String> {
        verdicts(&self.shared.lock(), id).collect()
    }

    /// How often a channel was told to misbehave.
    pub fn faults(&self) -> u64 {
        self.shared.lock().faults
    }

    /// Waits until that happened `n` times.
    ///
    /// # Panics
    /// At the deadline.
    pub fn wait_for_faults(&self, n: u64) {
        self.wait(&format!("{n} faults"), |state| (state.faults >= n).then_some(()));
    }

    fn wait<R>(&self, what: &str, look: impl FnMut(&State) -> Option<R>) -> R {
        self.shared.wait(DEADLINE, look).unwrap_or_else(|| {
            let lines = self.shared.lock().lines.clone();
            panic!("{what} did not happen within {DEADLINE:?}; the platform saw {lines:?}")
        })
    }
}

fn read(stream: TcpStream, state: &Watched<State>) {
    let mut answers = stream.try_clone().expect("a socket can be cloned");
    let mut speaks = false;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
        if line.get("ask").is_some() {
            let strike = state.change(|state| state.strike(line));
            // Who asked may have died of something else.
            let _ = writeln!(answers, "{}", json!({ "do": strike }));
            continue;
        }
        let first = !speaks && line.get("call").is_some();
        speaks |= first;
        state.change(|state| {
            if first {
                state.writer = answers.try_clone().ok();
                state.receives = false;
            }
            state.hear(line, &mut answers);
        });
    }
}

impl State {
    fn hear(&mut self, line: Value, answers: &mut TcpStream) {
        if line["call"] == "receive" {
            self.receives = true;
            for (_, message) in &self.kept {
                // One that has died gets it in its next life.
                let _ = writeln!(answers, "{message}");
            }
        } else if line.get("verdict").is_some() {
            self.kept.retain(|(id, _)| line["id"] != id.as_str());
        } else if let Some((_, text)) = line.get("send").map(chat_and_text)
            && let Some((asked, _)) = text
                .strip_prefix("re: ")
                .and_then(|text| text.rsplit_once(" [n="))
        {
            *self.answered.entry(asked.to_owned()).or_default() += 1;
        }
        self.lines.push(line);
    }

    /// Whether a channel shall misbehave, of which it asks before it does; one in a process of its own could not count.
    fn strike(&mut self, mut ask: Value) -> bool {
        let limits = [ask["times"].as_u64(), self.granted];
        let strike = limits.into_iter().flatten().all(|limit| self.faults < limit);
        self.asker = ask["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        self.faults += u64::from(strike);
        ask["done"] = strike.into();
        self.lines.push(ask);
        strike
    }
}

fn message(chat: &str, id: &str, sender: &str, text: &str) -> Value {
    json!({ "id": id, "chat": { "id": chat }, "sender": { "id": sender },
        "parts": [{ "type": "text", "text": text }] })
}

fn answers(state: &State, text: &str) -> usize {
    state.answered.get(text).copied().unwrap_or_default()
}

fn calls(state: &State, name: &str) -> usize {
    state.lines.iter().filter(|line| line["call"] == name).count()
}

fn verdicts(state: &State, id: &str) -> impl Iterator<Item = String> {
    let lines = state.lines.iter().filter(move |line| line["id"] == id);
    lines.filter_map(|line| line["verdict"].as_str().map(str::to_owned))
}

fn sent(state: &State) -> Vec<(String, String)> {
    let messages = state.lines.iter().filter_map(|line| line.get("send"));
    messages.map(chat_and_text).collect()
}

fn chat_and_text(message: &Value) -> (String, String) {
    let parts = message["parts"].as_array().map_or(&[][..], Vec::as_slice);
    let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
    let chat = message["chat"]["id"].as_str().unwrap_or_default();
    (chat.to_owned(), texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_channel_writes_is_found_and_what_it_is_sent_arrives() {
        let platform = Platform::start();
        let mut channel = TcpStream::connect(platform.address()).unwrap();
        let lines = concat!(
            "{\"call\":\"start\"}\n{\"verdict\":\"accepted\",\"id\":\"1\"}\n",
            "{\"send\":{\"chat\":{\"id\":\"7\"},\"parts\":[{\"type\":\"text\",\"text\":\"hi\"}]}}\n"
        );
        channel.write_all(lines.as_bytes()).unwrap();
        platform.wait_for_calls("start", 1);
        assert_eq!(platform.wait_for_verdict("1"), "accepted");
        assert_eq!(platform.wait_for_sent(1), [("7".to_owned(), "hi".to_owned())]);
        platform.deliver("7", "2", "42", "you");
        let mut line = String::new();
        BufReader::new(channel).read_line(&mut line).unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["parts"][0]["text"], "you");
    }

    #[test]
    fn what_is_posted_comes_again_until_there_is_a_verdict() {
        let platform = Platform::start();
        platform.post("7", "1", "first");
        let life = |verdict: &str| {
            let mut channel = TcpStream::connect(platform.address()).unwrap();
            let calls = "{\"call\":\"create\"}\n{\"call\":\"receive\"}\n";
            channel.write_all(calls.as_bytes()).unwrap();
            let mut line = String::new();
            BufReader::new(&channel).read_line(&mut line).unwrap();
            channel.write_all(verdict.as_bytes()).unwrap();
            line.contains("first")
        };
        assert!(life("") && life("{\"verdict\":\"accepted\",\"id\":\"1\"}\n"));
        platform.wait_for_verdict("1");
        assert_eq!(platform.kept(), 0);
    }

    #[test]
    fn faults_are_counted_over_all_connections() {
        let platform = Platform::start();
        let answers: Vec<String> = (0..3)
            .map(|_| {
                let mut channel = TcpStream::connect(platform.address()).unwrap();
                writeln!(channel, "{}", json!({ "ask": "exit", "at": "send", "times": 2 })).unwrap();
                let mut line = String::new();
                BufReader::new(channel).read_line(&mut line).unwrap();
                line
            })
            .collect();
        assert_eq!(
            answers,
            ["{\"do\":true}\n", "{\"do\":true}\n", "{\"do\":false}\n"]
        );
        assert_eq!(platform.faults(), 2);
    }
}
