//! Stage 6: messages come in order, and again where they were not taken.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::life::{self, ended_by_itself};
use super::report::Finding;
use super::subject::{CALL, STOP, Step, Subject, no_panic};
use crate::abi::{Payload, method};
use crate::error::Cause;
use crate::testkit::instance::result;
use crate::testkit::{ChannelKit, Emitted, Receiving};
use crate::wire::Named;
use crate::{ChatRef, Error, InboundMessage};

/// What makes a channel's platform speak.
const EMIT: &str = "check.emit";
const COUNT: usize = 100;
/// Messages of each round that is refused.
const FEW: usize = 3;
/// A clock that is further off than this does not count milliseconds since 1970.
const DAY_MS: u128 = 24 * 60 * 60 * 1000;

type Identity = (ChatRef, String, u64);

pub(super) async fn check(subject: &Subject) -> Step<String> {
    let (kit, _) = subject.channel().await.map_err(Finding::skip)?;
    let mut round = Round::new(subject, &kit);
    let receiving = kit.receive(None);
    let receiving = round.collect(receiving, COUNT, true).await?;
    life::stop(subject, &kit, receiving).await?;
    for cause in [Cause::Busy, Cause::Stopping] {
        let refused = round.refuse(cause).await?;
        let receiving = kit.receive(round.cursor.as_deref());
        let before = round.seen.len();
        let receiving = round
            .collect(receiving, FEW, false)
            .await
            .map_err(|finding| lost(finding, cause))?;
        if round.seen.get(before) != Some(&refused) {
            return Err(Finding::failed(
                format!("after {cause:?}, the first message came again as another one"),
                "give a message the platform's id of it, the same whenever it is read",
            ));
        }
        life::stop(subject, &kit, receiving).await?;
    }
    subject.shut_down(&kit.instance).await?;
    Ok("and again what was refused with Busy and Stopping".to_owned())
}

/// The chat of a message that the channel brings when asked; `None` where it does not know the question.
pub(super) async fn some_chat(subject: &Subject, kit: &ChannelKit) -> Option<ChatRef> {
    let mut round = Round::new(subject, kit);
    let receiving = kit.receive(None);
    let receiving = round.collect(receiving, 1, true).await.ok()?;
    life::stop(subject, kit, receiving).await.ok()?;
    round.seen.first().map(|(chat, ..)| chat.clone())
}

fn lost(finding: Finding, cause: Cause) -> Finding {
    match finding {
        Finding::Failed { what, .. } => Finding::failed(
            format!("after {cause:?}, the messages did not come again: {what}"),
            "confirm a message to the platform only after emit returned `Ok` for it, and read again what was not taken",
        ),
        other => other,
    }
}

/// What a channel was asked for, and what came of it.
struct Round<'a> {
    subject: &'a Subject,
    kit: &'a ChannelKit,
    /// Everything that was taken, in order.
    seen: Vec<Identity>,
    cursor: Option<String>,
}

impl<'a> Round<'a> {
    fn new(subject: &'a Subject, kit: &'a ChannelKit) -> Self {
        Self {
            subject,
            kit,
            seen: Vec::new(),
            cursor: None,
        }
    }

    /// Takes `count` messages, which `ask` asks for first.
    async fn collect(&mut self, mut receiving: Receiving, count: usize, ask: bool) -> Step<Receiving> {
        let subject = self.subject;
        let kit = self.kit;
        let take = async {
            let asked = emit(kit, count);
            tokio::pin!(asked);
            let mut asking = ask;
            let mut next = 1;
            while next <= count || asking {
                tokio::select! {
                    answer = &mut asked, if asking => {
                        known(answer)?;
                        asking = false;
                    }
                    emitted = kit.emitted() => self.take(emitted, &mut next)?,
                    ended = &mut receiving.0 => ended_by_itself::<()>(ended)?,
                }
            }
            Ok(receiving)
        };
        let what = format!("receiving {count} messages");
        subject.within(CALL, &what, take).await?
    }

