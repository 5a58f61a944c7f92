//! The plugin that is checked, and how long it is waited for.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::report::Finding;
use super::{Facts, completions, inbound, life, panics, sends, settings, threads};
use crate::abi::{Birth, Payload, method};
use crate::error::Cause;
use crate::manifest::Kind;
use crate::testkit::instance::{Instance, Instantiate};
use crate::testkit::{ChannelKit, ProviderKit};
use crate::{Account, Error};

/// A step of a stage; its error ends the stage.
pub(super) type Step<T> = Result<T, Finding>;

/// The host's deadlines.
pub(super) const CREATE: Duration = Duration::from_secs(10);
pub(super) const START: Duration = Duration::from_secs(30);
pub(super) const CALL: Duration = Duration::from_secs(60);
pub(super) const STOP: Duration = Duration::from_secs(2);
pub(super) const SHUTDOWN: Duration = Duration::from_secs(5);

pub(super) struct Subject {
    /// Of the instance; its thread is named after it.
    pub(super) name: String,
    pub(super) facts: Facts,
    pub(super) settings: Value,
    pub(super) instantiate: Arc<Instantiate>,
    pub(super) chat: Option<String>,
    pub(super) patience: Option<Duration>,
    pub(super) data_dir: Option<PathBuf>,
    /// Whether every thread of the process is the check's or the plugin's.
    pub(super) alone: bool,
}

impl Subject {
    pub(super) async fn stage(&self, number: u32) -> Finding {
        let provider = self.facts.kind == Kind::Provider;
        let found = match number {
            4 => settings::check(self).await,
            5 => life::three_times(self).await,
            6 if provider => completions::models(self).await,
            6 => inbound::check(self).await,
            7 if provider => completions::answers(self).await,
            7 => sends::check(self).await,
            8 => panics::check(self).await,
            9 if provider => completions::cancels(self).await,
            9 => life::stops_in_time(self).await,
            _ => threads::check(self).await,
        };
        match found {
            Ok(note) => Finding::Passed { note },
            Err(finding) => finding,
        }
    }

    pub(super) fn make_data_dir(&mut self) -> PathBuf {
        let unique = format!("miniclaw-check-{}-{}", std::process::id(), self.name);
        let folder = std::env::temp_dir().join(unique);
        // A plugin that needs the folder says so.
        drop(std::fs::create_dir_all(&folder));
        self.data_dir = Some(folder.clone());
        folder
    }

    pub(super) fn birth(&self, settings: &Value) -> Birth {
        let folder = self.data_dir.as_ref().map(|folder| folder.to_string_lossy());
        Birth {
            instance: self.name.as_str().into(),
            settings: settings.to_string().into(),
            log_level: 4,
            meta: json!({ "data_dir": folder }).to_string().into(),
        }
    }

    /// An instance that was not told anything yet.
    pub(super) fn instance(&self, settings: &Value) -> Step<Instance> {
        Instance::new(self.birth(settings), None, &*self.instantiate).map_err(|error| unborn(&error))
    }

    /// A channel that was created and started.
    pub(super) async fn channel(&self) -> Step<(ChannelKit, Account)> {
        let kit = ChannelKit::of(self.birth(&self.settings), &*self.instantiate);
        let kit = kit.map_err(|error| unborn(&error))?;
        let account = self.start(&kit.instance).await?;
        let account = account.decode().map_err(|error| unborn(&error))?;
        Ok((kit, account))
    }

    /// A provider that was created and started.
    pub(super) async fn provider(&self) -> Step<ProviderKit> {
        let kit = ProviderKit::of(self.birth(&self.settings), &*self.instantiate);
        let kit = kit.map_err(|error| unborn(&error))?;
        self.start(&kit.instance).await?;
        Ok(kit)
    }

    /// `create` and `start`.
    pub(super) async fn start(&self, instance: &Instance) -> Step<Payload> {
        const FIX: &str = "give settings with which it starts, with --set key=value or in the test";
        let create = self.within(CREATE, "create", instance.call(method::CREATE, &()));
        let created = no_panic("create", create.await?)?;
        created.map_err(|error| Finding::failed(format!("create failed: {error}"), FIX))?;
        let start = self.within(START, "start", instance.call(method::START, &()));
        let started = no_panic("start", start.await?)?;
        started.map_err(|error| Finding::failed(format!("start failed: {error}"), FIX))
    }

    /// `shutdown`, in time and without an error.
    pub(super) async fn shut_down(&self, instance: &Instance) -> Step<()> {
        let end = self.within(SHUTDOWN, "shutdown", instance.call(method::SHUTDOWN, &()));
        match no_panic("shutdown", end.await?)? {
            Ok(_) => Ok(()),
            Err(error) => Err(Finding::failed(
                format!("shutdown failed: {error}"),
                "shut down what is there, and pass over what is gone already",
            )),
        }
    }

    /// Waits no longer than the host would.
    pub(super) async fn within<T>(
        &self,
        deadline: Duration,
        what: &str,
        future: impl Future<Output = T>,
    ) -> Step<T> {
        let limit = self.patience.map_or(deadline, |patience| patience.min(deadline));
        tokio::time::timeout(limit, future).await.map_err(|_| {
            Finding::failed(
                format!("{what} did not end within {limit:?}"),
                "bound every wait, and put what blocks on a thread of its own",
            )
        })
    }
}

fn unborn(error: &Error) -> Finding {
    Finding::failed(
        format!("the instance was not made: {error}"),
        "build the library against this version of miniclaw-plugin-api",
    )
}

/// An error is the stage's business, a panic never right.
pub(super) fn no_panic<T>(what: &str, result: crate::Result<T>) -> Step<crate::Result<T>> {
    match result {
        Err(error) if error.cause == Cause::Panicked => Err(Finding::failed(
            format!("{what}: {error}"),
            "return an error instead of panicking",
        )),
        other => Ok(other),
    }
}
