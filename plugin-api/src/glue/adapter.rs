//! From method numbers and JSON to the author's traits.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::{Instrument, Span, info_span};

use crate::abi::{Payload, method};
use crate::channel::Channel;
use crate::completion::CompletionRequest;
use crate::context::{Context, Stop};
use crate::error::{Error, Result};
use crate::inbox::Inbox;
use crate::link::HostLink;
use crate::message::{Meta, OutboundMessage};
use crate::provider::Provider;
use crate::sink::ChunkSink;
use crate::wire::{Named, Receive, SignalTo, Update};

/// An author's type behind method numbers. An object, so that what runs an instance is compiled once for all types.
pub(crate) trait Adapter: Send + Sync {
    /// Runs one method; the future owns all it needs.
    fn call(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Payload>>;
}

/// Makes an adapter of the author's settings.
pub(crate) type Create =
    fn(settings: String, context: Context) -> BoxFuture<'static, Result<Arc<dyn Adapter>>>;

/// One operation.
pub(crate) struct Call {
    pub(crate) op: u64,
    pub(crate) method: u32,
    pub(crate) payload: Payload,
    pub(crate) link: Arc<HostLink>,
}

/// Reads settings, naming the key that serde refuses.
pub(crate) fn parse_settings<T: DeserializeOwned>(json: &str) -> Result<T> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    let mut input = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let path = error.path().to_string();
        // The position is one in the text that the host made, which the operator never sees.
        let reason = error.inner().to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        if path == "." {
            Error::config(format!("settings: {reason}"))
        } else {
            Error::config(format!("settings.{path}: {reason}"))
        }
    })
}

/// The message that an operation is about, as the host numbers it: every line that the plugin logs has it.
fn inbound(meta: &Meta) -> Option<u64> {
    meta.get("inbound").and_then(serde_json::Value::as_u64)
}

pub(crate) struct ChannelAdapter<C> {
    channel: C,
    /// Stops the `receive` under way.
    stop: Mutex<Option<watch::Sender<bool>>>,
}

impl<C: Channel> ChannelAdapter<C> {
    pub(crate) fn create(settings: String, context: Context) -> BoxFuture<'static, Result<Arc<dyn Adapter>>> {
        Box::pin(async move {
            let channel = C::create(parse_settings(&settings)?, context).await?;
            let stop = Mutex::new(None);
            Ok(Arc::new(Self { channel, stop }) as Arc<dyn Adapter>)
        })
    }

    fn open_stop(&self) -> Stop {
        let (sender, stop) = Stop::new();
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        stop
    }

    fn request_stop(&self) {
        if let Some(sender) = &*self.stop.lock().unwrap_or_else(PoisonError::into_inner) {
            sender.send_replace(true);
        }
    }

    async fn run(
        &self,
        Call {
            op,
            method,
            payload,
            link,
        }: Call,
    ) -> Result<Payload> {
        let channel = &self.channel;
        match method {
            method::START => channel.start().await.map(|account| Payload::encode(&account)),
            method::RECEIVE => {
                let Receive { cursor } = payload.decode()?;
                channel
                    .receive(Inbox::new(link, op, cursor), self.open_stop())
                    .await
                    .map(|()| Payload::default())
            }
            method::STOP_RECEIVING => {
                self.request_stop();
                Ok(Payload::default())
            }
            method::SEND => {
                let message: OutboundMessage = payload.decode()?;
                let span =
                    inbound(&message.meta).map_or_else(Span::none, |inbound| info_span!("send", inbound));
                let sent = channel.send(message).instrument(span).await;
                sent.map(|sent| Payload::encode(&sent))
            }
            method::UPDATE => {
                let Update { target, change } = payload.decode()?;
                channel.update(target, change).await.map(|()| Payload::default())
            }
            method::SIGNAL => {
                let SignalTo { chat, signal } = payload.decode()?;
                channel.signal(chat, signal).await.map(|()| Payload::default())
            }
            method::FETCH => channel.fetch(payload.decode()?).await.map(Payload::of_bytes),
            method::SHUTDOWN => channel.shutdown().await.map(|()| Payload::default()),
            method::INVOKE => {
                let Named { name, data } = Named::of_invoke(&payload)?;
                channel
                    .invoke(name, data)
                    .await
                    .map(|value| Payload::encode(&value))
            }
            method::EVENT => {
                let Named { name, data } = payload.decode()?;
                channel.event(name, data).await;
                Ok(Payload::default())
            }
            _ => Err(Error::unsupported(&format!("method {method} of a channel"))),
        }
    }
}

impl<C: Channel> Adapter for ChannelAdapter<C> {
    fn call(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Payload>> {
        Box::pin(async move { self.run(call).await })
    }
}

pub(crate) struct ProviderAdapter<P>(P);

impl<P: Provider> ProviderAdapter<P> {
    pub(crate) fn create(settings: String, context: Context) -> BoxFuture<'static, Result<Arc<dyn Adapter>>> {
        Box::pin(async move {
            let provider = P::create(parse_settings(&settings)?, context).await?;
            Ok(Arc::new(Self(provider)) as Arc<dyn Adapter>)
        })
    }

    async fn run(
        &self,
        Call {
            op,
            method,
            payload,
            link,
        }: Call,
    ) -> Result<Payload> {
        let provider = &self.0;
        match method {
            method::START => provider.start().await.map(|()| Payload::default()),
            method::COMPLETE => {
                let (request, sink) = (payload.decode::<CompletionRequest>()?, ChunkSink::new(link, op));
                let span =
                    inbound(&request.meta).map_or_else(Span::none, |inbound| info_span!("complete", inbound));
                let completion = provider.complete(request, sink).instrument(span).await;
                completion.map(|completion| Payload::encode(&completion))
            }
            method::MODELS => provider.models().await.map(|models| Payload::encode(&models)),
            method::SHUTDOWN => provider.shutdown().await.map(|()| Payload::default()),
            method::INVOKE => {
                let Named { name, data } = Named::of_invoke(&payload)?;
                provider
                    .invoke(name, data)
                    .await
                    .map(|value| Payload::encode(&value))
            }
            method::EVENT => {
                let Named { name, data } = payload.decode()?;
                provider.event(name, data).await;
                Ok(Payload::default())
            }
            _ => Err(Error::unsupported(&format!("method {method} of a provider"))),
        }
    }
}

impl<P: Provider> Adapter for ProviderAdapter<P> {
    fn call(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Payload>> {
        Box::pin(async move { self.run(call).await })
    }
}
