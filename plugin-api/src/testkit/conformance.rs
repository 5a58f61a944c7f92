//! What every plugin must hold to, as numbered stages: the same that `miniclaw plugin check` runs on a library.
//!
//! ```no_run
//! # use miniclaw_plugin_api::{testkit::conformance, Channel};
//! # async fn f<MyChannel: Channel>() {
//! conformance::channel::<MyChannel>(serde_json::json!({ "server": "127.0.0.1:7000" })).await.assert();
//! # }
//! ```
//!
//! What a channel receives is up to its platform, so a channel that wants stage 6 answers one question in
//! [`Channel::invoke`]: at `check.emit` with `{"count": N}` it makes its platform, or a stand-in for it, say N
//! messages of the texts `check 1` to `check N`, which then take the way of every message. Otherwise the stage is
//! skipped, which the report says.
//!
//! The first three stages are about the file and its manifest and belong to the command alone.

mod completions;
mod inbound;
mod life;
mod panics;
mod report;
mod sends;
mod settings;
mod subject;
mod threads;

use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::abi::PluginModRef;
use crate::glue::{instantiate_channel, instantiate_provider};
use crate::manifest::{Capability, Kind, TextUnit};
use crate::{Channel, Manifest, Provider};

pub use report::{Finding, Report, Stage};

use subject::Subject;

/// The stages that need a loaded plugin; those before are of the file.
pub const STAGES: std::ops::RangeInclusive<u32> = 4..=10;

/// A check that was not run yet: set what is to be set, then await it.
pub struct Check {
    subject: Subject,
    from: u32,
}

/// Checks a channel with these settings.
pub fn channel<C: Channel>(settings: Value) -> Check {
    let instantiate = |birth, host| instantiate_channel::<C>(birth, host, false).into_result();
    Check::new(
        Facts::of(&C::MANIFEST, Kind::Channel),
        settings,
        Arc::new(instantiate),
    )
}

/// Checks a provider with these settings.
pub fn provider<P: Provider>(settings: Value) -> Check {
    let instantiate = |birth, host| instantiate_provider::<P>(birth, host, false).into_result();
    Check::new(
        Facts::of(&P::MANIFEST, Kind::Provider),
        settings,
        Arc::new(instantiate),
    )
}

/// What the check must know of the manifest.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Facts {
    pub kind: Kind,
    pub schema: String,
    pub capabilities: u64,
    pub text_limit: u32,
    pub text_unit: TextUnit,
}

impl Facts {
    fn of(manifest: &Manifest, kind: Kind) -> Self {
        Self {
            kind,
            schema: manifest.schema.to_owned(),
            capabilities: manifest.capabilities,
            text_limit: manifest.text_limit,
            text_unit: manifest.text_unit,
        }
    }

    fn can(&self, capability: Capability) -> bool {
        self.capabilities & capability as u64 != 0
    }
}

impl Check {
    fn new(facts: Facts, settings: Value, instantiate: Arc<super::instance::Instantiate>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        Self {
            subject: Subject {
                name: format!("kit{}", COUNT.fetch_add(1, Ordering::Relaxed)),
                facts,
                settings,
                instantiate,
                chat: None,
                patience: None,
                data_dir: None,
                alone: false,
            },
            from: *STAGES.start(),
        }
    }

    /// A check of a library in a process that has nothing else to do.
    #[doc(hidden)]
    pub fn of_library(root: PluginModRef, facts: Facts, settings: Value) -> Self {
        let instantiate = move |birth, host| (root.instantiate())(birth, host).into_result();
        let mut check = Self::new(facts, settings, Arc::new(instantiate));
        check.subject.alone = true;
        check
    }

    /// A chat that the platform knows; sends to it must succeed. Without one, the chat of what `check.emit` brought.
    #[must_use]
    pub fn chat(mut self, id: impl Into<String>) -> Self {
        self.subject.chat = Some(id.into());
        self
    }

    /// Waits for no call longer than this; otherwise, as long as the host would.
    #[must_use]
    pub fn patience(mut self, limit: Duration) -> Self {
        self.subject.patience = Some(limit);
        self
    }

    /// The folder that instances are given for their data; otherwise, one that is removed afterwards.
    #[must_use]
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.subject.data_dir = Some(folder.into());
        self
    }

    /// Starts with this stage.
    #[doc(hidden)]
    #[must_use]
    pub fn from(mut self, stage: u32) -> Self {
        self.from = stage;
        self
    }

    /// Runs the stages; tells of each before it begins and when it is done.
    #[doc(hidden)]
    pub async fn run(mut self, mut tell: impl FnMut(Result<&Stage, u32>)) -> Report {
        let own = self
            .subject
            .data_dir
            .is_none()
            .then(|| self.subject.make_data_dir());
        let mut stages = Vec::new();
        for number in self.from..=*STAGES.end() {
            tell(Err(number));
            let started = Instant::now();
            let finding = self.subject.stage(number).await;
            let stage = Stage {
                number,
                name: name(self.subject.facts.kind, number).to_owned(),
                millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                finding,
            };
            tell(Ok(&stage));
            stages.push(stage);
        }
        if let Some(folder) = own {
            // What stays is in a folder for temporary files.
            drop(std::fs::remove_dir_all(folder));
        }
        Report { stages }
    }
}

impl IntoFuture for Check {
    type Output = Report;
    type IntoFuture = Pin<Box<dyn Future<Output = Report> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run(|_| ()))
    }
}

/// What a stage is called.
#[doc(hidden)]
pub fn name(kind: Kind, stage: u32) -> &'static str {
    match (stage, kind) {
        (1, _) => "file and glibc",
        (2, _) => "manifest and schema",
        (3, _) => "layout, in a trial load",
        (4, _) => "refuses settings that do not fit",
        (5, _) => "starts and stops three times",
        (6, Kind::Provider) => "lists its models",
        (6, _) => "receives 100 messages in order",
        (7, Kind::Provider) => "answers",
        (7, _) => "sends",
        (8, _) => "contains a panic",
        (9, Kind::Provider) => "cancels and stops in time",
        (9, _) => "stops in time",
        _ => "leaves no thread behind",
    }
}
