//! Answers what plugins ask that may read the gateway's state: what the control socket answers, as far as it changes nothing.

use std::sync::Arc;

use miniclaw_plugin_api::wire::Named;
use miniclaw_plugin_api::{Cause, Error};
use tokio::sync::mpsc;

use crate::control::{Hands, Op, perform};
use crate::plugins::instance::{Answer, AskSink};

/// Questions that wait; more are answered `Busy`.
const QUEUE: usize = 32;

/// Questions of all plugins.
pub(super) struct Questions(mpsc::Receiver<(Named, Answer)>);

/// Where plugins' questions go, and whoever answers them.
pub(super) fn questions() -> (AskSink, Questions) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let ask = move |named: Named, answer: Answer| {
        if let Err(error) = sender.try_send((named, answer)) {
            let (mpsc::error::TrySendError::Full((_, answer))
            | mpsc::error::TrySendError::Closed((_, answer))) = error;
            answer.refuse(Error::transient("the gateway is asked too much at once").because(Cause::Busy));
        }
    };
    (Arc::new(ask), Questions(receiver))
}

impl Questions {
    /// Answers them one after the other, until nobody is left to ask.
    pub(super) async fn answer(mut self, hands: Arc<Hands>) {
        while let Some((named, answer)) = self.0.recv().await {
            let Some(op) = Op::reading(&named.name, named.data) else {
                answer.refuse(Error::unsupported(&named.name));
                continue;
            };
            let told = perform(op, &hands).await;
            answer.give(told.map_err(|reason| Error::transient(reason).because(Cause::Unavailable)));
        }
    }
}
