//! What a plugin may ask of the host. Runs on the plugin's thread: it returns at once and never panics.

use std::sync::Arc;
use std::time::Instant;

use miniclaw_plugin_api::abi::{HostApi, LogRecord, Payload, Reply, notice, request};
use miniclaw_plugin_api::wire::{Named, encode_reply};
use miniclaw_plugin_api::{Cause, Error};

use super::{Answer, InboundRequest, Outage, Shared, lock};

pub(crate) struct Host(pub(super) Arc<Shared>);

impl HostApi for Host {
    fn request(&self, ticket: u64, op: u64, method: u32, payload: Payload) {
        let refusal = match method {
            request::INBOUND => self.inbound(ticket, payload),
            request::CHUNK => self.chunk(ticket, op, payload),
            request::ASK => self.ask(ticket, &payload),
            _ => Some(Error::unsupported(&format!("request {method} of the host"))),
        };
        if let Some(error) = refusal {
            self.0.answer(ticket, encode_reply::<()>(&Err(error)));
        }
    }

    fn done(&self, op: u64, reply: Reply) {
        if let Some(operation) = self.0.end(op) {
            // Nobody waits where the caller was dropped at this moment.
            let _ = operation.reply.send(reply);
        }
    }

    fn log(&self, record: LogRecord) {
        (self.0.hooks.log)(record);
    }

    fn notify(&self, notice: u32, payload: Payload) {
        match notice {
            notice::PROGRESS => drop(self.0.progress.send_replace(Some(Instant::now()))),
            notice::FAILED => drop(self.0.failure.send_replace(Some(super::error_of(&payload)))),
            notice::EVENT => {
                if let Ok(event) = payload.decode::<Named>() {
                    match event.name.as_str() {
                        "outage" => {
                            let reason = event.data.get("reason").and_then(|reason| reason.as_str());
                            let mut outage = lock(&self.0.outage);
                            let told =
                                Outage::told(outage.take(), reason.unwrap_or_default(), Instant::now());
                            *outage = Some(told);
                        }
                        "recovered" => {
                            if let Some(outage) = &mut *lock(&self.0.outage) {
                                outage.ended.get_or_insert_with(Instant::now);
                            }
                            (self.0.hooks.event)(event);
                        }
                        _ => (self.0.hooks.event)(event),
                    }
                }
            }
            // A later plugin may tell what this host does not know.
            _ => {}
        }
    }
}

impl Host {
    /// The instance's name.
    pub(crate) fn name(&self) -> Arc<str> {
        self.0.name.clone()
    }

    /// The instance's process is gone: whatever was under way in it ended with `error`.
    pub(crate) fn died(&self, error: Error) {
        self.0.failure.send_replace(Some(error.clone()));
        self.0.end_all(&error);
    }

    fn inbound(&self, ticket: u64, payload: Payload) -> Option<Error> {
        let Some(queue) = lock(&self.0.inbound).clone() else {
            return Some(Error::transient("the gateway is stopping").because(Cause::Stopping));
        };
        let answer = Answer::of_batch(self.0.clone(), ticket);
        match queue.try_send(InboundRequest { payload, answer }) {
            Ok(()) => None,
            Err(error) => {
                let error = match error {
                    tokio::sync::mpsc::error::TrySendError::Full(request) => (request, Cause::Busy),
                    tokio::sync::mpsc::error::TrySendError::Closed(request) => (request, Cause::Stopping),
                };
                let (request, cause) = error;
                request
                    .answer
                    .refuse(Error::transient("the gateway takes no message").because(cause));
                None
            }
        }
    }

    fn ask(&self, ticket: u64, payload: &Payload) -> Option<Error> {
        if !self.0.observes {
            let name = &self.0.name;
            let text = format!(
                "`{name}` may not read the gateway's state: its manifest must ask for `observe`, and the configuration of a \
                 library allow it in `sandbox.allow`"
            );
            return Some(Error::permanent(text).because(Cause::Auth));
        }
        let named: Named = match payload.decode() {
            Ok(named) => named,
            Err(error) => return Some(error),
        };
        match &self.0.hooks.ask {
            Some(ask) => ask(named, Answer::of_question(self.0.clone(), ticket)),
            None => return Some(Error::unsupported(&named.name)),
        }
        None
    }

    fn chunk(&self, ticket: u64, op: u64, payload: Payload) -> Option<Error> {
        let queue = lock(&self.0.operations)
            .open
            .get(&op)
            .and_then(|operation| operation.chunks.clone());
        match queue.map(|queue| queue.try_send((ticket, payload))) {
            Some(Ok(())) => None,
            Some(Err(_)) => {
                let error =
                    Error::permanent("the provider sent chunks beyond its credit").because(Cause::Protocol);
                self.done(op, encode_reply::<()>(&Err(error.clone())));
                Some(error)
            }
            None => Some(Error::unknown("the completion is over").because(Cause::Cancelled)),
        }
    }
}