    /// Looks at a batch and accepts it.
    fn take(&mut self, emitted: Emitted, next: &mut usize) -> Step<()> {
        for message in &emitted.messages {
            let Some(number) = number(message) else { continue };
            if number != *next {
                return Err(Finding::failed(
                    format!("message {number} came where {next} was due"),
                    "hand messages over in the platform's order, one `emit` after the other or in one batch",
                ));
            }
            let identity = identity(message)?;
            if self.seen.contains(&identity) {
                return Err(Finding::failed(
                    format!("two messages have the id `{}`", message.id),
                    "give every message the platform's id of it, unique in its chat",
                ));
            }
            self.seen.push(identity);
            *next += 1;
        }
        if emitted.cursor.is_some() {
            self.cursor.clone_from(&emitted.cursor);
        }
        emitted.accept();
        Ok(())
    }

    /// Asks for messages and refuses them; returns the first one.
    async fn refuse(&mut self, cause: Cause) -> Step<Identity> {
        let subject = self.subject;
        let mut receiving = self.kit.receive(self.cursor.as_deref());
        let refusing = async {
            let asked = emit(self.kit, FEW);
            tokio::pin!(asked);
            let mut asking = true;
            let mut first = None;
            loop {
                tokio::select! {
                    biased;
                    ended = &mut receiving.0 => match (&first, result(ended)) {
                        (Some(_), Err(error)) => {
                            no_panic::<()>("receive", Err(error))?.ok();
                            break;
                        }
                        (Some(_), Ok(_)) => return Err(Finding::failed(
                            format!("receive ended without an error after {cause:?}"),
                            "return the error of `emit` from receive",
                        )),
                        (None, result) => return no_panic("receive", result).and_then(|_| Err(Finding::failed(
                            "receive ended by itself", "return when the stop is requested",
                        ))),
                    },
                    emitted = self.kit.emitted() => {
                        let told = emitted.messages.iter().find(|message| number(message).is_some());
                        if let (None, Some(message)) = (&first, told) {
                            first = Some(identity(message)?);
                        }
                        if first.is_some() {
                            emitted.refuse(Error::transient("refused by the check").because(cause));
                        } else {
                            emitted.accept();
                        }
                    }
                    answer = &mut asked, if asking => {
                        known(answer)?;
                        asking = false;
                    }
                }
            }
            Ok(first.unwrap_or_default())
        };
        let what = format!("receive, once its messages were refused with {cause:?},");
        subject.within(CALL.min(STOP * 5), &what, refusing).await?
    }
}

/// Asks for messages. The question goes on when the answer is not waited for: it may have to wait itself until
/// somebody receives again.
async fn emit(kit: &ChannelKit, count: usize) -> crate::Result<Payload> {
    let question = Named {
        name: EMIT.to_owned(),
        data: json!({ "count": count }),
    };
    result(kit.instance.begin(method::INVOKE, &question).1.await)
}

/// The answer to the question for messages.
fn known(answer: crate::Result<Payload>) -> Step<()> {
    match no_panic("invoke of `check.emit`", answer)? {
        Ok(_) => Ok(()),
        Err(error) if error.cause == Cause::Unsupported => Err(Finding::skipped(
            "the channel does not answer `check.emit`; let `invoke` make its platform, or a stand-in for it, say \
             `check 1` to `check N` (docs/writing-a-plugin.md, \"Checking\")",
        )),
        Err(error) => Err(Finding::failed(
            format!("`check.emit` failed: {error}"),
            "let it work with the settings of the check",
        )),
    }
}

/// Which of the messages that were asked for this one is.
fn number(message: &InboundMessage) -> Option<usize> {
    message.text().strip_prefix("check ")?.parse().ok()
}

fn identity(message: &InboundMessage) -> Step<Identity> {
    let ids = [&message.id, &message.chat.id, &message.sender.id];
    if ids.iter().any(|id| id.is_empty()) {
        return Err(Finding::failed(
            "a message lacks its own id, its chat's or its sender's",
            "set all three; a message without them is answered to nobody",
        ));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let off = u128::try_from(message.timestamp_ms).map_or(u128::MAX, |at| at.abs_diff(now.as_millis()));
    if message.timestamp_ms != 0 && off > DAY_MS {
        return Err(Finding::failed(
            format!("a message of now has the timestamp {}", message.timestamp_ms),
            "give `timestamp_ms` in milliseconds since 1970, or leave it 0",
        ));
    }
    Ok((message.chat.clone(), message.id.clone(), message.revision))
}
