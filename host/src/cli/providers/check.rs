//! `miniclaw providers check`: one tiny request to each provider.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use miniclaw_plugin_api::{Cause, ChatMessage, Chunk, Completion, CompletionRequest, Error, Model, Role};
use serde_json::{Value, json};

use super::super::args::{CheckProvidersArgs, Global};
use super::super::provider::{self, Entry, NotStarted};
use super::super::{Failure, Outcome, known_plugins, models, setup};
use super::advice::{advice, similar};
use crate::agent::is_count;
use crate::config::{AgentConfig, Config};
use crate::plugins::instance::Instance;
use crate::telemetry;

const QUESTION: &str = "Reply with the word ok.";
/// Most tokens of the answer; models that think use them up before their first word, which is an answer as well.
const MAX_TOKENS: u32 = 64;
/// How much of the answer is shown.
const SHOWN_CHARS: usize = 60;

/// What became of the request.
#[derive(Default)]
struct Checked {
    /// Until the first piece of the answer.
    first: Option<Duration>,
    total: Duration,
    text: String,
    completion: Completion,
    error: Option<Error>,
    /// What the server offers, asked where it does not know the model.
    offered: Vec<Model>,
}

/// Asks every provider, or the one that is named, and prints how it went.
///
/// # Errors
/// 78 for a configuration that cannot be used; status 1 where a provider does not answer.
pub(super) fn run(global: &Global, args: &CheckProvidersArgs) -> Outcome {
    let mut loaded = setup::load(&setup::sources(global, &args.plugins))?;
    let telemetry = setup::start_log(global, &loaded, true)?;
    let known = known_plugins(&loaded.config);
    if let Some(name) = &args.name {
        provider::admit(&mut loaded.config, &known, name)?;
    }
    let config = &loaded.config;
    let names = config.providers.keys().map(String::as_str);
    let entries: Vec<Entry<'_>> = names
        .filter(|name| args.name.as_ref().is_none_or(|asked| asked == name))
        .filter_map(|name| Entry::of(config, &known, name))
        .collect();
    let checks = entries.iter().map(|entry| check(config, &telemetry, entry));
    let checks = provider::block_on(join_all(checks))?;
    let mut found = Vec::new();
    for (entry, checked) in entries.into_iter().zip(checks) {
        match checked {
            Ok(checked) => found.push((entry, checked)),
            Err(failure) if args.name.is_some() => return Err(failure),
            Err(failure) => found.push((entry, Checked::failed(Error::config(failure.text)))),
        }
    }
    let status = u8::from(found.iter().any(|(_, checked)| checked.error.is_some()));
    let text = if args.output.json {
        let all: Vec<Value> = found
            .iter()
            .map(|(entry, checked)| checked.json(config, entry))
            .collect();
        format!("{:#}\n", json!({ "providers": all }))
    } else {
        found
            .iter()
            .map(|(entry, checked)| checked.told(config, entry))
            .collect()
    };
    setup::print(&text, status)
}

/// Asks one provider; its error, and all of it in words without the provider's name before them.
///
/// # Errors
/// Where its plugin cannot be used at all.
pub(super) async fn trial(
    config: &Config,
    telemetry: &telemetry::Handle,
    entry: &Entry<'_>,
) -> Result<(Option<Error>, String), Failure> {
    let checked = check(config, telemetry, entry).await?;
    let told = checked.told(config, entry);
    let told = told.strip_prefix(&format!("{}: ", entry.name)).unwrap_or(&told);
    Ok((checked.error, told.trim_end().to_owned()))
}

async fn check(
    config: &Config,
    telemetry: &telemetry::Handle,
    entry: &Entry<'_>,
) -> Result<Checked, Failure> {
    let instance = match provider::start(config, telemetry, entry.name).await {
        Ok(instance) => instance,
        Err(NotStarted::Setup(failure)) => return Err(failure),
        Err(NotStarted::Plugin(error)) => return Ok(Checked::failed(error)),
    };
    let mut request = CompletionRequest::new(vec![ChatMessage::new(Role::User, QUESTION)]);
    request.model = config.model.clone().filter(|_| entry.name == config.provider);
    request.sampling.max_tokens = Some(MAX_TOKENS);
    let mut checked = Checked::default();
    let begun = Instant::now();
    let ended = tokio::time::timeout(
        config.agent.turn_timeout,
        checked.ask(&instance, &request, &config.agent, begun),
    );
    checked.error = match ended.await {
        Ok(result) => result.err(),
        Err(_) => Some(silent(config.agent.turn_timeout)),
    };
    checked.total = begun.elapsed();
    let unknown = |error: &Error| error.cause == Cause::NotFound;
    if checked.error.as_ref().is_some_and(unknown) {
        checked.offered = models::list(&instance).await.unwrap_or_default();
    }
    provider::end(&instance).await;
    Ok(checked)
}

