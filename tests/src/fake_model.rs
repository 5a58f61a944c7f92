//! A model server on loopback: the protocols of OpenAI, Ollama, Anthropic and Gemini, with answers that show what was asked.

mod asked;
mod fault;
mod twist;
mod wire;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::http::{End, Handler, Reply, Request};
use crate::server::ServerThread;
use crate::watched::{DEADLINE, Watched};

pub use asked::{Asked, Picture, Turn};
pub use fault::Fault;
pub use twist::Twist;

use wire::Protocol;

/// The server. It ends when this is dropped.
pub struct FakeModel {
    shared: Arc<Shared>,
    /// Whether answers are given; `false` holds them back.
    gate: watch::Sender<bool>,
    url: String,
    _thread: Arc<ServerThread>,
}

/// Makes an answer.
pub type Answering = Box<dyn Fn(&Asked) -> String + Send>;

struct Shared {
    state: Watched<State>,
    gate: watch::Receiver<bool>,
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    /// For benchmarks, whose requests would fill the memory.
    forgetful: bool,
    faults: VecDeque<Planned>,
    delay: Duration,
    answering: Option<Answering>,
    in_flight: usize,
    most_in_flight: usize,
}

/// A failure that waits for its request.
struct Planned {
    /// Only for requests whose last user message holds this; empty for all.
    about: String,
    /// Only for requests for this model; empty for all.
    model: String,
    left: Option<u32>,
    fault: Fault,
}

impl FakeModel {
    /// Starts a server on a thread of its own.
    pub fn start() -> Self {
        Self::start_on(&ServerThread::start())
    }

    /// Starts a server on a thread that others share.
    pub fn start_on(thread: &Arc<ServerThread>) -> Self {
        let (gate, receiver) = watch::channel(true);
        let shared = Arc::new(Shared {
            state: Watched::new(State::default()),
            gate: receiver,
        });
        let address = thread.serve(shared.clone());
        Self {
            shared,
            gate,
            url: format!("http://{address}"),
            _thread: thread.clone(),
        }
    }

    /// The server's own address, as plugins other than `openai` take it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address with `/v1`, as the `openai` plugin takes it.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.url)
    }

    /// The settings with which a provider plugin, of whatever protocol, reaches this server.
    pub fn settings(&self, plugin: &str, stream: bool) -> Value {
        let base_url = match plugin {
            "openai" => self.base_url(),
            _ => self.url.clone(),
        };
        let mut settings = json!({ "base_url": base_url, "model": "fake" });
        // Ollama has no other form.
        if plugin != "ollama" {
            settings["stream"] = stream.into();
        }
        settings
    }

    /// Every answer takes this long from here on.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.state.change(|state| state.delay = delay);
    }

    /// Keeps no requests from here on.
    pub fn forget_requests(&self) {
        self.shared.state.change(|state| state.forgetful = true);
    }

    /// Holds all answers back until [`FakeModel::release`].
    pub fn hold(&self) {
        self.gate.send_replace(false);
    }

    /// Lets answers go.
    pub fn release(&self) {
        self.gate.send_replace(true);
    }

    /// Answers with what `answering` makes, instead of [`standard_answer`].
    pub fn answer_with(&self, answering: impl Fn(&Asked) -> String + Send + 'static) {
        self.shared
            .state
            .change(|state| state.answering = Some(Box::new(answering)));
    }

    /// Lets the next `n` requests fail.
    pub fn fail(&self, n: u32, fault: Fault) {
        self.plan("", "", Some(n), fault);
    }

    /// Lets all requests fail whose last user message holds `about`, until the faults are cleared.
    pub fn fail_about(&self, about: &str, fault: Fault) {
        self.plan(about, "", None, fault);
    }

    /// Lets the next `n` requests fail whose last user message holds `about`.
    pub fn fail_next_about(&self, about: &str, n: u32, fault: Fault) {
        self.plan(about, "", Some(n), fault);
    }

    /// Lets all requests for one model fail, until the faults are cleared.
    pub fn fail_model(&self, model: &str, fault: Fault) {
        self.plan("", model, None, fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.shared.state.change(|state| state.faults.clear());
    }

    fn plan(&self, about: &str, model: &str, left: Option<u32>, fault: Fault) {
        let planned = Planned {
            about: about.to_owned(),
            model: model.to_owned(),
            left,
            fault,
        };
        self.shared.state.change(|state| state.faults.push_back(planned));
    }

    /// Every request so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state.lock().asked.clone()
    }

    /// Forgets the requests so far.
    pub fn clear_ledger(&self) {
        self.shared.state.change(|state| {
            state.asked.clear();
            state.most_in_flight = state.in_flight;
        });
    }

    /// The most requests that were being answered at once.
    pub fn most_in_flight(&self) -> usize {
        self.shared.state.lock().most_in_flight
    }

    /// Waits until `n` requests came in all; returns all of them.
    ///
    /// # Panics
    /// At the deadline.
    pub fn wait_for_requests(&self, n: usize) -> Vec<Asked> {
        let look = |state: &State| (state.asked.len() >= n).then(|| state.asked.clone());
        self.shared.state.wait(DEADLINE, look).unwrap_or_else(|| {
            let count = self.shared.state.lock().asked.len();
            panic!("the model got {count} of {n} requests within {DEADLINE:?}")
        })
    }

    /// Waits until `n` requests are being answered at once.
    ///
    /// # Panics
    /// At the deadline.
    pub fn wait_for_in_flight(&self, n: usize) {
        let look = |state: &State| (state.in_flight >= n).then_some(());
        self.shared.state.wait(DEADLINE, look).unwrap_or_else(|| {
            let count = self.shared.state.lock().in_flight;
            panic!("{count} of {n} requests were under way after {DEADLINE:?}")
        });
    }
}

