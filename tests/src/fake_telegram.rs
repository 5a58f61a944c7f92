//! A scriptable Bot API server on loopback: long polls, the rules of sending, and faults at will.

mod account;
mod fault;
mod files;
mod html;
mod ledger;
mod menu;
mod methods;
mod multipart;
mod polling;
mod sending;
mod update;
mod webhook;

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::http::{Handler, Reply, Request};
use crate::server::ServerThread;
use crate::watched::{DEADLINE, Watched};

pub use fault::{Answer, Rule};
pub use ledger::{Call, Delivery, Edit, Ledger, Poll, Sent, Upload};
pub use update::Injection;

use account::Accounts;
use fault::Rules;

/// A bot token of the right shape, used where a test names none.
pub const TOKEN: &str = "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is called with every message that the bot sends; it may have the next one come in at once.
pub type OnSent = Box<dyn FnMut(&Sent) -> Option<Injection> + Send>;

/// The server. It ends when this is dropped.
pub struct FakeTelegram {
    shared: Arc<Shared>,
    url: String,
    _thread: Arc<ServerThread>,
}

struct Shared {
    state: Watched<State>,
    /// For tasks that go on after a call.
    own: Weak<Shared>,
}

#[derive(Default)]
struct State {
    accounts: Accounts,
    rules: Rules,
    ledger: Ledger,
    files: files::Files,
    on_sent: Option<OnSent>,
}

impl FakeTelegram {
    /// Starts a server on a thread of its own.
    pub fn start() -> Self {
        Self::start_on(&ServerThread::start())
    }

    /// Starts a server on a thread that others share.
    pub fn start_on(thread: &Arc<ServerThread>) -> Self {
        let shared = Arc::new_cyclic(|own| Shared {
            state: Watched::new(State::default()),
            own: own.clone(),
        });
        let address = thread.serve(shared.clone());
        Self {
            shared,
            url: format!("http://{address}"),
            _thread: thread.clone(),
        }
    }

    /// What the channel's `api_url` has to be.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a private message to the bot with [`TOKEN`]; returns its message id.
    pub fn inject(&self, chat: i64, user: i64, text: &str) -> i64 {
        self.inject_to(TOKEN, &Injection::text(chat, user, text))
    }

    /// Sends many private messages at once; one poll may bring up to 100 of them.
    pub fn inject_all(&self, messages: &[Injection]) {
        self.shared.state.change(|state| {
            let account = state.accounts.by_token(TOKEN);
            for message in messages {
                account.inject(message);
            }
            account.wake();
        });
    }

    /// Sends a message to the bot with this token; returns its message id.
    pub fn inject_to(&self, token: &str, message: &Injection) -> i64 {
        self.shared.state.change(|state| {
            let account = state.accounts.by_token(token);
            let id = account.inject(message);
            account.wake();
            id
        })
    }

    /// Queues an update as it stands: the members of its object beside `update_id`, as JSON text, for example
    /// `"message":{…}`. It need not be valid.
    pub fn inject_raw(&self, members: &str) {
        self.shared.state.change(|state| {
            let account = state.accounts.by_token(TOKEN);
            account.inject_raw(members);
            account.wake();
        });
    }

    /// Makes the ids of further updates go on from `next`, as Telegram does after an idle week.
    pub fn set_next_update_id(&self, token: &str, next: i64) {
        self.shared
            .state
            .change(|state| state.accounts.by_token(token).next_update_id = next);
    }

    /// Lets a token no longer be valid: everything answers 401.
    pub fn revoke(&self, token: &str) {
        self.shared.state.change(|state| {
            let account = state.accounts.by_token(token);
            account.revoked = true;
            account.wake();
        });
    }

