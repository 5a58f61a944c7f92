//! One completion: chunks under deadlines and a cap.

use std::time::{Duration, Instant};

use miniclaw_plugin_api::{Capability, Cause, Chunk, Completion, Error, FinishReason, Outcome};
use tracing::info;

use super::tokens::estimate;
use super::{AgentLoop, Progress, Request, bill};
use crate::plugins::instance::{Completing, Instance};
use crate::spool::Usage;

/// What a model answered.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Reply {
    /// Never empty.
    pub(crate) text: String,
    /// What people are told of it below, and no model reads; empty for nothing.
    pub(crate) remark: &'static str,
    /// There were pictures, which the model did not see.
    pub(crate) blind: bool,
}

/// What the server says of an answer's cost and its model.
type Told = (Option<miniclaw_plugin_api::Usage>, Option<String>);

impl AgentLoop {
    /// Asks a provider once; says what that cost, where there was an answer or the server told.
    pub(super) async fn attempt(
        &self,
        name: &str,
        request: &Request<'_>,
        end: Instant,
        listener: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> (Result<Reply, Error>, Option<Usage>) {
        let mut told = (None, None);
        let ended = self.hear(name, request, end, listener, &mut told).await;
        let usage = match (told.0, &ended) {
            (Some(usage), _) => Some((usage.input_tokens, usage.output_tokens, false)),
            (None, Ok(reply)) => Some((request.tokens, estimate(&reply.text), true)),
            (None, Err(_)) => None,
        };
        let usage = usage.map(|usage| self.billed(name, request.model, told.1, usage));
        (ended, usage)
    }

    pub(super) fn billed(
        &self,
        name: &str,
        asked: Option<&str>,
        answered: Option<String>,
        (input, output, estimated): (u64, u64, bool),
    ) -> Usage {
        let terms = self.terms.get(name);
        let asked = asked.or_else(|| terms?.model.as_deref());
        let model = asked.map(str::to_owned).or(answered);
        let price = terms.and_then(|terms| bill::price(&terms.prices, model.as_deref()));
        Usage {
            provider: name.to_owned(),
            model,
            input,
            output,
            cost_micros: price.map(|price| bill::cost_micros(price, input, output)),
            estimated,
        }
    }

    async fn hear(
        &self,
        name: &str,
        request: &Request<'_>,
        end: Instant,
        listener: &mut (dyn FnMut(Progress<'_>) + Send),
        told: &mut Told,
    ) -> Result<Reply, Error> {
        let Some(provider) = self.providers.get(name) else {
            return Err(
                Error::permanent(format!("no provider `{name}` is configured")).because(Cause::Config)
            );
        };
        let mut running = provider.running.clone();
        let wait = left(end).min(self.config.first_chunk_timeout);
        let instance = match tokio::time::timeout(wait, running.wait_for(Option::is_some)).await {
            Ok(Ok(instance)) => instance.clone(),
            _ => None,
        };
        let Some(instance) = instance else {
            return Err(
                Error::transient(format!("provider `{name}` is not running")).because(Cause::Unavailable)
            );
        };
        listener(Progress::Asked {
            provider: name,
            model: request.model,
            tokens: request.tokens,
        });
        if !request.has_pictures() {
            return self.ask(&instance, name, request, end, listener, told).await;
        }
        if instance.blueprint.can(Capability::Vision) {
            match self.ask(&instance, name, request, end, listener, told).await {
                Err(error) if is_about_content(&error) => {
                    info!(provider = name, %error, "Provider is asked again without pictures");
                    listener(Progress::Restart);
                }
                ended => return ended,
            }
        }
        let blind = request.without_pictures();
        let answered = self.ask(&instance, name, &blind, end, listener, told);
        answered.await.map(|reply| Reply { blind: true, ..reply })
    }

    async fn ask(
        &self,
        instance: &Instance,
        name: &str,
        request: &Request<'_>,
        end: Instant,
        listener: &mut (dyn FnMut(Progress<'_>) + Send),
        told: &mut Told,
    ) -> Result<Reply, Error> {
        let mut completing = instance.complete(request)?;
        let mut text = String::new();
        let mut called_tools = false;
        let mut patience = self.config.first_chunk_timeout;
        let cut = loop {
            let chunk = self.next(&mut completing, name, patience, end).await?;
            patience = self.config.idle_timeout;
            match chunk {
                Some(Chunk::Text { text: more }) => {
                    listener(Progress::Text(&more));
                    text.push_str(&more);
                }
                Some(Chunk::ToolCall { .. }) => called_tools = true,
                Some(_) => {}
                None => break false,
            }
            if text.len() > self.config.max_reply_bytes {
                break true;
            }
        };
        if cut {
            return Ok(Reply {
                text: shortened(text, self.config.max_reply_bytes),
                remark: "[The answer ends here: it was longer than I can take.]",
                ..Reply::default()
            });
        }
        let wait = left(end).min(self.config.idle_timeout);
        let ended = tokio::time::timeout(wait, completing.end())
            .await
            .map_err(|_| timeout(name, wait))?;
        let completion: Completion = ended?.decode()?;
        *told = (completion.usage.filter(bill::is_count), completion.model.clone());
        finished(name, text, called_tools, completion)
    }

    async fn next(
        &self,
        completing: &mut Completing<'_>,
        name: &str,
        patience: Duration,
        end: Instant,
    ) -> Result<Option<Chunk>, Error> {
        let wait = left(end).min(patience);
        tokio::time::timeout(wait, completing.next())
            .await
            .map_err(|_| timeout(name, wait))
    }
}

fn finished(name: &str, text: String, called_tools: bool, completion: Completion) -> Result<Reply, Error> {
    if text.trim().is_empty() {
        let what = if called_tools || completion.finish == FinishReason::ToolCalls {
            "called a tool that nobody can run"
        } else if completion.finish == FinishReason::ContentFilter {
            "held its answer back"
        } else {
            "answered with nothing"
        };
        return Err(
            Error::permanent(format!("the model of provider `{name}` {what}")).because(Cause::Rejected)
        );
    }
    let remark = match completion.finish {
        FinishReason::Length => "[The answer ends here: the model reached its limit of tokens.]",
        FinishReason::ContentFilter => "[The answer ends here: the model's server held the rest of it back.]",
        _ => "",
    };
    Ok(Reply {
        text,
        remark,
        ..Reply::default()
    })
}

/// Whether a server refuses what was said, rather than who asks or how often. Servers word it differently that their
/// model sees no pictures.
fn is_about_content(error: &Error) -> bool {
    let content = [
        Cause::Unsupported,
        Cause::Rejected,
        Cause::TooLarge,
        Cause::Protocol,
        Cause::Other,
    ];
    error.outcome == Outcome::Permanent && content.contains(&error.cause)
}

fn shortened(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}

fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
}

fn timeout(name: &str, wait: Duration) -> Error {
    // An answer that nobody reads has no effect, so asking again does no harm.
    Error::transient(format!("provider `{name}` was silent for {wait:.1?}")).because(Cause::Timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completion(finish: FinishReason) -> Completion {
        let mut completion = Completion::default();
        completion.finish = finish;
        completion
    }

    #[test]
    fn an_answer_of_nothing_is_a_failure_that_says_so() {
        let error = finished("m", " \n".into(), false, completion(FinishReason::Stop)).unwrap_err();
        assert!(error.message.contains("answered with nothing"), "{error}");
        let error = finished("m", String::new(), true, completion(FinishReason::ToolCalls)).unwrap_err();
        assert!(error.message.contains("tool"), "{error}");
    }

    #[test]
    fn a_cut_answer_says_that_it_is_cut_and_no_model_reads_that() {
        let reply = finished("m", "half".into(), false, completion(FinishReason::Length)).unwrap();
        assert_eq!(reply.text, "half");
        assert!(reply.remark.starts_with("[The answer ends here"));
        assert_eq!(shortened("äää".into(), 3), "ä");
    }
}
