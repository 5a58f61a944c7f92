//! Channel that is a program of any language: JSON lines on its standard input and output. The protocol is described in
//! `docs/exec-protocol.md`.
//!
//! One program for each instance, started by `start` and ended with the instance. A task reads what it says, so that answers to
//! sends arrive while `receive` pauses; messages wait for `receive` in a bounded queue.

mod lines;
mod program;
mod protocol;
mod settings;
mod talk;
#[cfg(test)]
mod tests;

use std::time::Duration;

use miniclaw_plugin_api::{
    Account, Cause, Channel, Context, Error, InboundMessage, Inbox, Manifest, OutboundMessage, Permission,
    Result, Sent, Stop,
};
use tokio::sync::{Mutex, OnceCell};

use crate::program::Program;
use crate::protocol::{Handed, ToProgram};
pub use crate::settings::Settings;
use crate::talk::Talk;

/// Messages that are handed over to the host in one commit at most.
const BATCH: usize = 64;
/// How often a program that says nothing of its polls is taken for heard, as long as it lives.
const ALIVE: Duration = Duration::from_secs(30);
/// What a program gets to end by itself, and then to end by SIGTERM.
const GRACE: Duration = Duration::from_millis(1_500);

/// The channel.
pub struct Exec {
    settings: Settings,
    context: Context,
    talk: OnceCell<Talk>,
    /// Handed over without an answer yet: the host was full, or `receive` was dropped on the way.
    held: Mutex<Vec<Handed>>,
}

impl Channel for Exec {
    const MANIFEST: Manifest = Manifest::new("exec", env!("CARGO_PKG_VERSION"))
        .description("A program of your own that speaks JSON lines, in any language.")
        .schema(include_str!("../schema.json"))
        .permissions(&[
            Permission::Exec,
            Permission::Network,
            Permission::Listen,
            Permission::Files,
        ]);

    type Config = Settings;

    async fn create(settings: Settings, context: Context) -> Result<Self> {
        settings.check()?;
        Ok(Self {
            settings,
            context,
            talk: OnceCell::new(),
            held: Mutex::default(),
        })
    }

    async fn start(&self) -> Result<Account> {
        let (program, pipes) = Program::start(&self.settings)?;
        let (talk, ready) = Talk::open(program, pipes, &self.context)?;
        let talk = self.talk.get_or_init(|| async { talk }).await;
        let options = self.settings.options.clone();
        talk.say(ToProgram::start(self.context.instance(), options))
            .await?;
        let ready = match ready.await {
            Ok(ready) => ready,
            Err(_) => return Err(talk.ended("before it was ready").await),
        };
        Ok(ready.account(self.context.instance()))
    }

    async fn receive(&self, inbox: Inbox, mut stop: Stop) -> Result<()> {
        let talk = self.talk()?;
        let mut held = self.held.lock().await;
        self.hand_over(&inbox, talk, &mut held).await?;
        talk.say(ToProgram::receive(inbox.cursor())).await?;
        let mut messages = talk.messages.lock().await;
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                count = messages.recv_many(&mut held, BATCH) => {
                    if count == 0 {
                        return Err(talk.ended("").await);
                    }
                    self.hand_over(&inbox, talk, &mut held).await?;
                }
                () = talk.heard.notified() => inbox.progress(),
                () = tokio::time::sleep(ALIVE), if !talk.polls() => inbox.progress(),
            }
        }
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        self.talk()?.send(message).await
    }

    async fn shutdown(&self) -> Result<()> {
        match self.talk.get() {
            Some(talk) => talk.stop(GRACE).await,
            None => Ok(()),
        }
    }
}

impl Exec {
    fn talk(&self) -> Result<&Talk> {
        self.talk
            .get()
            .ok_or_else(|| Error::transient("the program was not started").because(Cause::Unavailable))
    }

    /// Hands over what is held, and tells the program. Where it fails, all of it is still held.
    async fn hand_over(&self, inbox: &Inbox, talk: &Talk, held: &mut Vec<Handed>) -> Result<()> {
        if held.is_empty() {
            return Ok(());
        }
        let messages: Vec<InboundMessage> = held.iter().map(|handed| handed.message.clone()).collect();
        let cursor = held.iter().rev().find_map(|handed| handed.cursor.clone());
        let verdicts = inbox.emit_batch(messages, cursor).await?;
        inbox.progress();
        let answers: Vec<ToProgram> = held
            .drain(..)
            .zip(verdicts)
            .map(|(handed, verdict)| ToProgram::ack(handed.message, verdict))
            .collect();
        for answer in answers {
            // A program that is gone hands over again what it does not know of; why it is gone is told at the end of the queue.
            let _ = talk.say(answer).await;
        }
        Ok(())
    }
}