    /// Starts a rule that makes calls of `method` fail; `*` stands for all methods, `file` for downloads, and
    /// `webhook` for the posts to one: an answer counts as the other side's, whom it reaches only where it is
    /// `accepted`.
    pub fn on(&self, method: &str) -> Rule<'_> {
        Rule::new(&self.shared.state, method)
    }

    /// Ends all rules, so that everything works again.
    pub fn clear_rules(&self) {
        self.shared.state.change(|state| state.rules.clear());
    }

    /// Calls `hook` with every message that the bot sends from here on.
    pub fn set_on_sent(&self, hook: Option<OnSent>) {
        self.shared.state.change(|state| state.on_sent = hook);
    }

    /// How many updates the bot with [`TOKEN`] has not confirmed.
    pub fn unconfirmed(&self) -> usize {
        self.shared
            .state
            .change(|state| state.accounts.by_token(TOKEN).waiting())
    }

    /// When the first `getUpdates` came.
    pub fn first_poll(&self) -> Option<Instant> {
        self.shared.state.lock().ledger.polls.first().map(|poll| poll.at)
    }

    /// How many messages were sent so far.
    pub fn sent_count(&self) -> usize {
        self.shared.state.lock().ledger.sent.len()
    }

    /// A copy of everything that was received.
    pub fn ledger(&self) -> Ledger {
        self.shared.state.lock().ledger.clone()
    }

    /// Forgets what was received.
    pub fn clear_ledger(&self) {
        self.shared.state.change(|state| {
            state.ledger = Ledger {
                open_polls: state.ledger.open_polls,
                ..Ledger::default()
            };
        });
    }

    /// Forgets also what stands in the chats, so that a long run does not fill the memory; nothing of it can be
    /// edited or deleted afterwards.
    pub fn forget_sent(&self) {
        self.clear_ledger();
        self.shared
            .state
            .change(|state| state.accounts.by_token(TOKEN).messages.clear());
    }

    /// All messages that were sent to a chat, in order.
    pub fn sent_to(&self, chat: i64) -> Vec<Sent> {
        self.shared.state.lock().ledger.sent_to(chat)
    }

    /// What a person sees of a message that the bot with [`TOKEN`] sent, as it stands in its chat at this moment.
    pub fn standing(&self, chat: i64, message_id: i64) -> Option<String> {
        self.shared.state.change(|state| {
            let messages = &state.accounts.by_token(TOKEN).messages;
            messages
                .get(&(chat, message_id))
                .map(|message| message.text.clone())
        })
    }

    /// Waits until `look` finds something in the ledger.
    ///
    /// # Panics
    /// At the deadline; `what` says what was waited for.
    pub fn wait<R>(&self, what: &str, look: impl FnMut(&Ledger) -> Option<R>) -> R {
        self.try_wait(DEADLINE, look).unwrap_or_else(|| {
            panic!(
                "{what} did not happen within {DEADLINE:?}; {}",
                self.ledger().summary()
            )
        })
    }

    /// Waits until `look` finds something in the ledger, at most `patience`.
    pub fn try_wait<R>(&self, patience: Duration, mut look: impl FnMut(&Ledger) -> Option<R>) -> Option<R> {
        self.shared.state.wait(patience, |state| look(&state.ledger))
    }

    /// Waits for the first poll.
    pub fn wait_for_poll(&self) {
        self.wait("a poll", |ledger| (!ledger.polls.is_empty()).then_some(()));
    }

    /// Waits until nobody polls, as after intake has closed.
    pub fn wait_for_silence(&self) {
        self.wait("the end of polling", |ledger| {
            (ledger.open_polls == 0).then_some(())
        });
    }

    /// Waits until `n` messages were sent in all; returns all of them.
    pub fn wait_for_replies(&self, n: usize) -> Vec<Sent> {
        self.wait(&format!("{n} replies"), |ledger| {
            (ledger.sent.len() >= n).then(|| ledger.sent.clone())
        })
    }

    /// Waits until `n` messages were sent to a chat; returns all of them.
    pub fn wait_for_replies_to(&self, chat: i64, n: usize) -> Vec<Sent> {
        self.wait(&format!("{n} replies to chat {chat}"), |ledger| {
            let sent = ledger.sent_to(chat);
            (sent.len() >= n).then_some(sent)
        })
    }

    /// Waits until the bot with [`TOKEN`] has a webhook.
    ///
    /// # Panics
    /// At the deadline.
    pub fn wait_for_webhook(&self) {
        let set = self
            .shared
            .state
            .wait(DEADLINE, |state| state.accounts.has_webhook(TOKEN));
        assert!(
            set.is_some(),
            "no webhook within {DEADLINE:?}; {}",
            self.ledger().summary()
        );
    }

    /// Waits until `n` calls of `method` came, whatever they were answered; returns all of them.
    pub fn wait_for_calls(&self, method: &str, n: usize) -> Vec<Call> {
        self.wait(&format!("{n} calls of {method}"), |ledger| {
            let calls = ledger.calls_of(method);
            (calls.len() >= n).then_some(calls)
        })
    }
}

impl Handler for Shared {
    async fn handle(&self, request: Request) -> Reply {
        if let Some(place) = request.path().strip_prefix("/file") {
            return match route(place) {
                Some((_, path)) => self.download(path).await,
                None => Answer::not_found().into_reply(),
            };
        }
        match route(request.path()) {
            Some((token, method)) => self.call(token, method, &request).await,
            None => Answer::not_found().into_reply(),
        }
    }
}

/// `/bot<token>/<method>`; a token of the wrong shape is answered as the real server does, with 404.
fn route(path: &str) -> Option<(&str, &str)> {
    let (token, method) = path.strip_prefix("/bot")?.split_once('/')?;
    let (id, secret) = token.split_once(':')?;
    let shape = !id.is_empty()
        && id.bytes().all(|byte| byte.is_ascii_digit())
        && (30..=50).contains(&secret.len())
        && secret
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    shape.then_some((token, method))
}

#[cfg(test)]
mod tests;
