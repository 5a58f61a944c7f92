//! What a model's server, and the way to it, can do to a turn: one row is one test. The same fault meets seven
//! conversations, each with a provider of its own: the protocols of OpenAI, Anthropic and Gemini, streamed and whole,
//! and Ollama's.

mod fallback;
mod http;
mod stream;

use std::time::Duration;

use miniclaw_tests::FakeModel;
use miniclaw_tests::fake_model::{Asked, Fault};
use serde_json::{Value, json};

use crate::script::{Hold, Stage, Step, given};
use crate::setup::{USER, reply, texts};

const STREAMED: Wire = Wire(1, "streamed");
const WHOLE: Wire = Wire(2, "whole");
const OLLAMA: Wire = Wire(3, "ollama");
const ANTHROPIC: Wire = Wire(4, "anthropic");
const ANTHROPIC_WHOLE: Wire = Wire(5, "anthropic-whole");
const GEMINI: Wire = Wire(6, "gemini");
const GEMINI_WHOLE: Wire = Wire(7, "gemini-whole");
const ALL: &[Wire] = &[
    STREAMED,
    WHOLE,
    OLLAMA,
    ANTHROPIC,
    ANTHROPIC_WHOLE,
    GEMINI,
    GEMINI_WHOLE,
];
const STREAMS: &[Wire] = &[STREAMED, OLLAMA, ANTHROPIC, GEMINI];
const WHOLES: &[Wire] = &[WHOLE, ANTHROPIC_WHOLE, GEMINI_WHOLE];
/// Those that say so where a filter holds an answer back.
const FILTERED: &[Wire] = &[STREAMED, WHOLE, ANTHROPIC, ANTHROPIC_WHOLE, GEMINI, GEMINI_WHOLE];
const OPENAI: &[Wire] = &[STREAMED, WHOLE];
const CLAUDE: &[Wire] = &[ANTHROPIC, ANTHROPIC_WHOLE];
const GOOGLE: &[Wire] = &[GEMINI, GEMINI_WHOLE];

/// What every conversation is asked after its fault.
const NEXT: &str = "and now?";

/// A chat whose messages go to the provider of this name.
#[derive(Clone, Copy)]
struct Wire(i64, &'static str);

impl Wire {
    /// The text that the fault is about; it holds a character of several bytes.
    fn question(self) -> String {
        format!("what is \u{1f600}, {}?", self.1)
    }

    fn answer(self) -> String {
        reply(&self.question(), 0)
    }

    /// Requests for the question.
    fn asked(self, model: &FakeModel) -> Vec<Asked> {
        let mut asked = model.asked();
        asked.retain(|asked| asked.last_user() == self.question());
        asked
    }

    fn provider(self, model: &FakeModel) -> Value {
        let (plugin, stream) = match self.1 {
            "streamed" => ("openai", true),
            "whole" => ("openai", false),
            name => (name.trim_end_matches("-whole"), !name.ends_with("-whole")),
        };
        json!({ "plugin": plugin, "settings": model.settings(plugin, stream) })
    }
}

/// The first request of each conversation meets the fault.
fn once(wires: &'static [Wire], fault: Fault) -> Step {
    faulty(wires, Some(1), fault)
}

/// Every request of each conversation meets the fault.
fn always(wires: &'static [Wire], fault: Fault) -> Step {
    faulty(wires, None, fault)
}

fn faulty(wires: &'static [Wire], times: Option<u32>, fault: Fault) -> Step {
    given(move |stage| {
        configure(stage);
        for wire in wires {
            let (model, about) = (&stage.world.model, wire.question());
            match times {
                Some(times) => model.fail_next_about(&about, times, fault.clone()),
                None => model.fail_about(&about, fault.clone()),
            }
            stage.world.telegram.inject(wire.0, USER, &about);
        }
    })
}

/// All providers, a conversation for each, and little patience.
fn configure(stage: &mut Stage) {
    for (key, value) in [
        ("/agent/retries", json!(1)),
        ("/agent/turn_timeout", json!("10s")),
        ("/agent/first_chunk_timeout", json!("1500ms")),
        ("/agent/idle_timeout", json!("1500ms")),
    ] {
        stage.set(key, value);
    }
    let route = |wire: &Wire| json!({ "channel": "telegram", "chat": wire.0, "provider": wire.1 });
    stage.set("/routes", ALL.iter().map(route).collect());
    for wire in ALL {
        let provider = wire.provider(&stage.world.model);
        stage.set(&format!("/providers/{}", wire.1), provider);
    }
}

/// Each conversation got its answer after so many requests, and goes on.
fn answered(wires: &'static [Wire], requests: usize) -> Hold {
    said(wires, requests, |wire, text| text == wire.answer())
}

/// Each conversation got one honest sentence that holds this after so many requests, and goes on.
fn sentence(wires: &'static [Wire], requests: usize, part: &'static str) -> Hold {
    said(wires, requests, move |_, text| {
        text.starts_with("I have no answer from my language model: ") && text.contains(part)
    })
}

/// Each conversation was told this, and nothing else, after so many requests; it goes on, and what the model sees
/// of it is what its people saw, without the gateway's remark on a cut answer.
fn said(wires: &'static [Wire], requests: usize, good: impl Fn(Wire, &str) -> bool + 'static) -> Hold {
    Hold::new(
        move |stage| {
            for wire in wires {
                stage.world.telegram.wait_for_replies_to(wire.0, 1);
                stage.world.telegram.inject(wire.0, USER, NEXT);
            }
            for wire in wires {
                stage.world.telegram.wait_for_replies_to(wire.0, 2);
            }
        },
        move |stage| {
            for wire in wires {
                let sent = stage.world.telegram.sent_to(wire.0);
                let texts = texts(&sent);
                assert!(good(*wire, texts[0]), "{}: {texts:?}", wire.1);
                assert_eq!(texts[1..], [reply(NEXT, 1)], "{}", wire.1);
                assert_eq!(wire.asked(&stage.world.model).len(), requests, "{}", wire.1);
                let own = texts[0].split("\n\n[The answer ends here").next();
                assert_eq!(own, Some(&*remembered(&stage.world.model, *wire)), "{}", wire.1);
            }
        },
    )
}

/// What the model was shown as its own first answer.
fn remembered(model: &FakeModel, wire: Wire) -> String {
    let asked = model.asked();
    // Of a message that was too long there is a note in its place.
    let of_wire = |first: &str| first == wire.question() || first.ends_with("too long to be read]");
    let later = asked
        .iter()
        .find(|asked| asked.last_user() == NEXT && asked.users().next().is_some_and(of_wire));
    let own = later.and_then(|asked| asked.messages.iter().find(|turn| turn.role == "assistant"));
    own.map(|turn| turn.content.clone()).unwrap_or_default()
}

/// The second request came no sooner than this after the first.
fn asked_again_after(wires: &'static [Wire], wait: Duration) -> Hold {
    Hold::new(
        |_| {},
        move |stage| {
            for wire in wires {
                let asked = wire.asked(&stage.world.model);
                assert!(asked[1].at.unwrap() - asked[0].at.unwrap() >= wait, "{}", wire.1);
            }
        },
    )
}
