//! A provider with the test as its host.

use serde_json::Value;

use super::instance::{Instance, Instantiate, birth, result};
use crate::abi::{Birth, method};
use crate::glue::instantiate_provider;
use crate::{Chunk, Completion, CompletionRequest, Model, Provider, Result};

/// A provider under test.
pub struct ProviderKit {
    pub(super) instance: Instance,
}

impl ProviderKit {
    /// An instance of `P`; its thread runs from here on.
    ///
    /// # Panics
    /// Where no thread can be had.
    pub fn new<P: Provider>(settings: Value) -> Self {
        let instantiate: &Instantiate =
            &|birth, host| instantiate_provider::<P>(birth, host, false).into_result();
        Self::of(birth(&settings), instantiate).unwrap_or_else(|error| panic!("{error}"))
    }

    /// An instance that `instantiate` makes.
    pub(super) fn of(birth: Birth, instantiate: &Instantiate) -> Result<Self> {
        Ok(Self {
            instance: Instance::new(birth, None, instantiate)?,
        })
    }

    /// `create` and `start`.
    ///
    /// # Errors
    /// Theirs.
    pub async fn start(&self) -> Result<()> {
        self.instance.call(method::CREATE, &()).await?;
        self.instance.call(method::START, &()).await.map(drop)
    }

    /// `complete`, with all its chunks.
    pub async fn complete(&self, request: CompletionRequest) -> (Vec<Chunk>, Result<Completion>) {
        let (op, reply) = self.instance.begin(method::COMPLETE, &request);
        let result = result(reply.await).and_then(|payload| payload.decode());
        (
            self.instance.shared.lock().chunks.remove(&op).unwrap_or_default(),
            result,
        )
    }

    /// `models`.
    ///
    /// # Errors
    /// Its own.
    pub async fn models(&self) -> Result<Vec<Model>> {
        self.instance.call(method::MODELS, &()).await?.decode()
    }

    /// `shutdown`.
    ///
    /// # Errors
    /// Its own.
    pub async fn shutdown(&self) -> Result<()> {
        self.instance.call(method::SHUTDOWN, &()).await.map(drop)
    }

    /// Everything logged so far, a line each: level, target, fields.
    pub fn log(&self) -> Vec<String> {
        self.instance.shared.lock().log.clone()
    }
}
