//! One life of an instance, and how another one follows on it without a gap.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use miniclaw_plugin_api::{Account, Cause, Error};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::orders::{Answer, Make, Order};
use super::{End, State, Stops, Supervised};
use crate::plugins::instance::{InboundRequest, Instance, Method, is_unresponsive};

/// Between questions whether an instance's thread lives.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// What is under way on a replaced instance may take this long: as long as the longest turn, and as a send.
const RETIRES: Duration = Duration::from_secs(300);

/// And on one that is disabled; who enables it again waits for that.
const SETTLES: Duration = Duration::from_secs(30);

/// An instance that started.
pub(super) struct Ready {
    instance: Arc<Instance>,
    account: Account,
    requests: mpsc::Receiver<InboundRequest>,
    /// What made it, where that is not what made the one before.
    make: Option<Box<Make>>,
}

/// An attempt to start an instance while another one runs.
pub(super) type Trial = Pin<Box<dyn Future<Output = (Result<Box<Ready>, Error>, Answer)> + Send>>;

impl Supervised {
    /// Lives once: with an instance that started already, or else with a new one. `told` is told how it began.
    pub(super) async fn live(
        &mut self,
        ready: Option<Box<Ready>>,
        told: Option<Answer>,
        orders: &mut mpsc::Receiver<Order>,
    ) -> End {
        let ready = match ready {
            Some(ready) => ready,
            None => {
                self.turn_to(State::Starting);
                match self.begin().await {
                    Ok(ready) => ready,
                    Err(end) => {
                        if let (Some(told), Some(error)) = (told, end.error()) {
                            told.tell(Err(error.message.clone()));
                        }
                        return end;
                    }
                }
            }
        };
        let Ready {
            instance,
            account,
            requests,
            make,
        } = *ready;
        if let Some(make) = make {
            self.take_over(make);
        }
        let blueprint = &instance.blueprint;
        let (of, version) = (&*blueprint.plugin, &*blueprint.version);
        let account_name = Some(&account.name).filter(|name| !name.is_empty());
        info!(plugin = %self.name, of, version, account = account_name, "Plugin running");
        if let Some(name) = account_name {
            instance.set_account(name);
        }
        self.current.send_replace(Some(instance.clone()));
        self.turn_to(State::Running);
        if let Some(told) = told {
            told.tell(Ok(format!("running {of} {version}")));
        }
        let end = self.last(&instance, &account, requests, orders).await;
        if let End::Replaced(..) = end {
            self.retire(instance);
            return end;
        }
        self.current.send_replace(None);
        if let End::Disabled = end {
            self.settle(&instance).await;
        }
        if let End::Crashed(error) = &end
            && instance.blueprint.is_isolated()
        {
            // A process that is to be killed ends what is under way on it, of which one thing may be what it hangs in.
            instance.end_operations(error);
        }
        shut_down(&self.name, &self.stops, &instance).await;
        instance.abandon();
        end
    }

    /// Starts an instance.
    async fn begin(&self) -> Result<Box<Ready>, End> {
        let Some(make) = &self.make else {
            return Err(End::Hopeless(Error::permanent("its library was refused")));
        };
        let attempt = attempt(
            self.name.clone(),
            make,
            self.telemetry.max_level(),
            self.hooks.clone(),
            self.stops.clone(),
            self.channel.is_some(),
        );
        attempt.await.map_err(|(error, created)| match End::of(error) {
            _ if self.stops.running.is_cancelled() => End::Stopped,
            End::Failed(error) if !created => End::Hopeless(error),
            end => end,
        })
    }

    /// Serves until the instance breaks, the host stops, or the operator wants something else.
    async fn last(
        &self,
        instance: &Arc<Instance>,
        account: &Account,
        requests: mpsc::Receiver<InboundRequest>,
        orders: &mut mpsc::Receiver<Order>,
    ) -> End {
        let receiving = self.stops.receiving.child_token();
        let serve = async {
            match &self.channel {
                Some(duties) => self.serve(duties, instance, account, requests, &receiving).await,
                None => {
                    receiving.cancelled().await;
                    None
                }
            }
        };
        tokio::pin!(serve);
        let mut trial: Option<Trial> = None;
        let end = loop {
            let order = tokio::select! {
                biased;
                () = self.stops.running.cancelled() => break End::Stopped,
                error = instance.failed() => break End::Crashed(error),
                error = unresponsive(instance) => break End::Crashed(error),
                end = &mut serve => match end {
                    Some(end) => break end,
                    // It stopped receiving because the host does.
                    None => {
                        self.stops.running.cancelled().await;
                        break End::Stopped;
                    }
                },
                (started, answer) = ended(&mut trial), if trial.is_some() => {
                    trial = None;
                    match started {
                        Ok(ready) => {
                            quiet(&receiving, instance, &mut serve).await;
                            break End::Replaced(ready, answer);
                        }
                        Err(error) => {
                            warn!(plugin = %self.name, %error, "Plugin is not replaced, the one before goes on");
                            answer.tell(Err(format!("{}; the one before goes on", error.message)));
                            continue;
                        }
                    }
                }
                Some(order) = orders.recv(), if trial.is_none() => order,
            };
            match order {
                Order::Replace(make, answer) => trial = Some(self.trial(make, answer)),
                Order::Enable(answer) => answer.tell(Ok("it runs already".into())),
                Order::Disable(answer) => {
                    quiet(&receiving, instance, &mut serve).await;
                    self.turn_to(State::Disabled);
                    answer.tell(Ok("disabled".into()));
                    break End::Disabled;
                }
            }
        };
        // One that broke meanwhile is replaced all the same.
        let Some(trial) = trial else { return end };
        match trial.await {
            (Ok(ready), answer) => End::Replaced(ready, answer),
            (Err(error), answer) => {
                answer.tell(Err(error.message));
                end
            }
        }
    }

