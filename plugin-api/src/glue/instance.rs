//! One instance: its thread, its runtime, its operations.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::RResult;
use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use tokio::sync::mpsc;

use super::adapter::{Adapter, Call, ChannelAdapter, Create, ProviderAdapter};
use super::log_layer::Forwarder;
use crate::abi::{Birth, HostBox, Payload, Plugin, Plugin_TO, PluginBox, Reply, method, notice};
use crate::channel::Channel;
use crate::context::{Context, panic_error};
use crate::error::{Cause, Error, Result};
use crate::link::HostLink;
use crate::provider::Provider;
use crate::wire::encode_reply;

/// Stack of an instance's thread in bytes; pages that are not touched cost nothing.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// The body of `instantiate` for a channel.
pub fn instantiate_channel<C: Channel>(
    birth: Birth,
    host: HostBox,
    library: bool,
) -> RResult<PluginBox, Payload> {
    instantiate(ChannelAdapter::<C>::create, birth, host, library)
}

/// The body of `instantiate` for a provider.
pub fn instantiate_provider<P: Provider>(
    birth: Birth,
    host: HostBox,
    library: bool,
) -> RResult<PluginBox, Payload> {
    instantiate(ProviderAdapter::<P>::create, birth, host, library)
}

/// `library` says that this code has statics of its own, rather than the host's.
fn instantiate(create: Create, birth: Birth, host: HostBox, library: bool) -> RResult<PluginBox, Payload> {
    let link = Arc::new(HostLink::new(host));
    let forwarder = Forwarder::new(link.clone(), birth.log_level);
    let (commands, receiver) = mpsc::unbounded_channel();
    let handle = Handle {
        commands,
        link: link.clone(),
        forwarder: forwarder.clone(),
    };
    let name = format!("mc-{}", birth.instance);
    let thread = std::thread::Builder::new()
        .name(name)
        .stack_size(STACK_BYTES)
        .spawn(move || {
            forwarder.install(library);
            let run = AssertUnwindSafe(|| run(create, &birth, &link, receiver));
            let error = match std::panic::catch_unwind(run) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => Error::transient(format!("the instance has no runtime: {error}")),
                Err(panic) => panic_error("the instance's thread", panic.as_ref()),
            };
            link.notify(notice::FAILED, Payload::encode(&error));
        });
    match thread {
        Ok(_) => RResult::ROk(Plugin_TO::from_value(handle, TD_Opaque)),
        Err(error) => {
            let error =
                Error::transient(format!("no thread for the instance: {error}")).because(Cause::Unavailable);
            RResult::RErr(Payload::encode(&error))
        }
    }
}

/// What the host holds. Dropping it ends the thread, unless an operation blocks it.
struct Handle {
    /// Unbounded, since a call must return at once; the host bounds the operations under way.
    commands: mpsc::UnboundedSender<Command>,
    link: Arc<HostLink>,
    forwarder: Forwarder,
}

enum Command {
    Call { op: u64, method: u32, payload: Payload },
    Cancel(u64),
}

impl Plugin for Handle {
    fn call(&self, op: u64, method: u32, payload: Payload) {
        if self.commands.send(Command::Call { op, method, payload }).is_err() {
            let error = Error::transient("the instance is over").because(Cause::Cancelled);
            self.link.done(op, Reply::RErr(Payload::encode(&error)));
        }
    }

    fn cancel(&self, op: u64) {
        // A closed channel means that the operation is gone already.
        let _ = self.commands.send(Command::Cancel(op));
    }

    fn answer(&self, ticket: u64, reply: Reply) {
        self.link.answer(ticket, reply);
    }

    fn set_log_level(&self, level: u8) {
        self.forwarder.set_level(level);
    }
}

fn run(
    create: Create,
    birth: &Birth,
    link: &Arc<HostLink>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let meta = serde_json::from_str(&birth.meta).unwrap_or_default();
    let context = Context::new(link.clone(), &birth.instance, meta);
    let mut operations = Operations {
        create,
        link: link.clone(),
        adapter: Slot::default(),
        running: Running::default(),
    };
    runtime.block_on(async {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Call { op, method, payload } => {
                    operations.start(op, method, payload, birth, &context)
                }
                Command::Cancel(op) => operations.cancel(op),
            }
        }
    });
    runtime.shutdown_background();
    Ok(())
}

type Slot = Arc<Mutex<Option<Arc<dyn Adapter>>>>;
type Running = Arc<Mutex<HashMap<u64, AbortHandle>>>;

struct Operations {
    create: Create,
    link: Arc<HostLink>,
    adapter: Slot,
    running: Running,
}

impl Operations {
    fn start(&mut self, op: u64, method: u32, payload: Payload, birth: &Birth, context: &Context) {
        let future: BoxFuture<'static, Result<Payload>> = if method == method::CREATE {
            let adapter = (self.create)(birth.settings.to_string(), context.clone());
            Box::pin(keep(adapter, self.adapter.clone()))
        } else if let Some(adapter) = lock(&self.adapter).clone() {
            adapter.call(Call {
                op,
                method,
                payload,
                link: self.link.clone(),
            })
        } else {
            Box::pin(async { Err(Error::permanent("the instance was not created").because(Cause::Protocol)) })
        };
        let (abort, registration) = AbortHandle::new_pair();
        lock(&self.running).insert(op, abort);
        let (link, running) = (self.link.clone(), self.running.clone());
        tokio::spawn(async move {
            let guarded = AssertUnwindSafe(future).catch_unwind();
            let result = match Abortable::new(guarded, registration).await {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => Err(panic_error("the plugin", panic.as_ref())),
                Err(_) => Err(Error::unknown("the operation was cancelled").because(Cause::Cancelled)),
            };
            lock(&running).remove(&op);
            let reply = match result {
                Ok(payload) => Reply::ROk(payload),
                Err(error) => encode_reply::<()>(&Err(error)),
            };
            link.done(op, reply);
        });
    }

    fn cancel(&self, op: u64) {
        if let Some(abort) = lock(&self.running).get(&op) {
            abort.abort();
        }
    }
}

async fn keep(adapter: BoxFuture<'static, Result<Arc<dyn Adapter>>>, slot: Slot) -> Result<Payload> {
    *lock(&slot) = Some(adapter.await?);
    Ok(Payload::default())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
