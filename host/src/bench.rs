//! What the benchmarks need; no part of the program: the border between the gateway and a plugin for
//! `benches/isolation.rs`, the rules of splitting for `benches/split.rs`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use miniclaw_plugin_api::wire::Receive;
use miniclaw_plugin_api::{ChatRef, Error, OutboundMessage, TextUnit, Verdict};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::config::Confinement;
use crate::plugins::inspect::{self, Inspected, Refusal};
use crate::plugins::instance::{Blueprint, Hooks, InboundRequest, Instance, Method, Runner};
use crate::plugins::isolate::sandbox::Sandbox;
use crate::plugins::isolate::{Limits, Process, Source};
use crate::plugins::load::Loader;
use crate::plugins::trust::TrustPolicy;
use crate::tasks::Tasks;

/// Cuts a text into chunks of at most `limit` UTF-16 units.
///
/// # Panics
/// Where a chunk breaks a rule.
pub fn check_split(text: &str, limit: usize) {
    crate::delivery::split::fuzzing::check(text, limit, TextUnit::Utf16);
}

/// A running instance of the fixture `bounce`, which hands over what it is to send before the send ends. What it hands
/// over is accepted at once, so that nothing but the border is measured.
pub struct Border {
    instance: Arc<Instance>,
    tasks: Tasks,
    runtime: Runtime,
}

impl Border {
    /// Starts an instance in a process of its own, in its sandbox, or in this process; with threads as in the gateway.
    ///
    /// # Errors
    /// In words.
    pub fn open(library: &Path, isolated: bool, folder: &Path) -> Result<Self, String> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let tasks = Tasks::default();
        let blueprint = inspect::inspect(library)
            .and_then(|inspected| blueprint(&inspected, isolated, folder, &tasks))
            .map_err(|refusal| refusal.to_string())?;
        let started = runtime.block_on(start(blueprint, &tasks));
        let instance = started.map_err(|error| error.message)?;
        Ok(Self {
            instance,
            tasks,
            runtime,
        })
    }

    /// How long each of `count` round trips takes, one after the other: a send that hands over a message and gets its
    /// verdict.
    ///
    /// # Errors
    /// In words.
    pub fn latencies(&self, count: usize) -> Result<Vec<Duration>, String> {
        let instance = self.instance.clone();
        self.run(async move {
            let mut latencies = Vec::with_capacity(count);
            for _ in 0..count {
                let started = Instant::now();
                bounce(&instance).await?;
                latencies.push(started.elapsed());
            }
            Ok(latencies)
        })
    }

    /// How long `count` round trips take, `width` of them at a time.
    ///
    /// # Errors
    /// In words.
    pub fn pipelined(&self, count: usize, width: usize) -> Result<Duration, String> {
        let instance = self.instance.clone();
        self.run(async move {
            let started = Instant::now();
            let mut running: FuturesUnordered<_> = (0..width).map(|_| bounce(&instance)).collect();
            let mut ended = 0;
            while let Some(result) = running.next().await {
                result?;
                ended += 1;
                if ended + running.len() < count {
                    running.push(bounce(&instance));
                }
            }
            Ok(started.elapsed())
        })
    }

    /// On the runtime's own thread, where the gateway's tasks run.
    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, String> {
        let ended = self
            .runtime
            .block_on(async { self.tasks.spawn("bench", work).await });
        let ended = ended.ok().flatten().ok_or("the measurement panicked")?;
        ended.map_err(|error| error.message)
    }
}

async fn bounce(instance: &Instance) -> Result<(), Error> {
    let message = OutboundMessage::new(
        ChatRef::new("7"),
        "a message of a usual length, about as long as this one",
    );
    instance.call(Method::SEND, &message).await.map(drop)
}

async fn start(blueprint: Blueprint, tasks: &Tasks) -> Result<Arc<Instance>, Error> {
    let hooks = Hooks {
        log: Arc::new(|_| ()),
        event: Arc::new(|_| ()),
        ask: None,
    };
    let (instance, requests) = Instance::spawn(blueprint, "bench".into(), "{}", 2, hooks)?;
    instance.call(Method::CREATE, &()).await?;
    instance.call(Method::START, &()).await?;
    tasks.spawn("bench", accept(requests));
    let receiving = instance.clone();
    let receive = async move { receiving.call(Method::RECEIVE, &Receive { cursor: None }).await };
    tasks.spawn("bench", receive);
    Ok(instance)
}

async fn accept(mut requests: mpsc::Receiver<InboundRequest>) {
    while let Some(request) = requests.recv().await {
        request.answer.verdicts(&[Verdict::Accepted]);
    }
}

fn blueprint(
    inspected: &Inspected,
    isolated: bool,
    folder: &Path,
    tasks: &Tasks,
) -> Result<Blueprint, Refusal> {
    let (manifest, bounds) = (&inspected.manifest, Confinement::default());
    let loader = Loader::new(folder.join("cache"), TrustPolicy::default());
    let data_dir: Arc<Path> = folder.join("data").into();
    let runner = if isolated {
        Runner::Process(Process {
            source: Source::Library(loader.admit(inspected)?.path),
            limits: Limits {
                memory: bounds.memory,
                open_files: bounds.open_files,
            },
            sandbox: Sandbox::of(&bounds, manifest.permissions, &data_dir),
            data_dir: data_dir.clone(),
            tasks: tasks.clone(),
        })
    } else {
        let loaded = loader.load(inspected)?;
        Runner::InProcess {
            root: loaded.root,
            source: loaded.sha256.into(),
        }
    };
    Ok(Blueprint {
        plugin: manifest.name.as_str().into(),
        version: manifest.version.as_str().into(),
        runner,
        capabilities: manifest.capabilities,
        observes: false,
        text_limit: manifest.text_limit as usize,
        text_unit: manifest.text_unit,
        data_dir,
    })
}
