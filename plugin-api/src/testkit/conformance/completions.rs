//! Stages 6, 7 and 9 of providers: models, answers, cancellation.

use super::report::Finding;
use super::subject::{CALL, START, STOP, Step, Subject, no_panic};
use crate::abi::method;
use crate::manifest::Capability;
use crate::testkit::text_of;
use crate::{ChatMessage, CompletionRequest, Role};

const NO_ANSWER: &str = "give settings of a server that answers, with --set key=value or in the test";

pub(super) async fn models(subject: &Subject) -> Step<String> {
    if !subject.facts.can(Capability::Models) {
        return Err(Finding::skipped(
            "the manifest does not name `Capability::Models`",
        ));
    }
    let kit = subject.provider().await.map_err(Finding::skip)?;
    let listed = subject.within(START, "models", kit.models()).await?;
    let listed = no_panic("models", listed)?
        .map_err(|error| Finding::skipped(format!("models failed: {error}; {NO_ANSWER}")))?;
    if listed.is_empty() || listed.iter().any(|model| model.id.is_empty()) {
        return Err(Finding::failed(
            "models lists none, or one without a name",
            "list every model with the id that a request may name",
        ));
    }
    Ok(format!("{} models", listed.len()))
}

pub(super) async fn answers(subject: &Subject) -> Step<String> {
    let kit = subject.provider().await.map_err(Finding::skip)?;
    let complete = subject.within(CALL, "complete", kit.complete(request()));
    let (chunks, completion) = complete.await?;
    no_panic("complete", completion)?
        .map_err(|error| Finding::skipped(format!("complete failed: {error}; {NO_ANSWER}")))?;
    if text_of(&chunks).trim().is_empty() {
        return Err(Finding::failed(
            "complete ended well without any text",
            "send what the model says through the sink, piece by piece",
        ));
    }
    Ok(format!("{} chunks", chunks.len()))
}

pub(super) async fn cancels(subject: &Subject) -> Step<String> {
    let kit = subject.provider().await.map_err(Finding::skip)?;
    let (op, reply) = kit.instance.begin(method::COMPLETE, &request());
    kit.instance.cancel(op);
    // The host goes on at once; what matters is that the instance does as well.
    drop(
        subject
            .within(STOP, "complete, once it was cancelled,", reply)
            .await?,
    );
    subject.shut_down(&kit.instance).await?;
    Ok(String::new())
}

fn request() -> CompletionRequest {
    CompletionRequest::new(vec![ChatMessage::new(Role::User, "Say: one two three")])
}
