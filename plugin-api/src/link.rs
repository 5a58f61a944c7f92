//! An instance's way to its host: requests with their tickets, notices, log.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use crate::abi::{HostBox, LogRecord, Payload, Reply, request};
use crate::error::{Cause, Error, Result};
use crate::wire::decode_error;

/// The host, as an instance sees it.
pub(crate) struct HostLink {
    host: HostBox,
    tickets: Mutex<HashMap<u64, Waiter>>,
    next_ticket: AtomicU64,
}

/// Who waits for the answer to a request. Bounded: one entry for each `emit` and `ask` under way and at most
/// [`crate::sink::WINDOW`] for each completion.
enum Waiter {
    Reply(oneshot::Sender<Reply>),
    Credit(Arc<Semaphore>),
}

impl HostLink {
    pub(crate) fn new(host: HostBox) -> Self {
        Self {
            host,
            tickets: Mutex::new(HashMap::new()),
            next_ticket: AtomicU64::new(1),
        }
    }

    /// Asks the host and waits for its answer.
    pub(crate) async fn request(&self, op: u64, method: u32, payload: Payload) -> Result<Payload> {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.open(Waiter::Reply(sender));
        let _close = CloseOnDrop { link: self, ticket };
        self.host.request(ticket, op, method, payload);
        match receiver.await {
            Ok(Reply::ROk(payload)) => Ok(payload),
            Ok(Reply::RErr(payload)) => Err(decode_error(&payload)),
            Err(_) => Err(Error::unknown("the host went away").because(Cause::Stopping)),
        }
    }

    /// Hands a chunk to the host, whose answer gives the credit back.
    pub(crate) fn chunk(&self, op: u64, payload: Payload, credit: &Arc<Semaphore>) {
        let ticket = self.open(Waiter::Credit(credit.clone()));
        self.host.request(ticket, op, request::CHUNK, payload);
    }

    pub(crate) fn answer(&self, ticket: u64, reply: Reply) {
        let waiter = self.tickets().remove(&ticket);
        match waiter {
            Some(Waiter::Reply(sender)) => drop(sender.send(reply)),
            Some(Waiter::Credit(credit)) => credit.add_permits(1),
            None => {}
        }
    }

    pub(crate) fn done(&self, op: u64, reply: Reply) {
        self.host.done(op, reply);
    }

    pub(crate) fn notify(&self, notice: u32, payload: Payload) {
        self.host.notify(notice, payload);
    }

    pub(crate) fn log(&self, record: LogRecord) {
        self.host.log(record);
    }

    fn open(&self, waiter: Waiter) -> u64 {
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        self.tickets().insert(ticket, waiter);
        ticket
    }

    fn tickets(&self) -> MutexGuard<'_, HashMap<u64, Waiter>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CloseOnDrop<'a> {
    link: &'a HostLink,
    ticket: u64,
}

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.link.tickets().remove(&self.ticket);
    }
}