fn silent(wait: Duration) -> Error {
    Error::transient(format!("there was no answer within {wait:.1?}")).because(Cause::Timeout)
}

impl Checked {
    fn failed(error: Error) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }

    async fn ask(
        &mut self,
        instance: &Instance,
        request: &CompletionRequest,
        limits: &AgentConfig,
        begun: Instant,
    ) -> Result<(), Error> {
        let mut completing = instance.complete(request)?;
        let mut patience = limits.first_chunk_timeout;
        loop {
            let next = tokio::time::timeout(patience, completing.next()).await;
            let Some(chunk) = next.map_err(|_| silent(patience))? else {
                break;
            };
            patience = limits.idle_timeout;
            self.first.get_or_insert_with(|| begun.elapsed());
            if let Chunk::Text { text } = chunk {
                self.text.push_str(&text);
            }
        }
        self.completion = completing.end().await?.decode()?;
        if self.first.is_none() && self.completion.usage.is_none_or(|usage| usage.output_tokens == 0) {
            return Err(Error::permanent("the model answered with nothing").because(Cause::Rejected));
        }
        Ok(())
    }

    /// The model that answered, or else the one that was asked for.
    fn model<'a>(&'a self, entry: &'a Entry<'_>) -> Option<&'a str> {
        self.completion.model.as_deref().or(entry.model.as_deref())
    }

    fn advice(&self, entry: &Entry<'_>) -> Option<String> {
        advice(
            entry.name,
            entry.model.as_deref(),
            self.error.as_ref()?,
            &self.offered,
        )
    }

    fn json(&self, config: &Config, entry: &Entry<'_>) -> Value {
        let ms = |span: Duration| span.as_millis() as u64;
        let error = self.error.as_ref();
        json!({
            "provider": entry.name,
            "plugin": entry.plugin,
            "ok": error.is_none(),
            "model": entry.model,
            "answered_by": self.completion.model,
            "first_ms": self.first.map(ms),
            "total_ms": ms(self.total),
            "usage": self.completion.usage,
            "answer": self.text,
            "error": error.map(|error| provider::told(config, &error.to_string())),
            "cause": error.map(|error| error.cause),
            "advice": self.advice(entry),
            "similar": entry.model.as_deref().map(|model| similar(model, &self.offered)),
        })
    }

    fn told(&self, config: &Config, entry: &Entry<'_>) -> String {
        let (name, total) = (entry.name, self.total.as_millis());
        if let Some(error) = &self.error {
            let mut text = format!("{name}: failed: {}\n", provider::told(config, &error.to_string()));
            if let Some(advice) = self.advice(entry) {
                let _ = writeln!(text, "  {advice}");
            }
            return text;
        }
        let first = self.first.unwrap_or(self.total).as_millis();
        let model = self.model(entry).unwrap_or("its model");
        let mut text =
            format!("{name}: ok: `{model}` answered in {total} ms, with its first piece after {first} ms");
        if let Some(usage) = self.completion.usage.filter(is_count) {
            let _ = write!(
                text,
                "; {} tokens in, {} out",
                usage.input_tokens, usage.output_tokens
            );
        }
        let answer = self.text.trim().replace('\n', " ");
        if answer.is_empty() {
            text.push_str("\n  it thought, and came to no word of an answer within so few tokens\n");
        } else {
            let shown: String = answer.chars().take(SHOWN_CHARS).collect();
            let more = if shown.len() < answer.len() { "…" } else { "" };
            let _ = writeln!(text, "\n  it said: {shown}{more}");
        }
        text
    }
}