/// What the model says unless told otherwise: `re: <last user message> [n=<number of messages>]`.
pub fn standard_answer(asked: &Asked) -> String {
    format!("re: {} [n={}]", asked.last_user(), asked.conversation().count())
}

/// Counts a request until it ends, however it ends.
struct InFlight<'a>(&'a Shared);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.state.change(|state| state.in_flight -= 1);
    }
}

impl Handler for Shared {
    async fn handle(&self, request: Request) -> Reply {
        let Some(protocol) = Protocol::of(&request) else {
            return match (request.method(), request.path()) {
                ("GET", "/v1/models") if request.header("anthropic-version").is_some() => {
                    Reply::json(200, wire::anthropic::MODELS)
                }
                ("GET", "/v1/models") => Reply::json(200, wire::OPENAI_MODELS),
                ("GET", "/api/tags") => Reply::json(200, wire::OLLAMA_MODELS),
                ("GET", "/v1beta/models") => Reply::json(200, wire::gemini::MODELS),
                _ => Reply::json(404, r#"{"error":{"message":"no such path","type":"not_found"}}"#),
            };
        };
        let Some(asked) = Asked::parse(protocol, &request) else {
            return Reply::json(400, r#"{"error":{"message":"the body is no chat request"}}"#);
        };
        self.complete(protocol, asked).await
    }
}

impl Shared {
    async fn complete(&self, protocol: Protocol, asked: Asked) -> Reply {
        let (model, stream) = (asked.model.clone(), asked.stream);
        let (text, fault, delay) = self.state.change(|state| state.take(asked));
        let _in_flight = InFlight(self);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        // An error means that the model was dropped; the answer is then as good as any.
        let _ = self.gate.clone().wait_for(|open| *open).await;
        match fault {
            Some(Fault::Answer(reply)) => reply,
            Some(Fault::CutStream) => protocol.broken(&model, &text, End::Cut),
            Some(Fault::Paced(wait)) => protocol.answer(&model, &text, stream).paced(wait),
            Some(Fault::StalledStream) => protocol.broken(&model, &text, End::Hang),
            Some(Fault::Twisted(twist)) => twist.reply(protocol, &model, &text, stream),
            Some(Fault::Empty) => protocol.answer(&model, "", stream),
            Some(Fault::OnlyToolCall) => protocol.tool_call(&model, stream),
            // Awaited here, so that the request counts as under way until the client gives up.
            Some(Fault::Hang) => std::future::pending().await,
            None => protocol.answer(&model, &text, stream),
        }
    }
}

impl State {
    fn take(&mut self, asked: Asked) -> (String, Option<Fault>, Duration) {
        let text = match &self.answering {
            Some(answering) => answering(&asked),
            None => standard_answer(&asked),
        };
        let fault = self
            .faults
            .iter_mut()
            .find(|planned| planned.is_for(&asked))
            .map(|planned| {
                if let Some(left) = &mut planned.left {
                    *left -= 1;
                }
                planned.fault.clone()
            });
        if !self.forgetful {
            self.asked.push(asked);
        }
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        (text, fault, self.delay)
    }
}

impl Planned {
    fn is_for(&self, asked: &Asked) -> bool {
        self.left != Some(0)
            && asked.last_user().contains(&self.about)
            && (self.model.is_empty() || self.model == asked.model)
    }
}

impl Asked {
    fn parse(protocol: Protocol, request: &Request) -> Option<Self> {
        let mut asked = protocol.asked(request)?;
        asked.at = Some(Instant::now());
        asked.authorization = ["authorization", "x-api-key", "x-goog-api-key"]
            .iter()
            .find_map(|name| request.header(name))
            .map(str::to_owned);
        (!asked.messages.is_empty()).then_some(asked)
    }
}

#[cfg(test)]
mod tests;