    /// Starts another instance beside the one that runs. It receives nothing before that one stopped receiving.
    fn trial(&self, make: Box<Make>, answer: Answer) -> Trial {
        let (name, hooks) = (self.name.clone(), self.hooks.clone());
        let log_level = self.telemetry.max_level();
        let (stops, is_channel) = (self.stops.clone(), self.channel.is_some());
        Box::pin(async move {
            let started = attempt(name, &make, log_level, hooks, stops, is_channel).await;
            let ready = started.map(|mut ready| {
                ready.make = Some(make);
                ready
            });
            (ready.map_err(|(error, _)| error), answer)
        })
    }

    /// Ends an instance once nothing is under way on it.
    fn retire(&self, instance: Arc<Instance>) {
        let (name, stops) = (self.name.clone(), self.stops.clone());
        self.tasks.spawn("retired plugin", async move {
            tokio::select! {
                () = instance.settled() => {}
                () = tokio::time::sleep(RETIRES) => {}
                () = stops.running.cancelled() => {}
            }
            shut_down(&name, &stops, &instance).await;
            instance.abandon();
        });
    }

    async fn settle(&self, instance: &Instance) {
        tokio::select! {
            () = instance.settled() => {}
            () = tokio::time::sleep(SETTLES) => {}
            () = self.stops.running.cancelled() => {}
        }
    }
}

impl End {
    pub(super) fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) | Self::Hopeless(error) | Self::Crashed(error) | Self::Broken(error) => {
                Some(error)
            }
            Self::Stopped | Self::Replaced(..) | Self::Disabled => None,
        }
    }
}

/// Receives no more; what was handed over by then is stored and answered.
async fn quiet(
    receiving: &CancellationToken,
    instance: &Instance,
    serve: &mut Pin<&mut impl Future<Output = Option<End>>>,
) {
    receiving.cancel();
    tokio::select! {
        _ = serve => {}
        _ = instance.failed() => {}
    }
}

/// The end of the trial that there is.
async fn ended(trial: &mut Option<Trial>) -> (Result<Box<Ready>, Error>, Answer) {
    match trial {
        Some(trial) => trial.await,
        None => std::future::pending().await,
    }
}

/// Makes an instance and starts it; ends it where that fails. The error tells whether it was created by then.
async fn attempt(
    name: Arc<str>,
    make: &Make,
    log_level: u8,
    hooks: crate::plugins::instance::Hooks,
    stops: Stops,
    is_channel: bool,
) -> Result<Box<Ready>, (Error, bool)> {
    let spawned = Instance::spawn(
        make.blueprint.clone(),
        name.clone(),
        &make.settings,
        log_level,
        hooks,
    );
    let (instance, requests) = spawned.map_err(|error| (error, false))?;
    let mut created = false;
    let started = tokio::select! {
        biased;
        () = stops.running.cancelled() => Err(Error::transient("the gateway is stopping").because(Cause::Stopping)),
        started = start(&instance, is_channel, &mut created) => started,
    };
    match started {
        Ok(account) => Ok(Box::new(Ready {
            instance,
            account,
            requests,
            make: None,
        })),
        Err(error) => {
            if created {
                shut_down(&name, &stops, &instance).await;
            }
            instance.abandon();
            Err((error, created))
        }
    }
}

async fn start(instance: &Instance, is_channel: bool, created: &mut bool) -> Result<Account, Error> {
    instance.call(Method::CREATE, &()).await?;
    *created = true;
    let payload = instance.call(Method::START, &()).await?;
    if is_channel {
        payload.decode()
    } else {
        Ok(Account::default())
    }
}

async fn shut_down(name: &str, stops: &Stops, instance: &Instance) {
    let method = stops
        .limit
        .get()
        .map_or(Method::SHUTDOWN, |limit| Method::SHUTDOWN.within(*limit));
    match instance.call(method, &()).await {
        Ok(_) if stops.receiving.is_cancelled() => info!(plugin = name, "Plugin shut down"),
        Ok(_) => debug!(plugin = name, "Plugin shut down"),
        // It was gone by then, which stands in the log.
        Err(error) if error.cause == Cause::Cancelled => {
            debug!(plugin = name, %error, "Plugin was not shut down")
        }
        Err(error) if error.cause == Cause::Timeout && instance.blueprint.is_isolated() => {
            warn!(plugin = name, %error, "Plugin hangs in its shutdown and is killed");
        }
        Err(error) if error.cause == Cause::Timeout => {
            warn!(plugin = name, %error, "Plugin hangs in its shutdown and is left behind");
        }
        Err(error) => warn!(plugin = name, %error, "Plugin failed to shut down"),
    }
}

/// Waits until the instance's thread does not answer, which is a plugin that blocks it.
async fn unresponsive(instance: &Instance) -> Error {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        // The glue answers that there is no such method, which is an answer.
        if let Err(error) = instance.call(Method::HEARTBEAT, &()).await
            && is_unresponsive(&error)
        {
            return error;
        }
    }
}
